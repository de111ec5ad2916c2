//! Changes under construction. Their lines are written into one text, and what
//! one change was made with serves the next one, too.

use std::sync::Arc;

use crate::emit::log::{Place, Writer};
use crate::store::{Change, Line, Version};
use crate::tracker::Tracker;
use crate::transition::{Effects, Identity, Stored};
use crate::types::Types;

/// The changes of one commit.
pub(crate) struct Drafts<'t, 'a> {
    /// What the transitions of the next change bring about.
    pub(crate) effects: Effects<'a>,
    types: &'t Types,
    /// The last type and its label.
    label: Option<(Arc<str>, Arc<str>)>,
    log: Writer,
    /// Where the lines stand,
    places: Vec<Place>,
    /// and how many of them were there with each change.
    ends: Vec<usize>,
    changes: Vec<Change>,
}

impl<'t, 'a> Drafts<'t, 'a> {
    /// None yet; room for so many, of so many inputs that came at `real`.
    pub(crate) fn new(tracker: &'t Tracker, changes: usize, inputs: usize, real: i64) -> Self {
        Drafts {
            effects: Effects::default(),
            types: &tracker.types,
            label: None,
            log: Writer::new(inputs, real),
            places: Vec::with_capacity(inputs),
            ends: Vec::with_capacity(changes),
            changes: Vec::with_capacity(changes),
        }
    }

    /// The change that makes `next` of what was loaded, with its effects.
    pub(crate) fn add(&mut self, identity: Identity, expected: Version, next: Option<Stored>) {
        for event in self.effects.events.drain(..) {
            self.places.push(self.log.line(&identity, &event));
        }
        self.ends.push(self.places.len());
        let mut counts = std::mem::take(&mut self.effects.counts);
        for counts in counts.iter_mut().filter(|counts| !counts.series.is_of_instances()) {
            self.label(&mut counts.series.service);
        }
        self.changes.push(Change { identity, expected, next, counts, lines: Vec::new() });
    }

    /// A type that has no label of its own takes the common one.
    fn label(&mut self, service: &mut Arc<str>) {
        let label = match &self.label {
            Some((last, label)) if last == service => label.clone(),
            _ => {
                let label = self.types.label(service);
                self.label = Some((service.clone(), label.clone()));
                label
            }
        };
        *service = label;
    }

    /// All of them, ready for the store.
    pub(crate) fn finish(mut self) -> Vec<Change> {
        let text = Arc::new(self.log.finish());
        let mut begin = 0;
        for (change, end) in self.changes.iter_mut().zip(self.ends) {
            let places = self.places[begin..end].iter();
            change.lines = places.map(|place| Line::of(&text, place.clone())).collect();
            begin = end;
        }
        self.changes
    }
}
