//! The lower part: whether what is shown above can be relied on.

use super::layout::Layout;
use super::panel::graph;
use super::query::{BY_ENV, Query};

pub(super) fn rows(layout: &mut Layout) {
    ingest(layout);
    time(layout);
    libraries(layout);
}

fn ingest(layout: &mut Layout) {
    let requests = rate("labkit_tracker_http_requests_total", "status");
    let rejected = rate("labkit_tracker_checkpoints_rejected_total", "code");
    let denied = rate("labkit_tracker_authentications_total", "outcome");
    layout.row(
        "Tracker: what comes in",
        [
            graph("Answers by status", "", "reqps", &[Query::new(requests, "{{status}}")]),
            graph(
                "Checkpoints",
                "Duplicates are retries whose first try had arrived; they count once.",
                "ops",
                &[
                    Query::new(
                        rate("labkit_tracker_checkpoints_total", "disposition"),
                        "{{disposition}}",
                    ),
                    Query::new(rate("labkit_tracker_unknown_fields_total", ""), "unknown fields"),
                    Query::new(rate("labkit_tracker_conflicts_total", ""), "computed again"),
                ],
            ),
            graph("Rejected checkpoints", "By code.", "ops", &[Query::new(rejected, "{{code}}")]),
            graph(
                "Who comes",
                "Credentials, by what was found.",
                "reqps",
                &[Query::new(denied, "{{outcome}}")],
            ),
            graph(
                "Cut off or sent away",
                "By the limit that says so.",
                "ops",
                &[Query::new(rate("labkit_tracker_http_shed_total", "limit"), "{{limit}}")],
            ),
            graph(
                "Connections and requests",
                "",
                "short",
                &[
                    of_each("labkit_tracker_http_connections", "{{instance}} connections"),
                    of_each("labkit_tracker_http_requests_in_flight", "{{instance}} requests"),
                ],
            ),
            graph(
                "Bodies under way",
                "Memory that requests hold until they are answered.",
                "bytes",
                &[of_each("labkit_tracker_http_bodies_bytes", "{{instance}}")],
            ),
            graph(
                "Definitions",
                "",
                "short",
                &[
                    of_each("labkit_tracker_definitions", "{{instance}} in force"),
                    of_each("labkit_tracker_definitions_findings", "{{instance}} {{severity}}s"),
                    of_each(
                        "labkit_tracker_definitions_last_reload_successful",
                        "{{instance}} last look",
                    ),
                ],
            ),
        ],
    );
}

fn time(layout: &mut Layout) {
    let lateness = "labkit_tracker_deadline_lateness_seconds_bucket";
    let lateness = format!("histogram_quantile(0.99, {})", rate(lateness, "le"));
    layout.row(
        "Tracker: time, store and event log",
        [
            graph(
                "Blind time",
                "Seconds in a second during which deadlines stood still, and settling that is left.",
                "s",
                &[
                    Query::new(rate("labkit_tracker_blind_seconds_total", "instance"), "{{instance}} blind"),
                    of_each("labkit_tracker_settling_seconds", "{{instance}} settling"),
                ],
            ),
            graph(
                "How late timeouts are",
                "",
                "s",
                &[
                    Query::new(lateness, "99 in 100 within"),
                    of_each("labkit_tracker_sweep_lateness_seconds", "{{instance}} last sweep"),
                ],
            ),
            graph(
                "Event log",
                "",
                "short",
                &[
                    of_each("labkit_tracker_outbox_lines", "{{instance}} waiting"),
                    Query::new(rate("labkit_tracker_log_lines_total", ""), "written a second"),
                    Query::new(rate("labkit_tracker_log_failures_total", ""), "failed a second"),
                ],
            ),
            graph(
                "Sweep and ticks",
                "",
                "ops",
                &[
                    Query::new(rate("labkit_tracker_swept_total", "instance"), "{{instance}} moved on"),
                    Query::new(rate("labkit_tracker_tick_failures_total", "instance"), "{{instance}} refused"),
                ],
            ),
            graph(
                "Age of the issuers' keys",
                "They are fetched every five minutes.",
                "s",
                &[of_each("labkit_tracker_issuer_keys_age_seconds", "{{instance}} {{issuer}}")],
            ),
        ],
    );
}

fn libraries(layout: &mut Layout) {
    let increase = |metric: &str, by: &str| {
        format!("sum by ({by}) (increase({metric}{{{BY_ENV}}}[$__rate_interval]))")
    };
    let silent = increase("labkit_sdk_silent_total", "sdk");
    let unaccounted = increase("labkit_sdk_unaccounted_total", "sdk");
    let recovered = increase("labkit_sdk_recovered_total", "sdk");
    let instances = format!("sum by (sdk) (labkit_sdk_instances{{{BY_ENV}}})");
    layout.row(
        "Libraries, by their own word",
        [
            graph("Processes", "Heard from lately.", "short", &[Query::new(instances, "{{sdk}}")]),
            graph(
                "Recorded",
                "",
                "ops",
                &[Query::new(rate("labkit_sdk_recorded_total", "sdk"), "{{sdk}}")],
            ),
            graph(
                "Dropped",
                "",
                "ops",
                &[Query::new(
                    rate("labkit_sdk_dropped_total", "sdk, reason"),
                    "{{sdk}} {{reason}}",
                )],
            ),
            graph(
                "Fell silent",
                "Processes that are gone with work in hand, the checkpoints they held, and those \
                 of them that a spool saved.",
                "short",
                &[
                    Query::new(silent, "{{sdk}} processes"),
                    Query::new(unaccounted, "{{sdk}} checkpoints"),
                    Query::new(recovered, "{{sdk}} recovered"),
                ],
            ),
        ],
    );
}

fn rate(metric: &str, by: &str) -> String {
    format!("sum by ({by}) (rate({metric}{{{BY_ENV}}}[$__rate_interval]))")
}

fn of_each(metric: &str, legend: &'static str) -> Query {
    Query::new(format!("{metric}{{{BY_ENV}}}"), legend)
}
