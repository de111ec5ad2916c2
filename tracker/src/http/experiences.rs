//! `GET /v1/experiences`: what is open, what is overdue, and one of them.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use labkit::wire::CorrelationId;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::problem::Problem;
use crate::auth::Scope;
use crate::limits::LISTED;
use crate::transition::{Identity, Stored};
use crate::view::{View, is_stale};

/// The query parameters of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    state: Option<String>,
    user_experience_id: Option<String>,
    limit: Option<usize>,
}

/// The list, the oldest first.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    experiences: Vec<View>,
}

pub(super) async fn list(
    State(shared): State<Shared>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Listed>, Problem> {
    let tenant = shared.admit(&headers, Scope::Read).await?.tenant;
    let Query(wanted) = wanted.map_err(|e| Problem::bad_parameter("query", e.body_text()))?;
    let only_stale = match wanted.state.as_deref() {
        None | Some("open") => false,
        Some("stale") => true,
        Some(_) => return Err(Problem::bad_parameter("state", "expected `open` or `stale`")),
    };
    let most = shared.tracker.limits.listed_most;
    let limit = wanted.limit.unwrap_or(LISTED.min(most));
    if !(1..=most).contains(&limit) {
        let detail = format!("expected a number from 1 to {most}");
        return Err(Problem::bad_parameter("limit", detail));
    }
    let now = shared.tracker.clock.now_ms();
    let id = wanted.user_experience_id;
    let filter = move |identity: &Identity, stored: &Stored| {
        identity.tenant == tenant
            && id.as_deref().is_none_or(|id| id == &*identity.user_experience_id)
            && is_listed(stored, now, only_stale)
    };
    let found = shared.tracker.store.list(Box::new(filter), limit).await?;
    let v = shared.tracker.time().v;
    let experiences = found.iter().map(|(identity, stored)| View::new(identity, stored, v));
    Ok(Json(Listed { experiences: experiences.collect() }))
}

/// Unfinished, and if wanted also stale.
fn is_listed(stored: &Stored, now: i64, only_stale: bool) -> bool {
    match only_stale {
        true => is_stale(stored, now),
        false => stored.unfinished_since().is_some(),
    }
}

pub(super) async fn show(
    State(shared): State<Shared>,
    headers: HeaderMap,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<View>, Problem> {
    let tenant = shared.admit(&headers, Scope::Read).await?.tenant;
    let unknown = || Problem::not_found("no such experience is remembered for this tenant");
    // A text that is no correlation id names no experience.
    let Path((user_experience_id, correlation_id)) = path.map_err(|_| unknown())?;
    let correlation_id: CorrelationId = correlation_id.parse().map_err(|_| unknown())?;
    let view = shared.tracker.experience(&tenant, &user_experience_id, correlation_id).await?;
    view.map(Json).ok_or_else(unknown)
}
