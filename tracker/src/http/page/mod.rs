//! The pages for a person with a browser: how all experiences fare at `/`, and
//! the timeline of one. Written here whole, so that they work without scripts;
//! a small one of their own keeps them current.

mod board;
mod cards;
mod chart;
mod drawing;
mod objectives;
mod shell;
mod stale;
mod text;
mod timeline;
mod totals;
mod vitals;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use labkit::wire::CorrelationId;
use tokio::sync::Mutex;

use self::board::{Board, gather, sample};
use self::shell::{Document, answer};
use self::text::Time;
use self::timeline::Loaded;
use super::Shared;
use super::problem::Problem;
use crate::history::{History, SAMPLE};
use crate::store::StoreError;
use crate::tracker::Tracker;
use crate::transition::Identity;

/// For how long a page serves all who look: however many they are, the store
/// is searched for the stale once in this time.
const SHARED_MS: i64 = 1_000;
/// Tenants whose page is kept that long.
const PAGES: usize = 64;
/// The start of the title of a page that wants attention.
const TITLE: &str = "User experiences";

/// What the pages remember between two requests. Behind one lock that is held
/// while the store is asked: the pages never ask it twice at a time.
#[derive(Default)]
pub(crate) struct Pages(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    history: History,
    /// By tenant: when it was written, and the page.
    pages: HashMap<Arc<str>, (i64, Arc<str>)>,
}

impl Pages {
    async fn board(
        &self,
        tracker: &Tracker,
        tenant: &Arc<str>,
        asks: bool,
    ) -> Result<Arc<str>, StoreError> {
        let mut kept = self.0.lock().await;
        let now = tracker.clock.now_ms();
        if let Some((written, page)) = kept.pages.get(tenant)
            && (0..SHARED_MS).contains(&(now - written))
        {
            return Ok(page.clone());
        }
        let Kept { history, pages } = &mut *kept;
        let board = gather(tracker, tenant.clone(), history).await?;
        let page: Arc<str> = render(&board, asks).into();
        if pages.len() >= PAGES && !pages.contains_key(tenant) {
            pages.retain(|_, (written, _)| (0..SHARED_MS).contains(&(now - *written)));
            if pages.len() >= PAGES {
                pages.clear();
            }
        }
        pages.insert(tenant.clone(), (now, page.clone()));
        Ok(page)
    }

    /// Looks at the counters, for the last hour's sake.
    async fn sample(&self, tracker: &Tracker) {
        let mut kept = self.0.lock().await;
        // What cannot be read now is read with the next look; the log says why.
        let _ = sample(tracker, &mut kept.history).await;
    }
}

/// Looks at the counters once in a while until `shutdown` resolves.
pub(crate) async fn keep(
    pages: Arc<Pages>,
    tracker: Arc<Tracker>,
    shutdown: impl Future<Output = ()>,
) {
    tokio::pin!(shutdown);
    loop {
        pages.sample(&tracker).await;
        tokio::select! {
            () = tokio::time::sleep(SAMPLE) => {}
            () = &mut shutdown => return,
        }
    }
}

/// `GET /`.
pub(super) async fn show(
    State(shared): State<Shared>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tenant = shared.admit_page(&headers).await?.tenant;
    let asks = headers.contains_key(header::AUTHORIZATION);
    match shared.pages.board(&shared.tracker, &tenant, asks).await {
        Ok(page) => Ok(answer(StatusCode::OK, page.to_string())),
        Err(error) => Ok(unreadable(&shared.tracker, error, false).await),
    }
}

/// `GET /experiences/{user_experience_id}/{correlation_id}`.
pub(super) async fn experience(
    State(shared): State<Shared>,
    headers: HeaderMap,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let tenant = shared.admit_page(&headers).await?.tenant;
    let tracker = &shared.tracker;
    // A text that is no correlation id names no experience.
    let named = path.ok().and_then(|Path((id, correlation_id))| {
        Some((id, correlation_id.parse::<CorrelationId>().ok()?))
    });
    let Some((id, correlation_id)) = named else { return Ok(unknown(tracker)) };
    let identity = Identity { tenant, user_experience_id: id.into(), correlation_id };
    let loaded = match tracker.store.load(std::slice::from_ref(&identity)).await {
        Ok(loaded) => loaded.into_iter().next(),
        Err(error) => return Ok(unreadable(tracker, error, true).await),
    };
    let Some((v, stored)) =
        loaded.and_then(|loaded| Some((loaded.v, loaded.stored?.experience()?)))
    else {
        return Ok(unknown(tracker));
    };
    let (now, settling) = (tracker.clock.now_ms(), tracker.time().settling);
    let mut live = String::new();
    vitals::render(&mut live, &board::vitals(tracker).await, true);
    let one = Loaded { identity: &identity, stored: &stored, v, now, settling };
    timeline::render(&mut live, &one);
    let title = format!("{} \u{2013} {TITLE}", identity.user_experience_id);
    let status = StatusCode::OK;
    let page = Document { status, title: &title, back: true, live: &live, now };
    Ok(answer(status, page.html()))
}

fn render(board: &Board, asks: bool) -> String {
    let mut live = String::new();
    vitals::render(&mut live, &board.vitals, true);
    if !totals::hints(&mut live, board, asks) {
        cards::summary(&mut live, board);
        cards::active(&mut live, board);
        stale::render(&mut live, board);
    }
    cards::quiet(&mut live, board);
    totals::render(&mut live, board);
    let since = Time(board.since);
    live.push_str(&match board.looked[0] {
        true => "<p class=\"muted\">Objectives are judged by the last hour. ".to_owned(),
        false => format!(
            "<p class=\"muted\">Objectives are judged by the last hour, as far as this tracker \
             saw it: since {since}. "
        ),
    });
    live.push_str(
        "Figures are of all tenants, what is stale of yours. Alerts belong to Prometheus.</p>",
    );
    let title = match cards::missed(board) {
        0 => TITLE.to_owned(),
        missed => format!("({missed}) {TITLE}"),
    };
    let (status, now) = (StatusCode::OK, board.now);
    Document { status, title: &title, back: false, live: &live, now }.html()
}

/// The store cannot be read: the page says so, and comes back by itself.
async fn unreadable(tracker: &Tracker, error: StoreError, back: bool) -> Response {
    let mut live = String::new();
    vitals::render(&mut live, &board::vitals(tracker).await, false);
    live.push_str(&format!(
        "<section class=\"hint\"><h2>Nothing can be shown now</h2><p>{}.</p></section>",
        text::Text(&error.to_string())
    ));
    let (status, now) = (StatusCode::SERVICE_UNAVAILABLE, tracker.clock.now_ms());
    let page = Document { status, title: TITLE, back, live: &live, now };
    let mut response = answer(status, page.html());
    response.headers_mut().insert(header::RETRY_AFTER, crate::limits::RETRY_AFTER_S.into());
    response
}

fn unknown(tracker: &Tracker) -> Response {
    let live = "<section class=\"hint\"><h1>Not remembered</h1><p>No such experience is known \
                to this tracker for you: it may have ended more than 37 hours ago, be of another \
                tenant, or its id may be mistyped. The event log may have it.</p></section>";
    let (status, now) = (StatusCode::NOT_FOUND, tracker.clock.now_ms());
    answer(status, Document { status, title: TITLE, back: true, live, now }.html())
}
