//! Every bound and default of the tracker that decides what comes in, is kept or
//! takes time, in one place, with its reason; how a page looks is its own. What
//! travels is bounded in [`labkit::wire::limits`], which both sides share.

mod bucket;
mod buckets;
mod configured;
mod descriptors;
mod peers;

use std::time::Duration;

pub(crate) use bucket::Bucket;
pub(crate) use buckets::Buckets;
pub use configured::Limits;
pub(crate) use descriptors::make_room;
pub(crate) use peers::Peers;

/// The reorder window R: how far apart two deliveries of one experience may
/// be swapped, and how long an end waits for a start that has not arrived.
pub const REORDER_MS: i64 = 30_000;

/// A tick gap above this is a pause of ours, not time that passed for anyone.
pub const TICK_GAP_MS: i64 = 2_000;
/// After a pause: what queued up in clients meanwhile arrives first.
pub const SETTLING_MS: i64 = 120_000;
/// What each old checkpoint adds while settling: the backlog is still coming.
pub const SETTLING_EXTENSION_MS: i64 = 30_000;
/// Settling ends after this, or a slow client would stop time for all.
pub const SETTLING_MOST_MS: i64 = 600_000;
/// Deadlines are late by one tick at most; ten ticks a second cost nothing.
pub const TICK: Duration = Duration::from_millis(100);
/// Experiences of one step of the sweep: bounds how long a shard is held.
pub const SWEEP_STEP: usize = 500;

/// Bounds of the lateness histogram: a tick, the second that is promised, and
/// how bad it is beyond.
pub const LATENESS_BOUNDS_MS: [i64; 9] = [50, 100, 200, 500, 1_000, 2_500, 5_000, 15_000, 60_000];

/// Ids that an experience remembers whole.
pub const IDS_WHOLE: usize = 64;
/// Ids that an experience remembers, the later ones as fingerprints; then
/// intermediates are refused.
pub const IDS: usize = 1_024;
/// Room kept for starts and ends after that. Each of these would only be an
/// anomaly; beyond this room they are refused, too.
pub const IDS_RESERVE: usize = 64;

/// How long an ended experience stays whole, so that it can be looked at.
pub const WHOLE_MS: i64 = 3_600_000;
/// How long what remains of it answers duplicates: 24 h of acceptance age, 12 h
/// of `sent_at` tolerance, and the hour above.
pub const TOMBSTONE_MS: i64 = 37 * 3_600_000;

/// An SDK instance counts as gone that misses so many of its heartbeats, and then
/// takes longer than a request may.
pub const INSTANCE_BEATS: i64 = 2;
/// The second part of it.
pub const INSTANCE_REQUEST_MS: i64 = 10_000;
/// The longest time between two heartbeats that is worth waiting for.
pub const INSTANCE_BEAT_MOST_MS: i64 = 3_600_000;
/// The largest figure that an instance can say of itself: a million a second for
/// eleven days. One absurd figure must not spoil the sum that all others add to.
pub const INSTANCE_FIGURE_MOST: u64 = 1_000_000_000_000;
/// How long it is remembered after that, to tell who owned what times out later.
pub const INSTANCE_KEPT_MS: i64 = 2 * 3_600_000;
/// And if it held checkpoints, which a spool may bring within their acceptance age.
pub const INSTANCE_OWING_MS: i64 = 25 * 3_600_000;
/// How often what was heard of instances is written down.
pub const INSTANCE_BEAT_MS: i64 = 1_000;
/// Instances that are heard of within that time; of more, some are not written down.
pub const INSTANCES_HEARD: usize = 20_000;

/// Values of the label `type` that are learned where no list is configured.
pub const LEARNED_TYPES: usize = 64;
/// What an experience can have lasted at most, by its own word: a year. One
/// absurd figure must not spoil the sum that all others add to.
pub const ELAPSED_MOST_US: i64 = 366 * 24 * 3_600 * 1_000_000;
/// How often a change is computed again when others change the same
/// experience at the same time.
pub const CONFLICT_ROUNDS: usize = 32;

/// Shards of the in-memory store: enough that a dozen threads seldom meet.
pub const SHARDS: usize = 16;
/// Log lines that wait for a slow reader of the event log; then ingest is
/// refused (503) and virtual time stands still, because a lost line is worse.
pub const OUTBOX_LINES: usize = 100_000;
/// Lines of one write to the event log.
pub const OUTBOX_STEP: usize = 2_000;
/// How long the first line of a write waits for others: a thread is woken for
/// each write, which costs as much as a hundred lines.
pub const OUTBOX_GATHER: Duration = Duration::from_millis(5);
/// How long to wait after the event log could not be written.
pub const OUTBOX_RETRY: Duration = Duration::from_secs(1);

/// Changes of one transaction of the embedded store: at ten microseconds
/// each this bounds how long the last one waits for the first.
pub const STORE_GROUP: usize = 4_096;
/// How long a transaction of the embedded store waits for company at most,
pub const STORE_GATHER: Duration = Duration::from_millis(5);
/// and how often it looks for it.
pub const STORE_LOOK: Duration = Duration::from_micros(100);
/// Callers that wait for the embedded store's writer before the next one has
/// to wait for a place.
pub const STORE_QUEUE: usize = 1_024;
/// How long ticks may stay off the embedded store's disk where nothing else is
/// written: a sync each would cost an idle disk a hundred gigabytes a day.
pub const STORE_SYNC_MS: i64 = 1_000;
/// What a tick has to get onto the disk after the embedded store failed: about
/// as much as a group of commits, or time would pass while ingest is refused.
pub const STORE_PROBE_BYTES: usize = 4 * 1024 * 1024;
/// Pages of the embedded store kept in memory: the live end of a file with a
/// million open experiences. redb's own default is four times that.
pub const STORE_CACHE_BYTES: usize = 256 * 1024 * 1024;

/// Decompressed to compressed size of a body: honest batches stay below 15,
/// since every checkpoint has random ids; a bomb reaches 1,000.
pub const COMPRESSION_RATIO: usize = 20;
/// Bytes of a request's head: a credential of the largest size eight times over.
/// Also how much of a body is read at once, and so what a connection can hold.
pub const HEAD_BYTES: usize = 64 * 1024;
/// Time for a request's head, from its first byte; it fits into one packet.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a kept connection may be silent, and an answer unread. Longer than
/// the 60 s of common proxies, so that it is they who close: a request that
/// meets a close on its way would be their 502.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// Time for a request's body: 1 MiB at 35 KB/s.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for a request, from the end of its head to the beginning of its answer:
/// an issuer's keys, the body, and a store that takes its time.
pub const TOTAL_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a refused body that are still read, and thrown away: many clients
/// write all before they read, and to close on them would cost them the answer.
pub const DRAINED_BYTES: usize = 8 * 1024 * 1024;
/// And for how long: to wait for a slow one is no use to anybody.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests that are worked on at once, body and all. A store that answers
/// within 10 ms takes 50,000 a second through these; one that stands still
/// should be felt by clients, which wait, and not by this machine's memory.
pub const REQUESTS: usize = 512;
/// Bytes of all bodies together, from their first byte to their answer: so much
/// memory do they hold however many come at once, and however slowly.
pub const BODIES_BYTES: usize = 256 * 1024 * 1024;
/// Bytes of a refusal's detail: enough for every sentence of ours; some quote
/// a client's key, which can be as long as its body.
pub const DETAIL_BYTES: usize = 240;
/// Connections at once; the next one waits in the listen queue. 256 MiB at most
/// if each sends a head as long as one may be.
pub const CONNECTIONS: usize = 4_096;
/// Descriptors beside those of connections: the store, logs, issuers, Redis.
pub const DESCRIPTORS: u64 = 256;
/// Of one address, be it a machine or a proxy with thousands behind it: half of
/// all, so that nobody alone can keep everybody out.
pub const CONNECTIONS_PER_PEER: usize = 2_048;
/// How long to wait after no connection could be accepted: descriptors are
/// short, and to try at once again would only spin.
pub const ACCEPT_RETRY: Duration = Duration::from_secs(1);
/// How long requests in flight, and then the event log, may take to finish at
/// shutdown.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
/// At shutdown, requests are counted this often,
pub const QUIET_LOOK: Duration = Duration::from_millis(50);
/// and none this many times in a row means that the last answer has left.
pub const QUIET_LOOKS: u32 = 4;
/// What `Retry-After` says when the store cannot commit now.
pub const RETRY_AFTER_S: u32 = 2;

/// Checkpoints a second that one credential may send in the long run: what a
/// durable store takes in on one core, or thereabouts, so that one sender
/// cannot leave the others nothing.
pub const CREDENTIAL_RATE: u32 = 20_000;
/// Checkpoints that it may send at once: what it did not send during the last
/// minute. A backlog after an outage is just that.
pub const CREDENTIAL_BURST: u32 = 60 * CREDENTIAL_RATE;
/// The longest wait that a credential is sent away with, and so the most that
/// requests which came in at the same time can overdraw.
pub const THROTTLE_MOST_MS: i64 = 60_000;
/// Subjects of an issuer that are counted each by itself; later ones together.
pub const BUCKETS: usize = 10_000;

/// Bytes of a key or token. GitLab's tokens have about 1,000; hashing and
/// reading longer ones would be work that anybody can ask for.
pub const CREDENTIAL_BYTES: usize = 8 * 1024;
/// Bytes of the name of a key: issuers use hashes and dates.
pub const KID_BYTES: usize = 256;
/// Bytes of a tenant's part that a token decides.
pub const TENANT_BYTES: usize = 256;
/// Seconds that the clocks of issuer and tracker may be apart.
pub const CLOCK_LEEWAY_S: f64 = 30.0;
/// Time for an issuer's answer: clients wait meanwhile, for 5 s and longer.
pub const KEYSET_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of an issuer's answer: about 500 keys.
pub const KEYSET_BYTES: u64 = 256 * 1024;
/// How often keys are fetched anyway: soon enough to forget one that was
/// withdrawn.
pub const KEYSET_REFRESH_MS: i64 = 300_000;
/// And how soon again after a failure.
pub const KEYSET_RETRY_MS: i64 = 30_000;
/// How often a request with an unknown key may cause a fetch.
pub const KEYSET_GUARD_MS: i64 = 30_000;
/// How long the name of a key that was not found is not looked for, at most.
pub const MISS_MOST_MS: i64 = 600_000;
/// Such names that are remembered per issuer.
pub const MISSES: usize = 64;

/// How often the definitions are read again: a deploy of new ones shows within
/// a minute, and a few dozen small files cost a millisecond.
pub const RELOAD_INTERVAL: Duration = Duration::from_secs(30);

/// Queries and pages that are worked on at once: each may look at every experience
/// there is.
pub const READS: usize = 8;
/// Scrapes that are.
pub const SCRAPES: usize = 2;
/// Experiences of one answer of the query path, unless asked otherwise.
pub const LISTED: usize = 100;
/// And at most.
pub const LISTED_MOST: usize = 1_000;
/// How old the last tick may be for this process to call itself ready.
pub const READY_TICK_AGE_MS: i64 = 5_000;
