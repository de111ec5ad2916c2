//! What the files say for people: the descriptions, and what share must be
//! good. What decides outcomes is a matter of the definitions in force.

use std::collections::BTreeMap;

use labkit::definition::{Registry, Slo};

/// What one file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct About {
    pub(super) description: String,
    pub(super) slo: Slo,
}

/// What all of them say.
#[derive(Debug, Default)]
pub(super) struct Said(BTreeMap<String, About>);

impl Said {
    /// What was read now. A file that broke, or is gone, leaves what it said
    /// before: something may be open under it.
    pub(super) fn learn(&mut self, registry: &Registry) {
        for read in registry {
            let about = About { description: read.description.clone(), slo: read.slo };
            self.0.insert(read.id.clone(), about);
        }
    }

    /// What is said of `id`; of one that is not known, what goes without saying.
    pub(super) fn of(&self, id: &str) -> About {
        self.0.get(id).cloned().unwrap_or_default()
    }
}
