//! The definitions in force, and what takes their place when they are read
//! again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use labkit::definition::{Finding, Registry, Slo};

use crate::transition::Definition;

/// What a file says for people: what decides no outcome, and so is in no record.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct About {
    pub(crate) description: String,
    pub(crate) slo: Slo,
}

/// One set of definitions. It never changes: a request looks at one set from
/// its first checkpoint to its last, whatever is read meanwhile.
#[derive(Debug, Default)]
pub struct Definitions {
    in_force: BTreeMap<Arc<str>, Arc<Definition>>,
    /// Nothing opens under these any more. What is open under them, ends.
    retired: BTreeMap<Arc<str>, Arc<Definition>>,
    /// Also of files that are gone, as long as this process has read them.
    about: BTreeMap<Arc<str>, About>,
}

impl Definitions {
    /// What was read first; `counted` are the definitions that the store has
    /// known, as what is still open may be of one whose file is gone.
    pub fn new(registry: &Registry, counted: impl IntoIterator<Item = Arc<Definition>>) -> Self {
        let retired = counted.into_iter().map(|counted| (counted.id.clone(), counted)).collect();
        Definitions { retired, ..Definitions::default() }.succeeded_by(registry, &[])
    }

    /// What is in force once `registry` was read, and `findings` with it. A
    /// file that cannot be used any more leaves in force what it said before;
    /// one that is gone retires its definition.
    pub fn succeeded_by(&self, registry: &Registry, findings: &[Finding]) -> Self {
        let broken = findings.iter().filter_map(|finding| finding.file.file_stem()?.to_str());
        let broken: BTreeSet<&str> = broken.collect();
        let (mut in_force, mut retired) = (BTreeMap::new(), self.retired.clone());
        let mut about = self.about.clone();
        for (id, definition) in &self.in_force {
            let next = if broken.contains(&**id) { &mut in_force } else { &mut retired };
            next.insert(id.clone(), definition.clone());
        }
        for read in registry {
            let said = About { description: read.description.clone(), slo: read.slo };
            let read = Definition::from(read);
            about.insert(read.id.clone(), said);
            // What did not change stays the same value, as open records share it.
            let same = self.known(&read.id).filter(|known| ***known == read).cloned();
            retired.remove(&read.id);
            in_force.insert(read.id.clone(), same.unwrap_or_else(|| Arc::new(read)));
        }
        Definitions { in_force, retired, about }
    }

    /// The definition under which something can have been opened.
    pub fn known(&self, id: &str) -> Option<&Arc<Definition>> {
        self.in_force.get(id).or_else(|| self.retired.get(id))
    }

    /// What its file said for people, if it was read.
    pub(crate) fn about(&self, id: &str) -> About {
        self.about.get(id).cloned().unwrap_or_default()
    }

    /// Whether nothing opens under it any more.
    pub fn is_retired(&self, id: &str) -> bool {
        self.retired.contains_key(id)
    }

    /// Those in force, sorted by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.in_force.values()
    }

    /// How many are in force.
    pub fn len(&self) -> usize {
        self.in_force.len()
    }

    /// Whether none is, so that every checkpoint would be refused.
    pub fn is_empty(&self) -> bool {
        self.in_force.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use labkit::definition::read;

    use super::*;

    /// A directory with these files: what it says of each.
    fn files(files: &[(&str, &str)]) -> (Registry, Vec<Finding>) {
        let (mut definitions, mut findings) = (Vec::new(), Vec::new());
        for (id, urgency) in files {
            let yaml = format!("description: x\nfeature_category: y\nurgency: {urgency}\n");
            let (definition, found) = read(format!("{id}.yml").as_ref(), &yaml);
            definitions.extend(definition);
            findings.extend(found);
        }
        (Registry::new(definitions), findings)
    }

    fn first(defined: &[(&str, &str)]) -> Definitions {
        Definitions::new(&files(defined).0, [])
    }

    fn urgencies(definitions: &Definitions) -> Vec<(&str, &str)> {
        definitions.iter().map(|d| (&*d.id, &*d.urgency)).collect()
    }

    #[test]
    fn added_changed_and_removed_files_are_what_is_in_force_next() {
        let first = first(&[("a", "sync_fast"), ("b", "sync_fast")]);
        let (registry, findings) = files(&[("b", "sync_slow"), ("c", "sync_fast")]);
        let next = first.succeeded_by(&registry, &findings);
        assert_eq!(urgencies(&next), [("b", "sync_slow"), ("c", "sync_fast")]);
        assert!(next.is_retired("a") && next.known("a").is_some() && !next.is_retired("b"));
        let back = next.succeeded_by(&files(&[("a", "sync_fast")]).0, &[]);
        assert_eq!(urgencies(&back), [("a", "sync_fast")]);
        assert!(!back.is_retired("a") && back.is_retired("b") && back.known("d").is_none());
    }

    #[test]
    fn a_file_that_broke_leaves_what_it_said_in_force_and_harms_no_other() {
        let first = first(&[("a", "sync_fast"), ("b", "sync_fast")]);
        let (registry, findings) = files(&[("a", "quick"), ("b", "sync_slow"), ("new", "quick")]);
        let next = first.succeeded_by(&registry, &findings);
        assert_eq!(urgencies(&next), [("a", "sync_fast"), ("b", "sync_slow")]);
    }

    #[test]
    fn what_did_not_change_is_shared_by_both_sets() {
        let (registry, _) = files(&[("a", "sync_fast")]);
        let first = Definitions::new(&registry, []);
        let next = first.succeeded_by(&registry, &[]);
        assert!(Arc::ptr_eq(first.known("a").unwrap(), next.known("a").unwrap()));
    }
}
