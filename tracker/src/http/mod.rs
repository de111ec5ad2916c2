//! The edge: routes, what they refuse, and the loop that serves them.

mod body;
mod checkpoints;
mod experiences;
mod gate;
mod health;
mod metrics;
mod openapi;
mod pace;
pub(crate) mod page;
mod plain;
mod problem;
mod serve;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};

use crate::auth::{Auth, Grant, Scope};
use crate::redact::Redact;
use crate::tracker::Tracker;
use page::Pages;

pub(crate) use gate::Gate;
pub use problem::Problem;
pub(crate) use serve::serve;

/// What every route can reach.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) auth: Arc<Auth>,
    pub(crate) gate: Arc<Gate>,
    /// Values of meta that are not kept.
    pub(crate) redact: Arc<Redact>,
    /// Prometheus needs no credential.
    pub(crate) open_metrics: bool,
    pub(crate) pages: Arc<Pages>,
}

impl Shared {
    /// What the caller is granted, if it may do what it wants to.
    async fn admit(&self, headers: &HeaderMap, wanted: Scope) -> Result<Grant, Problem> {
        Ok(self.auth.admit(headers, wanted).await?)
    }

    /// The same for what a browser opens, to read: see [`Auth::admit_browser`].
    async fn admit_page(&self, headers: &HeaderMap) -> Result<Grant, Problem> {
        self.auth.admit_browser(headers).await.map_err(|denied| Problem::from(denied).on_page())
    }

    /// The same for what Prometheus reads.
    async fn admit_scrape(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match self.open_metrics {
            true => Ok(()),
            false => self.admit(headers, Scope::Read).await.map(|_| ()),
        }
    }
}

/// Every path, and what answers there; `openapi.json` describes the same ones.
fn routes() -> [(&'static str, MethodRouter<Shared>); 10] {
    [
        ("/v1/checkpoints", post(checkpoints::create)),
        ("/v1/experiences", get(experiences::list)),
        ("/v1/experiences/{user_experience_id}/{correlation_id}", get(experiences::show)),
        ("/metrics", get(metrics::process)),
        ("/metrics/sli", get(metrics::sli)),
        ("/-/liveness", get(health::liveness)),
        ("/-/readiness", get(health::readiness)),
        ("/openapi.json", get(openapi::show)),
        ("/", get(page::show)),
        ("/experiences/{user_experience_id}/{correlation_id}", get(page::experience)),
    ]
}

/// All routes of the tracker.
pub(crate) fn router(shared: Shared) -> Router {
    let routes = routes().into_iter();
    routes
        .fold(Router::new(), |router, (path, route)| router.route(path, route))
        .fallback(async || Problem::not_found("no such path").into_response())
        .method_not_allowed_fallback(async || Problem::method_not_allowed().into_response())
        .layer(middleware::from_fn_with_state(shared.clone(), gate::pass))
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
        "/openapi.json" => "/openapi.json",
        "/" => "/",
        path if path.starts_with("/experiences/") => "/experiences/{id}/{correlation_id}",
        _ => "other",
    };
    let _in_flight = shared.tracker.stats.begin();
    let response = next.run(request).await;
    shared.tracker.stats.request(route, response.status().as_u16());
    response
}
