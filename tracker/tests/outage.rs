//! The library and the tracker together, while the tracker comes and goes.

mod support;

use std::time::Duration;

use labkit::{Client, Error};
use support::{Server, definitions, figure, free_address};

const SOON: Duration = Duration::from_secs(20);

fn client(address: &str) -> Client {
    let config = format!(
        r#"{{"endpoint":"http://{address}","definitions":{:?},"type":"web","batch_age_ms":20,"backoff_base_ms":20,"backoff_cap_ms":100}}"#,
        definitions()
    );
    Client::from_json(&config).unwrap()
}

fn record(client: &Client, experiences: usize) {
    let definition = client.definition("create_merge_request").unwrap();
    for _ in 0..experiences {
        let mut experience = client.start(definition, None, None).unwrap();
        client.checkpoint(&experience, Some("form_posted"), None).unwrap();
        client.complete(&mut experience, None).unwrap();
    }
}

#[test]
fn everything_queued_while_the_tracker_was_away_arrives_when_it_comes() {
    let address = free_address();
    let client = client(&address);
    record(&client, 500);
    assert_eq!(client.flush(Duration::from_millis(200)), Err(Error::DeadlineExceeded));
    let stats = client.stats();
    assert_eq!((stats.recorded, stats.queued), (1_500, 1_500));
    assert!(stats.balances(), "{stats:?}");

    let tracker = Server::start_on(&address, &[]);
    client.flush(SOON).unwrap();
    let stats = client.stats();
    assert_eq!((stats.acknowledged, stats.queued, stats.dropped_total()), (1_500, 0, 0));
    assert!(stats.balances(), "{stats:?}");
    assert_eq!(counted(&tracker, "outcome_total", "success"), 500);
}

#[test]
fn a_tracker_that_is_stopped_and_started_again_costs_nothing_that_waits() {
    let address = free_address();
    let client = client(&address);
    let tracker = Server::start_on(&address, &[]);
    record(&client, 10);
    client.flush(SOON).unwrap();
    assert_eq!(counted(&tracker, "outcome_total", "success"), 10);

    assert_eq!(tracker.stop("-TERM").0, Some(0));
    record(&client, 10);
    assert_eq!(client.flush(Duration::from_millis(200)), Err(Error::DeadlineExceeded));

    let tracker = Server::start_on(&address, &[]);
    client.shutdown(SOON).unwrap();
    let stats = client.stats();
    assert_eq!((stats.acknowledged, stats.dropped_total()), (60, 0));
    assert!(stats.balances(), "{stats:?}");
    assert_eq!(counted(&tracker, "outcome_total", "success"), 10);
}

/// The figure of create_merge_request in the tracker's metrics.
fn counted(tracker: &Server, metric: &str, outcome: &str) -> u64 {
    let (_, _, page) = tracker.curl("/metrics/sli", &[]);
    let outcome = format!(r#"outcome="{outcome}""#);
    let labels = [r#"user_experience_id="create_merge_request""#, &outcome];
    figure(&page, &format!("labkit_user_experience_{metric}"), &labels)
}
