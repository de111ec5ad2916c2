//! What may come in: how old, how new, how deep. Pure functions, in front of
//! the transition.

use labkit::wire::{CheckpointId, Code, Rejection, Timestamp};

use crate::limits::Limits;

/// What a request says of all its checkpoints.
#[derive(Clone, Copy)]
pub(crate) struct Envelope {
    pub(crate) received: i64,
    pub(crate) sent_at: Option<Timestamp>,
    pub(crate) instance: Option<CheckpointId>,
}

/// When it happened, on our clock: both operands of the inner difference come
/// from the client's, so that its skew cancels.
pub(crate) fn derived_time(
    client: Timestamp,
    envelope: Envelope,
    limits: &Limits,
) -> Result<i64, Rejection> {
    let (client, received) = (client.as_millis(), envelope.received);
    let derived = match envelope.sent_at.map(Timestamp::as_millis) {
        Some(sent) => {
            check_age("sent_at", received - sent, limits.sent_at_ms, limits.sent_at_ms)?;
            received - (sent - client)
        }
        None => client.min(received),
    };
    let (oldest, future) = (limits.acceptance_age_ms, limits.future_ms);
    check_age("client_timestamp", received - derived, oldest, future)?;
    Ok(derived)
}

fn check_age(field: &'static str, age: i64, oldest: i64, future: i64) -> Result<(), Rejection> {
    let (code, bound) = match age {
        age if age > oldest => (Code::TooOld, oldest),
        age if age < -future => (Code::InFuture, future),
        _ => return Ok(()),
    };
    let side = if code == Code::TooOld { "in the past" } else { "in the future" };
    let detail = format!("{} s {side}, at most {} s", age.abs() / 1_000, bound / 1_000);
    Err(Rejection::new(code, Some(field), detail))
}

/// Whether an item is what nests too deeply: batch and array are two levels
/// above it. Then it is refused alone, and the good ones beside it are not.
pub(crate) fn is_deep_item(text: &str, limits: &Limits) -> bool {
    depth(text) > limits.json_depth - 2
}

/// What a person reads when JSON is nested too deeply.
pub(crate) fn too_deep(levels: usize) -> String {
    format!("JSON nested more than {levels} levels deep")
}

/// What a person reads when a batch is too long.
pub(crate) fn too_many(count: usize, most: usize) -> String {
    format!("{count} checkpoints in one batch, at most {most}")
}

/// How deep the brackets of valid JSON nest.
pub(crate) fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        for (json, levels) in
            [("1", 0), ("{}", 1), (r#"{"a":[{"b":"]}[[[[\"{"}]}"#, 3), (r#"{"a":"\\"}"#, 1)]
        {
            assert_eq!(depth(json), levels, "{json}");
        }
    }
}
