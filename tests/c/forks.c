/* A fork child goes on without being told: plain fork and the bare system call,
 * amid eight recording threads, while a request is in flight, with a full queue,
 * fork and exec as system() does it, and a daemon. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "peer.h"

/* A child that takes longer hangs: the kernel ends it, and the check fails. */
enum { WATCHDOG_S = 60, ROUNDS = 20, THREADS = 8 };

enum kind { FORK, RAW_CLONE };

static pid_t make(enum kind kind) {
    pid_t child = kind == FORK ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    NEED(child >= 0);
    if (child == 0) alarm(WATCHDOG_S);
    return child;
}

static void leave(void) {
    fflush(stdout);
    _exit(failures ? 1 : 0);
}

static void expect_exit(pid_t child) {
    int status = -1;
    NEED(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child: status %x", (unsigned)status);
}

/* The child's own ledger, from nothing to two records acknowledged. */
static void live(labkit_client client) {
    labkit_stats stats = BALANCED(client);
    CHECK(stats.recorded == 0, "a child begins with %lu records", (unsigned long)stats.recorded);
    record_starts(client, 2);
    EXPECT(OK, labkit_client_flush(client, 20000));
    stats = BALANCED(client);
    CHECK(stats.recorded == 2 && stats.acknowledged == 2, "the child's records are not all there");
}

static void a_child_sends_its_own_and_nothing_of_its_parent(enum kind kind) {
    struct peer *peer = peer_start(ACCEPTS);
    labkit_client client = client_of("127.0.0.1", peer->port, ",\"batch_age_ms\":60000");
    record_starts(client, 5);
    for (int round = 0; round < ROUNDS; round++) {
        pid_t child = make(kind);
        if (child == 0) {
            live(client);
            leave();
        }
        expect_exit(child);
        EVENTUALLY(peer_checkpoints(peer) == 2 * (round + 1));
    }
    EXPECT(OK, labkit_client_shutdown(client, 20000));
    EVENTUALLY(peer_checkpoints(peer) == 2 * ROUNDS + 5);
    BALANCED(client);
    labkit_client_free(client);
}

static int over;

static void *record_on(void *client) {
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        labkit_experience xp = {{0}};
        labkit_experience_start(*(labkit_client *)client, 0, NOTHING, NOTHING, &xp);
        sched_yield();
    }
    return NULL;
}

static void children_are_made_while_eight_threads_record(void) {
    struct peer *peer = peer_start(ACCEPTS);
    labkit_client client =
        client_of("127.0.0.1", peer->port, ",\"queue_items\":256,\"batch_age_ms\":1");
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) NEED(!pthread_create(&threads[i], NULL, record_on, &client));
    for (int round = 0; round < ROUNDS; round++) {
        pid_t child = make(FORK);
        if (child == 0) {
            live(client);
            leave();
        }
        expect_exit(child);
        child = make(FORK);
        if (child == 0) {
            execlp("true", "true", (char *)NULL);
            _exit(1);
        }
        expect_exit(child);
    }
    __atomic_store_n(&over, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    EXPECT(OK, labkit_client_shutdown(client, 20000));
    labkit_stats stats = BALANCED(client);
    CHECK(stats.queued == 0, "%lu still queued", (unsigned long)stats.queued);
    EVENTUALLY((uint64_t)peer_checkpoints(peer) == stats.acknowledged + 2 * ROUNDS);
    labkit_client_free(client);
}

static void a_child_of_a_full_queue_and_of_a_request_in_flight_begins_anew(void) {
    struct peer *peer = peer_start(SILENT);
    labkit_client client =
        client_of("127.0.0.1", peer->port, ",\"queue_items\":16,\"batch_items\":4");
    record_starts(client, 4);
    EVENTUALLY(peer_requests(peer) == 1);
    for (int i = 0; i < 100; i++) {
        labkit_experience xp = {{0}};
        labkit_experience_start(client, 0, NOTHING, NOTHING, &xp);
    }
    CHECK(BALANCED(client).dropped_queue_full > 0, "the queue is not full");
    pid_t child = make(FORK);
    if (child == 0) {
        record_starts(client, 4);
        EVENTUALLY(peer_requests(peer) == 1); /* the child's copy of the count */
        labkit_stats stats = BALANCED(client);
        CHECK(stats.recorded == 4 && stats.dropped == 0, "the child has its parent's queue");
        EXPECT(DEADLINE_EXCEEDED, labkit_client_shutdown(client, 200));
        leave();
    }
    expect_exit(child);
    EXPECT(DEADLINE_EXCEEDED, labkit_client_shutdown(client, 200));
    BALANCED(client);
    labkit_client_free(client);
}

static void a_daemon_goes_on_recording(void) {
    struct peer *peer = peer_start(ACCEPTS);
    labkit_client client = client_of("127.0.0.1", peer->port, "");
    record_starts(client, 1);
    EXPECT(OK, labkit_client_flush(client, 20000));
    pid_t child = make(FORK);
    if (child == 0) {
        setsid();
        if (make(FORK) == 0) {
            for (int fd = 3; fd < 1024; fd++) close(fd);
            live(client);
            EXPECT(OK, labkit_client_shutdown(client, 20000));
            leave();
        }
        _exit(0);
    }
    expect_exit(child);
    EVENTUALLY(peer_checkpoints(peer) == 3);
    EXPECT(OK, labkit_client_shutdown(client, 20000));
    labkit_client_free(client);
}

int main(void) {
    a_child_sends_its_own_and_nothing_of_its_parent(FORK);
    a_child_sends_its_own_and_nothing_of_its_parent(RAW_CLONE);
    children_are_made_while_eight_threads_record();
    a_child_of_a_full_queue_and_of_a_request_in_flight_begins_anew();
    a_daemon_goes_on_recording();
    return verdict("forks: all held");
}
