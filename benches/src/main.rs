//! `make bench`: what a record costs on the caller's thread, in Rust and
//! through the C interface, beside an OpenTelemetry span in the same run.
//! Prints a table and writes one JSON object a figure to the file named.

mod peer;
mod record;
mod report;

use report::Report;

/// Rounds of each figure, ours and the peer's in turn; the median is told.
const ROUNDS: usize = 31;

fn main() -> std::io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "target/bench/rust.jsonl".into());
    let mut report = Report::default();
    for threads in [1, 2, 4] {
        let span = peer::Spans::new();
        let span_ns = || span.run(threads, false);
        let (plain, span_cost) = paired(|| record::rust(threads, None), span_ns);
        let goal = if threads == 4 { 12.0 } else { 8.0 };
        report.add(&format!("rust record, {threads} threads"), plain, "span", span_cost, goal);
        if threads == 1 {
            let with_meta = || record::rust(1, Some(record::META));
            let (meta, span_cost) = paired(with_meta, || span.run(1, true));
            report.add("rust record, 100 bytes of meta", meta, "span", span_cost, goal);
            let (abi, _) = paired(|| record::c_abi(None), || 0.0);
            report.add("c abi record", abi, "rust record", plain, 0.0);
            let (abi, _) = paired(|| record::c_abi(Some(record::META)), || 0.0);
            report.add("c abi record, 100 bytes of meta", abi, "rust record", meta, 0.0);
        }
    }
    report.write(&path)
}

/// The medians of both, measured in turn, so that a slow minute hits both.
fn paired(ours: impl Fn() -> f64, peers: impl Fn() -> f64) -> (f64, f64) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        left.push(ours());
        right.push(peers());
    }
    (median(left), median(right))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
