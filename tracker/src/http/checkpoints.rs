//! `POST /v1/checkpoints`.

use std::panic;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Shared;
use super::body::{self, Unread};
use super::problem::Problem;
use crate::auth::Scope;
use crate::ingest::Ingested;

pub(super) async fn create(
    State(shared): State<Shared>,
    headers: HeaderMap,
    mut body: Body,
) -> Result<Response, Problem> {
    let answer = take_in(&shared, &headers, &mut body).await;
    // Who was too slow for the body once is not waited for twice.
    if answer.as_ref().is_err_and(|problem| problem.status != StatusCode::REQUEST_TIMEOUT) {
        body::drain(&headers, &mut body, &shared.tracker.limits).await;
    }
    answer
}

async fn take_in(
    shared: &Shared,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<Response, Problem> {
    // Before the body: of who may not come in, nothing is looked at.
    let grant = shared.admit(headers, Scope::Write).await?;
    let clock = &shared.tracker.clock;
    if let Some(wait) = grant.bucket.as_ref().and_then(|bucket| bucket.wait(clock.now_ms())) {
        return Err(Problem::throttled(wait));
    }
    let held = shared.gate.hold();
    let (text, held) = body::read(headers, body, &shared.tracker.limits, held).await.map_err(
        |unread| match unread {
            Unread::Refused(problem) => problem,
            Unread::Shed(reason) => shared.gate.turn_away(reason),
        },
    )?;
    let _place = shared.gate.enter().await;
    let text = shared.redact.apply(text);
    let received = clock.now_ms();
    let tracker = shared.tracker.clone();
    // To its end, also if the client hangs up: what is committed is counted,
    // charged and told.
    let ingest = tokio::spawn(async move {
        let _held = held;
        let ingested = tracker.ingest_within(&grant.tenant, &grant.reach, &text, received).await;
        if let Some(bucket) = &grant.bucket {
            bucket.charge(received, ingested.as_ref().map_or(1, Ingested::checkpoints));
        }
        ingested
    });
    let ingested = ingest.await.unwrap_or_else(|e| panic::resume_unwind(e.into_panic()));
    let json = match ingested? {
        Ingested::Single(json) => json,
        // Cannot fail: strings and numbers.
        Ingested::Batch(answer) => serde_json::to_string(&answer).unwrap_or_default(),
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}
