//! `/-/liveness` and `/-/readiness`, for whoever restarts and routes.

use axum::extract::State;
use axum::http::StatusCode;

use super::Shared;
use super::problem::Problem;
use crate::limits::READY_TICK_AGE_MS;

/// The process answers. Nothing more: a restart cures no other ill.
pub(super) async fn liveness() -> StatusCode {
    StatusCode::OK
}

/// The store takes the clock's writes, so it takes checkpoints, too.
pub(super) async fn readiness(State(shared): State<Shared>) -> Result<StatusCode, Problem> {
    match shared.tracker.tick_age().abs() <= READY_TICK_AGE_MS {
        true => Ok(StatusCode::OK),
        false => Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the store has refused the clock's writes for a while; see the log on standard error",
        )),
    }
}
