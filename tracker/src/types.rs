//! The values that the label `type` may take. A label that callers choose
//! must be bounded, or one of them fills Prometheus.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// What the label says for every type beyond the bound.
pub const OTHER: &str = "other";

/// The known types: a configured list, or those learned so far.
#[derive(Debug)]
pub struct Types {
    /// Configured: nothing else is accepted, and nothing is learned.
    closed: bool,
    /// How many are learned.
    most: usize,
    /// Read for each checkpoint, written at most `most` times.
    known: RwLock<BTreeMap<Box<str>, Arc<str>>>,
    other: Arc<str>,
}

impl Types {
    /// From the configured list; an empty one learns, `most` of them.
    pub fn new(allowed: &[String], most: usize) -> Self {
        let known = allowed.iter().map(|name| (name.as_str().into(), name.as_str().into()));
        Types {
            closed: !allowed.is_empty(),
            most,
            known: RwLock::new(known.collect()),
            other: OTHER.into(),
        }
    }

    /// Whether a checkpoint may carry it.
    pub fn allows(&self, name: &str) -> bool {
        !self.closed || self.read().contains_key(name)
    }

    /// The label for the type, which it learns if there is room.
    pub fn label(&self, name: &Arc<str>) -> Arc<str> {
        if let Some(known) = self.read().get(&**name) {
            return known.clone();
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.contains_key(&**name) {
            return name.clone();
        }
        if self.closed || known.len() >= self.most {
            return self.other.clone();
        }
        known.insert((&**name).into(), name.clone());
        name.clone()
    }

    /// Takes what a store already counts, so that a restart learns the same.
    pub fn learn(&self, seen: impl IntoIterator<Item = Arc<str>>) {
        for name in seen {
            if &*name != OTHER {
                self.label(&name);
            }
        }
    }

    /// All known types.
    pub fn all(&self) -> Vec<Arc<str>> {
        self.read().values().cloned().collect()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Box<str>, Arc<str>>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LEARNED_TYPES;

    #[test]
    fn without_a_list_sixty_four_types_are_learned_and_the_rest_is_other() {
        let types = Types::new(&[], LEARNED_TYPES);
        for i in 0..LEARNED_TYPES {
            let name: Arc<str> = format!("t{i}").into();
            assert_eq!(types.label(&name), name);
        }
        assert_eq!(&*types.label(&"one-more".into()), OTHER);
        assert_eq!(&*types.label(&"t3".into()), "t3");
        assert!(types.allows("anything"));
        assert_eq!(types.all().len(), LEARNED_TYPES);
    }

    #[test]
    fn with_a_list_nothing_else_is_allowed() {
        let types = Types::new(&["web".into(), "sidekiq".into()], LEARNED_TYPES);
        assert!(types.allows("web") && !types.allows("cron"));
        assert_eq!(&*types.label(&"cron".into()), OTHER);
        assert_eq!(types.all().len(), 2);
    }
}
