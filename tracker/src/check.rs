//! `labkit-tracker check DIR`: the linter of definitions.

use std::io;
use std::path::Path;

use labkit::definition::{self, Finding};

/// Lints `dir`, one finding a line, then a summary. True if all is well.
pub fn check(dir: &Path, out: &mut impl io::Write) -> io::Result<bool> {
    let (registry, findings) = definition::load(dir)?;
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    let errors = findings.iter().filter(|finding| finding.fails_lint()).count();
    let warnings = findings.len() - errors;
    let usable = registry.iter().count();
    let dir = dir.display();
    writeln!(out, "{dir}: {usable} usable definitions, {errors} errors, {warnings} warnings")?;
    Ok(!findings.iter().any(Finding::fails_lint))
}
