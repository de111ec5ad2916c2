//! What happened, and who is told of it when. Times are minutes.
#![allow(dead_code, missing_docs, unreachable_pub)] // a part of one test binary

use super::series::{Series, gauge, growing, still};

/// Three days, as much as the longest window holds.
pub const DAYS: u32 = 3 * 1_440;

/// A story.
pub struct Case {
    pub name: &'static str,
    /// The alert that it is about, which is quiet or fires in it.
    pub about: &'static str,
    pub series: Vec<Series>,
    /// At which minute somebody looks, and all that fires then: name, severity
    /// and window.
    pub looks: Vec<(u32, Vec<Firing>)>,
}

pub type Firing = (&'static str, &'static str, &'static str);

/// Where an experience's ends come about, unless a story has a place of its own.
pub const ENV: &str = "env=\"prod\"";

const ERROR: &str = "UserExperienceErrorBudgetBurn";
const APDEX: &str = "UserExperienceApdexBudgetBurn";

pub fn case(
    about: &'static str,
    name: &'static str,
    series: Vec<Series>,
    looks: &[(u32, &[Firing])],
) -> Case {
    let looks = looks.iter().map(|(minute, firing)| (*minute, firing.to_vec())).collect();
    Case { name, about, series, looks }
}

/// The series of an experience's good or bad ends.
fn ends_of(sli: &str, id: &str, good: bool) -> String {
    let (metric, label, value) = match sli {
        "error" => ("gitlab_user_experience_total", "error", !good),
        _ => ("gitlab_user_experience_apdex_total", "success", good),
    };
    format!(
        "{metric}{{user_experience_id=\"{id}\",feature_category=\"making\",urgency=\"sync_slow\",\
         type=\"web\",{ENV},{label}=\"{value}\"}}"
    )
}

/// For so many minutes each, so many good and bad ends in each of them.
fn ends(sli: &str, id: &str, parts: &[(u32, f64, f64)]) -> Vec<Series> {
    let good: Vec<_> = parts.iter().map(|(minutes, good, _)| (*minutes, *good)).collect();
    let bad: Vec<_> = parts.iter().map(|(minutes, _, bad)| (*minutes, *bad)).collect();
    vec![growing(&ends_of(sli, id, true), &good), growing(&ends_of(sli, id, false), &bad)]
}

/// The four burn rates, each alone; what must not fire; and what ends.
pub fn burns() -> Vec<Case> {
    let mut cases = Vec::new();
    for (sli, alert) in [("error", ERROR), ("apdex", APDEX)] {
        let strict = |parts: &[(u32, f64, f64)]| ends(sli, "create_it", parts);
        let page_1h: Firing = (alert, "page", "1h");
        let page_6h: Firing = (alert, "page", "6h");
        let ticket_1d: Firing = (alert, "ticket", "1d");
        let ticket_3d: Firing = (alert, "ticket", "3d");
        let (calm, after) = ((DAYS, 1_000.0, 0.0), (60, 1_000.0, 0.0));
        let after_few = (60, 0.1, 0.0);
        cases.extend([
            case(
                alert,
                "one in ten for eight minutes wakes somebody, and is over soon after",
                strict(&[calm, (8, 900.0, 100.0), after]),
                &[(DAYS - 4, &[]), (DAYS + 4, &[]), (DAYS + 12, &[page_1h]), (DAYS + 28, &[])],
            ),
            case(
                alert,
                "one in two hundred wakes somebody after hours",
                strict(&[calm, (304, 995.0, 5.0)]),
                &[(DAYS + 60, &[]), (DAYS + 300, &[page_6h])],
            ),
            case(
                alert,
                "two in a thousand for most of a day are for tomorrow",
                strict(&[calm, (1_304, 998.0, 2.0)]),
                &[(DAYS + 300, &[]), (DAYS + 1_300, &[ticket_1d, ticket_3d])],
            ),
            case(
                alert,
                "one in a thousand for two days is for tomorrow, too",
                strict(&[calm, (2_884, 999.0, 1.0)]),
                &[(DAYS + 1_440, &[]), (DAYS + 2_880, &[ticket_3d])],
            ),
            case(
                alert,
                "a third of one minute is a blip",
                strict(&[calm, (1, 700.0, 300.0), after]),
                &[(DAYS + 4, &[]), (DAYS + 8, &[]), (DAYS + 28, &[])],
            ),
            case(
                alert,
                "one failure among few at night wakes nobody, and four in an hour do not either",
                strict(&[
                    (DAYS, 0.1, 0.0),
                    (1, 0.0, 1.0),
                    (30, 0.1, 0.0),
                    (3, 0.0, 1.0),
                    after_few,
                ]),
                &[(DAYS + 4, &[]), (DAYS + 8, &[]), (DAYS + 36, &[]), (DAYS + 44, &[])],
            ),
            case(
                alert,
                "counters that begin again at 0 are no failures",
                vec![
                    growing(&ends_of(sli, "create_it", true), &[(DAYS, 1_000.0)])
                        .then_restarts(120, 1_000.0),
                    still(&ends_of(sli, "create_it", false), 50_000.0, DAYS)
                        .then_restarts(120, 0.0),
                ],
                &[(DAYS + 4, &[]), (DAYS + 8, &[]), (DAYS + 60, &[])],
            ),
            case(
                alert,
                "a failure goes on while counters begin again at 0",
                strict(&[calm, (7, 900.0, 100.0)])
                    .into_iter()
                    .zip([900.0, 100.0])
                    .map(|(series, rate)| series.then_restarts(20, rate))
                    .collect(),
                &[(DAYS + 12, &[page_1h])],
            ),
            case(
                alert,
                "where a fifth may be bad, only most of them are too many",
                ends(sli, "loose_it", &[calm, (52, 0.0, 1_000.0)]),
                &[(DAYS + 32, &[]), (DAYS + 48, &[page_1h])],
            ),
        ]);
    }
    cases
}

fn lost(parts: &[(u32, f64, f64)]) -> Vec<Series> {
    let of = |outcome: &str, pick: fn(&(u32, f64, f64)) -> (u32, f64)| {
        let name = format!(
            "labkit_user_experience_outcome_total{{user_experience_id=\"create_it\",\
             feature_category=\"making\",urgency=\"sync_slow\",outcome=\"{outcome}\"}}"
        );
        growing(&name, &parts.iter().map(pick).collect::<Vec<_>>())
    };
    vec![of("success", |(m, good, _)| (*m, *good)), of("timeout", |(m, _, lost)| (*m, *lost))]
}

fn sdk(parts: [&[(u32, f64)]; 2], metrics: [&str; 2]) -> Vec<Series> {
    let name = |metric: &str| format!("labkit_sdk_{metric}{{sdk=\"labkit-ruby\"}}");
    metrics.iter().zip(parts).map(|(metric, parts)| growing(&name(metric), parts)).collect()
}

/// What gets lost on its way.
pub fn losses() -> Vec<Case> {
    let (ends, dropping) = ("UserExperienceEndsLost", "LabkitSdkDropping");
    let (silent, gone) = ("LabkitSdkFellSilent", "LabkitSdkGone");
    let instances = "labkit_sdk_instances{sdk=\"labkit-ruby\"}";
    let fell = |silent: f64, held: f64, saved: f64| {
        let name = |metric: &str| format!("labkit_sdk_{metric}{{sdk=\"labkit-ruby\"}}");
        let once =
            |metric: &str, count: f64| growing(&name(metric), &[(60, 0.0), (1, count), (90, 0.0)]);
        vec![
            once("silent_total", silent),
            once("unaccounted_total", held),
            once("recovered_total", saved),
        ]
    };
    vec![
        case(
            ends,
            "one in ten never ends, and then all do",
            lost(&[(60, 100.0, 0.0), (60, 90.0, 10.0), (90, 100.0, 0.0)]),
            &[(59, &[]), (119, &[(ends, "ticket", "")]), (205, &[])],
        ),
        case(ends, "two lost of three are few", lost(&[(60, 0.0, 0.0), (1, 1.0, 2.0), (60, 0.0, 0.0)]), &[(75, &[]), (90, &[])]),
        case(ends, "counters begin again at 0", vec![
            lost(&[(60, 100.0, 0.0)])[0].clone().then_restarts(60, 100.0),
            still("labkit_user_experience_outcome_total{user_experience_id=\"create_it\",feature_category=\"making\",urgency=\"sync_slow\",outcome=\"timeout\"}", 500.0, 60).then_restarts(60, 0.0),
        ], &[(62, &[]), (90, &[])]),
        case(
            dropping,
            "one in a hundred is dropped",
            sdk([&[(60, 1_000.0)], &[(60, 10.0)]], ["recorded_total", "dropped_total"]),
            &[(50, &[(dropping, "ticket", "")])],
        ),
        case(
            dropping,
            "fifty are dropped once",
            sdk([&[(90, 100.0)], &[(30, 0.0), (1, 50.0), (59, 0.0)]], ["recorded_total", "dropped_total"]),
            &[(45, &[]), (60, &[])],
        ),
        case(silent, "five processes are gone with what they held", fell(5.0, 40.0, 0.0), &[(59, &[]), (80, &[(silent, "ticket", "")]), (140, &[])]),
        case(silent, "five are gone, and their spools are found", fell(5.0, 40.0, 40.0), &[(80, &[])]),
        case(silent, "one is gone", fell(1.0, 40.0, 0.0), &[(80, &[])]),
        case(
            gone,
            "all processes of a library stop, and are shown as none",
            vec![gauge(instances, &[(1_200, 12.0), (400, 0.0)])],
            &[
                (1_205, &[]),
                (1_225, &[(gone, "ticket", "")]),
                (1_500, &[(gone, "ticket", "")]),
                (1_590, &[]),
            ],
        ),
        case(
            gone,
            "all processes of a library stop, and their series with them",
            vec![gauge(instances, &[(1_200, 12.0)])],
            &[(1_199, &[]), (1_230, &[(gone, "ticket", "")])],
        ),
        case(
            gone,
            "a library of which there is one process each day for ten hours is not missed",
            vec![gauge(instances, &[(600, 1.0), (840, 0.0), (600, 1.0), (60, 0.0)])],
            &[(630, &[]), (2_090, &[])],
        ),
    ]
}
