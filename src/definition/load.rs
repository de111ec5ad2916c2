//! A directory of definition files. A bad file is reported and does not take
//! the good ones down.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::finding::{Finding, Severity};
use super::{Registry, read};

/// A definition is a screenful of YAML; what is larger is some other file.
const FILE_BYTES: u64 = 64 * 1024;

/// Reads every `*.yml` of `dir`. The error is the directory's own; whatever
/// is wrong with a file in it becomes a finding.
pub fn load(dir: &Path) -> io::Result<(Registry, Vec<Finding>)> {
    let mut paths = Vec::new();
    let mut findings = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("yml") => paths.push(path),
            Some("yaml") => findings.push(whole_file(
                &path,
                "ignored: expected the extension .yml",
                Severity::Warning,
            )),
            _ => {}
        }
    }
    paths.sort();
    let mut definitions = Vec::new();
    for path in paths {
        match text_of(&path) {
            Ok(text) => {
                let (definition, found) = read(&path, &text);
                definitions.extend(definition);
                findings.extend(found);
            }
            Err(e) => findings.push(whole_file(&path, &e.to_string(), Severity::Error)),
        }
    }
    Ok((Registry::new(definitions), findings))
}

fn text_of(path: &PathBuf) -> io::Result<String> {
    let meta = fs::metadata(path)?;
    if !meta.is_file() || meta.len() > FILE_BYTES {
        let message = format!("expected a regular file of at most {FILE_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    fs::read_to_string(path)
}

fn whole_file(path: &Path, expected: &str, severity: Severity) -> Finding {
    Finding { file: path.into(), line: 0, key: String::new(), expected: expected.into(), severity }
}
