//! The real promtool.
#![allow(dead_code, missing_docs, unreachable_pub)] // each test binary uses its own part

use std::path::Path;
use std::process::Command;

const PROMTOOL: &str = "/usr/bin/promtool";

/// Whether promtool is content with what `args` tell it to judge, and what it says.
pub fn judge(args: &[&str], file: &Path) -> Result<(), String> {
    let judged = Command::new(PROMTOOL)
        .args(args)
        .arg(file)
        .output()
        .unwrap_or_else(|e| panic!("{PROMTOOL} is needed (Debian: prometheus): {e}"));
    let said = String::from_utf8_lossy(&[judged.stdout, judged.stderr].concat()).into_owned();
    if judged.status.success() { Ok(()) } else { Err(said) }
}
