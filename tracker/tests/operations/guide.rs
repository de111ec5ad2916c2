//! The guide, as a reader finds things in it: sections, tables, links.
#![allow(dead_code, missing_docs, unreachable_pub)] // a part of one test binary

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A part of the guide, or all of it.
pub struct Guide {
    pub text: String,
}

/// A row of a table whose first cell is a name.
pub struct Row {
    pub cells: Vec<String>,
}

impl Guide {
    pub fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md")
    }

    pub fn read() -> Self {
        Guide { text: std::fs::read_to_string(Self::path()).unwrap() }
    }

    /// What stands below a heading, its own subheadings included.
    pub fn section(&self, heading: &str) -> Guide {
        let level = heading.split(' ').next().unwrap();
        let start = format!("\n{heading}\n");
        let (_, rest) = self.text.split_once(&start).unwrap_or_else(|| panic!("no {heading}"));
        let ends = |line: &&str| {
            let marks = line.bytes().take_while(|byte| *byte == b'#').count();
            marks > 0 && marks <= level.len() && line.as_bytes().get(marks) == Some(&b' ')
        };
        let lines = rest.lines().take_while(|line| !ends(line));
        Guide { text: lines.fold(String::new(), |text, line| text + line + "\n") }
    }

    pub fn before_any_heading(&self) -> Guide {
        let lines = self.text.lines().take_while(|line| !line.starts_with('#'));
        Guide { text: lines.fold(String::new(), |text, line| text + line + "\n") }
    }

    /// The rows of its tables that begin with a name.
    pub fn table(&self) -> Vec<Row> {
        let rows = self.text.lines().filter(|line| line.starts_with("| `"));
        let cells = |line: &str| {
            line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        rows.map(|line| Row { cells: cells(line) }).collect()
    }

    pub fn headings(&self) -> impl Iterator<Item = &str> {
        self.text.lines().filter(|line| line.starts_with('#'))
    }

    /// Where its links lead.
    pub fn links(&self) -> Vec<String> {
        let parts = self.text.split("](").skip(1);
        parts.map(|part| part.split(')').next().unwrap().to_owned()).collect()
    }
}

impl Row {
    pub fn name(&self) -> String {
        self.cells[0].trim_matches('`').to_owned()
    }

    /// The words of a cell that stand between backticks.
    pub fn words(&self, cell: usize) -> BTreeSet<String> {
        let cell = self.cells.get(cell).map_or("", String::as_str);
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }
}

/// The anchor that a heading becomes on a page.
pub fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    text.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}
