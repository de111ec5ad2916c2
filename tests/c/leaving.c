/*
 * Flush and shutdown keep their deadlines whatever the tracker does, or the way
 * to it:
 *
 *     leaving              peers that take nothing, answer nothing, or drip
 *     leaving resolver     a name that is never found; silent_dns is preloaded
 *
 * A deadline is the host's patience: a tenth of a second beyond is a failure.
 */
#include <pthread.h>

#include "check.h"
#include "peer.h"

enum { SLACK_MS = 100, FLUSH_MS = 200, SHUTDOWN_MS = 500, ATTEMPT_MS = 2000, RECORDS = 20 };

static const char *where;

static void took(int line, const char *call, double begun, double limit_ms) {
    double ms = now_ms() - begun;
    if (ms <= limit_ms + SLACK_MS) return;
    printf("line %d: %s: %s(%.0f ms) took %.0f ms\n", line, where, call, limit_ms, ms);
    failures++;
}

static labkit_stats stats_of(labkit_client client) {
    labkit_stats stats = {.size = sizeof stats};
    EXPECT(OK, labkit_client_stats(client, &stats));
    return stats;
}

/* A client whose request is on its way, and more records behind it. */
static labkit_client busy_client(const char *host, int port) {
    char times[80];
    snprintf(times, sizeof times, ",\"connect_timeout_ms\":%d,\"request_timeout_ms\":%d",
             ATTEMPT_MS, ATTEMPT_MS);
    labkit_client client = client_of(host, port, times);
    record_starts(client, RECORDS);
    EVENTUALLY(stats_of(client).requests > 0);
    record_starts(client, RECORDS);
    return client;
}

static void waits(const char *host, int port) {
    labkit_client client = busy_client(host, port);
    double begun = now_ms();
    EXPECT(DEADLINE_EXCEEDED, labkit_client_flush(client, FLUSH_MS));
    took(__LINE__, "flush", begun, FLUSH_MS);
    begun = now_ms();
    EXPECT(DEADLINE_EXCEEDED, labkit_client_flush(client, 0));
    took(__LINE__, "flush", begun, 0);
    labkit_stats stats = BALANCED(client);
    CHECK(stats.queued == 2 * RECORDS && stats.retries == 0, "%s: it failed, and did not hang",
          where);

    begun = now_ms();
    EXPECT(DEADLINE_EXCEEDED, labkit_client_shutdown(client, SHUTDOWN_MS));
    took(__LINE__, "shutdown", begun, SHUTDOWN_MS);
    begun = now_ms();
    EXPECT(OK, labkit_client_shutdown(client, SHUTDOWN_MS));
    took(__LINE__, "the second shutdown", begun, 0);
    stats = BALANCED(client);
    CHECK(stats.recorded == 2 * RECORDS && stats.acknowledged == 0, "%s: acknowledged by nobody",
          where);
    begun = now_ms();
    EXPECT(OK, labkit_client_free(client));
    took(__LINE__, "free", begun, 0);
}

static void shutdown_at_once(const char *host, int port) {
    labkit_client client = busy_client(host, port);
    double begun = now_ms();
    EXPECT(DEADLINE_EXCEEDED, labkit_client_shutdown(client, 0));
    took(__LINE__, "shutdown", begun, 0);
    BALANCED(client);
    EXPECT(OK, labkit_client_free(client));
}

static void *flush_for_long(void *argument) {
    labkit_client_flush(*(labkit_client *)argument, 60000);
    return NULL;
}

/* Whoever still waits in a flush is let go when the last attempt has ended. */
static void crowd(const char *host, int port) {
    enum { WAITING = 8 };
    labkit_client client = busy_client(host, port);
    pthread_t threads[WAITING];
    for (int i = 0; i < WAITING; i++)
        NEED(pthread_create(&threads[i], NULL, flush_for_long, &client) == 0);
    double begun = now_ms();
    EXPECT(DEADLINE_EXCEEDED, labkit_client_shutdown(client, SHUTDOWN_MS));
    took(__LINE__, "shutdown beside flushes", begun, SHUTDOWN_MS);
    for (int i = 0; i < WAITING; i++) pthread_join(threads[i], NULL);
    took(__LINE__, "a flush that a shutdown overtook", begun, ATTEMPT_MS);
    BALANCED(client);
    EXPECT(OK, labkit_client_free(client));
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "resolver")) {
        where = "a resolver that hangs";
        waits("tracker.example.", 80);
        shutdown_at_once("tracker.example.", 80);
        crowd("tracker.example.", 80);
        return verdict("a resolver that hangs costs nobody more than the deadline");
    }
    const struct {
        enum manner manner;
        const char *name;
    } peers[] = {{BLACK_HOLE, "a black hole"}, {SILENT, "a silent server"}, {DRIPS, "a drip"}};
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
        int port = peer_start(peers[i].manner)->port;
        where = peers[i].name;
        waits("127.0.0.1", port);
        shutdown_at_once("127.0.0.1", port);
        crowd("127.0.0.1", port);
    }
    return verdict("flush and shutdown keep their deadlines");
}
