#define _GNU_SOURCE
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define NEED(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, strerror(errno));            \
            exit(2);                                                                               \
        }                                                                                          \
    } while (0)

enum { REQUEST_BYTES = 4 << 20 };

struct connection {
    struct peer *peer;
    int fd;
};

static bool write_all(int fd, const char *text, size_t len) {
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n <= 0) return false;
        text += n, len -= (size_t)n;
    }
    return true;
}

/* Puts what the compressed `len` bytes say in their place. */
static void inflate_body(char *body, size_t len) {
    char *text = malloc(REQUEST_BYTES);
    NEED(text);
    z_stream z = {.next_in = (Bytef *)body, .avail_in = (uInt)len};
    z.next_out = (Bytef *)text;
    z.avail_out = (uInt)(REQUEST_BYTES / 2 - 1);
    NEED(inflateInit2(&z, 16 + MAX_WBITS) == Z_OK);
    NEED(inflate(&z, Z_FINISH) == Z_STREAM_END);
    memcpy(body, text, z.total_out);
    body[z.total_out] = 0;
    inflateEnd(&z);
    free(text);
}

/* Reads one request; gives the number of its checkpoints, or -1 at the end. */
static int read_request(int fd, char *buffer) {
    size_t have = 0, need = 0, body = 0;
    while (need == 0 || have < need) {
        ssize_t n = read(fd, buffer + have, REQUEST_BYTES - 1 - have);
        if (n <= 0) return -1;
        have += (size_t)n;
        buffer[have] = 0;
        char *end = strstr(buffer, "\r\n\r\n"), *length = strcasestr(buffer, "content-length:");
        if (end && length && length < end) {
            body = (size_t)(end + 4 - buffer);
            need = body + strtoul(length + 15, NULL, 10);
        }
    }
    char *encoding = strcasestr(buffer, "content-encoding: gzip");
    if (encoding && encoding < buffer + body) inflate_body(buffer + body, need - body);
    int count = 0;
    for (char *at = buffer; (at = strstr(at, "\"client_timestamp\":")); at++) count++;
    return count;
}

static bool answer(int fd, int count) {
    char body[128], head[128];
    int size = snprintf(body, sizeof body,
                        "{\"server_timestamp\":\"\",\"accepted\":%d,\"duplicate\":0,"
                        "\"rejected\":[]}",
                        count);
    int len = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size);
    return write_all(fd, head, (size_t)len) && write_all(fd, body, (size_t)size);
}

static void drip(int fd) {
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    if (!write_all(fd, head, sizeof head - 1)) return;
    while (write_all(fd, " ", 1)) nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

static void *serve(void *argument) {
    struct connection connection = *(struct connection *)argument;
    struct peer *peer = connection.peer;
    free(argument);
    char *buffer = malloc(REQUEST_BYTES);
    NEED(buffer);
    int count;
    while ((count = read_request(connection.fd, buffer)) >= 0) {
        __atomic_add_fetch(&peer->checkpoints, count, __ATOMIC_SEQ_CST);
        __atomic_add_fetch(&peer->requests, 1, __ATOMIC_SEQ_CST);
        if (peer->manner == DRIPS) drip(connection.fd);
        if (peer->manner == ACCEPTS && !answer(connection.fd, count)) break;
    }
    free(buffer);
    close(connection.fd);
    return NULL;
}

static void *take(void *argument) {
    struct peer *peer = argument;
    for (;;) {
        int fd = accept(peer->listener, NULL, NULL);
        if (fd < 0) continue;
        struct connection *connection = malloc(sizeof *connection);
        NEED(connection);
        *connection = (struct connection){peer, fd};
        pthread_t thread;
        NEED(pthread_create(&thread, NULL, serve, connection) == 0);
        pthread_detach(thread);
    }
    return NULL;
}

/* The kernel answers for a listener until its backlog is full, then no longer. */
static void fill_backlog(struct peer *peer, const struct sockaddr_in *address) {
    const int most = sizeof peer->filler / sizeof *peer->filler;
    for (int i = 0; i < most; i++) {
        peer->filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        NEED(peer->filler[i] >= 0);
        (void)connect(peer->filler[i], (const struct sockaddr *)address, sizeof *address);
        struct pollfd waiting = {.fd = peer->filler[i], .events = POLLOUT};
        if (poll(&waiting, 1, 200) == 0) return; /* this one gets no answer: full */
    }
    NEED(!"the backlog can be filled");
}

struct peer *peer_start(enum manner manner) {
    static struct peer peers[8]; /* threads use them until the program ends */
    static size_t started;
    NEED(started < sizeof peers / sizeof *peers);
    struct peer *peer = &peers[started++];
    peer->manner = (int)manner;
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    NEED(bind(peer->listener, (struct sockaddr *)&address, size) == 0);
    NEED(listen(peer->listener, manner == BLACK_HOLE ? 0 : 64) == 0);
    NEED(getsockname(peer->listener, (struct sockaddr *)&address, &size) == 0);
    peer->port = ntohs(address.sin_port);
    if (manner == BLACK_HOLE) {
        fill_backlog(peer, &address);
        return peer;
    }
    pthread_t thread;
    NEED(pthread_create(&thread, NULL, take, peer) == 0);
    pthread_detach(thread);
    return peer;
}

int peer_requests(const struct peer *peer) {
    return __atomic_load_n(&peer->requests, __ATOMIC_SEQ_CST);
}

int peer_checkpoints(const struct peer *peer) {
    return __atomic_load_n(&peer->checkpoints, __ATOMIC_SEQ_CST);
}
