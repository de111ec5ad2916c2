//! `POST /v1/checkpoints`.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::{Shared, body};
use crate::ingest::Ingested;

pub(super) async fn create(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // Before the body: who may not come in sends nothing.
    let tenant = shared.tenant(&headers)?;
    let text = body::read(&headers, body).await?;
    let received = shared.tracker.clock.now_ms();
    let json = match shared.tracker.ingest(&tenant, &text, received).await? {
        Ingested::Single(json) => json,
        // Cannot fail: strings and numbers.
        Ingested::Batch(answer) => serde_json::to_string(&answer).unwrap_or_default(),
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response())
}
