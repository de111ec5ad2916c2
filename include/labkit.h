/*
 * labkit: records whether user experiences start, proceed and end.
 *
 * The shortest use:
 *
 *     labkit_client client;
 *     char error[256];
 *     const char config[] = "{\"endpoint\": \"http://127.0.0.1:8480\","
 *                           " \"definitions\": \"config/user_experience_slis\", \"type\": \"web\"}";
 *     if (labkit_client_new(config, sizeof config - 1, error, sizeof error, &client) != LABKIT_STATUS_OK)
 *         return fprintf(stderr, "%s\n", error), 1;
 *
 *     uint32_t definition;
 *     labkit_experience xp = {0};
 *     labkit_definition_lookup(client, "create_merge_request", 20, &definition);
 *     labkit_experience_start(client, definition, NULL, 0, NULL, 0, &xp);
 *     labkit_experience_complete(&xp, NULL, 0);
 *     labkit_client_shutdown(client, 500);
 *     labkit_client_free(client);
 *
 * Rules that hold for every function:
 *
 * - Text is a pointer and a length, UTF-8, not NUL-terminated, and copied
 *   before the function returns. NULL with length 0 means absent.
 * - Every function may be called from every thread at once, unless its comment
 *   says otherwise. None blocks, except those that take a timeout and
 *   labkit_test_take().
 * - No call prints, raises a signal, or unwinds into the caller.
 * - Only labkit_client_new() reads files; one background thread per client,
 *   started with the first record, does everything else.
 * - A fork child may go on without being told: what it records goes out under
 *   an identity of its own, and what its parent recorded stays the parent's.
 * - Symbols, once released, keep their name, signature and meaning.
 */


#ifndef LABKIT_H
#define LABKIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Version of this interface: it grows, but nothing in it ever changes. A
 * program may refuse a library whose number is smaller than its header's.
 */
#define LABKIT_ABI_VERSION 2

/**
 * Left by reaching the block's end.
 */
#define LABKIT_EXIT_NORMAL 0

/**
 * Left by an exception or a panic.
 */
#define LABKIT_EXIT_ERROR 1

/**
 * Left by a jump past the block's end: throw, break, return.
 */
#define LABKIT_EXIT_NON_LOCAL 2

/**
 * Left because the task that ran the block was cancelled.
 */
#define LABKIT_EXIT_CANCELLED 3

/**
 * Left with the process, or with the thread of control: nobody can say how
 * it ended, so nothing is sent, and the tracker sees a lost end.
 */
#define LABKIT_EXIT_ABANDONED 4

/**
 * Displaced by another start of the same definition in the same context: it is
 * discarded, reason "restarted".
 */
#define LABKIT_EXIT_RESTARTED 5

/**
 * It ended well.
 */
#define LABKIT_OUTCOME_SUCCESS 0

/**
 * It failed.
 */
#define LABKIT_OUTCOME_ERROR 1

/**
 * It ended as expected, though not as hoped: no failure of ours.
 */
#define LABKIT_OUTCOME_HANDLED 2

/**
 * It turned out not to be an experience.
 */
#define LABKIT_OUTCOME_DISCARDED 3

/**
 * What a call returns. 0 is success; 1xx an argument, 2xx the state, 3xx
 * capacity, 4xx a definition, 5xx input and output, 9xx the library itself.
 * No number is ever used again for something else.
 *
 * Every function may return LABKIT_STATUS_NULL_POINTER where it says "not
 * NULL" or where NULL comes with a length, and LABKIT_STATUS_PANIC; the
 * comments on functions do not repeat these two.
 */
typedef enum labkit_status {
  /**
   * Done.
   */
  LABKIT_STATUS_OK = 0,
  /**
   * A pointer that must not be NULL is.
   */
  LABKIT_STATUS_NULL_POINTER = 100,
  /**
   * Text that must be UTF-8 is not.
   */
  LABKIT_STATUS_INVALID_UTF8 = 101,
  /**
   * Text is longer than it may be.
   */
  LABKIT_STATUS_TOO_LONG = 102,
  /**
   * An argument is not what it must be.
   */
  LABKIT_STATUS_INVALID_ARGUMENT = 103,
  /**
   * The configuration is wrong; the error buffer says where.
   */
  LABKIT_STATUS_INVALID_CONFIG = 104,
  /**
   * A checkpoint or its meta is not what the wire format asks for.
   */
  LABKIT_STATUS_INVALID_CHECKPOINT = 105,
  /**
   * An extra has a name that the log line owns.
   */
  LABKIT_STATUS_RESERVED_KEY = 106,
  /**
   * A carrier cannot be read.
   */
  LABKIT_STATUS_INVALID_CARRIER = 107,
  /**
   * A struct's size field is smaller than any released version of it.
   */
  LABKIT_STATUS_INVALID_SIZE = 108,
  /**
   * The client's handle is stale or was never given out.
   */
  LABKIT_STATUS_INVALID_HANDLE = 200,
  /**
   * The experience never started: nothing happened.
   */
  LABKIT_STATUS_NOT_STARTED = 201,
  /**
   * The experience has ended before: nothing happened.
   */
  LABKIT_STATUS_OVER = 202,
  /**
   * The client was shut down: the checkpoint was dropped and counted.
   */
  LABKIT_STATUS_SHUT_DOWN = 203,
  /**
   * Only a client with the memory transport does this.
   */
  LABKIT_STATUS_TEST_ONLY = 204,
  /**
   * The carrier holds no experience of this definition.
   */
  LABKIT_STATUS_NOT_IN_CARRIER = 205,
  /**
   * The queue is full: the checkpoint was dropped and counted; the
   * experience goes on.
   */
  LABKIT_STATUS_QUEUE_FULL = 300,
  /**
   * The buffer is too small; the length says what it takes.
   */
  LABKIT_STATUS_BUFFER_TOO_SMALL = 301,
  /**
   * As many clients exist as can.
   */
  LABKIT_STATUS_TOO_MANY_CLIENTS = 302,
  /**
   * The wait ended before the work did.
   */
  LABKIT_STATUS_DEADLINE_EXCEEDED = 303,
  /**
   * No definition has this id or index.
   */
  LABKIT_STATUS_UNKNOWN_EXPERIENCE = 400,
  /**
   * A definition file is wrong; the error buffer says where.
   */
  LABKIT_STATUS_INVALID_DEFINITION = 401,
  /**
   * A directory or file cannot be read; the error buffer says which.
   */
  LABKIT_STATUS_IO = 500,
  /**
   * The library panicked and caught it. The host is unharmed; please report it.
   */
  LABKIT_STATUS_PANIC = 900,
} labkit_status;

/**
 * A client's handle: a number, the same in a fork child. 0 is never one. A
 * closed, stale or invented one is answered with
 * LABKIT_STATUS_INVALID_HANDLE, never with a crash.
 */
typedef uint64_t labkit_client;

/**
 * What became of everything that was recorded in this process. Whenever
 * nothing is in progress, recorded = acknowledged + rejected + queued + dropped,
 * and `dropped` is the sum of all fields whose names begin with `dropped_`.
 */
typedef struct labkit_stats {
  /**
   * In: sizeof(labkit_stats) as the caller knows it. Fields beyond are not
   * written, so later versions can add some.
   */
  size_t size;
  /**
   * Checkpoints recorded, whatever became of them.
   */
  uint64_t recorded;
  /**
   * Checkpoints that the tracker has.
   */
  uint64_t acknowledged;
  /**
   * Checkpoints that the tracker refused, one by one.
   */
  uint64_t rejected;
  /**
   * Checkpoints that wait, are in flight, or lie in the spool.
   */
  uint64_t queued;
  /**
   * Checkpoints lost, for any reason.
   */
  uint64_t dropped;
  /**
   * As many checkpoints as the queue holds were waiting.
   */
  uint64_t dropped_queue_full;
  /**
   * As many bytes of long texts as the queue may hold were waiting.
   */
  uint64_t dropped_queue_bytes;
  /**
   * The client was shut down.
   */
  uint64_t dropped_shut_down;
  /**
   * Too old for the tracker to accept.
   */
  uint64_t dropped_expired;
  /**
   * The tracker refused the request as a whole, for good.
   */
  uint64_t dropped_refused;
  /**
   * Alone too large for the tracker.
   */
  uint64_t dropped_too_large;
  /**
   * The background thread panicked while it held the checkpoint.
   */
  uint64_t dropped_worker_lost;
  /**
   * Keys of meta and other parts that were wrong and were left out; their
   * checkpoints went on.
   */
  uint64_t trimmed;
  /**
   * Requests sent.
   */
  uint64_t requests;
  /**
   * Requests that had to be repeated.
   */
  uint64_t retries;
  /**
   * Times the background thread panicked and was started again.
   */
  uint64_t worker_restarts;
  /**
   * The spool was full, and they were the oldest in it.
   */
  uint64_t dropped_spool_full;
  /**
   * They were in the spool and could not be read again.
   */
  uint64_t dropped_spool_lost;
  /**
   * Of those queued, the ones that are on disk: they survive a kill.
   */
  uint64_t spooled;
  /**
   * Checkpoints of dead processes that were found in the spool and sent.
   * They are in none of the counts above.
   */
  uint64_t adopted;
  /**
   * Checkpoints of dead processes that were lost: damaged, too old, refused,
   * or beyond the quota; a segment that cannot be read counts as one.
   */
  uint64_t adopted_lost;
} labkit_stats;

/**
 * One run of a user experience: a plain value, owned by the caller, who
 * declares it wherever it suits. It holds no pointers, and the library keeps
 * no address of it: copy it, move it, forget it; there is nothing to free.
 * It means the same in a fork child. One thread at a time may use it.
 *
 * Start with `labkit_experience xp = {0};`. A zeroed one never started, and
 * calls on it return LABKIT_STATUS_NOT_STARTED and do nothing; so do calls
 * on bytes that the library did not write. It must lie on an address that is
 * a multiple of 8, as C sees to by itself; elsewhere calls return
 * LABKIT_STATUS_INVALID_ARGUMENT.
 */
typedef struct labkit_experience {
  /**
   * The library's own.
   */
  uint64_t opaque[64];
} labkit_experience;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Text for a status: static, NUL-terminated, in English, never NULL, also
 * for numbers that are no status. Any thread.
 */
const char *labkit_status_message(int32_t status);

/**
 * The library's LABKIT_ABI_VERSION, to be compared with the header's. Any
 * thread.
 */
uint32_t labkit_abi_version(void);

/**
 * The library's version, such as "0.1.0": static, NUL-terminated. Any thread.
 */
const char *labkit_version(void);

/**
 * Makes a client from a JSON document. Required keys: `definitions` (the
 * directory of definition files), `type` (this service, such as "web"), and
 * `endpoint` ("http://host:port" of the tracker) unless `transport` is
 * "memory". Every other key has a default:
 *
 * - `strict` (false): true in development and test, where mistakes are errors;
 *   otherwise they are counted, and the checkpoint goes out without what was
 *   wrong
 * - `transport` ("http"): "memory" sends nothing, see labkit_test_take()
 * - `token` (null): bearer token
 * - `token_file` (null): a file with the bearer token instead, read again
 *   whenever it changes, and when the tracker refuses the token
 * - `sdk` ({"name": "labkit", "version": ...}): the wrapper's own
 * - `non_local_exit` ("handled"): or "error", see labkit_experience_leave()
 * - `queue_items` (8192): checkpoints that wait at most
 * - `queue_bytes` (1048576): bytes of long texts that wait at most
 * - `batch_items` (200), `batch_bytes` (262144): one request at most
 * - `batch_age_ms` (1000): how long a checkpoint waits for company
 * - `request_timeout_ms` (10000): the whole of one request
 * - `connect_timeout_ms` (3000): the connection's part of it
 * - `backoff_base_ms` (500): the first retry waits up to this long
 * - `backoff_cap_ms` (60000): no retry waits longer
 * - `heartbeat_ms` (20000): a process that has sent something, and has nothing
 *   to send for this long, shows that it lives; 0: never
 * - `ca_file` (null): certificates (PEM) to trust instead of the built-in ones
 * - `spool_dir` (null): a directory where what waits is kept, so that it
 *   outlasts long outages and the process itself, also if that is killed; what
 *   a dead process left is sent by the next one. Processes of one user may
 *   share it
 * - `spool_bytes` (67108864): bytes of it that one process uses at most; the
 *   oldest go first
 *
 * A key that is not known is refused by name. Definitions are read here, and
 * only here; no thread is started and no connection made before the first
 * record.
 *
 * `config`, `len`: UTF-8, copied. `errbuf`, `errcap`: may be NULL and 0; on
 * failure gets a NUL-terminated sentence, cut to fit. `out`: not NULL;
 * written on success only. The client is the caller's until
 * labkit_client_free(). Any thread.
 *
 * Fails with LABKIT_STATUS_INVALID_CONFIG, LABKIT_STATUS_INVALID_DEFINITION
 * (only with `strict`; otherwise bad files are reported by
 * labkit_client_drain_log() and the good ones used), LABKIT_STATUS_IO,
 * LABKIT_STATUS_INVALID_UTF8, LABKIT_STATUS_TOO_LONG (above 1 MiB) or
 * LABKIT_STATUS_TOO_MANY_CLIENTS (256).
 */
enum labkit_status labkit_client_new(const char *config,
                                     size_t len,
                                     char *errbuf,
                                     size_t errcap,
                                     labkit_client *out);

/**
 * From now on requests carry this bearer token. `token`: visible ASCII,
 * copied; NULL with length 0: none. Any thread.
 *
 * Fails with LABKIT_STATUS_INVALID_UTF8, LABKIT_STATUS_INVALID_ARGUMENT (what
 * no HTTP header can hold) or LABKIT_STATUS_INVALID_HANDLE.
 */
enum labkit_status labkit_client_set_token(labkit_client client, const char *token, size_t len);

/**
 * Waits until all that was recorded before is settled: acknowledged,
 * rejected, or dropped and counted. Blocks for `timeout_ms` at most, also
 * against a server that never answers; for longer than an hour never. Any
 * thread.
 *
 * Fails with LABKIT_STATUS_DEADLINE_EXCEEDED: some of it still waits and
 * will be tried again; or LABKIT_STATUS_INVALID_HANDLE.
 */
enum labkit_status labkit_client_flush(labkit_client client, uint64_t timeout_ms);

/**
 * Stops recording, sends what is there, and stops the background thread.
 * Blocks for `timeout_ms` and some 50 ms at most, also against a server that
 * never answers. What could not be sent lies in the spool, if there is one,
 * or is dropped and counted. A second call does nothing. Any thread.
 *
 * Fails with LABKIT_STATUS_DEADLINE_EXCEEDED: something had to be dropped;
 * or LABKIT_STATUS_INVALID_HANDLE.
 */
enum labkit_status labkit_client_shutdown(labkit_client client, uint64_t timeout_ms);

/**
 * Gives the handle back. Does not wait: what still waits to be sent is lost,
 * so call labkit_client_shutdown() before. Calls in progress in other threads
 * end as usual. Any thread, in any order, also twice.
 *
 * Fails with LABKIT_STATUS_INVALID_HANDLE.
 */
enum labkit_status labkit_client_free(labkit_client client);

/**
 * Reads the statistics. `out`: not NULL; its `size` must say
 * sizeof(labkit_stats). Any thread; takes no lock.
 *
 * Fails with LABKIT_STATUS_INVALID_SIZE or LABKIT_STATUS_INVALID_HANDLE.
 */
enum labkit_status labkit_client_stats(labkit_client client, struct labkit_stats *out);

/**
 * Takes the library's own messages since the last call, one per line: bad
 * definitions, a tracker that went away and came back, rejections. It keeps
 * the latest 64 and never prints by itself.
 *
 * `buf`, `cap`: where the text goes; not NUL-terminated; NULL and 0 ask for
 * the length alone. `len`: may be NULL; gets the text's length, also when the
 * buffer is too small: then nothing is taken. Any thread.
 *
 * Fails with LABKIT_STATUS_BUFFER_TOO_SMALL or LABKIT_STATUS_INVALID_HANDLE.
 */
enum labkit_status labkit_client_drain_log(labkit_client client,
                                           char *buf,
                                           size_t cap,
                                           size_t *len);

/**
 * Finds the definition whose file is called `id` (without `.yml`). Do it
 * once and keep the number: it stays good as long as the client.
 *
 * `id`, `len`: UTF-8, copied. `out`: not NULL; written on success only.
 * Any thread.
 *
 * Fails with LABKIT_STATUS_UNKNOWN_EXPERIENCE, or
 * LABKIT_STATUS_INVALID_HANDLE.
 */
enum labkit_status labkit_definition_lookup(labkit_client client,
                                            const char *id,
                                            size_t len,
                                            uint32_t *out);

/**
 * Describes a definition as a JSON object: `id`, `description`,
 * `feature_category`, `urgency`, `apdex_threshold_s`, `ttl_s` (numbers, in
 * seconds). Later versions may add keys.
 *
 * `buf`, `cap`: where the text goes; not NUL-terminated; NULL and 0 ask for
 * the length alone. `len`: may be NULL; gets the text's length, also when the
 * buffer is too small for it.
 * Any thread; not for hot paths.
 *
 * Fails with LABKIT_STATUS_UNKNOWN_EXPERIENCE,
 * LABKIT_STATUS_BUFFER_TOO_SMALL or LABKIT_STATUS_INVALID_HANDLE.
 */
enum labkit_status labkit_definition_info(labkit_client client,
                                          uint32_t definition,
                                          char *buf,
                                          size_t cap,
                                          size_t *len);

/**
 * Starts an experience: notes the time and records a `start`.
 *
 * `definition`: from labkit_definition_lookup(). `correlation_id`: NULL with
 * length 0 for a fresh one, else a ULID or 32 hex digits. `meta`: NULL with
 * length 0, or extra fields as a flat JSON object of scalars, at most 32
 * keys and 4 KiB. `out`: not NULL; written on success, and also with
 * LABKIT_STATUS_QUEUE_FULL and LABKIT_STATUS_SHUT_DOWN, as only the
 * checkpoint was dropped. All text is UTF-8 and copied. Any thread.
 *
 * Fails with LABKIT_STATUS_UNKNOWN_EXPERIENCE or LABKIT_STATUS_INVALID_HANDLE;
 * with `strict` also LABKIT_STATUS_INVALID_ARGUMENT,
 * LABKIT_STATUS_INVALID_CHECKPOINT (meta) or LABKIT_STATUS_RESERVED_KEY.
 */
enum labkit_status labkit_experience_start(labkit_client client,
                                           uint32_t definition,
                                           const char *correlation_id,
                                           size_t correlation_id_len,
                                           const char *meta,
                                           size_t meta_len,
                                           struct labkit_experience *out);

/**
 * Records an `intermediate`.
 *
 * `experience`: not NULL. `category`: NULL with length 0, or what happened,
 * ^[a-z0-9_]{1,64}$. `meta`: as for labkit_experience_start(). Any thread,
 * one at a time per experience.
 *
 * Returns LABKIT_STATUS_NOT_STARTED or LABKIT_STATUS_OVER if there is nothing
 * to record, LABKIT_STATUS_QUEUE_FULL if it was dropped; with `strict` also
 * LABKIT_STATUS_INVALID_ARGUMENT (category),
 * LABKIT_STATUS_INVALID_CHECKPOINT (meta) or LABKIT_STATUS_RESERVED_KEY.
 */
enum labkit_status labkit_experience_checkpoint(struct labkit_experience *experience,
                                                const char *category,
                                                size_t category_len,
                                                const char *meta,
                                                size_t meta_len);

/**
 * Marks the experience as failed: its end will carry `error` and the reason.
 * Records nothing by itself.
 *
 * `experience`: not NULL. `reason`: may be NULL with length 0; cut after 256
 * bytes. One thread at a time per experience.
 *
 * Returns LABKIT_STATUS_NOT_STARTED or LABKIT_STATUS_OVER if it had no effect.
 */
enum labkit_status labkit_experience_error(struct labkit_experience *experience,
                                           const char *reason,
                                           size_t reason_len);

/**
 * Marks the end to come as expected, no failure of ours: a merge conflict,
 * say. It ends as not-error, with the reason. An error marked before stands.
 * Records nothing by itself. Arguments and result as for
 * labkit_experience_error().
 */
enum labkit_status labkit_experience_handled(struct labkit_experience *experience,
                                             const char *reason,
                                             size_t reason_len);

/**
 * Records the `end`, with the outcome that was marked, or success.
 *
 * `experience`: not NULL; over afterwards. `meta`: as for
 * labkit_experience_start(). One thread at a time per experience.
 *
 * Returns LABKIT_STATUS_OVER for a second end, which has no effect, and
 * otherwise as labkit_experience_checkpoint().
 */
enum labkit_status labkit_experience_complete(struct labkit_experience *experience,
                                              const char *meta,
                                              size_t meta_len);

/**
 * Ends the experience as one that turned out not to be one: it counts
 * nowhere. Arguments and result as for labkit_experience_complete(), with a
 * reason.
 */
enum labkit_status labkit_experience_discard(struct labkit_experience *experience,
                                             const char *reason,
                                             size_t reason_len,
                                             const char *meta,
                                             size_t meta_len);

/**
 * Ends the experience as the block of code that held it was left, for
 * wrappers with a block form. Records the `end` that belongs to `exit`, one
 * of LABKIT_EXIT_*; nothing for LABKIT_EXIT_ABANDONED, nothing in a fork
 * child whose parent entered the block, nothing if it is over already. A
 * non-local exit is `handled`, reason "non_local_exit", unless the
 * configuration says "error".
 *
 * `experience`: not NULL. `reason`: for LABKIT_EXIT_ERROR; may be NULL with
 * length 0. One thread at a time per experience.
 *
 * Fails with LABKIT_STATUS_INVALID_ARGUMENT if `exit` is none of them;
 * otherwise as labkit_experience_complete().
 */
enum labkit_status labkit_experience_leave(struct labkit_experience *experience,
                                           uint32_t exit,
                                           const char *reason,
                                           size_t reason_len);

/**
 * As labkit_experience_leave(), with extra fields for the `end`: those that
 * the block was given when it was entered, so that both of its checkpoints
 * carry them. Since LABKIT_ABI_VERSION 2.
 *
 * `experience`, `exit`, `reason`: as there. `meta`: as for
 * labkit_experience_start(). One thread at a time per experience.
 *
 * Fails as labkit_experience_leave().
 */
enum labkit_status labkit_experience_leave_with(struct labkit_experience *experience,
                                                uint32_t exit,
                                                const char *reason,
                                                size_t reason_len,
                                                const char *meta,
                                                size_t meta_len);

/**
 * Whether the experience has started and not ended. NULL: false. One thread
 * at a time per experience.
 */
bool labkit_experience_is_active(const struct labkit_experience *experience);

/**
 * Describes an experience as a JSON object: `user_experience_id`,
 * `correlation_id`, `start_time` (absent if not known here), `active`,
 * `outcome` as marked, `reason`. Later versions may add keys.
 *
 * `experience`: not NULL. `buf`, `cap`, `len`: as for
 * labkit_definition_info(). One thread at a time per experience; not for hot
 * paths.
 *
 * Fails with LABKIT_STATUS_NOT_STARTED, LABKIT_STATUS_BUFFER_TOO_SMALL or
 * LABKIT_STATUS_INVALID_HANDLE.
 */
enum labkit_status labkit_experience_info(const struct labkit_experience *experience,
                                          char *buf,
                                          size_t cap,
                                          size_t *len);

/**
 * Writes the carrier that takes the experience to another process:
 * `{"<user_experience_id>": {"start_time": ..., "correlation_id": ...}}`.
 * It is at most 256 bytes; carriers of several experiences are one object
 * with all their keys.
 *
 * `experience`: not NULL. `buf`, `cap`, `len`: as for
 * labkit_definition_info(). One thread at a time per experience.
 *
 * Fails with LABKIT_STATUS_NOT_STARTED, LABKIT_STATUS_OVER,
 * LABKIT_STATUS_BUFFER_TOO_SMALL or LABKIT_STATUS_INVALID_HANDLE.
 */
enum labkit_status labkit_experience_carrier(const struct labkit_experience *experience,
                                             char *buf,
                                             size_t cap,
                                             size_t *len);

/**
 * Continues what a carrier brought: records an `intermediate`.
 *
 * `carrier`: not NULL, at most 4 KiB; may hold other experiences, too.
 * `job`: NULL with length 0, or the job's own correlation id or jid, from
 * which the correlation id is derived if the carrier has none (GitLab's Ruby
 * library writes such). `category`: NULL with length 0 for "resume". `meta`
 * and `out`: as for labkit_experience_start(). Any thread.
 *
 * Fails with LABKIT_STATUS_NOT_IN_CARRIER, LABKIT_STATUS_INVALID_CARRIER,
 * LABKIT_STATUS_TOO_LONG, LABKIT_STATUS_INVALID_UTF8, and as
 * labkit_experience_start().
 */
enum labkit_status labkit_experience_resume(labkit_client client,
                                            uint32_t definition,
                                            const char *carrier,
                                            size_t carrier_len,
                                            const char *job,
                                            size_t job_len,
                                            const char *category,
                                            size_t category_len,
                                            const char *meta,
                                            size_t meta_len,
                                            struct labkit_experience *out);

/**
 * Records start and end of something that is already over.
 *
 * `correlation_id`, `meta`: as for labkit_experience_start().
 * `start_time_ms`: milliseconds since the Unix epoch; later than now counts
 * as now. `outcome`: one of LABKIT_OUTCOME_*. `reason`: may be NULL with
 * length 0; cut after 256 bytes. Any thread.
 *
 * Fails with LABKIT_STATUS_INVALID_ARGUMENT if `outcome` is none of them, and
 * as labkit_experience_start().
 */
enum labkit_status labkit_observed(labkit_client client,
                                   uint32_t definition,
                                   const char *correlation_id,
                                   size_t correlation_id_len,
                                   int64_t start_time_ms,
                                   uint32_t outcome,
                                   const char *reason,
                                   size_t reason_len,
                                   const char *meta,
                                   size_t meta_len);

/**
 * Records a whole payload of the wire format, for callers that keep the life
 * cycle themselves. An `id` is minted if it has none.
 *
 * `payload`: a JSON object, at most 16 KiB, copied. Any thread.
 *
 * Fails with LABKIT_STATUS_INVALID_CHECKPOINT, LABKIT_STATUS_INVALID_UTF8,
 * LABKIT_STATUS_TOO_LONG (above 1 MiB; from 16 KiB on it is invalid),
 * LABKIT_STATUS_QUEUE_FULL, LABKIT_STATUS_SHUT_DOWN or
 * LABKIT_STATUS_INVALID_HANDLE.
 */
enum labkit_status labkit_checkpoint_record(labkit_client client, const char *payload, size_t len);

/**
 * Stops the client's clock at `wall_ms`, milliseconds since the Unix epoch.
 * It moves only by further calls; elapsed times follow it. Any thread.
 *
 * Fails with LABKIT_STATUS_TEST_ONLY unless the configuration says
 * `"transport": "memory"`, or with LABKIT_STATUS_INVALID_HANDLE.
 */
enum labkit_status labkit_test_set_clock(labkit_client client, int64_t wall_ms);

/**
 * Makes ids predictable: number n from now on, counted from 0, is the ULID
 * of the clock's time with the random part `seed + n`. Checkpoints and fresh
 * correlation ids share the numbers; a start takes its correlation id first.
 * Any thread.
 *
 * Fails as labkit_test_set_clock().
 */
enum labkit_status labkit_test_seed_ids(labkit_client client, uint64_t seed);

/**
 * Takes what would have been sent since the last call: the JSON of one
 * checkpoint per line, in order, byte for byte as it would have travelled.
 *
 * `buf`, `cap`: where the text goes; not NUL-terminated; NULL and 0 ask for
 * the length alone. `len`: may be NULL; gets the text's length, also when the
 * buffer is too small: then nothing is taken. Any thread; waits for the
 * background thread, for 10 s at most.
 *
 * Fails with LABKIT_STATUS_BUFFER_TOO_SMALL, LABKIT_STATUS_DEADLINE_EXCEEDED,
 * and as labkit_test_set_clock().
 */
enum labkit_status labkit_test_take(labkit_client client, char *buf, size_t cap, size_t *len);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LABKIT_H */
