//! Alerts on what gets lost on its way: ends that never come, checkpoints that
//! a library drops, processes that fall silent.

use super::{Alert, Group, Rule, Severity, Span};

pub(super) fn alerts() -> Group {
    let rules = [ends(), dropping(), fell_silent(), gone()].map(Rule::Alert).into();
    Group { name: "labkit_lost_alerts".to_owned(), interval: None, rules }
}

/// Timeouts are errors, so they burn the budget as well; this one says why.
fn ends() -> Alert {
    let by = "sum by (env, stage, user_experience_id, feature_category)";
    let ended = |outcome: &str| {
        format!("{by} (increase(labkit_user_experience_outcome_total{{outcome{outcome}}}[1h]))")
    };
    let (lost, all) = (ended("=\"timeout\""), ended("!=\"discarded\""));
    Alert::new(
        "UserExperienceEndsLost",
        Severity::Ticket,
        Span::minutes(10),
        format!("({lost} / {all} > 0.05) and ({lost} > 4.5)"),
        "{{ $labels.user_experience_id }} often never ends",
        "{{ $value | humanizePercentage }} of those that were over in the last hour \
         timed out. labkit_user_experience_timeout_total says by `reason` whether the \
         code forgot the end (no_end), its process died (owner_lost), or the start is \
         missing (start_missing).",
    )
}

fn dropping() -> Alert {
    let dropped = "sum by (env, stage, sdk) (increase(labkit_sdk_dropped_total[1h]))";
    let recorded = "sum by (env, stage, sdk) (increase(labkit_sdk_recorded_total[1h]))";
    Alert::new(
        "LabkitSdkDropping",
        Severity::Ticket,
        Span::minutes(10),
        format!("({dropped} / {recorded} > 0.001) and ({dropped} > 100)"),
        "{{ $labels.sdk }} drops checkpoints",
        "{{ $value | humanizePercentage }} of what it recorded in the last hour never \
         left its processes. labkit_sdk_dropped_total says by `reason` why: \
         queue_full is a tracker that was away or slow, where a spool would help.",
    )
}

/// Three: one process that is killed is an ordinary day.
fn fell_silent() -> Alert {
    let sum = |metric: &str| format!("sum by (env, stage, sdk) (increase({metric}[1h]))");
    let (silent, unaccounted, recovered) = (
        sum("labkit_sdk_silent_total"),
        sum("labkit_sdk_unaccounted_total"),
        sum("labkit_sdk_recovered_total"),
    );
    Alert::new(
        "LabkitSdkFellSilent",
        Severity::Ticket,
        Span::minutes(10),
        format!("({silent} > 2.5) and ({unaccounted} - {recovered} > 0.5)"),
        "Processes with {{ $labels.sdk }} fell silent with work in hand",
        "{{ $value }} processes of the last hour are gone with checkpoints that never \
         arrived: killed, out of memory, or cut off from the tracker. Look what \
         restarts them; a spool directory keeps what they hold.",
    )
}

/// Whoever was there for three quarters of a day and is not now: a service that
/// sleeps at night is not missed. A tracker that is not scraped is another
/// alert's matter.
fn gone() -> Alert {
    Alert::new(
        "LabkitSdkGone",
        Severity::Ticket,
        Span::minutes(15),
        "(count_over_time((labkit_sdk_instances > 0)[1d:5m]) > 216) \
               unless on (env, stage, sdk) (labkit_sdk_instances > 0) \
               and on () labkit_user_experience_opened_total",
        "Nothing is heard any more from {{ $labels.sdk }}",
        "For most of a day there were processes with this library, and now there is \
         none. Look whether its services run, whether they can reach the tracker, \
         and what labkit_tracker_authentications_total says of their credentials.",
    )
}
