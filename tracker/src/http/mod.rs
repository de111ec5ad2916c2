//! The edge: routes, what they refuse, and the loop that serves them.

mod body;
mod checkpoints;
mod experiences;
mod health;
mod metrics;
mod page;
mod problem;
mod serve;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::auth::{Auth, Grant, Scope};
use crate::tracker::Tracker;

pub use problem::Problem;
pub(crate) use serve::serve;

/// What every route can reach.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) auth: Arc<Auth>,
}

impl Shared {
    /// What the caller is granted, if it may do what it wants to.
    async fn admit(&self, headers: &HeaderMap, wanted: Scope) -> Result<Grant, Problem> {
        Ok(self.auth.admit(headers, wanted).await?)
    }
}

/// All routes of the tracker.
pub(crate) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/v1/checkpoints", post(checkpoints::create))
        .route("/v1/experiences", get(experiences::list))
        .route("/v1/experiences/{user_experience_id}/{correlation_id}", get(experiences::show))
        .route("/metrics", get(metrics::process))
        .route("/metrics/sli", get(metrics::sli))
        .route("/-/liveness", get(health::liveness))
        .route("/-/readiness", get(health::readiness))
        .route("/", get(page::show))
        .fallback(async || Problem::not_found("no such path").into_response())
        .method_not_allowed_fallback(async || Problem::method_not_allowed().into_response())
        .layer(middleware::from_fn_with_state(shared.clone(), count))
        .with_state(shared)
}

/// Counts every answer under the route's own name: what the client typed must
/// never become a label.
async fn count(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let route = match request.uri().path() {
        "/v1/checkpoints" => "/v1/checkpoints",
        "/v1/experiences" => "/v1/experiences",
        path if path.starts_with("/v1/experiences/") => "/v1/experiences/{id}/{correlation_id}",
        "/metrics" => "/metrics",
        "/metrics/sli" => "/metrics/sli",
        "/-/liveness" => "/-/liveness",
        "/-/readiness" => "/-/readiness",
        "/" => "/",
        _ => "other",
    };
    let _in_flight = shared.tracker.stats.begin();
    let response = next.run(request).await;
    shared.tracker.stats.request(route, response.status().as_u16());
    response
}
