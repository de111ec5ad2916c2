//! The requests: half of a batch starts experiences, half ends those that the
//! batch before started, each with three extras, as the libraries send them.

use std::fmt::Write as _;

use labkit::wire::{CheckpointId, CorrelationId, Timestamp};
use labkit_tracker::clock::{Clock, SystemClock};

pub(crate) const EXPERIENCE: &str = "create_merge_request";

/// Bodies of `size` checkpoints; those of two `lane`s share no experience.
pub(crate) struct Bodies {
    lane: u128,
    size: usize,
    /// When it began, so that a store that outlives a round sees no id again.
    salt: u128,
    sent: u128,
}

impl Bodies {
    pub(crate) fn new(lane: u128, size: usize) -> Self {
        let salt = (SystemClock.now_ms() as u128) << 40;
        Bodies { lane, size, salt, sent: 0 }
    }

    /// The next batch, in `text`.
    pub(crate) fn next(&mut self, text: &mut String) {
        let at = Timestamp::from_millis(SystemClock.now_ms());
        text.clear();
        let _ = write!(text, r#"{{"sent_at":"{at}","instance_id":"01HZZZZZZZZZZZZZZZZZZZZZZZ","#);
        let _ = write!(text, r#""sdk":{{"name":"labkit-ruby","version":"0.1.0"}},"#);
        let _ = write!(text, r#""recorded":8123,"dropped":{{}},"checkpoints":["#);
        for item in 0..self.size {
            if item > 0 {
                text.push(',');
            }
            let (number, is_end) = (self.sent / 2, self.sent % 2 == 1);
            self.checkpoint(text, number, is_end, at);
            self.sent += 1;
        }
        text.push_str("]}");
    }

    /// Nothing but starts.
    pub(crate) fn next_starts(&mut self, text: &mut String) {
        let at = Timestamp::from_millis(SystemClock.now_ms());
        text.clear();
        let _ = write!(text, r#"{{"sent_at":"{at}","instance_id":"01HZZZZZZZZZZZZZZZZZZZZZZZ","#);
        text.push_str(r#""checkpoints":["#);
        for item in 0..self.size {
            if item > 0 {
                text.push(',');
            }
            self.checkpoint(text, self.sent, false, at);
            self.sent += 1;
        }
        text.push_str("]}");
    }

    fn checkpoint(&self, text: &mut String, number: u128, is_end: bool, at: Timestamp) {
        // As spread as random ids are, and never the same twice.
        let number = number + self.salt;
        let spread = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)) >> 12;
        let run = CorrelationId::from_ulid(spread ^ (self.lane << 100));
        let id = CheckpointId((spread ^ (self.lane << 100)) << 1 | u128::from(is_end));
        let kind = if is_end { "end" } else { "start" };
        let _ = write!(
            text,
            r#"{{"id":"{id}","correlation_id":"{run}","user_experience_id":"{EXPERIENCE}","checkpoint":"{kind}","type":"web","feature_category":"code_review_workflow","urgency":"custom","client_timestamp":"{at}","#
        );
        if is_end {
            text.push_str(r#""outcome":"success","elapsed_ms":812.5,"#);
        }
        text.push_str(
            r#""meta":{"project_id":278964,"namespace":"gitlab-org/security","source":"web_ide_commit"}}"#,
        );
    }
}
