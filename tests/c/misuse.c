/*
 * Everything a C program can get wrong without handing over a wild pointer:
 * each mistake is a status, and nothing is recorded by it.
 */
#include <pthread.h>

#include "check.h"

static const char good[] = "{\"transport\":\"memory\",\"definitions\":"
                           "\"tests/scenarios/definitions\",\"type\":\"web\"}";

static labkit_client open_client(void) {
    labkit_client client = 0;
    EXPECT(OK, labkit_client_new(TEXT(good), NOTHING, &client));
    return client;
}

static void configurations(void) {
    char error[64];
    labkit_client client = 77;
    EXPECT(NULL_POINTER, labkit_client_new(TEXT(good), NOTHING, NULL));
    EXPECT(NULL_POINTER, labkit_client_new(NULL, 5, NOTHING, &client));
    EXPECT(INVALID_CONFIG, labkit_client_new(NOTHING, error, sizeof error, &client));
    EXPECT(INVALID_CONFIG, labkit_client_new(TEXT("{\"typo\":1}"), error, sizeof error, &client));
    if (!strstr(error, "typo")) failures++, printf("not named: %s\n", error);
    EXPECT(INVALID_UTF8, labkit_client_new(TEXT("\"\xff\""), NOTHING, &client));
    EXPECT(IO, labkit_client_new(TEXT("{\"transport\":\"memory\",\"definitions\":\"/nowhere\","
                                      "\"type\":\"web\"}"),
                                 error, 2, &client));
    char *huge = calloc(1, 2 << 20);
    EXPECT(TOO_LONG, labkit_client_new(huge, 2 << 20, NOTHING, &client));
    free(huge);
    if (client != 77) failures++, printf("an output was written on failure\n");
}

static void handles(void) {
    const labkit_client foreign[] = {0, 1, 77, UINT64_MAX, (uint64_t)1 << 32 | 5000};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        uint32_t definition;
        EXPECT(INVALID_HANDLE, labkit_client_flush(foreign[i], 10));
        EXPECT(INVALID_HANDLE, labkit_client_free(foreign[i]));
        EXPECT(INVALID_HANDLE, labkit_definition_lookup(foreign[i], TEXT("sign_in"), &definition));
    }
    labkit_client client = open_client();
    EXPECT(OK, labkit_client_free(client));
    EXPECT(INVALID_HANDLE, labkit_client_free(client));
    labkit_client next = open_client();
    EXPECT(INVALID_HANDLE, labkit_client_shutdown(client, 10));
    EXPECT(OK, labkit_client_free(next));
}

static void experiences(labkit_client client) {
    labkit_experience xp = {{0}};
    uint32_t definition = 0;
    char buffer[16];
    size_t len;
    EXPECT(NOT_STARTED, labkit_experience_checkpoint(&xp, NOTHING, NOTHING));
    EXPECT(NOT_STARTED, labkit_experience_carrier(&xp, buffer, sizeof buffer, &len));
    memset(&xp, 0xa5, sizeof xp);
    EXPECT(NOT_STARTED, labkit_experience_complete(&xp, NOTHING));
    EXPECT(NULL_POINTER, labkit_experience_complete(NULL, NOTHING));
    if (labkit_experience_is_active(NULL) || labkit_experience_is_active(&xp)) failures++;

    EXPECT(UNKNOWN_EXPERIENCE, labkit_definition_lookup(client, TEXT("nobody"), &definition));
    EXPECT(UNKNOWN_EXPERIENCE, labkit_experience_start(client, 999, NOTHING, NOTHING, &xp));
    EXPECT(OK, labkit_definition_lookup(client, TEXT("sign_in"), &definition));
    EXPECT(NULL_POINTER, labkit_definition_lookup(client, TEXT("sign_in"), NULL));
    EXPECT(NULL_POINTER, labkit_experience_start(client, definition, NULL, 4, NOTHING, &xp));
    EXPECT(NULL_POINTER, labkit_experience_start(client, definition, NOTHING, NOTHING, NULL));
    EXPECT(OK, labkit_experience_start(client, definition, NOTHING, NOTHING, &xp));
    EXPECT(BUFFER_TOO_SMALL, labkit_experience_carrier(&xp, buffer, sizeof buffer, &len));
    if (len < sizeof buffer) failures++, printf("length not told\n");
    EXPECT(INVALID_ARGUMENT, labkit_experience_leave(&xp, 99, NOTHING));
    EXPECT(INVALID_ARGUMENT, labkit_experience_leave_with(&xp, 99, NOTHING, NOTHING));
    EXPECT(NULL_POINTER, labkit_experience_leave_with(&xp, 0, NOTHING, NULL, 1));
    EXPECT(INVALID_ARGUMENT, labkit_observed(client, definition, NOTHING, 0, 99, NOTHING, NOTHING));
    EXPECT(INVALID_CHECKPOINT, labkit_checkpoint_record(client, TEXT("{}")));
    EXPECT(INVALID_UTF8, labkit_checkpoint_record(client, TEXT("\xff")));
    EXPECT(INVALID_UTF8, labkit_experience_resume(client, definition, TEXT("\xff"), NOTHING,
                                                  NOTHING, NOTHING, &xp));
    char *megabyte = malloc(1 << 20);
    memset(megabyte, 'x', 1 << 20);
    EXPECT(OK, labkit_experience_error(&xp, megabyte, 1 << 20));
    EXPECT(OK, labkit_experience_checkpoint(&xp, megabyte, 1 << 20, megabyte, 1 << 20));
    free(megabyte);
    char *skewed = malloc(sizeof xp + 1);
    memcpy(skewed + 1, &xp, sizeof xp);
    labkit_experience *misaligned = (labkit_experience *)(void *)(skewed + 1);
    EXPECT(INVALID_ARGUMENT, labkit_experience_checkpoint(misaligned, NOTHING, NOTHING));
    if (labkit_experience_is_active(misaligned)) failures++;
    free(skewed);
    EXPECT(OK, labkit_experience_complete(&xp, NOTHING));
    EXPECT(OVER, labkit_experience_complete(&xp, NOTHING));
}

static void statistics(labkit_client client) {
    labkit_stats stats = {.size = 8};
    EXPECT(INVALID_SIZE, labkit_client_stats(client, &stats));
    EXPECT(NULL_POINTER, labkit_client_stats(client, NULL));
    size_t *alone = malloc(sizeof *alone); /* a struct of which only the size exists */
    *alone = sizeof *alone;
    EXPECT(INVALID_SIZE, labkit_client_stats(client, (labkit_stats *)(void *)alone));
    free(alone);
    stats.size = sizeof stats;
    EXPECT(OK, labkit_client_flush(client, 1000));
    EXPECT(OK, labkit_client_stats(client, &stats));
    if (stats.recorded != stats.acknowledged || stats.trimmed == 0) {
        printf("the ledger: recorded %lu, acknowledged %lu, trimmed %lu\n",
               (unsigned long)stats.recorded, (unsigned long)stats.acknowledged,
               (unsigned long)stats.trimmed);
        failures++;
    }
}

/* A NULL that claims room is refused before anything is taken. */
static void buffers(labkit_client client) {
    char text[65536];
    size_t len = 0, taken = 0;
    labkit_client_shutdown(client, 1000);
    EXPECT(NULL_POINTER, labkit_test_take(client, NULL, 1 << 20, &len));
    EXPECT(BUFFER_TOO_SMALL, labkit_test_take(client, NOTHING, &len));
    EXPECT(OK, labkit_test_take(client, text, sizeof text, &taken));
    if (taken == 0 || taken != len) failures++, printf("%zu of %zu\n", taken, len);
    EXPECT(OK, labkit_test_take(client, NOTHING, &len));
    EXPECT(NULL_POINTER, labkit_client_drain_log(client, NULL, 1 << 20, &len));
}

struct shared {
    labkit_client client;
    pthread_barrier_t barrier;
};

/* Records until the client is gone, whenever that is. */
static void *record(void *argument) {
    struct shared *shared = argument;
    pthread_barrier_wait(&shared->barrier);
    for (;;) {
        labkit_experience xp = {{0}};
        labkit_status status = labkit_experience_start(shared->client, 0, NOTHING, NOTHING, &xp);
        if (status == LABKIT_STATUS_INVALID_HANDLE) return NULL;
        labkit_experience_complete(&xp, NOTHING);
    }
}

static void free_under_load(void) {
    enum { THREADS = 16 };
    struct shared shared = {.client = open_client()};
    pthread_t threads[THREADS];
    pthread_barrier_init(&shared.barrier, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, record, &shared);
    pthread_barrier_wait(&shared.barrier);
    labkit_client_shutdown(shared.client, 100);
    EXPECT(OK, labkit_client_free(shared.client));
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&shared.barrier);
}

int main(void) {
    configurations();
    handles();
    labkit_client client = open_client();
    experiences(client);
    statistics(client);
    buffers(client);
    EXPECT(OK, labkit_client_shutdown(client, 1000));
    EXPECT(OK, labkit_client_shutdown(client, 1000));
    EXPECT(OK, labkit_client_free(client));
    free_under_load();
    return verdict("every mistake was a status");
}
