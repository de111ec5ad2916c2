//! Ten thousand bodies that are wrong, each in its own way: all are answered,
//! by code and field, at once, and leave nothing behind. `LABKIT_CORPUS=N` for
//! another number, `LABKIT_CORPUS_SEED=N` for others.

#[path = "support/corpus.rs"]
mod corpus;
mod support;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use corpus::{Case, Dice};
use labkit::wire::{Code, Timestamp};
use serde_json::Value;
use support::Server;
use support::raw::{Heard, Raw, memory_kib};

const SOON: Duration = Duration::from_millis(50);
/// A case that took longer is sent again: what is slow by itself is slow each
/// time. So many of a thousand may need it before the machine is no excuse.
const AGAIN: usize = 3;
const AGAIN_OF_1000: usize = 10;
/// What an allocator may make of the same work, again and again.
const FLAT_KIB: u64 = 4 * 1_024;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |number| number.parse().expect("a number"))
}

/// Status, kind of problem, code and field; `Err` says what is missing.
fn check(case: &Case, heard: &Heard) -> Result<(), String> {
    let body: Value = serde_json::from_str(&heard.body).map_err(|e| e.to_string())?;
    let text = |key: &str| body[key].as_str().unwrap_or_default();
    let fail = |what: &str| Err(format!("{what}: {} {}", heard.status, heard.body));
    if ![200, 400, 413, 415, 422].contains(&heard.status) {
        return fail("no status of a bad body");
    }
    if case.status.is_some_and(|status| status != heard.status) {
        return fail(&format!("expected {:?}", case.status));
    }
    if heard.status == 200 {
        let rejected = body["rejected"].as_array().into_iter().flatten();
        let named = |r: &Value| Code::ALL.iter().any(|code| r["code"] == code.as_str());
        return if rejected.clone().all(named) { Ok(()) } else { fail("an item without a code") };
    }
    if !heard.head.contains("application/problem+json") || body["status"] != heard.status {
        return fail("no problem+json");
    }
    if !(1..=300).contains(&text("detail").len()) {
        return fail("no detail, or a long one");
    }
    let known = Code::ALL.iter().any(|code| text("code") == code.as_str());
    if heard.status == 422 && !known {
        return fail("no code");
    }
    match case.fault {
        Some(fault) if fault != (text("code"), text("field")) => {
            fail(&format!("expected {fault:?}"))
        }
        _ => Ok(()),
    }
}

#[test]
fn ten_thousand_malformed_bodies_are_each_answered_at_once_by_code_and_field() {
    let (count, seed) = (
        from_environment("LABKIT_CORPUS", 10_000) as usize,
        from_environment("LABKIT_CORPUS_SEED", 1),
    );
    let server = Server::start_logging("127.0.0.1:0", &[], Stdio::null());
    let (mut raw, pid) = (Raw::new(server.url.strip_prefix("http://").unwrap()), server.child.id());
    let (mut dice, mut again, mut slowest) = (Dice(seed), 0, Duration::ZERO);
    let (mut statuses, mut settled_kib) = (BTreeMap::new(), 0);
    for number in 0..count {
        let now = Timestamp::from_millis(UNIX_EPOCH.elapsed().unwrap().as_millis() as i64);
        let case = Case::new_of(number, &mut dice, &now.to_string());
        let headers: Vec<&str> = case.headers.iter().map(String::as_str).collect();
        let heard = raw.post(&headers, &case.body);
        if let Err(what) = check(&case, &heard) {
            let body: String = String::from_utf8_lossy(&case.body).chars().take(600).collect();
            panic!("seed {seed}, case {number}, {}: {what}\n{headers:?}\n{body}", case.damage);
        }
        *statuses.entry(heard.status).or_insert(0) += 1;
        let mut took = heard.took;
        if took >= SOON {
            again += 1;
            took = (0..AGAIN).map(|_| raw.post(&headers, &case.body).took).min().unwrap();
            assert!(took < SOON, "case {number}, {}: {took:?}, the best of {AGAIN}", case.damage);
        }
        slowest = slowest.max(took);
        if number == count / 4 {
            settled_kib = memory_kib(pid, "VmRSS");
        }
    }
    let grown = memory_kib(pid, "VmRSS").saturating_sub(settled_kib);
    println!(
        "{count} bodies, seed {seed}: {statuses:?}; the slowest took {slowest:?}, {again} were sent \
         again; {grown} KiB more after the last than after the first quarter"
    );
    assert!(again * 1_000 <= count.max(1_000) * AGAIN_OF_1000, "{again} of {count} took long");
    assert!(grown <= FLAT_KIB, "memory grows: {grown} KiB");
    let page = raw.get("/metrics").body;
    assert!(!page.contains("status=\"5"), "{page}");
}
