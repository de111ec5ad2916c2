//! The alerts on the tracker itself.
#![allow(dead_code, missing_docs, unreachable_pub)] // a part of one test binary

use super::cases::{Case, Firing, case};
use super::series::{Series, gauge, growing, scraped, still};

const AT: &str = "instance=\"a\",job=\"labkit-tracker\"";

fn ticket(name: &'static str) -> [Firing; 1] {
    [(name, "ticket", "")]
}

fn page(name: &'static str) -> [Firing; 1] {
    [(name, "page", "")]
}

/// An hour of answers, then an hour in which so many a minute are the others.
fn answers(status: &str, good: f64, others: f64) -> Vec<Series> {
    let of = |status: &str, parts: &[(u32, f64)]| {
        let labels = format!("{AT},route=\"/v1/checkpoints\",status=\"{status}\"");
        growing(&format!("labkit_tracker_http_requests_total{{{labels}}}"), parts)
    };
    vec![
        of("200", &[(60, 600.0), (60, good), (60, 600.0)]),
        of(status, &[(60, 0.0), (60, others), (60, 0.0)]),
    ]
}

/// Who finds no place.
fn shed() -> Vec<Case> {
    let alert = "LabkitTrackerShedsLoad";
    let of = |limit: &str, rate: f64| {
        let name = format!("labkit_tracker_http_shed_total{{{AT},limit=\"{limit}\"}}");
        vec![growing(&name, &[(60, 0.0), (60, rate), (60, 0.0)])]
    };
    vec![
        case(
            alert,
            "a proxy needs more connections than one address may have",
            of("connections_per_peer", 60.0),
            &[(59, &[]), (100, &ticket(alert)), (150, &[])],
        ),
        case(alert, "one in a minute finds no place", of("requests", 1.0), &[(100, &[])]),
        case(alert, "slow clients are cut off", of("body_timeout_ms", 60.0), &[(100, &[])]),
    ]
}

fn requests() -> Vec<Case> {
    let mut cases = Vec::new();
    for (alert, status, severity) in [
        ("LabkitTrackerIngestRefused", "503", "page"),
        ("LabkitTrackerSendersDenied", "401", "ticket"),
        ("LabkitTrackerSendersDenied", "403", "ticket"),
        ("LabkitTrackerSendersThrottled", "429", "ticket"),
    ] {
        cases.push(case(
            alert,
            "one in ten is sent away for an hour",
            answers(status, 540.0, 60.0),
            &[(59, &[]), (119, &[(alert, severity, "")]), (175, &[])],
        ));
        cases.push(case(alert, "one in a hundred is", answers(status, 594.0, 6.0), &[(100, &[])]));
        cases.push(case(
            alert,
            "one request in an idle hour is",
            answers(status, 0.0, 1.0 / 60.0),
            &[(70, &[]), (119, &[])],
        ));
        let restarted = answers(status, 600.0, 0.0)
            .into_iter()
            .enumerate()
            .map(|(index, series)| series.then_restarts(60, if index == 0 { 600.0 } else { 0.0 }));
        let about = "counters begin again at 0";
        cases.push(case(alert, about, restarted.collect(), &[(182, &[]), (190, &[])]));
    }
    cases
}

pub fn all() -> Vec<Case> {
    [requests(), shed(), reach(), time(), upkeep()].into_iter().flatten().collect()
}

/// Whether it is there, and takes what is sent.
fn reach() -> Vec<Case> {
    let (absent, store) = ("LabkitTrackerAbsent", "LabkitTrackerStoreUnavailable");
    let rejected = "LabkitTrackerCheckpointsRejected";
    let gone_for = |minutes: u32| -> Vec<Series> {
        let again = |series: Series| series.then_missing(minutes).then_stays(20);
        scraped(50).into_iter().map(again).collect()
    };
    let failures = format!("labkit_tracker_tick_failures_total{{{AT}}}");
    let refused = |rejections: &[(u32, f64)]| {
        let name = |metric: &str, label: &str| format!("labkit_tracker_{metric}{{{AT},{label}}}");
        vec![
            growing(&name("checkpoints_total", "disposition=\"accepted\""), &[(120, 1_000.0)]),
            growing(&name("checkpoints_rejected_total", "code=\"unknown_experience\""), rejections),
        ]
    };
    vec![
        case(
            absent,
            "nobody is scraped any more, and then somebody is again",
            gone_for(30),
            &[(49, &[]), (70, &page(absent)), (85, &[])],
        ),
        case(
            absent,
            "a restart takes two minutes",
            gone_for(2),
            &[(51, &[]), (53, &[]), (60, &[])],
        ),
        case(
            store,
            "each tick is refused, and then none",
            vec![growing(&failures, &[(30, 0.0), (15, 600.0), (30, 0.0)])],
            &[(29, &[]), (44, &page(store)), (60, &[])],
        ),
        case(
            store,
            "one tick is refused, and one later",
            vec![growing(&failures, &[(30, 0.0), (1, 1.0), (20, 0.0), (1, 1.0), (20, 0.0)])],
            &[(32, &[]), (38, &[]), (55, &[])],
        ),
        case(
            store,
            "a tracker that had its failures begins again",
            vec![still(&failures, 9_000.0, 30).then_restarts(30, 0.0)],
            &[(31, &[]), (40, &[])],
        ),
        case(
            rejected,
            "one in twenty has an id that is not defined",
            refused(&[(60, 0.0), (60, 50.0)]),
            &[(59, &[]), (119, &ticket(rejected))],
        ),
        case(rejected, "fifty have", refused(&[(60, 0.0), (1, 50.0), (59, 0.0)]), &[(80, &[])]),
    ]
}

/// Whether it notices what it is there for, in time.
fn time() -> Vec<Case> {
    let (blind, late) = ("LabkitTrackerBlind", "LabkitTrackerTimeoutsLate");
    let seconds = format!("labkit_tracker_blind_seconds_total{{{AT}}}");
    let lateness = |rates: [f64; 3]| {
        let metric = "labkit_tracker_deadline_lateness_seconds";
        let bucket = |le: &str, rate| {
            growing(&format!("{metric}_bucket{{{AT},le=\"{le}\"}}"), &[(90, rate)])
        };
        let mut all: Vec<Series> =
            ["1", "15", "+Inf"].iter().zip(rates).map(|(le, rate)| bucket(le, rate)).collect();
        all.push(growing(&format!("{metric}_count{{{AT}}}"), &[(90, rates[2])]));
        all
    };
    vec![
        case(
            blind,
            "half an hour without sight",
            vec![growing(&seconds, &[(60, 0.0), (30, 60.0), (90, 0.0)])],
            &[(59, &[]), (92, &ticket(blind)), (160, &[])],
        ),
        case(
            blind,
            "a restart whose backlog takes ten minutes",
            vec![growing(&seconds, &[(60, 0.0), (10, 60.0), (60, 0.0)])],
            &[(72, &[]), (90, &[])],
        ),
        case(
            blind,
            "an empty store instead of one that was blind for days",
            vec![still(&seconds, 90_000.0, 60).then_restarts(60, 0.0)],
            &[(62, &[]), (90, &[])],
        ),
        case(late, "one in ten comes late", lateness([9.0, 10.0, 10.0]), &[(60, &ticket(late))]),
        case(late, "all come in time", lateness([10.0, 10.0, 10.0]), &[(60, &[])]),
        case(late, "the only one of a quiet hour", lateness([0.0, 0.02, 0.02]), &[(60, &[])]),
    ]
}

/// What somebody has to put right some day.
fn upkeep() -> Vec<Case> {
    let (outbox, definitions) = ("LabkitTrackerOutboxBacklog", "LabkitTrackerDefinitionsBroken");
    let keys = "LabkitTrackerIssuerKeysOld";
    let lines = format!("labkit_tracker_outbox_lines{{{AT}}}");
    let reload = format!("labkit_tracker_definitions_last_reload_successful{{{AT}}}");
    let age =
        format!("labkit_tracker_issuer_keys_age_seconds{{{AT},issuer=\"https://id.example\"}}");
    vec![
        case(
            outbox,
            "the log shipper slows down, and then stops",
            vec![gauge(&lines, &[(30, 5_000.0), (30, 20_000.0), (30, 60_000.0)])],
            &[
                (29, &[]),
                (40, &[]),
                (50, &ticket(outbox)),
                (70, &[(outbox, "ticket", ""), (outbox, "page", "")]),
            ],
        ),
        case(
            outbox,
            "a burst that is written out in minutes",
            vec![gauge(&lines, &[(30, 0.0), (4, 90_000.0), (30, 0.0)])],
            &[(33, &[]), (50, &[])],
        ),
        case(
            definitions,
            "a broken file stays, and is mended",
            vec![gauge(&reload, &[(30, 1.0), (30, 0.0), (30, 1.0)])],
            &[(29, &[]), (40, &[]), (50, &ticket(definitions)), (62, &[])],
        ),
        case(
            definitions,
            "a broken file is mended within ten minutes",
            vec![gauge(&reload, &[(30, 1.0), (10, 0.0), (30, 1.0)])],
            &[(39, &[]), (50, &[])],
        ),
        case(
            keys,
            "an issuer is away for hours",
            vec![growing(&age, &[(120, 60.0)])],
            &[(55, &[]), (80, &ticket(keys))],
        ),
        case(
            keys,
            "keys were never fetched",
            vec![gauge(&age, &[(30, f64::INFINITY)])],
            &[(10, &ticket(keys))],
        ),
        case(keys, "keys are fetched", vec![gauge(&age, &[(120, 290.0)])], &[(100, &[])]),
    ]
}
