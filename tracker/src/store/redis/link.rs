//! The way to Redis: one round trip to one shard, on a connection that is made
//! when it is needed and thrown away when it is no good.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, SingleNodeRoutingInfo, SlotAddr};
use redis::{
    AsyncConnectionConfig, Client, Pipeline, ServerErrorKind, TlsCertificates, Value,
    from_redis_value,
};
use tokio::sync::{Mutex, RwLock};
use tokio::time::Instant;

use super::fault::Fault;
use super::fitness::{self, Barrier};
use super::scripts;
use super::settings::{Address, Settings};
use super::shards::{SHARDS, Shard};

/// Connections to a single server. A `WAIT` holds up whatever follows on its
/// connection, so there are some; more would only split the pipelines.
const CONNECTIONS: usize = 4;
/// After a failed attempt to connect, others hear of it instead of trying, too.
const CONNECT_AGAIN: Duration = Duration::from_millis(100);
/// How often the client of a cluster follows a redirection, or waits for a new
/// master, before the caller hears of it.
const REDIRECTIONS: u32 = 3;
/// How long what was asked of a shard's master counts.
const JUDGED_FOR: Duration = Duration::from_secs(5);

/// What a pipeline's answer has to mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    /// That the server did it.
    Done,
    /// That what it wrote is as durable as `ack` says.
    Written,
    /// That what it read is: who finds its checkpoint seen acknowledges it, too.
    Read,
    /// That a failover does not take what it read; it writes something itself. A
    /// crash of the one server may: to wait for its disk would hold up the log.
    Copied,
}

pub(super) struct Link {
    settings: Settings,
    target: Target,
}

enum Target {
    Single(Box<Single>),
    Cluster { connection: ClusterConnection, barriers: Box<RwLock<[Option<Judged>; SHARDS]>> },
}

/// What a shard's master was found fit for, and when: the client of a cluster
/// follows a shard to another one, and nobody is told.
#[derive(Clone, Copy)]
struct Judged {
    barrier: Barrier,
    at: Instant,
}

struct Single {
    client: Client,
    connections: [Mutex<Held>; CONNECTIONS],
    last: AtomicU64,
}

#[derive(Default)]
struct Held {
    live: Option<Live>,
    refused: Option<(Instant, Fault)>,
}

#[derive(Clone)]
struct Live {
    number: u64,
    connection: MultiplexedConnection,
    barrier: Barrier,
}

impl Link {
    pub(super) async fn new(settings: Settings) -> Result<Self, Fault> {
        let ca_file = settings.ca_file.as_ref();
        let certificates = ca_file.map(|path| match std::fs::read(path) {
            Ok(pem) => Ok(TlsCertificates { client_tls: None, root_cert: Some(pem) }),
            Err(e) => Err(Fault::Unfit(format!("[redis] ca_file {}: {e}", path.display()))),
        });
        let certificates = certificates.transpose()?;
        // Fails if somebody else has settled it, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let target = match &settings.address {
            Address::Single(url) => Target::Single(Box::new(Single {
                client: match certificates {
                    Some(certificates) => Client::build_with_tls(url.as_str(), certificates)?,
                    None => Client::open(url.as_str())?,
                },
                connections: Default::default(),
                last: AtomicU64::new(0),
            })),
            Address::Cluster(urls) => {
                let mut builder = ClusterClient::builder(urls.iter().map(String::as_str))
                    .connection_timeout(settings.connect_timeout)
                    .response_timeout(settings.response_timeout)
                    .overall_response_timeout(Some(settings.response_timeout * 2))
                    .retries(REDIRECTIONS);
                if let Some(certificates) = certificates {
                    builder = builder.certs(certificates);
                }
                let connection = builder.build()?.get_async_connection().await?;
                Target::Cluster { connection, barriers: Box::default() }
            }
        };
        Ok(Link { settings, target })
    }

    /// Sends `pipeline` to the shard's server in one piece, and returns its
    /// answers, none of which is an error. On an error any part may be done.
    pub(super) async fn run(
        &self,
        shard: &Shard,
        pipeline: Pipeline,
        means: Means,
    ) -> Result<Vec<Value>, Fault> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        match self.attempt(shard, &pipeline, means).await {
            // It was closed while nobody used it, or in between. Whatever was
            // done is a conflict at the second time; only what a tombstone meets,
            // which it does not keep, may be counted and told once more.
            Err(fault) if fault.is_a_lost_connection() => {
                self.attempt(shard, &pipeline, means).await
            }
            answers => answers,
        }
    }

    async fn attempt(
        &self,
        shard: &Shard,
        pipeline: &Pipeline,
        means: Means,
    ) -> Result<Vec<Value>, Fault> {
        let way = self.way(shard).await?;
        let wanted = pipeline.len();
        let timeout = self.settings.ack_timeout.as_millis() as u64;
        let pipeline = followed(pipeline, way.barrier(), means, shard, timeout);
        let answers = match way.ask(&pipeline).await {
            Ok(answers) => confirmed(answers, wanted, way.barrier()),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = &answers
            && fault.is_of_the_connection()
        {
            self.discard(shard, &way).await;
        }
        answers
    }

    async fn way(&self, shard: &Shard) -> Result<Way, Fault> {
        match &self.target {
            Target::Single(single) => {
                let mut held = single.connections[shard.number % CONNECTIONS].lock().await;
                if let Some(live) = &held.live {
                    return Ok(Way::Single(live.clone()));
                }
                if let Some((since, fault)) = &held.refused
                    && since.elapsed() < CONNECT_AGAIN
                {
                    return Err(fault.clone());
                }
                match connect(&single.client, &self.settings).await {
                    Ok((connection, barrier)) => {
                        let number = single.last.fetch_add(1, Ordering::Relaxed);
                        let live = Live { number, connection, barrier };
                        *held = Held { live: Some(live.clone()), refused: None };
                        Ok(Way::Single(live))
                    }
                    Err(fault) => {
                        held.refused = Some((Instant::now(), fault.clone()));
                        Err(fault)
                    }
                }
            }
            Target::Cluster { connection, barriers } => {
                let route = Route::with_slot(shard.slot, SlotAddr::Master);
                let route = SingleNodeRoutingInfo::SpecificNode(route);
                let connection = connection.clone();
                let judged = barriers.read().await[shard.number];
                if let Some(Judged { barrier, .. }) =
                    judged.filter(|judged| judged.at.elapsed() < JUDGED_FOR)
                {
                    return Ok(Way::Cluster { connection, route, barrier });
                }
                let unknown = Way::Cluster { connection, route, barrier: Barrier::None };
                let answers = unknown.send(&fitness::questions()).await?;
                let barrier = fitness::judge(answers, self.settings.ack)?;
                barriers.write().await[shard.number] = Some(Judged { barrier, at: Instant::now() });
                Ok(unknown.with(barrier))
            }
        }
    }

    /// The next one makes a new connection, and asks again whether the server will do.
    async fn discard(&self, shard: &Shard, way: &Way) {
        match (&self.target, way) {
            (Target::Single(single), Way::Single(bad)) => {
                let mut held = single.connections[shard.number % CONNECTIONS].lock().await;
                if held.live.as_ref().is_some_and(|live| live.number == bad.number) {
                    held.live = None;
                }
            }
            (Target::Cluster { barriers, .. }, _) => barriers.write().await[shard.number] = None,
            (Target::Single(_), Way::Cluster { .. }) => {}
        }
    }
}

async fn connect(
    client: &Client,
    settings: &Settings,
) -> Result<(MultiplexedConnection, Barrier), Fault> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(settings.connect_timeout))
        .set_response_timeout(Some(settings.response_timeout));
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let questions = fitness::questions();
    let answers = connection.send_packed_commands(&questions, 0, questions.len()).await?;
    let barrier = fitness::judge(answers, settings.ack)?;
    Ok((connection, barrier))
}

/// A connection, for one round trip.
enum Way {
    Single(Live),
    Cluster { connection: ClusterConnection, route: SingleNodeRoutingInfo, barrier: Barrier },
}

impl Way {
    fn barrier(&self) -> Barrier {
        match self {
            Way::Single(live) => live.barrier,
            Way::Cluster { barrier, .. } => *barrier,
        }
    }

    fn with(self, barrier: Barrier) -> Self {
        match self {
            Way::Single(live) => Way::Single(Live { barrier, ..live }),
            Way::Cluster { connection, route, .. } => Way::Cluster { connection, route, barrier },
        }
    }

    async fn send(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Fault> {
        let count = pipeline.len();
        Ok(match self {
            Way::Single(live) => {
                live.connection.clone().send_packed_commands(pipeline, 0, count).await?
            }
            Way::Cluster { connection, route, .. } => {
                let pipeline = pipeline.clone();
                connection.clone().route_pipeline(pipeline, 0, count, route.clone()).await?
            }
        })
    }

    /// The same, to a server that may not know the scripts yet. What it did at
    /// the first time is a conflict at the second; see [`Link::run`].
    async fn ask(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Fault> {
        let mut answers = self.send(pipeline).await?;
        if answers.iter().any(is_unknown_script) {
            self.send(&scripts::introduction()).await?;
            answers = self.send(pipeline).await?;
        }
        let answers = answers.into_iter().map(Value::extract_error);
        Ok(answers.collect::<Result<Vec<_>, _>>()?)
    }
}

fn is_unknown_script(answer: &Value) -> bool {
    let unknown = Some(ServerErrorKind::NoScript);
    matches!(answer, Value::ServerError(error) if error.kind() == unknown)
}

/// The pipeline with what has to follow it, so that its answer can be checked.
fn followed<'a>(
    pipeline: &'a Pipeline,
    barrier: Barrier,
    means: Means,
    shard: &Shard,
    timeout: u64,
) -> Cow<'a, Pipeline> {
    match (means, barrier) {
        (Means::Done, _) | (_, Barrier::None) | (Means::Copied, Barrier::Disk) => {
            return Cow::Borrowed(pipeline);
        }
        _ => {}
    }
    let mut pipeline = pipeline.clone();
    if means == Means::Read {
        // Both commands wait for the last write of their own connection: a
        // write that comes after the read stands for everything that was read.
        pipeline.cmd("HSET").arg(&shard.meta).arg("read").arg(1);
    }
    match barrier {
        Barrier::None => {}
        Barrier::Disk => {
            pipeline.cmd("WAITAOF").arg(1).arg(0).arg(timeout);
        }
        Barrier::Replicas(replicas) => {
            pipeline.cmd("WAIT").arg(replicas).arg(timeout);
        }
    }
    Cow::Owned(pipeline)
}

fn confirmed(
    mut answers: Vec<Value>,
    wanted: usize,
    barrier: Barrier,
) -> Result<Vec<Value>, Fault> {
    let more = answers.split_off(wanted.min(answers.len()));
    let Some(last) = more.into_iter().next_back() else { return Ok(answers) };
    match barrier {
        Barrier::None => {}
        Barrier::Disk => {
            let (synced, _): (u32, u32) = from_redis_value(last)?;
            if synced < 1 {
                let detail = "WAITAOF: the append-only file was not synced in time";
                return Err(Fault::Unconfirmed(detail.to_owned()));
            }
        }
        Barrier::Replicas(replicas) => {
            let had: u32 = from_redis_value(last)?;
            if had < replicas {
                return Err(Fault::Unconfirmed(format!(
                    "WAIT: {had} of {replicas} replicas confirmed in time. `INFO replication` \
                     says which are connected"
                )));
            }
        }
    }
    Ok(answers)
}
