//! Descriptors for as many connections as there may be. Most systems give a
//! process a thousand and let it have more if it asks.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::DESCRIPTORS;

/// Asks for what so many connections need. Too few are no reason not to start:
/// then connections wait, as they do above the limit.
pub(crate) fn make_room(connections: usize) {
    let needed = connections as u64 + DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    let Some(next) = raised(&limit, needed) else { return };
    let given = setrlimit(Resource::Nofile, next).is_ok();
    let least = if given { next.current } else { limit.current };
    if let Some(least) = least.filter(|least| *least < needed) {
        tracing::warn!(
            "[limits] connections = {connections} needs {needed} open files, and this process may \
             have {least}: raise the hard limit (systemd: LimitNOFILE=) or lower `connections`"
        );
    }
}

/// The limit to ask for; `None`: it is enough as it is.
fn raised(limit: &Rlimit, needed: u64) -> Option<Rlimit> {
    let current = limit.current.filter(|current| *current < needed)?;
    let next = limit.maximum.map_or(needed, |maximum| needed.min(maximum));
    Some(Rlimit { current: Some(next.max(current)), maximum: limit.maximum })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_asked_for_than_is_needed_or_than_there_is() {
        for (current, maximum, expected) in [
            (Some(1_024), Some(500_000), Some(4_352)),
            (Some(1_024), Some(4_096), Some(4_096)),
            (Some(1_024), Some(1_024), Some(1_024)),
            (Some(1_024), None, Some(4_352)),
            (Some(4_352), Some(4_352), None),
            (None, None, None),
        ] {
            let next = raised(&Rlimit { current, maximum }, 4_352);
            assert_eq!(next.and_then(|next| next.current), expected, "{current:?} {maximum:?}");
        }
    }
}
