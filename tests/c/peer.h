/* A tracker's place on loopback, played by a thread: well, badly, or not at all. */
#ifndef PEER_H
#define PEER_H

enum manner {
    ACCEPTS,    /* answers as a tracker does, and counts */
    SILENT,     /* takes the connection and the request, and never answers */
    DRIPS,      /* answers with a byte now and again, for ever */
    BLACK_HOLE, /* does not even take the connection: its backlog is full */
};

struct peer {
    int port;
    int manner;
    int listener;
    int filler[8];   /* what fills the backlog */
    int requests;    /* that arrived whole */
    int checkpoints; /* that were in them; read by peer_checkpoints */
};

/* Lives as long as the program does; one thread starts them all. */
struct peer *peer_start(enum manner manner);
int peer_requests(const struct peer *peer);
int peer_checkpoints(const struct peer *peer);

#endif
