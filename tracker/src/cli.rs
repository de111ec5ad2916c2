//! The command line: what can be asked, and what `--help` says of it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "labkit-tracker",
    version,
    about = "Keeps the state of every user experience and notices the ones that never end",
    after_help = "The event log goes to standard output, one JSON object a line; what the \
                  tracker says of itself goes to standard error."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take in checkpoints, time out what never ends, serve metrics and queries
    #[command(after_help = "Try it: labkit-tracker serve --insecure-no-auth --definitions \
                      config/user_experience_slis\n\
                      then open http://127.0.0.1:8480/. With keys or issuers, senders need the \
                      scope user_experience:write, the metrics, the queries and the page \
                      user_experience:read; a browser asks for a password, which is the key, \
                      with any user name. /-/liveness and /-/readiness are open to all. SIGTERM or SIGINT: requests in flight \
                      finish, the log is written out, exit status 0. SIGHUP: the definitions are \
                      read again.")]
    Serve(Serve),
    /// Lint definition files: exit status 0 if all are good, 1 if not, 2 if DIR cannot be read
    Check {
        /// The directory of `<id>.yml` files
        dir: PathBuf,
    },
    /// Make bearer keys
    Keys {
        /// What to do with them
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Print Prometheus rules for the definitions: GitLab's recorded ratios, and alerts
    #[command(
        after_help = "Recorded are rates and ratios over 5m to 3d, by env, type, stage, experience, \
                      category and urgency. Alerts are on the `slo` of each definition, on ends \
                      that get lost, on the tracker and on the libraries; severity is `page` or \
                      `ticket`. What to do about each stands in docs/operations.md."
    )]
    Rules {
        /// The directory of `<id>.yml` files
        dir: PathBuf,
    },
    /// Print a Grafana dashboard for the definitions, as JSON to import
    #[command(after_help = "It reads series that the rules of `rules DIR` record.")]
    Dashboard {
        /// The directory of `<id>.yml` files
        dir: PathBuf,
    },
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Print a new key, which is stored nowhere, and what to add to the --config file
    #[command(
        after_help = "Any number of keys are in force at once. To replace one: add a new one \
                            with the same tenant, restart the tracker, give it to the senders, \
                            remove the old one."
    )]
    New {
        /// Whose key it is, for people
        #[arg(long, default_value = "unnamed")]
        name: String,
        /// The namespace of what is sent with it; senders that share experiences share it
        #[arg(long, default_value = crate::auth::DEFAULT_TENANT)]
        tenant: String,
        /// What may be done with it
        #[arg(long, value_name = "SCOPE,...", value_delimiter = ',', default_value = "write")]
        scope: Vec<crate::auth::Scope>,
    },
}

/// Flags of `serve`, each with its environment variable.
#[derive(Debug, Default, Args)]
pub struct Serve {
    /// IP address and port to serve on; port 0 takes a free one [default: 127.0.0.1:8480,
    /// or 0.0.0.0:$PORT where a platform sets PORT]
    #[arg(long, env = "LABKIT_TRACKER_LISTEN", value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Directory of the experiences' definitions, one `<id>.yml` each (required);
    /// read again at SIGHUP and every `--reload-s`
    #[arg(long, env = "LABKIT_TRACKER_DEFINITIONS", value_name = "DIR")]
    pub definitions: Option<PathBuf>,
    /// Where state is kept: `embedded:PATH` is one file, made if need be, whose
    /// acknowledged checkpoints survive a crash; it belongs to this tracker
    /// alone. `redis://HOST:PORT` (`rediss://` for TLS, `redis+cluster://H:P,H:P`)
    /// is shared by any number of trackers. `memory` is lost at exit [default: embedded:labkit-tracker.redb,
    /// in systemd's $STATE_DIRECTORY or else in the working directory]
    #[arg(long, env = "LABKIT_TRACKER_STORE", value_name = "STORE")]
    pub store: Option<String>,
    /// Seconds between two looks at the definitions; 0 looks at SIGHUP only [default: 30]
    #[arg(long, env = "LABKIT_TRACKER_RELOAD_S", value_name = "SECONDS")]
    pub reload_s: Option<u64>,
    /// TOML file with these settings (dashes become underscores), the bearer keys, `[[issuers]]` of
    /// tokens and `[limits]`
    #[arg(long, env = "LABKIT_TRACKER_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The values of `type` to accept; without it any, of which the first 64 become labels
    #[arg(long, env = "LABKIT_TRACKER_TYPES", value_name = "TYPE,...", value_delimiter = ',')]
    pub types: Option<Vec<String>>,
    /// Ask nobody for a key or token. Only on a loopback --listen, and only where no
    /// keys and no issuers are configured; without it these are required
    #[arg(
        long,
        env = "LABKIT_TRACKER_INSECURE_NO_AUTH",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub insecure_no_auth: Option<bool>,
    /// Let anybody read /metrics and /metrics/sli. Otherwise they need a key or token
    /// with the scope `user_experience:read`, which Prometheus sends if its
    /// scrape configuration has `authorization: {credentials_file: FILE}`
    #[arg(
        long,
        env = "LABKIT_TRACKER_METRICS_WITHOUT_CREDENTIAL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub metrics_without_credential: Option<bool>,
    /// Keys of `meta` whose values are replaced by a word before anything is kept or
    /// logged: whole names in any case, `*` for any run of characters
    #[arg(long, env = "LABKIT_TRACKER_REDACT", value_name = "KEY,...", value_delimiter = ',')]
    pub redact: Option<Vec<String>>,
    /// File that gets the address served on, once it is known
    #[arg(long, env = "LABKIT_TRACKER_PORT_FILE", value_name = "FILE")]
    pub port_file: Option<PathBuf>,
}
