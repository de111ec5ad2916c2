/* What the C programs share: every call's status is looked at, and the ledger. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "labkit.h"

#define TEXT(literal) (literal), sizeof(literal) - 1
#define NOTHING NULL, 0

/* On stdout: of some programs stderr is watched for what the library may say. */
static int failures;

static inline void expect(int line, labkit_status actual, labkit_status expected) {
    if (actual == expected) return;
    printf("line %d: %s, not %s\n", line, labkit_status_message((int32_t)actual),
           labkit_status_message((int32_t)expected));
    __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
}

#define EXPECT(status, call) expect(__LINE__, (call), LABKIT_STATUS_##status)

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("line %d: ", __LINE__);                                                         \
            printf(__VA_ARGS__);                                                                   \
            putchar('\n');                                                                         \
            __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);                                    \
        }                                                                                          \
    } while (0)

/* For what a program cannot go on without. */
#define NEED(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                   \
            exit(2);                                                                               \
        }                                                                                          \
    } while (0)

static inline int verdict(const char *good) {
    if (failures == 0) puts(good);
    return failures ? 1 : 0;
}

/* The ledger, which must balance: nothing is in progress when this is called. */
static inline labkit_stats balanced(int line, labkit_client client) {
    labkit_stats s = {.size = sizeof s};
    expect(line, labkit_client_stats(client, &s), LABKIT_STATUS_OK);
    if (s.recorded != s.acknowledged + s.rejected + s.queued + s.dropped) {
        printf("line %d: recorded %lu is not acknowledged %lu + rejected %lu + queued %lu + "
               "dropped %lu\n",
               line, (unsigned long)s.recorded, (unsigned long)s.acknowledged,
               (unsigned long)s.rejected, (unsigned long)s.queued, (unsigned long)s.dropped);
        __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
    }
    return s;
}

#define BALANCED(client) balanced(__LINE__, (client))

static inline double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Looks again and again, for as long as a run under valgrind may need. */
#define EVENTUALLY(condition)                                                                      \
    do {                                                                                           \
        double until_ = now_ms() + 20e3;                                                           \
        while (!(condition) && now_ms() < until_)                                                  \
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);                               \
        CHECK(condition, "never: %s", #condition);                                                 \
    } while (0)

/* A quick client of the tracker on `port`; `more` are further keys, each after a comma. */
static inline labkit_client client_of(const char *host, int port, const char *more) {
    char config[1024], error[256] = "";
    const char *age = strstr(more, "\"batch_age_ms\"") ? "" : ",\"batch_age_ms\":10";
    int len = snprintf(config, sizeof config,
                       "{\"endpoint\":\"http://%s:%d\",\"definitions\":"
                       "\"tests/scenarios/definitions\",\"type\":\"web\","
                       "\"backoff_base_ms\":10,\"backoff_cap_ms\":40%s%s}",
                       host, port, age, more);
    NEED(len > 0 && (size_t)len < sizeof config);
    labkit_client client = 0;
    labkit_status status = labkit_client_new(config, (size_t)len, error, sizeof error, &client);
    if (status != LABKIT_STATUS_OK) puts(error);
    NEED(status == LABKIT_STATUS_OK);
    return client;
}

/* Records `count` starts, of which the caller keeps nothing. */
static inline void record_starts(labkit_client client, int count) {
    for (int i = 0; i < count; i++) {
        labkit_experience xp = {{0}};
        EXPECT(OK, labkit_experience_start(client, 0, NOTHING, NOTHING, &xp));
    }
}

#endif
