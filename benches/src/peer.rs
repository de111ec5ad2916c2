//! What one would use instead: a span of OpenTelemetry's Rust SDK, through its
//! own batch processor, to an exporter that throws it away.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};

const SPANS: usize = 1_000;

#[derive(Debug)]
struct Nowhere;

impl SpanExporter for Nowhere {
    async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

pub(crate) struct Spans {
    provider: SdkTracerProvider,
}

impl Spans {
    pub(crate) fn new() -> Self {
        Spans { provider: SdkTracerProvider::builder().with_batch_exporter(Nowhere).build() }
    }

    /// Nanoseconds of one span, begun and ended, when `threads` make them at
    /// once; with three attributes, as our meta has, if asked for.
    pub(crate) fn run(&self, threads: usize, attributes: bool) -> f64 {
        let tracer = self.provider.tracer("bench");
        let barrier = Barrier::new(threads);
        let took: Vec<Duration> = thread::scope(|scope| {
            let work = || {
                barrier.wait();
                let begun = Instant::now();
                for _ in 0..SPANS / threads {
                    let mut span = tracer.start("create_order");
                    if attributes {
                        span.set_attribute(KeyValue::new("project_id", 278_964));
                        span.set_attribute(KeyValue::new("namespace", "gitlab-org/security"));
                        span.set_attribute(KeyValue::new("source", "web_ide_commit"));
                    }
                    span.end();
                }
                begun.elapsed()
            };
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().map(|worker| worker.join().expect("no panic")).collect()
        });
        let _ = self.provider.force_flush();
        took.iter().map(Duration::as_secs_f64).sum::<f64>() * 1e9 / SPANS as f64
    }
}
