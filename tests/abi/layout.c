/*
 * The layout of the public structs, and every number of the interface, as they
 * are since the first release. Compiled, never run. New fields of labkit_stats
 * and new numbers are appended here; nothing that stands here changes.
 */
#include "labkit.h"

#define MEMBER(field, at) _Static_assert(offsetof(labkit_stats, field) == (at), #field)
#define STATUS(name, number) _Static_assert(LABKIT_STATUS_##name == (number), #name)

_Static_assert(LABKIT_ABI_VERSION == 2, "the version grows with the interface");

/* A caller of the first release has this many bytes, and no more. */
_Static_assert(sizeof(labkit_experience) == 512, "labkit_experience");
_Static_assert(_Alignof(labkit_experience) == 8, "labkit_experience");
_Static_assert(sizeof(labkit_client) == 8, "labkit_client");
_Static_assert(sizeof(labkit_status) == 4, "labkit_status");

_Static_assert(sizeof(labkit_stats) == 176, "labkit_stats");
_Static_assert(_Alignof(labkit_stats) == 8, "labkit_stats");
MEMBER(size, 0);
MEMBER(recorded, 8);
MEMBER(acknowledged, 16);
MEMBER(rejected, 24);
MEMBER(queued, 32);
MEMBER(dropped, 40);
MEMBER(dropped_queue_full, 48);
MEMBER(dropped_queue_bytes, 56);
MEMBER(dropped_shut_down, 64);
MEMBER(dropped_expired, 72);
MEMBER(dropped_refused, 80);
MEMBER(dropped_too_large, 88);
MEMBER(dropped_worker_lost, 96);
MEMBER(trimmed, 104);
MEMBER(requests, 112);
MEMBER(retries, 120);
MEMBER(worker_restarts, 128);
MEMBER(dropped_spool_full, 136);
MEMBER(dropped_spool_lost, 144);
MEMBER(spooled, 152);
MEMBER(adopted, 160);
MEMBER(adopted_lost, 168);

STATUS(OK, 0);
STATUS(NULL_POINTER, 100);
STATUS(INVALID_UTF8, 101);
STATUS(TOO_LONG, 102);
STATUS(INVALID_ARGUMENT, 103);
STATUS(INVALID_CONFIG, 104);
STATUS(INVALID_CHECKPOINT, 105);
STATUS(RESERVED_KEY, 106);
STATUS(INVALID_CARRIER, 107);
STATUS(INVALID_SIZE, 108);
STATUS(INVALID_HANDLE, 200);
STATUS(NOT_STARTED, 201);
STATUS(OVER, 202);
STATUS(SHUT_DOWN, 203);
STATUS(TEST_ONLY, 204);
STATUS(NOT_IN_CARRIER, 205);
STATUS(QUEUE_FULL, 300);
STATUS(BUFFER_TOO_SMALL, 301);
STATUS(TOO_MANY_CLIENTS, 302);
STATUS(DEADLINE_EXCEEDED, 303);
STATUS(UNKNOWN_EXPERIENCE, 400);
STATUS(INVALID_DEFINITION, 401);
STATUS(IO, 500);
STATUS(PANIC, 900);

_Static_assert(LABKIT_EXIT_NORMAL == 0, "an exit or an outcome");
_Static_assert(LABKIT_EXIT_ERROR == 1, "an exit or an outcome");
_Static_assert(LABKIT_EXIT_NON_LOCAL == 2, "an exit or an outcome");
_Static_assert(LABKIT_EXIT_CANCELLED == 3, "an exit or an outcome");
_Static_assert(LABKIT_EXIT_ABANDONED == 4, "an exit or an outcome");
_Static_assert(LABKIT_EXIT_RESTARTED == 5, "an exit or an outcome");
_Static_assert(LABKIT_OUTCOME_SUCCESS == 0, "an exit or an outcome");
_Static_assert(LABKIT_OUTCOME_ERROR == 1, "an exit or an outcome");
_Static_assert(LABKIT_OUTCOME_HANDLED == 2, "an exit or an outcome");
_Static_assert(LABKIT_OUTCOME_DISCARDED == 3, "an exit or an outcome");
