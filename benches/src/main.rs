//! `make bench`: what a record costs on the caller's thread, in Rust and
//! through the C interface, beside an OpenTelemetry span in the same run.
//! Prints a table and writes one JSON object a figure to the file named.

mod peer;
mod process;
mod record;
mod report;
mod worst;

use report::Report;

/// Rounds of each figure, ours and the peer's in turn; the median is told.
const ROUNDS: usize = 31;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if process::is_child(&arguments) {
        return Ok(());
    }
    let path = arguments.get(1).map_or("target/bench/rust.jsonl", String::as_str);
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
    whole_process(&mut report);
    report.write(path)
}

/// What the library costs its host beside the calls.
fn whole_process(report: &mut Report) {
    const MIB: f64 = 1024.0 * 1024.0;
    let dead = process::measure("dead", "-");
    report.bound("growth over 50,000 events, dead tracker", dead, "KiB", 4.0 * 1024.0);
    let later = process::measure("dead later", "-");
    report.bound("and over 200,000 more", later, "KiB", 64.0);
    let sink = process::sink();
    let (cpu, span) = (process::measure("export", &sink), process::measure("spans", "-"));
    report.add("CPU per event, export included", cpu, "span", span, 0.0);
    let spooled = process::measure("spooled export", &sink);
    report.add("CPU per event, spool and export", spooled, "no spool", cpu, 0.0);
    worst_calls(report, &sink);
    let library = "target/lib/liblabkit.so.0";
    report.bound("loading the library", process::measure("load", library), "us", 20_000.0);
    for (name, path, bound) in [
        ("size of the library, with TLS", library, 3.0),
        ("size of the library, without TLS", "target/small/ship/liblabkit.so", 1.5),
    ] {
        let bytes = std::fs::metadata(path).map_or(f64::NAN, |meta| meta.len() as f64);
        report.bound(name, bytes / MIB, "MiB", bound);
    }
}

/// One call in a thousand is slower than these.
fn worst_calls(report: &mut Report, sink: &str) {
    let healthy = process::measure("worst healthy", sink);
    for (name, what, address) in [
        ("slow call, black hole, full queue", "worst held", process::black_hole()),
        ("slow call, black hole, full disk", "worst full disk", process::black_hole()),
    ] {
        report.add(name, process::measure(what, &address), "healthy", healthy, 1.0);
    }
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
