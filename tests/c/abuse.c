/*
 * Every entry point, given every text that a binding's mistake can produce and
 * every experience that a wild memcpy can: the answer is a status, and what was
 * recorded is accounted for, with 64 threads at it while the client shuts down.
 */
#include <pthread.h>

#include "check.h"
#include "peer.h"

enum { MEGABYTE = 1 << 20, IMAGES = 20000, THREADS = 64, PATIENT_MS = 20000 };

struct text {
    const char *data;
    size_t len;
};

static char megabyte[MEGABYTE], nuls[5000], wild[5000];

static const struct text texts[] = {
    {NULL, 0},
    {NULL, 1},
    {NULL, SIZE_MAX},
    {"", 0},
    {"x", 0}, /* a pointer, and nothing behind it that counts */
    {TEXT("\xff")},
    {TEXT("\xc3")},             /* torn */
    {TEXT("\xed\xa0\x80")},     /* half a surrogate pair */
    {TEXT("\xf4\x90\x80\x80")}, /* beyond Unicode */
    {TEXT("a\0b")},
    {TEXT("\r\nHost: elsewhere")},
    {TEXT("{")},
    {TEXT("{\"a\":{\"b\":1}}")},
    {TEXT("{\"a\":1e999}")},
    {TEXT("{\"start_time\":1,\"a\":2,\"a\":3}")},
    {TEXT("{\"create_order\":{}}")},
    {TEXT("{\"create_order\":{\"start_time\":\"9999-12-31T23:59:60Z\"}}")},
    {TEXT("create_order")},
    {TEXT("01ARZ3NDEKTSV4RRFFQ69G5FAV")},
    {TEXT("7ZZZZZZZZZZZZZZZZZZZZZZZZZ")},
    {nuls, sizeof nuls},
    {wild, sizeof wild},
    {megabyte, sizeof megabyte},
    {megabyte, SIZE_MAX}, /* a length that cannot be true: no more is read than is of use */
};

enum { TEXTS = sizeof texts / sizeof *texts };

#define PASS(text) (text).data, (text).len

static bool is_status(labkit_status status) {
    const char *message = labkit_status_message((int32_t)status);
    return status != LABKIT_STATUS_PANIC && strcmp(message, labkit_status_message(-1)) != 0;
}

#define STATUS(call)                                                                               \
    do {                                                                                           \
        labkit_status status_ = (call);                                                            \
        CHECK(is_status(status_), "%s: %d", #call, (int)status_);                                  \
    } while (0)

static labkit_client memory_client(bool strict) {
    const char *config = strict ? "{\"transport\":\"memory\",\"type\":\"web\",\"strict\":true,"
                                  "\"definitions\":\"tests/scenarios/definitions\"}"
                                : "{\"transport\":\"memory\",\"type\":\"web\","
                                  "\"definitions\":\"tests/scenarios/definitions\"}";
    labkit_client client = 0;
    EXPECT(OK, labkit_client_new(config, strlen(config), NOTHING, &client));
    return client;
}

static void calls_with(labkit_client client, struct text a, struct text b) {
    labkit_experience xp = {{0}}, none = {{0}};
    uint32_t definition = 0;
    char buffer[64];
    size_t len;
    labkit_client made = 0;
    if (labkit_client_new(PASS(a), NOTHING, &made) == LABKIT_STATUS_OK) labkit_client_free(made);
    STATUS(labkit_definition_lookup(client, PASS(a), &definition));
    STATUS(labkit_checkpoint_record(client, PASS(a)));
    STATUS(labkit_experience_resume(client, 0, PASS(a), PASS(b), PASS(a), PASS(b), &none));
    STATUS(labkit_experience_resume(client, 0, TEXT("{}"), PASS(a), PASS(b), PASS(a), &none));
    STATUS(labkit_observed(client, 0, PASS(a), INT64_MIN, 1, PASS(b), PASS(a)));
    STATUS(labkit_observed(client, 0, PASS(b), INT64_MAX, UINT32_MAX, PASS(a), PASS(b)));
    STATUS(labkit_experience_start(client, 0, PASS(a), PASS(b), &xp));
    if (!labkit_experience_is_active(&xp))
        STATUS(labkit_experience_start(client, 0, NOTHING, NOTHING, &xp));
    STATUS(labkit_experience_checkpoint(&xp, PASS(a), PASS(b)));
    STATUS(labkit_experience_error(&xp, PASS(a)));
    STATUS(labkit_experience_handled(&xp, PASS(b)));
    STATUS(labkit_experience_info(&xp, buffer, sizeof buffer, &len));
    STATUS(labkit_experience_carrier(&xp, buffer, sizeof buffer, &len));
    labkit_experience twin = xp;
    STATUS(labkit_experience_discard(&twin, PASS(a), PASS(b)));
    twin = xp;
    STATUS(labkit_experience_leave(&twin, LABKIT_EXIT_ERROR, PASS(a)));
    twin = xp;
    STATUS(labkit_experience_leave_with(&twin, LABKIT_EXIT_ERROR, PASS(a), PASS(b)));
    STATUS(labkit_experience_complete(&xp, PASS(a)));
    STATUS(labkit_experience_complete(&xp, PASS(b)));
}

static void every_text_everywhere(bool strict) {
    labkit_client client = memory_client(strict);
    for (int a = 0; a < TEXTS; a++)
        for (int b = 0; b < TEXTS; b++) {
            calls_with(client, texts[a], texts[b]);
            STATUS(labkit_client_set_token(client, PASS(texts[a])));
        }
    EXPECT(OK, labkit_client_flush(client, PATIENT_MS));
    labkit_stats stats = BALANCED(client);
    CHECK(stats.recorded > TEXTS * TEXTS && stats.queued == 0 && stats.worker_restarts == 0,
          "recorded %lu, queued %lu, restarts %lu", (unsigned long)stats.recorded,
          (unsigned long)stats.queued, (unsigned long)stats.worker_restarts);
    EXPECT(OK, labkit_client_shutdown(client, PATIENT_MS));
    EXPECT(OK, labkit_client_free(client));
}

static uint64_t random_bits(uint64_t *state) { /* xorshift64 */
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    return *state;
}

/* Bytes that begin as the library's own do, and go on at random. */
static void forged_experiences(void) {
    labkit_client client = memory_client(false);
    labkit_experience real = {{0}}, xp;
    uint64_t seed = 0x5eed;
    char buffer[512];
    size_t len;
    EXPECT(OK, labkit_experience_start(client, 0, NOTHING, NOTHING, &real));
    for (int i = 0; i < IMAGES; i++) {
        xp = real;
        for (int edits = (int)(random_bits(&seed) % 6); edits >= 0; edits--) {
            size_t at = random_bits(&seed) % sizeof xp;
            ((unsigned char *)&xp)[at] = (unsigned char)random_bits(&seed);
        }
        if (i % 4 == 0) /* all of it, but for whose it is */
            for (int word = 2; word < 64; word++) xp.opaque[word] = random_bits(&seed);
        if (i % 1024 == 0) EXPECT(OK, labkit_client_flush(client, PATIENT_MS));
        labkit_experience_is_active(&xp);
        STATUS(labkit_experience_info(&xp, buffer, sizeof buffer, &len));
        STATUS(labkit_experience_carrier(&xp, buffer, sizeof buffer, &len));
        STATUS(labkit_experience_checkpoint(&xp, TEXT("packed"), NOTHING));
        STATUS(labkit_experience_leave(&xp, (uint32_t)i % 7, TEXT("why")));
    }
    EXPECT(OK, labkit_client_shutdown(client, PATIENT_MS));
    labkit_stats stats = BALANCED(client);
    CHECK(stats.worker_restarts == 0, "a forged experience made the worker panic");
    EXPECT(OK, labkit_client_free(client));
}

/* NULL wherever a pointer may be, one at a time and all at once. */
static void nulls_everywhere(void) {
    labkit_client client = memory_client(false);
    char buffer[8];
    EXPECT(NULL_POINTER, labkit_client_new(NULL, 1, NULL, 64, NULL));
    EXPECT(INVALID_CONFIG, labkit_client_new(NOTHING, NULL, 64, &(labkit_client){0}));
    EXPECT(NULL_POINTER, labkit_client_set_token(client, NULL, 1));
    EXPECT(NULL_POINTER, labkit_client_stats(client, NULL));
    EXPECT(NULL_POINTER, labkit_client_drain_log(client, NULL, 1, NULL));
    EXPECT(OK, labkit_client_drain_log(client, buffer, sizeof buffer, NULL));
    EXPECT(NULL_POINTER, labkit_definition_lookup(client, NULL, 1, NULL));
    EXPECT(NULL_POINTER, labkit_definition_info(client, 0, NULL, 1, NULL));
    EXPECT(BUFFER_TOO_SMALL, labkit_definition_info(client, 0, NOTHING, NULL));
    EXPECT(NULL_POINTER, labkit_experience_start(client, 0, NULL, 1, NULL, 1, NULL));
    EXPECT(NULL_POINTER, labkit_experience_checkpoint(NULL, NULL, 1, NULL, 1));
    EXPECT(NULL_POINTER, labkit_experience_error(NULL, NULL, 1));
    EXPECT(NULL_POINTER, labkit_experience_handled(NULL, NULL, 1));
    EXPECT(NULL_POINTER, labkit_experience_complete(NULL, NULL, 1));
    EXPECT(NULL_POINTER, labkit_experience_discard(NULL, NULL, 1, NULL, 1));
    EXPECT(NULL_POINTER, labkit_experience_leave(NULL, 0, NULL, 1));
    EXPECT(NULL_POINTER, labkit_experience_leave_with(NULL, 0, NULL, 1, NULL, 1));
    EXPECT(NULL_POINTER, labkit_experience_info(NULL, NULL, 1, NULL));
    EXPECT(NULL_POINTER, labkit_experience_carrier(NULL, NULL, 1, NULL));
    EXPECT(NULL_POINTER,
           labkit_experience_resume(client, 0, NULL, 1, NULL, 1, NULL, 1, NULL, 1, NULL));
    EXPECT(NULL_POINTER, labkit_observed(client, 0, NULL, 1, 0, 0, NULL, 1, NULL, 1));
    EXPECT(NULL_POINTER, labkit_checkpoint_record(client, NULL, 1));
    EXPECT(NULL_POINTER, labkit_test_take(client, NULL, 1, NULL));
    CHECK(BALANCED(client).recorded == 0, "a NULL was recorded");
    EXPECT(OK, labkit_client_free(client));
}

struct crowd {
    labkit_client client;
    pthread_barrier_t begun;
    int leaving;
};

static void *abuse(void *argument) {
    struct crowd *crowd = argument;
    pthread_barrier_wait(&crowd->begun);
    for (unsigned i = 0; !__atomic_load_n(&crowd->leaving, __ATOMIC_SEQ_CST) || i < TEXTS; i++) {
        calls_with(crowd->client, texts[i % TEXTS], texts[i / TEXTS % TEXTS]);
    }
    return NULL;
}

static void sixty_four_threads_while_shutting_down(void) {
    struct peer *peer = peer_start(ACCEPTS);
    /* A short queue, as the one that drains it gets a 65th of the processors. */
    struct crowd crowd = {.client = client_of("127.0.0.1", peer->port, ",\"queue_items\":256")};
    pthread_t threads[THREADS];
    pthread_barrier_init(&crowd.begun, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++) NEED(pthread_create(&threads[i], NULL, abuse, &crowd) == 0);
    pthread_barrier_wait(&crowd.begun);
    EVENTUALLY(peer_checkpoints(peer) > 0);
    labkit_client_shutdown(crowd.client, PATIENT_MS); /* late records are dropped, which it tells */
    __atomic_store_n(&crowd.leaving, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&crowd.begun);
    labkit_stats stats = BALANCED(crowd.client);
    CHECK(stats.queued == 0 && stats.dropped_shut_down > 0 && stats.acknowledged > 0 &&
              stats.acknowledged == (uint64_t)peer_checkpoints(peer),
          "queued %lu, dropped %lu, acknowledged %lu of %d that arrived",
          (unsigned long)stats.queued, (unsigned long)stats.dropped,
          (unsigned long)stats.acknowledged, peer_checkpoints(peer));
    EXPECT(OK, labkit_client_free(crowd.client));
}

int main(void) {
    memset(megabyte, 'x', sizeof megabyte);
    uint64_t seed = 1;
    for (size_t i = 0; i < sizeof wild; i++) wild[i] = (char)random_bits(&seed);
    nulls_everywhere();
    every_text_everywhere(false);
    every_text_everywhere(true);
    forged_experiences();
    sixty_four_threads_while_shutting_down();
    return verdict("every abuse was a status, and is accounted for");
}
