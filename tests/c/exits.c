/*
 * A process leaves, in every way that C has. With the tracker up nothing that a
 * shutdown was given is lost; with nobody there nothing hangs.
 *
 *     exits              runs itself once for each way, and counts what arrives
 *     exits resolver     the same with a name that is never found; silent_dns
 *                        is preloaded
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "peer.h"

enum { RECORDS = 300, BUSY = 4, SHUTDOWN_MS = 200, PATIENT_MS = 10000 };

/* What an attempt may still take when all that was promised is over. */
enum { EXIT_LIMIT_MS = 1500, WATCHDOG_S = 30 };

static labkit_client client;
static uint64_t patience_ms;

/* --- the process that leaves -------------------------------------------------- */

static void shut_down(void) { labkit_client_shutdown(client, patience_ms); }

static void leave_at_once(void) { _exit(0); }

static void *exit_from_here(void *unused) {
    (void)unused;
    shut_down();
    exit(0);
}

static void *shut_down_and_end(void *unused) {
    (void)unused;
    shut_down();
    return NULL;
}

static void *record_for_ever(void *unused) {
    (void)unused;
    for (;;) {
        labkit_experience xp = {{0}};
        labkit_experience_start(client, 0, NOTHING, NOTHING, &xp);
        labkit_experience_complete(&xp, NOTHING);
    }
    return NULL;
}

static void start(void *(*body)(void *)) {
    pthread_t thread;
    NEED(pthread_create(&thread, NULL, body, NULL) == 0);
    pthread_detach(thread);
}

static bool is_leaving_late;

/* Runs after main and after what atexit registered. */
__attribute__((destructor)) static void at_the_very_end(void) {
    if (is_leaving_late) shut_down();
}

static int leave(const char *way) {
    if (!strcmp(way, "atexit")) return atexit(shut_down);
    if (!strcmp(way, "destructor")) return is_leaving_late = true, 0;
    if (!strcmp(way, "thread")) {
        start(exit_from_here);
        for (;;) pause();
    }
    if (!strcmp(way, "pthread_exit")) {
        /* Before the sanitizer counts what the last thread's destructors hold. */
        NEED(atexit(leave_at_once) == 0);
        start(shut_down_and_end);
        pthread_exit(NULL);
    }
    if (!strcmp(way, "no shutdown")) { /* what waits is lost, and nothing hangs */
        for (int i = 0; i < BUSY; i++) start(record_for_ever);
        return 0;
    }
    if (!strcmp(way, "no shutdown, freed")) return (int)labkit_client_free(client);
    shut_down();
    if (!strcmp(way, "return")) return 0;
    if (!strcmp(way, "exit")) exit(0);
    if (!strcmp(way, "_exit")) _exit(0);
    if (!strcmp(way, "quick_exit")) quick_exit(0);
    if (!strcmp(way, "free")) return (int)labkit_client_free(client);
    if (!strcmp(way, "busy")) {
        for (int i = 0; i < BUSY; i++) start(record_for_ever);
        return 0;
    }
    return 3;
}

/* child WAY HOST PORT MILLISECONDS MORE */
static int child(char **argument) {
    client = client_of(argument[1], atoi(argument[2]), argument[4]);
    patience_ms = (uint64_t)atoi(argument[3]);
    record_starts(client, RECORDS);
    return failures ? 2 : leave(argument[0]);
}

/* --- the one that watches ------------------------------------------------------ */

/* How long it took, in milliseconds. */
static double run(const char *way, const char *host, int port, int patience, const char *more) {
    char port_text[16], patience_text[16];
    snprintf(port_text, sizeof port_text, "%d", port);
    snprintf(patience_text, sizeof patience_text, "%d", patience);
    double begun = now_ms();
    pid_t pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        alarm(WATCHDOG_S); /* survives exec: whoever hangs is ended, and seen */
        execl("/proc/self/exe", "exits", "child", way, host, port_text, patience_text, more, NULL);
        _exit(127);
    }
    int status = -1;
    NEED(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: status %x", way, (unsigned)status);
    return now_ms() - begun;
}

static const char *const with_shutdown[] = {"return", "exit",   "_exit",      "quick_exit", "free",
                                            "busy",   "atexit", "destructor", "thread"};
/* Such a process ends with its last thread, so with the last attempt of the
   library's: that is no matter of a deadline unless somebody answers. */
static const char *const by_last_thread[] = {"pthread_exit"};
static const char *const without[] = {"no shutdown", "no shutdown, freed"};

#define EACH(list, way)                                                                            \
    for (const char *const *way = (list); way < (list) + sizeof(list) / sizeof *(list); way++)

static void loses_nothing(struct peer *peer, const char *way) {
    int before = peer_checkpoints(peer);
    run(way, "127.0.0.1", peer->port, PATIENT_MS, "");
    int arrived = peer_checkpoints(peer) - before;
    CHECK(arrived == RECORDS, "%s: %d of %d arrived", way, arrived, RECORDS);
}

static void tracker_up(void) {
    struct peer *peer = peer_start(ACCEPTS);
    EACH(with_shutdown, way) loses_nothing(peer, *way);
    EACH(by_last_thread, way) loses_nothing(peer, *way);
    EACH(without, way) {
        double ms = run(*way, "127.0.0.1", peer->port, 0, "");
        CHECK(ms < EXIT_LIMIT_MS, "%s took %.0f ms", *way, ms);
    }
}

static void nobody_there(const char *host, int port) {
    EACH(with_shutdown, way) {
        double ms = run(*way, host, port, SHUTDOWN_MS, "");
        CHECK(ms < EXIT_LIMIT_MS, "%s from %s took %.0f ms", *way, host, ms);
    }
    EACH(without, way) {
        double ms = run(*way, host, port, 0, "");
        CHECK(ms < EXIT_LIMIT_MS, "%s from %s took %.0f ms", *way, host, ms);
    }
}

/* What the shutdown of a process could not send is the next one's to send. */
static void spooled(const char *host, int port) {
    char dir[] = "/tmp/labkit-exits-XXXXXX", more[128];
    NEED(mkdtemp(dir));
    snprintf(more, sizeof more, ",\"spool_dir\":\"%s\"", dir);
    run("return", host, port, SHUTDOWN_MS, more);
    struct peer *peer = peer_start(ACCEPTS);
    client = client_of("127.0.0.1", peer->port, more);
    record_starts(client, 1);
    EVENTUALLY(peer_checkpoints(peer) >= RECORDS + 1);
    CHECK(peer_checkpoints(peer) == RECORDS + 1, "%d of %d came from the spool",
          peer_checkpoints(peer), RECORDS + 1);
    EXPECT(OK, labkit_client_shutdown(client, PATIENT_MS));
    EXPECT(OK, labkit_client_free(client));
    char remove[128];
    snprintf(remove, sizeof remove, "rm -r '%s'", dir);
    NEED(system(remove) == 0);
}

int main(int argc, char **argv) {
    if (argc == 7 && !strcmp(argv[1], "child")) return child(argv + 2);
    if (argc > 1 && !strcmp(argv[1], "resolver")) {
        nobody_there("tracker.example.", 80);
        spooled("tracker.example.", 80);
        return verdict("a process leaves in time while its look-up hangs");
    }
    tracker_up();
    const enum manner manners[] = {BLACK_HOLE, SILENT};
    for (size_t i = 0; i < sizeof manners / sizeof *manners; i++) {
        int port = peer_start(manners[i])->port;
        nobody_there("127.0.0.1", port);
        spooled("127.0.0.1", port);
    }
    return verdict("a process leaves in time, and without loss while the tracker is up");
}
