//! One bucket for each whose credentials come and go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{BUCKETS, Bucket, Limits};

/// A tenant and one of its subjects.
type Whose = (Arc<str>, Box<str>);

/// Buckets that are made when somebody first comes.
#[derive(Debug)]
pub(crate) struct Buckets {
    limits: Limits,
    known: Mutex<HashMap<Whose, Arc<Bucket>>>,
}

impl Buckets {
    pub(crate) fn new(limits: &Limits) -> Self {
        Buckets { limits: *limits, known: Mutex::default() }
    }

    /// When there are too many, the full ones are forgotten: a new one is the
    /// same. If that is not enough, whoever comes later shares one.
    pub(crate) fn find(&self, tenant: &Arc<str>, subject: &str, now_ms: i64) -> Arc<Bucket> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut whose: Whose = (tenant.clone(), subject.into());
        if let Some(bucket) = known.get(&whose) {
            return bucket.clone();
        }
        if known.len() >= BUCKETS {
            known.retain(|_, bucket| !bucket.is_full(now_ms));
        }
        if known.len() >= BUCKETS {
            whose = ("".into(), "".into());
        }
        let new = || Arc::new(Bucket::new(&self.limits, now_ms));
        known.entry(whose).or_insert_with(new).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(buckets: &Buckets, subject: usize, now_ms: i64) -> Arc<Bucket> {
        buckets.find(&"tenant".into(), &subject.to_string(), now_ms)
    }

    #[test]
    fn whose_credential_is_renewed_keeps_its_bucket() {
        let buckets = Buckets::new(&Limits::default());
        assert!(Arc::ptr_eq(&find(&buckets, 1, 0), &find(&buckets, 1, 9)));
        assert!(!Arc::ptr_eq(&find(&buckets, 1, 0), &find(&buckets, 2, 0)));
        let other = buckets.find(&"other".into(), "1", 0);
        assert!(!Arc::ptr_eq(&find(&buckets, 1, 0), &other));
    }

    #[test]
    fn however_many_come_few_are_kept_and_nobody_who_owes_is_forgotten() {
        let buckets = Buckets::new(&Limits::default());
        let debtor = find(&buckets, 0, 0);
        debtor.charge(0, 1_000);
        (1..3 * BUCKETS).for_each(|subject| drop(find(&buckets, subject, 0)));
        assert!(buckets.known.lock().unwrap().len() <= BUCKETS);
        assert!(Arc::ptr_eq(&debtor, &find(&buckets, 0, 0)));
    }

    #[test]
    fn where_all_owe_those_who_come_later_share_one() {
        let buckets = Buckets::new(&Limits::default());
        (0..BUCKETS).for_each(|subject| find(&buckets, subject, 0).charge(0, 1_000));
        let late = find(&buckets, BUCKETS, 0);
        late.charge(0, 1_000);
        assert!(Arc::ptr_eq(&late, &find(&buckets, BUCKETS + 1, 0)));
        assert_eq!(buckets.known.lock().unwrap().len(), BUCKETS + 1);
    }
}
