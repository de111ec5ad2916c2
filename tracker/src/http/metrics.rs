//! `/metrics`, this process, and `/metrics/sli`, the store's counters. Both sum
//! over all tenants.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;

use super::Shared;
use super::problem::Problem;
use crate::emit::Exposition;

const MEDIA_TYPE: [(header::HeaderName, &str); 1] =
    [(header::CONTENT_TYPE, Exposition::MEDIA_TYPE)];

pub(super) async fn process(
    State(shared): State<Shared>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    shared.admit_scrape(&headers).await?;
    let page = shared.tracker.metrics().await + &shared.auth.render() + &shared.gate.render();
    Ok((MEDIA_TYPE, page))
}

pub(super) async fn sli(
    State(shared): State<Shared>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    shared.admit_scrape(&headers).await?;
    Ok((MEDIA_TYPE, shared.tracker.sli().await?))
}
