//! `POST /v1/checkpoints`.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::{Shared, body};
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
    let tenant = shared.tenant(headers)?;
    let text = body::read(headers, body, &shared.tracker.limits).await?;
    let received = shared.tracker.clock.now_ms();
    let json = match shared.tracker.ingest(&tenant, &text, received).await? {
        Ingested::Single(json) => json,
        // Cannot fail: strings and numbers.
        Ingested::Batch(answer) => serde_json::to_string(&answer).unwrap_or_default(),
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}
