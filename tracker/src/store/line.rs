//! One line for the event log.

use std::ops::{Deref, Range};
use std::sync::Arc;

/// A line without its end. It is a piece of a text that it shares with the
/// lines that were written beside it, so that none is an allocation or a copy.
#[derive(Clone, Debug)]
pub struct Line {
    text: Arc<String>,
    place: Range<usize>,
}

impl Line {
    /// What stands at `place` of `text`; nothing, if there is no such place.
    pub fn of(text: &Arc<String>, place: Range<usize>) -> Self {
        Line { text: text.clone(), place }
    }
}

impl Deref for Line {
    type Target = str;

    fn deref(&self) -> &str {
        self.text.get(self.place.clone()).unwrap_or_default()
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Line { place: 0..text.len(), text: Arc::new(text) }
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl PartialEq for Line {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Line {}
