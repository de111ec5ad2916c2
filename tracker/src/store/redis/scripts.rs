//! The scripts, each in a file of its own that explains its keys and arguments.

use redis::{Pipeline, Script};

pub(super) struct Scripts {
    pub(super) load: Script,
    pub(super) commit: Script,
    pub(super) tick: Script,
    pub(super) due: Script,
    pub(super) outbox: Script,
}

/// The text of each, for a server that does not know them.
const TEXTS: [&str; 5] = [LOAD, COMMIT, TICK, DUE, OUTBOX];
const LOAD: &str = include_str!("load.lua");
const COMMIT: &str = include_str!("commit.lua");
const TICK: &str = include_str!("tick.lua");
const DUE: &str = include_str!("due.lua");
const OUTBOX: &str = include_str!("outbox.lua");

impl Scripts {
    pub(super) fn new() -> Self {
        Scripts {
            load: Script::new(LOAD),
            commit: Script::new(COMMIT),
            tick: Script::new(TICK),
            due: Script::new(DUE),
            outbox: Script::new(OUTBOX),
        }
    }
}

/// Tells a server all of them. It forgets them when it restarts, and a replica
/// that is promoted never knew them.
pub(super) fn introduction() -> Pipeline {
    let mut pipeline = Pipeline::new();
    for text in TEXTS {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(text);
    }
    pipeline
}

/// Begins a call; the arguments are appended to the pipeline's last command.
pub(super) fn call<'a>(
    pipeline: &'a mut Pipeline,
    script: &Script,
    keys: &[&str],
) -> &'a mut Pipeline {
    pipeline.cmd("EVALSHA").arg(script.get_hash()).arg(keys.len()).arg(keys)
}
