//! What the tracker costs, each figure in a process of its own:
//!
//! ```text
//! bench memory             bytes of an open experience, a million of them open
//! bench sweep              a hundred thousand that are due at once
//! bench engine             checkpoints per CPU second, without HTTP
//! bench serve OUT NAME=COMMAND...
//!                          checkpoints per CPU second of servers, side by side
//! ```

mod body;
mod engine;
mod load;
mod serve;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("memory") => engine::memory(),
        Some("sweep") => engine::sweep(),
        Some("engine") => engine::ingest(),
        Some("serve") => serve::compare(&arguments[1], &arguments[2..]),
        _ => panic!("bench memory | sweep | engine | serve OUT NAME=COMMAND..."),
    }
}
