//! What becomes of experiences once their checkpoints are in: time, tenants,
//! counters, the log, and many writers at once.

mod support;

use std::path::Path;
use std::sync::Arc;

use labkit::definition::{self, Registry};
use labkit_tracker::Settings;
use labkit_tracker::rehearsal::Rehearsal;
use labkit_tracker::store::{Memory, Store};
use serde_json::{Value, json};
use support::stage::*;

#[test]
fn a_clients_constant_skew_cancels() {
    let skew = 5 * 3_600_000;
    let tracker = tracker();
    let at = |kind: &str, at: i64| with(original(kind), "client_timestamp", json!(time(skew + at)));
    let body = json!({
        "sent_at": time(skew),
        "checkpoints": [at("start", -4_000), at("end", -1_000)]
    });
    tracker.ingest("default", &body.to_string());
    let view = tracker.experience("default", "create_it", &format!("{ID}A")).unwrap();
    assert_eq!(
        (view.elapsed_time_s, view.start_time.unwrap().to_string()),
        (Some(3.0), time(-4_000))
    );
}

#[test]
fn one_batch_folds_the_checkpoints_of_one_experience_in_their_order() {
    let tracker = tracker();
    let items = [original("start"), original("intermediate"), original("end"), original("start")];
    let answered = tracker.ingest("default", &batch(&items));
    assert_eq!((&answered.body["accepted"], &answered.body["duplicate"]), (&json!(3), &json!(1)));
    let events: Vec<String> = tracker
        .drain_events()
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].to_string())
        .collect();
    assert_eq!(events, ["\"start\"", "\"intermediate\"", "\"success\""]);
    let again = tracker.ingest("default", &batch(&items));
    assert_eq!((&again.body["accepted"], &again.body["duplicate"]), (&json!(0), &json!(4)));
}

#[test]
fn tenants_do_not_see_each_other_and_the_metrics_sum_over_them() {
    let tracker = tracker();
    for tenant in ["one", "two"] {
        assert_eq!(tracker.ingest(tenant, &original("start").to_string()).status, 200);
    }
    assert!(tracker.experience("three", "create_it", &format!("{ID}A")).is_none());
    assert!(tracker.sli().contains("opened_total{user_experience_id=\"create_it\"} 2\n"));
}

#[test]
fn a_batch_names_the_instance_that_owns_what_it_starts() {
    let tracker = tracker();
    let body = json!({
        "sent_at": time(0), "instance_id": format!("{ID}X"), "checkpoints": [original("start")]
    });
    tracker.ingest("default", &body.to_string());
    let view = tracker.experience("default", "create_it", &format!("{ID}A")).unwrap();
    assert_eq!(view.owner_instance, Some(format!("{ID}X")));
}

#[test]
fn an_experience_that_never_ends_times_out_once_its_ttl_has_passed() {
    let tracker = tracker();
    tracker.ingest("default", &original("start").to_string());
    tracker.advance(59_000);
    assert_eq!(state(&tracker, 'A'), Some("open"));
    tracker.advance(1_000);
    assert_eq!(state(&tracker, 'A'), Some("timeout"));
    let sli = tracker.sli();
    assert!(sli.contains("type=\"web\",error=\"true\"} 1\n"));
    assert!(sli.contains("outcome=\"timeout\"} 1\n"));
}

#[test]
fn the_lateness_of_a_sweep_is_gone_with_the_next_one() {
    let tracker = tracker();
    let start = with(original("start"), "client_timestamp", json!(time(-500)));
    tracker.ingest("default", &start.to_string());
    for (advance, seconds) in [(60_000, "0.5"), (1_000, "0")] {
        tracker.advance(advance);
        let told = format!("labkit_tracker_sweep_lateness_seconds {seconds}\n");
        assert!(tracker.metrics().contains(&told), "{told}");
    }
}

#[test]
fn a_pause_or_a_step_of_the_trackers_clock_times_nobody_out() {
    for pause in [3_600_000, -3_600_000, 90_000] {
        let tracker = tracker();
        tracker.ingest("default", &original("start").to_string());
        tracker.pause(pause);
        assert_eq!(state(&tracker, 'A'), Some("open"));
        tracker.advance(120_000 + 59_000);
        assert_eq!(state(&tracker, 'A'), Some("open"), "settling, then the rest of its time");
        tracker.advance(1_000);
        assert_eq!(state(&tracker, 'A'), Some("timeout"));
    }
}

#[test]
fn every_definition_has_its_series_at_zero_from_the_start() {
    let settings = Settings { types: vec!["web".into(), "sidekiq".into()], ..Settings::default() };
    let sli = Rehearsal::new(registry(), settings, T0).sli();
    for service in ["web", "sidekiq"] {
        for (name, label) in [
            ("gitlab_user_experience_checkpoint_total", "checkpoint=\"end\""),
            ("gitlab_user_experience_total", "error=\"true\""),
            ("gitlab_user_experience_apdex_total", "success=\"false\""),
        ] {
            let series = format!(
                "{name}{{user_experience_id=\"create_it\",feature_category=\"making\",\
                 urgency=\"sync_slow\",type=\"{service}\",{label}}} 0\n"
            );
            assert!(sli.contains(&series), "{series}");
        }
    }
}

fn urgent(urgency: &str) -> Registry {
    let yaml = format!("description: x\nfeature_category: making\nurgency: {urgency}\n");
    Registry::new(definition::read(Path::new("create_it.yml"), &yaml).0.into_iter().collect())
}

#[test]
fn a_changed_threshold_is_that_of_experiences_which_start_after_the_change() {
    let tracker = tracker();
    tracker.ingest("default", &original("start").to_string());
    tracker.tracker.redefine(&urgent("sync_fast"), &[]).unwrap();
    let other = |kind| with(original(kind), "correlation_id", json!(format!("{ID}B")));
    tracker.ingest("default", &other("start").to_string());
    for end in [original("end"), other("end")] {
        let end = with(end, "client_timestamp", json!(time(4_000)));
        assert_eq!(tracker.ingest_at("default", &end.to_string(), T0 + 4_000).status, 200);
    }
    let in_time = |last| {
        let view = tracker.experience("default", "create_it", &format!("{ID}{last}")).unwrap();
        (view.urgency_threshold_s, view.success)
    };
    assert_eq!(in_time('A'), (Some(5.0), Some(true)), "opened under sync_slow");
    assert_eq!(in_time('B'), (Some(2.0), Some(false)), "opened under sync_fast");
}

#[test]
fn what_is_open_when_its_definition_goes_still_ends_under_it_and_nothing_new_opens() {
    let store: Arc<dyn Store> = Arc::new(Memory::new(T0));
    let begin = |registry| Rehearsal::on(store.clone(), registry, Settings::default(), T0);
    let yaml = "description: x\nfeature_category: making\nurgency: sync_fast\n";
    let read = definition::read(Path::new("break_it.yml"), yaml).0;
    let others = || Registry::new(read.iter().cloned().collect());
    let mut tracker = begin(registry());
    let of = |kind, last| with(original(kind), "correlation_id", json!(format!("{ID}{last}")));
    for last in ['A', 'B', 'C'] {
        tracker.ingest("default", &of("start", last).to_string());
    }
    tracker.tracker.redefine(&others(), &[]).unwrap();
    for (last, kind, code) in [
        ('A', "end", None),
        ('D', "start", Some("unknown_experience")),
        ('D', "end", Some("unknown_experience")),
    ] {
        let answered = tracker.ingest("default", &of(kind, last).to_string());
        assert_eq!(code_and_field(&answered).1, code, "{kind} {last}: {:?}", answered.body);
    }
    assert_eq!((state(&tracker, 'A'), state(&tracker, 'D')), (Some("success"), None));

    // Another process knows the old definition from what the store counted.
    tracker = begin(others());
    assert_eq!(tracker.ingest("default", &of("end", 'B').to_string()).status, 200);
    assert_eq!(tracker.ingest("default", &of("start", 'D').to_string()).status, 422);
    tracker.advance(60_000);
    assert_eq!((state(&tracker, 'B'), state(&tracker, 'C')), (Some("success"), Some("timeout")));
    assert!(tracker.sli().contains("urgency=\"sync_slow\",outcome=\"timeout\"} 1\n"));
}

#[test]
fn an_absurd_duration_spoils_neither_the_sum_nor_the_next_one() {
    let tracker = tracker();
    for last in ['A', 'B', 'C'] {
        let end = with(original("end"), "correlation_id", json!(format!("{ID}{last}")));
        let end = with(end, "elapsed_ms", json!(1e300)).to_string();
        assert_eq!(tracker.ingest("default", &end).status, 200);
    }
    let sli = tracker.sli();
    let sum = sli.lines().find(|line| line.contains("duration_seconds_sum")).unwrap();
    let sum: f64 = sum.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((0.0..1e12).contains(&sum), "{sum}");
    assert!(sli.contains("success=\"false\"} 3\n"));
}

#[test]
fn a_flood_of_types_leaves_a_bounded_number_of_labels() {
    let tracker = tracker();
    for i in 0..200u32 {
        let id = format!("{i:032x}");
        let start = with(original("start"), "correlation_id", json!(id));
        tracker.ingest("default", &with(start, "type", json!(format!("t{i}"))).to_string());
    }
    let sli = tracker.sli();
    let series = sli.lines().filter(|line| line.starts_with("gitlab_user_experience_total{"));
    assert_eq!(series.count(), 2 * 65);
    assert!(sli.contains("type=\"other\",checkpoint=\"start\"} 136\n"));
}

#[test]
fn a_log_that_nobody_reads_is_a_503_and_sending_again_is_safe() {
    let tracker = tracker();
    let body = |round: u32| {
        let start = |i| {
            let id = format!("{:032x}", round * 1_000 + i);
            with(original("start"), "correlation_id", json!(id))
        };
        batch(&(0..500).map(start).collect::<Vec<_>>())
    };
    let refused = (0..).find(|round| tracker.ingest("default", &body(*round)).status != 200);
    let refused = body(refused.unwrap());
    let answered = tracker.ingest("default", &refused);
    assert_eq!((answered.status, &answered.body["title"]), (503, &json!("Service Unavailable")));
    let v = tracker.virtual_ms();
    tracker.advance(10_000);
    assert_eq!(tracker.virtual_ms(), v, "a store that refuses ingest stops time, too");
    let lines = tracker.drain_events().len();
    assert_eq!(tracker.ingest("default", &refused).body["accepted"], 500);
    assert_eq!(tracker.drain_events().len(), 500);
    let opened = format!("opened_total{{user_experience_id=\"create_it\"}} {}\n", lines + 500);
    assert!(tracker.sli().contains(&opened));
}

#[test]
fn writers_of_one_experience_and_sweeps_at_once_lose_nothing() {
    let tracker = tracker();
    tracker.ingest("default", &original("start").to_string());
    let engine = tracker.tracker.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let engine = engine.clone();
                tokio::spawn(async move {
                    for i in 0..100 {
                        let id = format!("01J0000000000000000000{writer}{i:03}");
                        let body = with(original("intermediate"), "id", json!(id)).to_string();
                        engine.ingest(&"default".into(), &body, T0).await.unwrap();
                        engine.sweep().await.unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
    let view = tracker.experience("default", "create_it", &format!("{ID}A")).unwrap();
    assert_eq!(view.checkpoints, Some(401));
    assert!(tracker.sli().contains("checkpoint=\"intermediate\"} 400\n"));
    assert_eq!(tracker.drain_events().len(), 401);
}
