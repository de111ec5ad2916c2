//! Alerts on the tracker itself: whoever relies on it must know when it does
//! not see, does not take, or does not tell.

use super::{Alert, Group, Rule, Severity, Span};

pub(super) fn alerts() -> Group {
    let alerts = [absent(), store_refuses(), ingest_refused(), sheds_load(), senders_denied()];
    let more = [throttled(), checkpoints_rejected(), blind(), late(), definitions(), issuer_keys()];
    let rules = alerts.into_iter().chain(more).chain(outbox()).map(Rule::Alert).collect();
    Group { name: "labkit_tracker_alerts".to_owned(), interval: None, rules }
}

fn absent() -> Alert {
    Alert::new(
        "LabkitTrackerAbsent",
        Severity::Page,
        Span::minutes(5),
        // Both are there from a tracker's first scrape on.
        "absent(labkit_tracker_definitions) or absent(labkit_user_experience_opened_total)",
        "No tracker is scraped",
        "While this lasts no other alert of these rules can fire. Look at the targets in \
         Prometheus: a tracker that is down, a scrape that is refused (401: the token file), or \
         one that leads nowhere.",
    )
}

fn store_refuses() -> Alert {
    Alert::new(
        "LabkitTrackerStoreUnavailable",
        Severity::Page,
        Span::minutes(5),
        // Ten a second where it refuses all of them.
        "rate(labkit_tracker_tick_failures_total[5m]) > 0.1",
        "The store of {{ $labels.instance }} cannot be written",
        "Nothing is taken in and nothing times out; the libraries keep what they have. The \
         tracker's own log (standard error) says why: a full disk, a Redis that is away or out of \
         memory, or an event log that nobody reads.",
    )
}

fn ingest_refused() -> Alert {
    let requests = |status: &str| posted("5m", status);
    Alert::new(
        "LabkitTrackerIngestRefused",
        Severity::Page,
        Span::minutes(5),
        share(&requests("5.."), &requests(".+"), "0.05"),
        "{{ $labels.instance }} refuses checkpoints",
        "{{ $value | humanizePercentage }} of the requests are answered 5xx. The libraries keep \
         what they have and come back, until their queues or spools are full. If \
         LabkitTrackerStoreUnavailable fires, too, begin there; else the tracker sheds load: look \
         at its CPU and at labkit_tracker_http_requests_in_flight.",
    )
}

/// A connection that is turned away is no answered request. Who is cut off for
/// being slow is not sent away by load.
fn sheds_load() -> Alert {
    Alert::new(
        "LabkitTrackerShedsLoad",
        Severity::Ticket,
        Span::minutes(10),
        "sum by (instance, job, env, stage, limit) (rate(labkit_tracker_http_shed_total\
         {limit!~\".*_timeout_ms\"}[10m])) > 0.1",
        "{{ $labels.instance }} sends clients away at its limit {{ $labels.limit }}",
        "{{ $value | humanize }} connections or requests a second find no place and come again \
         later. Is it one client? Look at who connects. Is it all of them? Then this machine or \
         its store is too slow for them, or the limit too low for it.",
    )
}

fn senders_denied() -> Alert {
    let requests = |status: &str| posted("15m", status);
    Alert::new(
        "LabkitTrackerSendersDenied",
        Severity::Ticket,
        Span::minutes(15),
        share(&requests("401|403"), &requests(".+"), "0.05"),
        "{{ $labels.instance }} does not let senders in",
        "{{ $value | humanizePercentage }} of the requests are answered 401 or 403, and their \
         senders hold what they have. labkit_tracker_authentications_total says by `outcome` \
         what is wrong with their credentials.",
    )
}

fn throttled() -> Alert {
    let requests = |status: &str| posted("30m", status);
    Alert::new(
        "LabkitTrackerSendersThrottled",
        Severity::Ticket,
        Span::minutes(30),
        share(&requests("429"), &requests(".+"), "0.05"),
        "{{ $labels.instance }} sends a credential away for sending too much",
        "{{ $value | humanizePercentage }} of the requests are answered 429. If that much is \
         meant, raise `credential_rate`; else find who sends it.",
    )
}

fn checkpoints_rejected() -> Alert {
    let rejected = "sum by (instance, job, env, stage) \
                    (increase(labkit_tracker_checkpoints_rejected_total[1h]))";
    let answered = "sum by (instance, job, env, stage) \
                    (increase(labkit_tracker_checkpoints_total[1h]))";
    Alert::new(
        "LabkitTrackerCheckpointsRejected",
        Severity::Ticket,
        Span::minutes(15),
        // A hundred: one wrong deploy of a small service is its own team's matter.
        format!("({rejected} / ({rejected} + {answered}) > 0.01) and ({rejected} > 100)"),
        "{{ $labels.instance }} rejects checkpoints for good",
        "{{ $value | humanizePercentage }} of the checkpoints are lost to their senders. \
         labkit_tracker_checkpoints_rejected_total says by `code` why: unknown_experience is a \
         definition that the tracker does not have, too_old and in_future are clocks.",
    )
}

fn blind() -> Alert {
    Alert::new(
        "LabkitTrackerBlind",
        Severity::Ticket,
        Span::minutes(1),
        // A restart costs two to ten minutes of settling.
        "increase(labkit_tracker_blind_seconds_total[1h]) > 1200",
        "{{ $labels.instance }} did not see for long",
        "Deadlines stood still for {{ $value | humanizeDuration }} of the last hour, so lost ends \
         are noticed late by as much. Look for restarts, pauses of its machine, clock steps \
         and refused ticks.",
    )
}

fn late() -> Alert {
    let by = "sum by (instance, job, env, stage";
    let (buckets, count) = (
        "rate(labkit_tracker_deadline_lateness_seconds_bucket[30m])",
        "increase(labkit_tracker_deadline_lateness_seconds_count[30m])",
    );
    Alert::new(
        "LabkitTrackerTimeoutsLate",
        Severity::Ticket,
        Span::minutes(10),
        format!("(histogram_quantile(0.99, {by}, le) ({buckets})) > 5) and ({by}) ({count}) > 20)"),
        "{{ $labels.instance }} notices lost ends late",
        "One timeout in a hundred comes more than {{ $value | humanizeDuration }} after its \
         deadline. The sweep does not keep up: look at the store's latency and the tracker's CPU.",
    )
}

/// The bound is 100,000 lines unless it is set; then ingest is refused.
fn outbox() -> [Alert; 2] {
    [(Severity::Ticket, 10_000, 15), (Severity::Page, 50_000, 5)].map(|(severity, lines, minutes)| {
        Alert::new(
            "LabkitTrackerOutboxBacklog",
            severity,
            Span::minutes(minutes),
            format!("labkit_tracker_outbox_lines > {lines}"),
            "Whoever reads the event log of {{ $labels.instance }} does not keep up",
            "{{ $value }} lines wait to be written to standard output. At `outbox_lines` (100000 \
             unless it is set) checkpoints are refused. Look at the process that reads that pipe: \
             a log shipper that is stuck, or a full disk.",
        )
    })
}

fn definitions() -> Alert {
    Alert::new(
        "LabkitTrackerDefinitionsBroken",
        Severity::Ticket,
        Span::minutes(15),
        "labkit_tracker_definitions_last_reload_successful == 0",
        "{{ $labels.instance }} cannot read its definitions anew",
        "Those read before stay in force, so new experiences are refused. `labkit-tracker check \
         DIR` names file, line and key.",
    )
}

fn issuer_keys() -> Alert {
    Alert::new(
        "LabkitTrackerIssuerKeysOld",
        Severity::Ticket,
        Span::minutes(5),
        // They are fetched every five minutes.
        "labkit_tracker_issuer_keys_age_seconds > 3600",
        "{{ $labels.instance }} cannot fetch the keys of {{ $labels.issuer }}",
        "Tokens under the keys fetched before are still let in, and those under a new key are \
         not. The tracker's own log says what the fetch fails of.",
    )
}

fn posted(window: &str, status: &str) -> String {
    format!(
        "sum by (instance, job, env, stage) (rate(labkit_tracker_http_requests_total\
         {{route=\"/v1/checkpoints\",status=~\"{status}\"}}[{window}]))"
    )
}

/// One request in a quiet minute is nothing to tell anybody of.
fn share(part: &str, all: &str, above: &str) -> String {
    format!("({part} / {all} > {above}) and ({part} > 0.02)")
}
