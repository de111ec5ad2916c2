/*
 * A host at one of its limits: no more descriptors, threads or memory. What the
 * library cannot do then it does later: a call is a status, nothing that was
 * recorded is unaccounted for, and all of it arrives when the limit is lifted.
 * Each limit is met in a process of its own.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <grp.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "peer.h"

enum { RECORDS = 100, NOBODY = 65534, PATIENT_MS = 20000, WATCHDOG_S = 60 };

static int port;

static labkit_stats stats_of(labkit_client client) {
    labkit_stats stats = {.size = sizeof stats};
    EXPECT(OK, labkit_client_stats(client, &stats));
    return stats;
}

static void log_says(labkit_client client, const char *text) {
    static char log[65536];
    size_t len = 0;
    EXPECT(OK, labkit_client_drain_log(client, log, sizeof log - 1, &len));
    log[len] = 0;
    CHECK(strstr(log, text), "the log does not say %s, but: %s", text, log);
}

static void set_soft(int resource, rlim_t soft) {
    struct rlimit limit;
    NEED(getrlimit((__rlimit_resource_t)resource, &limit) == 0);
    limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
    NEED(setrlimit((__rlimit_resource_t)resource, &limit) == 0);
}

static void lift(int resource) { set_soft(resource, RLIM_INFINITY); }

/* Everything is queued, and waiting for it keeps its deadline. */
static void all_waits(labkit_client client, int count) {
    double begun = now_ms();
    EXPECT(DEADLINE_EXCEEDED, labkit_client_flush(client, 100));
    CHECK(now_ms() - begun < 1000, "the flush took %.0f ms", now_ms() - begun);
    labkit_stats stats = BALANCED(client);
    CHECK(stats.queued == (uint64_t)count, "%lu of %d wait", (unsigned long)stats.queued, count);
}

/* The next record starts what could not be started, a second later. */
static void all_arrives(labkit_client client) {
    uint64_t extra = 0;
    double until = now_ms() + PATIENT_MS;
    while (labkit_client_flush(client, 200) != LABKIT_STATUS_OK && now_ms() < until) extra++;
    labkit_stats stats = BALANCED(client);
    CHECK(stats.acknowledged == stats.recorded && stats.dropped == 0,
          "acknowledged %lu of %lu after %lu waits", (unsigned long)stats.acknowledged,
          (unsigned long)stats.recorded, (unsigned long)extra);
    EXPECT(OK, labkit_client_shutdown(client, PATIENT_MS));
    EXPECT(OK, labkit_client_free(client));
}

static void no_descriptors(void) {
    char dir[] = "/tmp/labkit-limits-XXXXXX", more[64], command[64];
    NEED(mkdtemp(dir));
    labkit_client client = client_of("127.0.0.1", port, ""), spooling, none = 0;
    snprintf(more, sizeof more, ",\"spool_dir\":\"%s/s\"", dir);
    spooling = client_of("127.0.0.1", port, more);
    set_soft(RLIMIT_NOFILE, 0);
    const char config[] = "{\"transport\":\"memory\",\"definitions\":"
                          "\"tests/scenarios/definitions\",\"type\":\"web\"}";
    EXPECT(IO, labkit_client_new(TEXT(config), NOTHING, &none));
    record_starts(client, RECORDS);
    EVENTUALLY(stats_of(client).retries > 0);
    all_waits(client, RECORDS);
    log_says(client, "Too many open files");

    record_starts(spooling, RECORDS); /* whose spool cannot be opened either */
    EXPECT(DEADLINE_EXCEEDED, labkit_client_shutdown(spooling, 100));
    labkit_stats stats = BALANCED(spooling);
    CHECK(stats.dropped == RECORDS, "%lu dropped", (unsigned long)stats.dropped);
    EXPECT(OK, labkit_client_free(spooling));
    lift(RLIMIT_NOFILE);
    all_arrives(client);
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    NEED(system(command) == 0);
}

/* Threads of the superuser are not limited. */
static void become_nobody(void) {
    if (geteuid() != 0) return;
    NEED(setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
}

static int threads(void) {
    int count = -2; /* . and .. */
    DIR *tasks = opendir("/proc/self/task");
    NEED(tasks);
    while (readdir(tasks)) count++;
    closedir(tasks);
    return count;
}

static void no_thread_for_the_worker(void) {
    labkit_client client = client_of("127.0.0.1", port, "");
    become_nobody();
    set_soft(RLIMIT_NPROC, 0);
    record_starts(client, RECORDS);
    CHECK(threads() == 1, "a thread was started");
    all_waits(client, RECORDS);
    log_says(client, "the worker thread could not be started");
    lift(RLIMIT_NPROC);
    all_arrives(client);
}

/* A client that is never given a thread leaves in time, and says what it cost. */
static void no_thread_until_the_end(void) {
    labkit_client client = client_of("127.0.0.1", port, "");
    become_nobody();
    set_soft(RLIMIT_NPROC, 0);
    record_starts(client, RECORDS);
    double begun = now_ms();
    EXPECT(DEADLINE_EXCEEDED, labkit_client_shutdown(client, 500));
    CHECK(now_ms() - begun < 600, "shutdown took %.0f ms", now_ms() - begun);
    labkit_stats stats = BALANCED(client);
    CHECK(stats.dropped_shut_down == RECORDS && stats.queued == 0, "%lu dropped",
          (unsigned long)stats.dropped_shut_down);
    EXPECT(OK, labkit_client_free(client));
}

/* The worker runs, and what it needs a thread for, a look-up, it cannot have. */
static void no_thread_for_the_look_up(void) {
    labkit_client client = client_of("localhost", port, ",\"batch_age_ms\":300");
    become_nobody();
    record_starts(client, RECORDS);
    EVENTUALLY(threads() == 2);
    CHECK(stats_of(client).requests == 0, "it was too quick for this test");
    set_soft(RLIMIT_NPROC, 0);
    EVENTUALLY(stats_of(client).retries > 0);
    all_waits(client, RECORDS);
    lift(RLIMIT_NPROC);
    all_arrives(client);
}

static size_t address_space(void) {
    size_t pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    NEED(statm && fscanf(statm, "%zu", &pages) == 1);
    fclose(statm);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* A heap that need not grow for a while, and does not shrink. */
static void stock_the_heap(void) {
    enum { BYTES = 8 << 20 };
    mallopt(M_MMAP_THRESHOLD, 2 * BYTES);
    mallopt(M_TRIM_THRESHOLD, 4 * BYTES);
    mallopt(M_ARENA_MAX, 1);
    char *stock = malloc(BYTES);
    NEED(stock);
    memset(stock, 1, BYTES);
    free(stock);
}

/* No room for a thread's stack, and hardly any for the rest. */
static void no_memory_for_the_worker(void) {
    stock_the_heap();
    labkit_client client = client_of("127.0.0.1", port, "");
    set_soft(RLIMIT_AS, address_space() + (1 << 20));
    record_starts(client, RECORDS);
    all_waits(client, RECORDS);
    log_says(client, "the worker thread could not be started");
    lift(RLIMIT_AS);
    all_arrives(client);
}

/* What a client of this size takes is not to be had: it is not made. */
static void no_memory_for_a_client(void) {
    const char config[] = "{\"transport\":\"memory\",\"definitions\":"
                          "\"tests/scenarios/definitions\",\"type\":\"web\","
                          "\"queue_items\":1048576}";
    char error[256] = "";
    labkit_client client = 0;
    set_soft(RLIMIT_AS, address_space() + (32 << 20));
    labkit_status status = labkit_client_new(TEXT(config), error, sizeof error, &client);
    CHECK(status != LABKIT_STATUS_OK && status != LABKIT_STATUS_PANIC && client == 0,
          "a queue of 256 MiB was found in 32: %s", labkit_status_message((int32_t)status));
    CHECK(strstr(error, "queue_items"), "the key is not named: %s", error);
}

static const struct {
    const char *name;
    void (*meet)(void);
} limits[] = {
    {"no descriptors", no_descriptors},
    {"no thread for the worker", no_thread_for_the_worker},
    {"no thread until the end", no_thread_until_the_end},
    {"no thread for the look-up", no_thread_for_the_look_up},
    {"no memory for the worker", no_memory_for_the_worker},
    {"no memory for a client", no_memory_for_a_client},
};

#ifdef __SANITIZE_ADDRESS__ /* reserves terabytes of address space, so memory has no limit */
enum { LIMITS = sizeof limits / sizeof *limits - 2 };
#else
enum { LIMITS = sizeof limits / sizeof *limits };
#endif

/* It leaves past the leak check, which may not look into another user's process. */
static void child(const char *name) {
    for (int i = 0; i < LIMITS; i++)
        if (!strcmp(limits[i].name, name)) limits[i].meet();
    fflush(stdout);
    _exit(failures ? 1 : 0);
}

static void in_a_process(const char *name) {
    char port_text[16];
    snprintf(port_text, sizeof port_text, "%d", port);
    fflush(stdout);
    pid_t pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        alarm(WATCHDOG_S); /* survives exec */
        execl("/proc/self/exe", "limits", name, port_text, NULL);
        _exit(127);
    }
    int status = -1;
    NEED(waitpid(pid, &status, 0) == pid);
    CHECK(status == 0, "%s: status %x", name, (unsigned)status);
}

int main(int argc, char **argv) {
    if (argc == 3) {
        port = atoi(argv[2]);
        child(argv[1]);
    }
    port = peer_start(ACCEPTS)->port;
    for (int i = 0; i < LIMITS; i++) in_a_process(limits[i].name);
    return verdict("a host at its limits loses nothing, and is not harmed");
}
