//! The real tracker, whose definitions change under it.

mod support;

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use labkit::wire::Timestamp;
use serde_json::{Value, json};
use support::{Server, until};

fn define(dir: &Path, id: &str, urgency: &str) {
    let yaml = format!("description: x\nfeature_category: making\nurgency: {urgency}\n");
    fs::write(dir.join(format!("{id}.yml")), yaml).unwrap();
}

fn start(dir: &Path, reload_s: &str) -> Server {
    let definitions = dir.to_str().unwrap();
    Server::start(&["--definitions", definitions, "--reload-s", reload_s])
}

fn metric(server: &Server, name: &str) -> String {
    let page = server.curl("/metrics", &[]).2;
    let of = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned());
    page.lines().find_map(of).unwrap_or_else(|| panic!("{name} is not on the page: {page}"))
}

fn in_force(server: &Server) -> String {
    metric(server, "labkit_tracker_definitions")
}

/// What the tracker makes of the start of another run of this experience.
fn status(server: &Server, id: &str) -> u16 {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let now = Timestamp::from_millis(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64);
    let start = json!({
        "correlation_id": format!("{run:032x}"), "user_experience_id": id,
        "checkpoint": "start", "type": "web", "feature_category": "making",
        "urgency": "sync_fast", "client_timestamp": now.to_string()
    });
    server.post(start.to_string().as_bytes(), &[]).0
}

#[test]
fn at_sighup_files_that_came_and_went_are_known_and_unknown() {
    let dir = tempfile::tempdir().unwrap();
    define(dir.path(), "make_it", "sync_fast");
    let server = start(dir.path(), "0");
    assert_eq!((status(&server, "make_it"), status(&server, "break_it")), (200, 422));
    define(dir.path(), "break_it", "sync_fast");
    define(dir.path(), "mend_it", "sync_fast");
    fs::remove_file(dir.path().join("make_it.yml")).unwrap();
    server.signal("-HUP");
    until("both new ones are in force", || in_force(&server) == "2");
    assert_eq!((status(&server, "make_it"), status(&server, "break_it")), (422, 200));
    let page = server.curl("/metrics/sli", &[]).2;
    assert!(page.contains("oldest_age_seconds{user_experience_id=\"mend_it\"} 0\n"), "{page}");
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[test]
fn a_changed_directory_is_noticed_without_a_signal() {
    let dir = tempfile::tempdir().unwrap();
    define(dir.path(), "make_it", "sync_fast");
    let server = start(dir.path(), "1");
    define(dir.path(), "break_it", "sync_fast");
    until("the new one is in force", || in_force(&server) == "2");
    assert_eq!(status(&server, "break_it"), 200);
}

#[test]
fn a_broken_file_leaves_what_it_said_in_force_and_is_named_by_file_line_and_key() {
    let dir = tempfile::tempdir().unwrap();
    define(dir.path(), "make_it", "sync_fast");
    let server = start(dir.path(), "0");
    let successful = "labkit_tracker_definitions_last_reload_successful";
    let timestamp = "labkit_tracker_definitions_last_reload_success_timestamp_seconds";
    assert_eq!(metric(&server, successful), "1");
    let at = metric(&server, timestamp);

    define(dir.path(), "make_it", "quickly");
    define(dir.path(), "break_it", "sync_fast");
    server.signal("-HUP");
    until("the good one is in force", || in_force(&server) == "2");
    assert_eq!((status(&server, "make_it"), status(&server, "break_it")), (200, 200));
    assert_eq!(metric(&server, successful), "0");
    assert_eq!(metric(&server, timestamp), at);
    assert_eq!(metric(&server, "labkit_tracker_definitions_findings{severity=\"error\"}"), "1");

    define(dir.path(), "make_it", "sync_slow");
    server.signal("-HUP");
    until("it is mended", || metric(&server, successful) == "1");
    assert_ne!(metric(&server, timestamp), at);
    let (code, _, said) = server.stop_and_hear("-TERM");
    assert_eq!(code, Some(0));
    let named = |line: &&str| {
        let fields = &serde_json::from_str::<Value>(line).unwrap()["fields"];
        let file = fields["file"].as_str().is_some_and(|file| file.ends_with("/make_it.yml"));
        let place = (&fields["line"], &fields["key"]) == (&json!(3), &json!("urgency"));
        file && place && fields["message"].as_str().unwrap().contains("expected")
    };
    assert_eq!(said.lines().filter(named).count(), 1, "{said}");
}

#[test]
fn a_directory_that_cannot_be_read_or_is_empty_leaves_all_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let (inner, aside) = (dir.path().join("definitions"), dir.path().join("aside"));
    fs::create_dir(&inner).unwrap();
    define(&inner, "make_it", "sync_fast");
    let server = start(&inner, "0");
    let successful = "labkit_tracker_definitions_last_reload_successful";
    for empty in [false, true] {
        fs::rename(&inner, &aside).unwrap();
        if empty {
            fs::create_dir(&inner).unwrap();
        }
        server.signal("-HUP");
        until("it is noticed", || metric(&server, successful) == "0");
        assert_eq!((in_force(&server).as_str(), status(&server, "make_it")), ("1", 200));
        if empty {
            fs::remove_dir(&inner).unwrap();
        }
        fs::rename(&aside, &inner).unwrap();
        server.signal("-HUP");
        until("it is well again", || metric(&server, successful) == "1");
    }
    let (_, _, said) = server.stop_and_hear("-TERM");
    assert!(said.contains("no usable definition is left; the definitions read before"), "{said}");
    assert!(said.contains("No such file or directory"), "{said}");
}
