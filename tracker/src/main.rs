//! Arguments, signals, exit code.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use labkit_tracker::config::{Cli, Command, Config, Serve};
use labkit_tracker::{check, rules, run};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The command could not be carried out at all.
const UNUSABLE: u8 = 2;
/// What a reader of standard output that has gone away may still cost at exit.
const LEFTOVERS: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(flags) => serve(flags),
        Command::Check { dir } => match check::check(&dir, &mut io::stdout().lock()) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => fail(format!("{}: {error}", dir.display())),
        },
        Command::Rules { dir } => print_rules(&dir),
    }
}

fn print_rules(dir: &Path) -> ExitCode {
    let place = dir.display();
    let (registry, findings) = match labkit::definition::load(dir) {
        Ok(loaded) => loaded,
        Err(error) => return fail(format!("{place}: {error}")),
    };
    // Rules that leave an experience out would look like rules for all of them.
    if findings.iter().any(|finding| finding.fails_lint()) || registry.iter().next().is_none() {
        return fail(format!("{place}: mend the definitions first, see `check {place}`"));
    }
    match io::stdout().lock().write_all(rules::recording_rules(&registry).as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

fn serve(flags: Serve) -> ExitCode {
    tracing_subscriber::fmt().json().with_writer(io::stderr).with_target(false).init();
    let config = match Config::resolve(flags) {
        Ok(config) => config,
        Err(error) => return fail(error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(format!("cannot start threads: {error}")),
    };
    let result = runtime.block_on(async {
        let shutdown = shutdown_signal().map_err(|e| format!("cannot watch for signals: {e}"))?;
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|e| format!("--listen {}: {e}", config.listen))?;
        run(listener, config, shutdown).await.map_err(|e| e.to_string())
    });
    runtime.shutdown_timeout(LEFTOVERS);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

/// Resolves at SIGTERM or SIGINT. Watched before anything is served, so that
/// none is missed.
fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn fail(error: impl std::fmt::Display) -> ExitCode {
    eprintln!("labkit-tracker: {error}");
    ExitCode::from(UNUSABLE)
}
