/*
 * A client's handle is given back in any order: before and after its shutdown,
 * twice, while other threads are inside, with experiences still active, and
 * among other clients. Whoever comes too late gets a status.
 */
#include <pthread.h>

#include "check.h"
#include "peer.h"

enum { CLIENTS = 4, ORDERS = 24, THREADS = 8, ROUNDS = 40, PATIENT_MS = 10000 };

static struct peer *peer;

static labkit_client open_client(void) { return client_of("127.0.0.1", peer->port, ""); }

static void free_then_shutdown(void) {
    labkit_client client = open_client();
    record_starts(client, 3);
    EXPECT(OK, labkit_client_free(client));
    EXPECT(INVALID_HANDLE, labkit_client_shutdown(client, 10));
    EXPECT(INVALID_HANDLE, labkit_client_flush(client, 10));
    EXPECT(INVALID_HANDLE, labkit_client_free(client));
}

static void shutdown_then_free_twice(void) {
    labkit_client client = open_client();
    record_starts(client, 3);
    EXPECT(OK, labkit_client_shutdown(client, PATIENT_MS));
    labkit_stats stats = BALANCED(client);
    CHECK(stats.acknowledged == 3, "%lu acknowledged", (unsigned long)stats.acknowledged);
    EXPECT(OK, labkit_client_free(client));
    EXPECT(INVALID_HANDLE, labkit_client_free(client));
}

/* An experience outlives its client as what it is: bytes. */
static void active_experiences(void) {
    labkit_client client = open_client(), next;
    labkit_experience xp = {{0}}, moved;
    char text[256];
    size_t len;
    EXPECT(OK, labkit_experience_start(client, 0, NOTHING, NOTHING, &xp));
    EXPECT(OK, labkit_experience_error(&xp, TEXT("boom")));
    EXPECT(OK, labkit_client_free(client));
    next = open_client(); /* may have got the same place */
    EXPECT(INVALID_HANDLE, labkit_experience_checkpoint(&xp, NOTHING, NOTHING));
    EXPECT(INVALID_HANDLE, labkit_experience_error(&xp, NOTHING));
    EXPECT(INVALID_HANDLE, labkit_experience_carrier(&xp, text, sizeof text, &len));
    EXPECT(INVALID_HANDLE, labkit_experience_info(&xp, text, sizeof text, &len));
    EXPECT(INVALID_HANDLE, labkit_experience_leave(&xp, LABKIT_EXIT_ERROR, NOTHING));
    EXPECT(INVALID_HANDLE, labkit_experience_leave_with(&xp, LABKIT_EXIT_ERROR, NOTHING, NOTHING));
    EXPECT(INVALID_HANDLE, labkit_experience_discard(&xp, NOTHING, NOTHING));
    EXPECT(INVALID_HANDLE, labkit_experience_complete(&xp, NOTHING));
    memcpy(&moved, &xp, sizeof xp);
    EXPECT(INVALID_HANDLE, labkit_experience_complete(&moved, NOTHING));
    CHECK(BALANCED(next).recorded == 0, "another client's experience was recorded");
    EXPECT(OK, labkit_client_free(next));
}

/* Number `rank` of the orders in which `count` things can come. */
static void permute(int rank, int count, int order[]) {
    for (int i = 0; i < count; i++) order[i] = i;
    for (int i = count; i > 1; i--) {
        int pick = rank % i, last = order[i - 1];
        rank /= i;
        order[i - 1] = order[pick], order[pick] = last;
    }
}

static void many_in_any_order(void) {
    for (int rank = 0; rank < ORDERS; rank++) {
        labkit_client clients[CLIENTS];
        int order[CLIENTS];
        for (int i = 0; i < CLIENTS; i++) {
            clients[i] = open_client();
            record_starts(clients[i], i + 1);
        }
        permute(rank, CLIENTS, order);
        for (int i = 0; i < CLIENTS; i++) {
            labkit_client client = clients[order[i]];
            if (i % 2 == 0) {
                EXPECT(OK, labkit_client_shutdown(client, PATIENT_MS));
                BALANCED(client);
            }
            EXPECT(OK, labkit_client_free(client));
            EXPECT(INVALID_HANDLE, labkit_client_free(client));
        }
    }
}

struct round {
    labkit_client client;
    pthread_barrier_t begun;
    int freed;
};

/* Everything that a thread may be in when another takes the client away. */
static void *use(void *argument) {
    struct round *round = argument;
    labkit_client client = round->client;
    char text[256];
    size_t len;
    uint32_t definition;
    labkit_stats stats = {.size = sizeof stats};
    pthread_barrier_wait(&round->begun);
    for (;;) {
        labkit_experience xp = {{0}};
        labkit_experience_start(client, 0, NOTHING, TEXT("{\"key\":\"a text of some length\"}"),
                                &xp);
        labkit_experience_checkpoint(&xp, TEXT("packed"), NOTHING);
        labkit_experience_carrier(&xp, text, sizeof text, &len);
        labkit_experience_complete(&xp, NOTHING);
        labkit_definition_lookup(client, TEXT("sign_in"), &definition);
        labkit_client_drain_log(client, text, sizeof text, &len);
        labkit_client_set_token(client, TEXT("another"));
        labkit_client_flush(client, 1);
        if (labkit_client_stats(client, &stats) == LABKIT_STATUS_INVALID_HANDLE) return NULL;
    }
}

static void *free_it(void *argument) {
    struct round *round = argument;
    pthread_barrier_wait(&round->begun);
    if (labkit_client_free(round->client) == LABKIT_STATUS_OK)
        __atomic_add_fetch(&round->freed, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Of two that free at once one does, and the users get out unharmed. */
static void freed_by_others_while_in_use(void) {
    for (int i = 0; i < ROUNDS; i++) {
        struct round round = {.client = open_client()};
        pthread_t threads[THREADS];
        pthread_barrier_init(&round.begun, NULL, THREADS);
        for (int t = 0; t < THREADS; t++)
            NEED(pthread_create(&threads[t], NULL, t < 2 ? free_it : use, &round) == 0);
        for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
        pthread_barrier_destroy(&round.begun);
        CHECK(round.freed == 1, "freed %d times", round.freed);
    }
}

/* All places taken, given back, and taken again: none is lost. */
static void no_place_leaks(void) {
    enum { MOST = 256 };
    static labkit_client clients[MOST];
    for (int i = 0; i < 2; i++) {
        int opened = 0;
        while (opened < MOST) clients[opened++] = open_client();
        labkit_client one_more = 0;
        const char config[] = "{\"transport\":\"memory\",\"definitions\":"
                              "\"tests/scenarios/definitions\",\"type\":\"web\"}";
        EXPECT(TOO_MANY_CLIENTS, labkit_client_new(TEXT(config), NOTHING, &one_more));
        while (opened > 0) EXPECT(OK, labkit_client_free(clients[--opened]));
    }
}

int main(void) {
    peer = peer_start(ACCEPTS);
    free_then_shutdown();
    shutdown_then_free_twice();
    active_experiences();
    many_in_any_order();
    freed_by_others_while_in_use();
    no_place_leaks();
    return verdict("clients are given back in any order");
}
