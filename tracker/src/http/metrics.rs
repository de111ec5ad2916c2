//! `/metrics`, this process, and `/metrics/sli`, the store's counters.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::Shared;
use super::problem::Problem;
use crate::emit::Exposition;

const MEDIA_TYPE: [(header::HeaderName, &str); 1] =
    [(header::CONTENT_TYPE, Exposition::MEDIA_TYPE)];

pub(super) async fn process(State(shared): State<Shared>) -> impl IntoResponse {
    (MEDIA_TYPE, shared.tracker.metrics().await + &shared.auth.render())
}

pub(super) async fn sli(State(shared): State<Shared>) -> Result<impl IntoResponse, Problem> {
    Ok((MEDIA_TYPE, shared.tracker.sli().await?))
}
