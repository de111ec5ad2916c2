//! Arguments, signals, exit code.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use labkit::definition::Registry;
use labkit_tracker::auth::{self, Scope};
use labkit_tracker::cli::{Cli, Command, KeysCommand, Serve};
use labkit_tracker::config::Config;
use labkit_tracker::rules::Rules;
use labkit_tracker::{check, dashboard, run};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

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
        Command::Keys { command: KeysCommand::New { name, tenant, scope } } => {
            new_key(&name, &tenant, &scope)
        }
        Command::Rules { dir } => print(&dir, |registry| Rules::new(registry).to_string()),
        Command::Dashboard { dir } => print(&dir, dashboard::render),
    }
}

fn new_key(name: &str, tenant: &str, scopes: &[Scope]) -> ExitCode {
    let introduced = auth::generate().and_then(|key| auth::introduce(&key, name, tenant, scopes));
    match introduced.map(|text| io::stdout().lock().write_all(text.as_bytes())) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => fail(error),
        Err(error) => fail(error),
    }
}

/// Prints what `write` makes of the definitions of `dir`.
fn print(dir: &Path, write: impl FnOnce(&Registry) -> String) -> ExitCode {
    let place = dir.display();
    let (registry, findings) = match labkit::definition::load(dir) {
        Ok(loaded) => loaded,
        Err(error) => return fail(format!("{place}: {error}")),
    };
    // Rules that leave an experience out would look like rules for all of them.
    if findings.iter().any(|finding| finding.fails_lint()) || registry.iter().next().is_none() {
        return fail(format!("{place}: mend the definitions first, see `check {place}`"));
    }
    match io::stdout().lock().write_all(write(&registry).as_bytes()) {
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
        let unwatched = |e: io::Error| format!("cannot watch for signals: {e}");
        let shutdown = shutdown_signal().map_err(unwatched)?;
        let reload = reload_signal().map_err(unwatched)?;
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|e| format!("--listen {}: {e}", config.listen))?;
        run(listener, config, reload, shutdown).await.map_err(|e| e.to_string())
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

/// Notified at each SIGHUP, from now on.
fn reload_signal() -> io::Result<Arc<Notify>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let told = Arc::new(Notify::new());
    let notify = told.clone();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            notify.notify_one();
        }
    });
    Ok(told)
}

fn fail(error: impl std::fmt::Display) -> ExitCode {
    eprintln!("labkit-tracker: {error}");
    ExitCode::from(UNUSABLE)
}
