/*
 * A host that daemonises closes every descriptor it finds, the library's too,
 * and its next file, pipe or socket gets the same number. The library must not
 * write to it, read from it or close it, and must go on over a connection of
 * its own. The host is a process of its own, as its peer must keep what it has.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "peer.h"

enum { FIRST = 3, OPENED = 24, RECORDS = 50, PATIENT_MS = 20000, WATCHDOG_S = 60 };

enum kind { FILES, PIPES, SOCKETS };
static const char *const kinds[] = {"a file", "a pipe", "a socket"};

/* One end is the host's, at a number that was the library's. */
struct opened {
    int fd;
    int other_end; /* where bytes written to it arrive; high up, out of the way */
    struct stat was;
};

static int high(int fd) {
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 500);
    NEED(moved >= 0);
    close(fd);
    return moved;
}

static struct opened open_one(enum kind kind) {
    struct opened one = {.other_end = -1};
    int ends[2];
    if (kind == FILES) {
        char path[] = "/tmp/labkit-descriptors-XXXXXX";
        one.fd = mkstemp(path);
        NEED(one.fd >= 0);
        unlink(path);
    } else {
        NEED((kind == PIPES ? pipe(ends) : socketpair(AF_UNIX, SOCK_STREAM, 0, ends)) == 0);
        one.fd = kind == PIPES ? ends[1] : ends[0];
        one.other_end = high(kind == PIPES ? ends[0] : ends[1]);
        int lowest = dup(one.fd); /* the other end may have had a lower number */
        NEED(lowest >= 0);
        if (lowest < one.fd)
            close(one.fd), one.fd = lowest;
        else
            close(lowest);
    }
    NEED(fstat(one.fd, &one.was) == 0);
    return one;
}

/* How many bytes came out at the other end. */
static long received(const struct opened *one) {
    char bytes[4096];
    struct pollfd other = {.fd = one->other_end, .events = POLLIN};
    if (one->other_end < 0 || poll(&other, 1, 0) == 0) return 0;
    return (long)read(one->other_end, bytes, sizeof bytes);
}

static void is_untouched(const struct opened *one, enum kind kind) {
    struct stat now;
    long bytes = received(one);
    CHECK(bytes == 0, "%s of the host's got %ld bytes", kinds[kind], bytes);
    bool is_open = fstat(one->fd, &now) == 0;
    CHECK(is_open, "%s of the host's was closed", kinds[kind]);
    if (!is_open) return;
    CHECK(now.st_dev == one->was.st_dev && now.st_ino == one->was.st_ino,
          "%s of the host's was replaced", kinds[kind]);
    CHECK(now.st_size == 0, "%s of the host's was written to", kinds[kind]);
    CHECK((fcntl(one->fd, F_GETFL) & O_NONBLOCK) == 0, "%s of the host's was made non-blocking",
          kinds[kind]);
}

static labkit_stats stats_of(labkit_client client) {
    labkit_stats stats = {.size = sizeof stats};
    EXPECT(OK, labkit_client_stats(client, &stats));
    return stats;
}

/* Its connection is idle, or waits for the answer of one who gives none; a spool
   adds a lock that is held. */
static int host(int port, enum kind kind, bool is_sending, const char *spool) {
    char more[256], key[128] = "";
    if (spool) snprintf(key, sizeof key, ",\"spool_dir\":\"%s\"", spool);
    snprintf(more, sizeof more, ",\"request_timeout_ms\":1000,\"connect_timeout_ms\":1000%s", key);
    labkit_client client = client_of("127.0.0.1", port, more);
    record_starts(client, RECORDS);
    if (is_sending)
        EVENTUALLY(stats_of(client).requests > 0);
    else
        EXPECT(OK, labkit_client_flush(client, PATIENT_MS));

    for (int fd = FIRST; fd < 256; fd++) close(fd);
    struct opened opened[OPENED];
    for (int i = 0; i < OPENED; i++) opened[i] = open_one(kind);

    record_starts(client, RECORDS);
    if (is_sending) { /* until that attempt is over, and the next one under way */
        EVENTUALLY(stats_of(client).retries > 0);
        labkit_client_shutdown(client, 100);
    } else {
        EXPECT(OK, labkit_client_flush(client, PATIENT_MS));
        CHECK(BALANCED(client).acknowledged == 2 * RECORDS, "not all arrived");
        EXPECT(OK, labkit_client_shutdown(client, PATIENT_MS));
    }
    BALANCED(client);
    EXPECT(OK, labkit_client_free(client));
    for (int i = 0; i < OPENED; i++) is_untouched(&opened[i], kind);
    return failures;
}

static void in_a_process(int port, enum kind kind, bool is_sending, const char *spool) {
    fflush(stdout);
    pid_t pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        alarm(WATCHDOG_S);
        failures = 0;
        int failed = host(port, kind, is_sending, spool);
        fflush(stdout);
        _exit(failed ? 1 : 0);
    }
    int status = -1;
    NEED(waitpid(pid, &status, 0) == pid);
    CHECK(status == 0, "%s opened where an %s connection%s was: status %x", kinds[kind],
          is_sending ? "active" : "idle", spool ? " or a spool's lock" : "", (unsigned)status);
}

int main(void) {
    char dir[] = "/tmp/labkit-descriptors-XXXXXX", command[128];
    NEED(mkdtemp(dir));
    int accepts = peer_start(ACCEPTS)->port, silent = peer_start(SILENT)->port;
    for (int kind = FILES; kind <= SOCKETS; kind++) {
        for (int spooling = 0; spooling < 2; spooling++) {
            in_a_process(accepts, (enum kind)kind, false, spooling ? dir : NULL);
            in_a_process(silent, (enum kind)kind, true, spooling ? dir : NULL);
        }
    }
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    NEED(system(command) == 0);
    return verdict("what the host opens where the library's descriptors were is the host's");
}
