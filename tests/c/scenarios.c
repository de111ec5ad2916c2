/*
 * Replays the scenario corpus through the C interface, file by file. C has no
 * current context, so the player keeps one, as a caller would.
 *
 *     scenarios FILE...
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "labkit.h"

#define NAMES 32
#define DEPTH 8
#define TEXT 16384

/* What the story calls its experiences; a name is a slot in `named`. */
struct name {
    const char *name;
    int slot;
};

struct scope {
    struct name current[NAMES];
    int count;
};

struct player {
    labkit_client client;
    bool strict;
    int64_t now_ms;
    labkit_experience named[NAMES];
    int used;
    struct name names[NAMES];
    int name_count;
    struct name carriers[NAMES];
    int carrier_count;
    char carrier_text[NAMES][512];
    struct scope scopes[DEPTH];
    int depth;
};

static const char *file;

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s: line %d: ", file, __LINE__);                                      \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* A text argument: pointer and length, in the order that the functions take. */
struct text {
    char *data;
    size_t len;
};

#define PASS(text) (text).data, (text).len

static struct text copy(const char *data, size_t len) {
    struct text text = {malloc(len + 1), len};
    memcpy(text.data, data, len);
    return text;
}

static struct text member(json_t *step, const char *key) {
    json_t *value = json_object_get(step, key);
    if (!json_is_string(value)) return (struct text){NULL, 0};
    return copy(json_string_value(value), json_string_length(value));
}

static struct text meta_of(json_t *step) {
    json_t *meta = json_object_get(step, "meta");
    if (meta) {
        char *dump = json_dumps(meta, JSON_COMPACT | JSON_ENCODE_ANY);
        return (struct text){dump, strlen(dump)};
    }
    json_int_t bytes = json_integer_value(json_object_get(step, "meta_bytes"));
    if (bytes == 0) return (struct text){NULL, 0};
    struct text text = {malloc((size_t)bytes), (size_t)bytes};
    memset(text.data, 'x', text.len);
    memcpy(text.data, "{\"pad\":\"", 8);
    memcpy(text.data + bytes - 2, "\"}", 2);
    return text;
}

static struct text reason_of(json_t *step) {
    const char *hex = json_string_value(json_object_get(step, "reason_hex"));
    if (!hex) return member(step, "reason");
    struct text text = copy(hex, strlen(hex) / 2);
    for (size_t i = 0; i < text.len; i++) {
        unsigned byte;
        sscanf(hex + 2 * i, "%2x", &byte);
        text.data[i] = (char)byte;
    }
    return text;
}

static const char *string(json_t *step, const char *key) {
    const char *value = json_string_value(json_object_get(step, key));
    return value ? value : "";
}

static int find(const struct name *names, int count, const char *name) {
    for (int i = count - 1; i >= 0; i--)
        if (strcmp(names[i].name, name) == 0) return names[i].slot;
    return -1;
}

static struct scope *scope(struct player *p) { return &p->scopes[p->depth]; }

static labkit_experience *fresh(struct player *p, const char *name) {
    CHECK(p->used < NAMES && p->name_count < NAMES, "too many names");
    p->names[p->name_count++] = (struct name){name, p->used};
    memset(&p->named[p->used], 0, sizeof(labkit_experience));
    return &p->named[p->used++];
}

static void make_current(struct player *p, const char *id, const labkit_experience *xp) {
    struct scope *now = scope(p);
    now->current[now->count++] = (struct name){id, (int)(xp - p->named)};
}

static labkit_status lookup(struct player *p, json_t *step, uint32_t *definition) {
    const char *id = string(step, "id");
    return labkit_definition_lookup(p->client, id, strlen(id), definition);
}

static labkit_status start(struct player *p, json_t *step, bool restarts) {
    const char *id = string(step, "id");
    uint32_t definition;
    labkit_status status = lookup(p, step, &definition);
    labkit_experience *xp = fresh(p, string(step, "as"));
    if (status != LABKIT_STATUS_OK) return status;
    int earlier = find(scope(p)->current, scope(p)->count, id);
    if (restarts && earlier >= 0 && !json_object_get(step, "fails"))
        labkit_experience_leave(&p->named[earlier], LABKIT_EXIT_RESTARTED, NULL, 0);
    struct text correlation = member(step, "correlation_id"), meta = meta_of(step);
    status = labkit_experience_start(p->client, definition, PASS(correlation), PASS(meta), xp);
    free(correlation.data), free(meta.data);
    if (status == LABKIT_STATUS_OK) make_current(p, id, xp);
    return status;
}

static labkit_status resume(struct player *p, json_t *step) {
    uint32_t definition;
    labkit_status status = lookup(p, step, &definition);
    CHECK(status == LABKIT_STATUS_OK, "no definition");
    struct text carrier = member(step, "carrier");
    if (!carrier.data) {
        int kept = find(p->carriers, p->carrier_count, string(step, "from"));
        carrier = copy(p->carrier_text[kept], strlen(p->carrier_text[kept]));
    }
    struct text job = member(step, "job"), category = member(step, "category");
    struct text meta = meta_of(step);
    labkit_experience *xp = fresh(p, string(step, "as"));
    status = labkit_experience_resume(p->client, definition, PASS(carrier), PASS(job),
                                      PASS(category), PASS(meta), xp);
    free(carrier.data), free(job.data), free(category.data), free(meta.data);
    if (status == LABKIT_STATUS_OK) make_current(p, string(step, "id"), xp);
    return status;
}

static void play(struct player *p, json_t *steps);

static labkit_status block(struct player *p, json_t *step) {
    static const char *const exits[] = {"normal", "error", "non_local", "cancelled", "abandoned"};
    struct scope outer = *scope(p);
    labkit_status started = start(p, step, false);
    labkit_experience *xp = &p->named[p->used - 1];
    play(p, json_object_get(step, "steps"));
    *scope(p) = outer;
    uint32_t exit_kind = 0;
    while (strcmp(exits[exit_kind], string(step, "exit")) != 0) exit_kind++;
    struct text reason = reason_of(step), meta = meta_of(step);
    labkit_status left = labkit_experience_leave_with(xp, exit_kind, PASS(reason), PASS(meta));
    free(reason.data), free(meta.data);
    CHECK(left == LABKIT_STATUS_OK || left == LABKIT_STATUS_OVER ||
              left == LABKIT_STATUS_NOT_STARTED,
          "leave: %s", labkit_status_message(left));
    return started;
}

static labkit_status observed(struct player *p, json_t *step) {
    static const char *const outcomes[] = {"success", "error", "handled", "discarded"};
    uint32_t definition, outcome = 0;
    labkit_status status = lookup(p, step, &definition);
    CHECK(status == LABKIT_STATUS_OK, "no definition");
    while (strcmp(outcomes[outcome], string(step, "outcome")) != 0) outcome++;
    int hour, minute, second, milli;
    sscanf(string(step, "start_time"), "2026-01-05T%d:%d:%d.%dZ", &hour, &minute, &second, &milli);
    const int64_t midnight_ms = 1767571200000; /* of 2026-01-05 */
    int64_t start_ms = midnight_ms + ((hour * 60 + minute) * 60 + second) * 1000L + milli;
    struct text correlation = member(step, "correlation_id"), reason = reason_of(step);
    struct text meta = meta_of(step);
    status = labkit_observed(p->client, definition, PASS(correlation), start_ms, outcome,
                             PASS(reason), PASS(meta));
    free(correlation.data), free(reason.data), free(meta.data);
    return status;
}

static labkit_status on_experience(struct player *p, json_t *step, const char *verb) {
    int slot = find(p->names, p->name_count, string(step, "on"));
    labkit_experience *xp = slot < 0 ? fresh(p, string(step, "on")) : &p->named[slot];
    struct text meta = meta_of(step), reason = reason_of(step), category = member(step, "category");
    labkit_status status = LABKIT_STATUS_OK;
    if (!strcmp(verb, "checkpoint")) {
        status = labkit_experience_checkpoint(xp, PASS(category), PASS(meta));
    } else if (!strcmp(verb, "error")) {
        status = labkit_experience_error(xp, PASS(reason));
    } else if (!strcmp(verb, "handled")) {
        status = labkit_experience_handled(xp, PASS(reason));
    } else if (!strcmp(verb, "complete")) {
        status = labkit_experience_complete(xp, PASS(meta));
    } else if (!strcmp(verb, "discard")) {
        status = labkit_experience_discard(xp, PASS(reason), PASS(meta));
    } else if (!strcmp(verb, "is_active")) {
        bool expected = json_is_true(json_object_get(step, "equals"));
        CHECK(labkit_experience_is_active(xp) == expected, "is_active");
    } else if (!strcmp(verb, "carrier")) {
        char *kept = p->carrier_text[p->carrier_count];
        size_t len;
        status = labkit_experience_carrier(xp, kept, sizeof p->carrier_text[0] - 1, &len);
        CHECK(status == LABKIT_STATUS_OK, "carrier");
        kept[len] = 0;
        CHECK(!strcmp(kept, string(step, "equals")), "carrier: %s", kept);
        p->carriers[p->carrier_count] = (struct name){string(step, "as"), p->carrier_count};
        p->carrier_count++;
    } else {
        CHECK(false, "no such step: %s", verb);
    }
    free(meta.data), free(reason.data), free(category.data);
    return status;
}

static labkit_status perform(struct player *p, json_t *step) {
    const char *verb = string(step, "do");
    if (!strcmp(verb, "advance")) {
        p->now_ms += json_integer_value(json_object_get(step, "ms"));
        return labkit_test_set_clock(p->client, p->now_ms);
    }
    if (!strcmp(verb, "start")) return start(p, step, true);
    if (!strcmp(verb, "resume")) return resume(p, step);
    if (!strcmp(verb, "block")) return block(p, step);
    if (!strcmp(verb, "observed")) return observed(p, step);
    if (!strcmp(verb, "record")) {
        struct text payload = member(step, "payload");
        labkit_status status = labkit_checkpoint_record(p->client, PASS(payload));
        free(payload.data);
        return status;
    }
    if (!strcmp(verb, "scope")) {
        p->scopes[++p->depth].count = 0;
        play(p, json_object_get(step, "steps"));
        p->depth--;
        return LABKIT_STATUS_OK;
    }
    if (!strcmp(verb, "current")) {
        int slot = find(scope(p)->current, scope(p)->count, string(step, "id"));
        labkit_experience *xp = fresh(p, string(step, "as"));
        if (slot >= 0) p->names[p->name_count - 1].slot = slot;
        (void)xp;
        return LABKIT_STATUS_OK;
    }
    return on_experience(p, step, verb);
}

/* The status that the corpus means by its name. */
static labkit_status named_status(const char *name) {
    static const struct {
        const char *name;
        labkit_status status;
    } known[] = {
        {"invalid_argument", LABKIT_STATUS_INVALID_ARGUMENT},
        {"invalid_checkpoint", LABKIT_STATUS_INVALID_CHECKPOINT},
        {"invalid_carrier", LABKIT_STATUS_INVALID_CARRIER},
        {"reserved_key", LABKIT_STATUS_RESERVED_KEY},
        {"unknown_experience", LABKIT_STATUS_UNKNOWN_EXPERIENCE},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, name)) return known[i].status;
    CHECK(false, "no such status: %s", name);
    return LABKIT_STATUS_OK;
}

static void play(struct player *p, json_t *steps) {
    size_t i;
    json_t *step;
    json_array_foreach(steps, i, step) {
        labkit_status status = perform(p, step);
        const char *fails = json_string_value(json_object_get(step, "fails"));
        if (fails) {
            CHECK(status == named_status(fails), "step %zu: %s", i, labkit_status_message(status));
        } else if (p->strict) {
            bool calm = status == LABKIT_STATUS_OK || (status >= 201 && status <= 205);
            CHECK(calm, "step %zu: %s", i, labkit_status_message(status));
        }
    }
}

static void open_client(struct player *p, json_t *scenario) {
    json_t *given = json_object_get(scenario, "config");
    json_t *config = given ? json_deep_copy(given) : json_object();
    json_object_set_new(config, "transport", json_string("memory"));
    json_object_set_new(config, "definitions", json_string("tests/scenarios/definitions"));
    json_object_set_new(config, "type", json_string("web"));
    json_object_set(config, "strict", json_object_get(scenario, "strict"));
    char *text = json_dumps(config, JSON_COMPACT), error[256];
    labkit_status status = labkit_client_new(text, strlen(text), error, sizeof error, &p->client);
    CHECK(status == LABKIT_STATUS_OK, "%s", error);
    free(text);
    json_decref(config);
    p->now_ms = 1767607200000; /* where every scenario's clock stands at first */
    CHECK(!strcmp(string(scenario, "clock"), "2026-01-05T10:00:00.000Z"), "another clock");
    labkit_test_set_clock(p->client, p->now_ms);
    labkit_test_seed_ids(p->client, 1);
}

static void compare(struct player *p, json_t *scenario) {
    static char sent[4 * TEXT];
    size_t len, i;
    labkit_status status = labkit_test_take(p->client, sent, sizeof sent - 1, &len);
    CHECK(status == LABKIT_STATUS_OK, "take: %s", labkit_status_message(status));
    sent[len] = 0;
    char *rest = sent;
    json_t *expected;
    json_array_foreach(json_object_get(scenario, "wire"), i, expected) {
        char *line = strsep(&rest, "\n"), *bytes = json_dumps(expected, JSON_COMPACT);
        CHECK(line && !strcmp(line, bytes), "wire %zu:\n  %s\nnot\n  %s", i, line, bytes);
        free(bytes);
    }
    CHECK(!rest || !*rest, "more was sent: %s", rest);

    labkit_stats stats = {.size = sizeof stats};
    CHECK(labkit_client_stats(p->client, &stats) == LABKIT_STATUS_OK, "stats");
    CHECK(stats.recorded == stats.acknowledged + stats.rejected + stats.queued + stats.dropped,
          "the ledger does not balance");
    json_t *figures = json_object_get(scenario, "stats"), *recorded, *trimmed;
    recorded = json_object_get(figures, "recorded"), trimmed = json_object_get(figures, "trimmed");
    CHECK(!recorded || stats.recorded == (uint64_t)json_integer_value(recorded), "recorded");
    CHECK(!trimmed || stats.trimmed == (uint64_t)json_integer_value(trimmed), "trimmed");
}

int main(int argc, char **argv) {
    int replayed = 0;
    for (int i = 1; i < argc; i++) {
        file = argv[i];
        json_error_t error;
        json_t *scenario = json_load_file(file, 0, &error);
        CHECK(scenario, "%s", error.text);
        struct player *player = calloc(1, sizeof *player);
        player->strict = json_is_true(json_object_get(scenario, "strict"));
        open_client(player, scenario);
        play(player, json_object_get(scenario, "steps"));
        compare(player, scenario);
        labkit_client_shutdown(player->client, 1000);
        labkit_client_free(player->client);
        free(player);
        json_decref(scenario);
        replayed++;
    }
    file = "corpus";
    CHECK(replayed >= 25, "only %d scenarios", replayed);
    printf("%d scenarios replayed in C\n", replayed);
    return 0;
}
