//! How much is done at once. Whoever comes when all places are taken is sent
//! away before anything of the request is looked at: to refuse is cheap, and
//! clients come again.

use std::array;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::problem::Problem;
use super::{Shared, body};
use crate::emit::Exposition;
use crate::limits::{Limits, Peers, READS, SCRAPES};

/// What was cut off or sent away, by the limit that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shed {
    /// A connection of a peer that has as many as one may have.
    Peer,
    /// A request above those that are worked on.
    Requests,
    /// A request for whose body there is no memory.
    Bodies,
    /// A connection on which no head came.
    HeadTimeout,
    /// A request whose body did not come.
    BodyTimeout,
    /// A request that could not be answered.
    TotalTimeout,
}

impl Shed {
    const ALL: [Shed; 6] = [
        Shed::Peer,
        Shed::Requests,
        Shed::Bodies,
        Shed::HeadTimeout,
        Shed::BodyTimeout,
        Shed::TotalTimeout,
    ];

    /// The limit's name, as `[limits]` has it.
    pub(super) fn limit(self) -> &'static str {
        match self {
            Shed::Peer => "connections_per_peer",
            Shed::Requests => "requests",
            Shed::Bodies => "bodies_bytes",
            Shed::HeadTimeout => "head_timeout_ms",
            Shed::BodyTimeout => "body_timeout_ms",
            Shed::TotalTimeout => "total_timeout_ms",
        }
    }
}

/// The places that there are, and who found none.
#[derive(Debug)]
pub(crate) struct Gate {
    requests: Semaphore,
    /// Of those who only look: few of the places above are theirs.
    reads: Semaphore,
    /// Of those who measure: what they see is the overload.
    metrics: Semaphore,
    bodies: Arc<Semaphore>,
    bodies_bytes: usize,
    pub(super) peers: Peers,
    shed: [AtomicU64; Shed::ALL.len()],
}

impl Gate {
    pub(crate) fn new(limits: &Limits) -> Self {
        Gate {
            requests: Semaphore::new(limits.requests),
            reads: Semaphore::new(READS),
            metrics: Semaphore::new(SCRAPES),
            bodies: Arc::new(Semaphore::new(limits.bodies_bytes)),
            bodies_bytes: limits.bodies_bytes,
            peers: Peers::new(limits.connections_per_peer),
            shed: array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Counts one.
    pub(super) fn shed(&self, reason: Shed) {
        self.shed[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one, and says so to who is sent away.
    pub(super) fn turn_away(&self, reason: Shed) -> Problem {
        self.shed(reason);
        Problem::overloaded(reason)
    }

    /// A place for work whose request is there already: it may wait a little
    /// for those before it, as to read it again would be more work.
    pub(super) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes the semaphore.
        self.requests.acquire().await.ok()
    }

    fn is_full(&self) -> bool {
        self.requests.available_permits() == 0
    }

    /// Memory for a body; none yet.
    pub(super) fn hold(&self) -> Held {
        Held { bodies: self.bodies.clone(), permit: None }
    }

    /// Its part of the page `/metrics`.
    pub(super) fn render(&self) -> String {
        let mut page = Exposition::default();
        let name = "labkit_tracker_http_shed_total";
        let help = "Connections and requests that were cut off or sent away, by the limit.";
        page.family(name, "counter", help);
        for reason in Shed::ALL {
            let count = self.shed[reason as usize].load(Ordering::Relaxed);
            page.sample(name, &[("limit", reason.limit())], count);
        }
        let held = self.bodies_bytes - self.bodies.available_permits();
        let help = "Bytes of all bodies under way, from their first one to their answer.";
        page.single("labkit_tracker_http_bodies_bytes", "gauge", help, held);
        page.finish()
    }
}

/// Memory that a body holds, as long as this lives.
pub(super) struct Held {
    bodies: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Whether there is room for so many bytes now.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        bytes <= self.bodies.available_permits() as u64
    }

    /// All of it, in other hands.
    pub(super) fn take_all(&mut self) -> Held {
        Held { bodies: self.bodies.clone(), permit: self.permit.take() }
    }

    /// Takes so many more, if there are.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let Ok(more) = self.bodies.clone().try_acquire_many_owned(bytes) else { return false };
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        true
    }
}

/// Sends away whom there is no place for, and whoever cannot be answered in
/// time. Those who restart and route are let through; those who measure wait for
/// each other only.
pub(super) async fn pass(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let (gate, limits) = (&shared.gate, &shared.tracker.limits);
    let path = request.uri().path();
    if path.starts_with("/-/") {
        return next.run(request).await;
    }
    // What has a body takes its place when that is here, as it can be slow.
    let has_body = request.method() == Method::POST;
    let is_scrape = path.starts_with("/metrics");
    if !is_scrape && gate.is_full() {
        let problem = gate.turn_away(Shed::Requests);
        let (head, mut body) = request.into_parts();
        body::drain(&head.headers, &mut body, limits).await;
        return problem.into_response();
    }
    let answer = async {
        let _places = match has_body {
            true => (None, None),
            false if is_scrape => (gate.metrics.acquire().await.ok(), None),
            false => (gate.reads.acquire().await.ok(), gate.enter().await),
        };
        next.run(request).await
    };
    match tokio::time::timeout(limits.total_timeout(), answer).await {
        Ok(response) => response,
        Err(_) => gate.turn_away(Shed::TotalTimeout).into_response(),
    }
}
