/*
 * A program of the first release: compiled against the header of that time,
 * which lies beside it and is never changed, it runs on every later library. It
 * calls every function of that header.
 *
 *     program DEFINITIONS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "labkit.h"

#define TEXT(s) (s), strlen(s)
#define EXPECT(condition) expect((condition), #condition, __LINE__)

static void expect(bool condition, const char *text, int line) {
    if (condition) return;
    fprintf(stderr, "tests/abi/first/program.c:%d: %s\n", line, text);
    exit(1);
}

static labkit_client open_client(const char *definitions) {
    char config[1024], error[256];
    snprintf(
        config, sizeof config,
        "{\"transport\": \"memory\", \"type\": \"web\", \"strict\": true, \"definitions\": \"%s\"}",
        definitions);
    labkit_client client = 0;
    labkit_status status = labkit_client_new(TEXT(config), error, sizeof error, &client);
    if (status != LABKIT_STATUS_OK) fprintf(stderr, "%s\n", error);
    EXPECT(status == LABKIT_STATUS_OK && client != 0);
    EXPECT(labkit_test_set_clock(client, 1767607200000) == LABKIT_STATUS_OK);
    EXPECT(labkit_test_seed_ids(client, 1) == LABKIT_STATUS_OK);
    EXPECT(labkit_client_set_token(client, TEXT("secret")) == LABKIT_STATUS_OK);
    return client;
}

/* What the library may tell about itself before there is a client. */
static void ask(void) {
    EXPECT(labkit_abi_version() >= LABKIT_ABI_VERSION);
    EXPECT(strchr(labkit_version(), '.') != NULL);
    EXPECT(strlen(labkit_status_message(LABKIT_STATUS_OVER)) > 0);
    char error[256];
    labkit_client client = 7;
    EXPECT(labkit_client_new(TEXT("{}"), error, sizeof error, &client) ==
           LABKIT_STATUS_INVALID_CONFIG);
    EXPECT(client == 7 && strlen(error) > 0);
}

/* Starts, hands over, fails; the carrier goes into a second one. */
static void live(labkit_client client, uint32_t order) {
    labkit_experience xp = {0}, job = {0};
    char carrier[256], info[512];
    size_t len;
    EXPECT(labkit_experience_complete(&xp, NULL, 0) == LABKIT_STATUS_NOT_STARTED);
    EXPECT(labkit_experience_start(client, order, NULL, 0, TEXT("{\"items\":3}"), &xp) ==
           LABKIT_STATUS_OK);
    EXPECT(labkit_experience_checkpoint(&xp, TEXT("posted"), NULL, 0) == LABKIT_STATUS_OK);
    EXPECT(labkit_experience_is_active(&xp));
    EXPECT(labkit_experience_carrier(&xp, carrier, sizeof carrier, &len) == LABKIT_STATUS_OK);
    EXPECT(labkit_experience_resume(client, order, carrier, len, NULL, 0, NULL, 0, NULL, 0, &job) ==
           LABKIT_STATUS_OK);
    EXPECT(labkit_experience_info(&job, info, sizeof info, &len) == LABKIT_STATUS_OK && len > 0);
    EXPECT(labkit_experience_discard(&job, TEXT("dry_run"), NULL, 0) == LABKIT_STATUS_OK);
    EXPECT(labkit_experience_handled(&xp, TEXT("out_of_stock")) == LABKIT_STATUS_OK);
    EXPECT(labkit_experience_error(&xp, TEXT("declined")) == LABKIT_STATUS_OK);
    EXPECT(labkit_experience_complete(&xp, NULL, 0) == LABKIT_STATUS_OK);
    EXPECT(labkit_experience_leave(&xp, LABKIT_EXIT_NORMAL, NULL, 0) == LABKIT_STATUS_OVER);
    EXPECT(labkit_observed(client, order, NULL, 0, 1767607190000, LABKIT_OUTCOME_HANDLED,
                           TEXT("late"), NULL, 0) == LABKIT_STATUS_OK);
    EXPECT(labkit_checkpoint_record(client, TEXT("{}")) == LABKIT_STATUS_INVALID_CHECKPOINT);
}

/* The library writes as much as the header of that time has, and no more. */
static void count(labkit_client client, uint64_t recorded) {
    struct {
        labkit_stats stats;
        uint64_t beyond[16];
    } memory;
    memset(&memory, 0xA5, sizeof memory);
    memory.stats.size = sizeof memory.stats;
    EXPECT(labkit_client_stats(client, &memory.stats) == LABKIT_STATUS_OK);
    for (int i = 0; i < 16; i++) EXPECT(memory.beyond[i] == 0xA5A5A5A5A5A5A5A5);
    const labkit_stats *s = &memory.stats;
    EXPECT(s->recorded == recorded);
    EXPECT(s->recorded == s->acknowledged + s->rejected + s->queued + s->dropped);
    EXPECT(s->adopted_lost == 0);
}

int main(int argc, char **argv) {
    EXPECT(argc == 2);
    ask();
    labkit_client client = open_client(argv[1]);
    uint32_t order;
    char text[4096];
    size_t len;
    EXPECT(labkit_definition_lookup(client, TEXT("create_order"), &order) == LABKIT_STATUS_OK);
    EXPECT(labkit_definition_info(client, order, NULL, 0, &len) == LABKIT_STATUS_BUFFER_TOO_SMALL);
    EXPECT(labkit_definition_info(client, order, text, sizeof text, &len) == LABKIT_STATUS_OK);
    live(client, order);
    EXPECT(labkit_client_flush(client, 5000) == LABKIT_STATUS_OK);
    /* start, posted, resumed, discarded, end; observed is two. */
    count(client, 7);
    EXPECT(labkit_test_take(client, text, sizeof text, &len) == LABKIT_STATUS_OK);
    const char first[] = "{\"correlation_id\":\"01KE6SJT800000000000000001\",\"user_experience_"
                         "id\":\"create_order\"";
    EXPECT(len > sizeof first && memcmp(text, first, sizeof first - 1) == 0);
    EXPECT(labkit_client_drain_log(client, text, sizeof text, &len) == LABKIT_STATUS_OK);
    EXPECT(labkit_client_shutdown(client, 5000) == LABKIT_STATUS_OK);
    EXPECT(labkit_client_free(client) == LABKIT_STATUS_OK);
    EXPECT(labkit_client_free(client) == LABKIT_STATUS_INVALID_HANDLE);
    puts("a program of the first release runs");
    return 0;
}
