//! What a credential that was let in stands for.

use std::sync::Arc;

use super::denied::Denied;
use super::reach::{Reach, Scope};
use crate::limits::Bucket;

/// Somebody who was let in.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The namespace of what is sent and asked for.
    pub tenant: Arc<str>,
    /// What may be done.
    pub scopes: Vec<Scope>,
    /// What may be sent.
    pub reach: Arc<Reach>,
    /// How much may be sent; nobody counts where nobody has to say who they are.
    pub(crate) bucket: Option<Arc<Bucket>>,
}

impl Grant {
    pub(super) fn check(&self, wanted: Scope) -> Result<(), Denied> {
        match self.scopes.contains(&wanted) {
            true => Ok(()),
            false => Err(Denied::OutOfScope(wanted)),
        }
    }
}
