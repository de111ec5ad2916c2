//! What a credential may do: its scopes, and which types and experiences it
//! may send.

use labkit::wire::{Checkpoint, Code, Rejection};
use serde::Deserialize;

/// What a request wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
pub enum Scope {
    /// Send checkpoints.
    #[serde(rename = "user_experience:write")]
    Write,
    /// Query experiences.
    #[serde(rename = "user_experience:read")]
    Read,
}

impl Scope {
    /// Its name in a token and in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Write => "user_experience:write",
            Scope::Read => "user_experience:read",
        }
    }

    /// Both.
    pub(super) fn all() -> Vec<Scope> {
        vec![Scope::Write, Scope::Read]
    }
}

/// Which checkpoints a credential may send; nothing listed is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    types: Vec<String>,
    experiences: Vec<String>,
}

impl Reach {
    /// From patterns in which `*` stands for any run of characters.
    pub fn new(types: &[String], experiences: &[String]) -> Result<Self, String> {
        let could_match = |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*');
        for (key, patterns) in [("types", types), ("experiences", experiences)] {
            let odd = |pattern: &&String| pattern.is_empty() || !pattern.bytes().all(could_match);
            if let Some(pattern) = patterns.iter().find(odd) {
                return Err(format!(
                    "`{key}`: {pattern:?} can match nothing: expected lower-case letters, digits, \
                     `_`, `-`, and `*` for any of them"
                ));
            }
        }
        Ok(Reach { types: types.to_vec(), experiences: experiences.to_vec() })
    }

    /// Refuses a checkpoint that is beyond it.
    pub(crate) fn check(&self, checkpoint: &Checkpoint<'_>) -> Result<(), Rejection> {
        let refuse = |code, field, patterns: &[String]| {
            let detail = format!("this credential may send: {}", patterns.join(", "));
            Err(Rejection::new(code, Some(field), detail))
        };
        if !allows(&self.experiences, &checkpoint.user_experience_id) {
            let code = Code::ExperienceNotAllowed;
            return refuse(code, "user_experience_id", &self.experiences);
        }
        if !allows(&self.types, &checkpoint.service) {
            return refuse(Code::TypeNotAllowed, "type", &self.types);
        }
        Ok(())
    }
}

fn allows(patterns: &[String], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|p| matches(p.as_bytes(), text.as_bytes()))
}

/// Whether the whole of `text` is what `pattern` says, in which `*` stands for
/// any run of bytes. Goes back to the last `*` only, so that no pattern costs more than its
/// length times the text's.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    (p, t) = (after + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text, expected) in [
            ("web", "web", true),
            ("web", "web2", false),
            ("web", "we", false),
            ("*", "", true),
            ("*", "anything", true),
            ("ci_*", "ci_job_processing_delay", true),
            ("ci_*", "xci_job", false),
            ("*_request", "create_merge_request", true),
            ("*_request", "create_merge_requests", false),
            ("a*b*c", "a_b_b_c", true),
            ("a*b*c", "a_c_b", false),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_that_can_match_nothing_is_refused_by_its_key() {
        for bad in ["", "Web", "a b", "ci.*"] {
            assert!(Reach::new(&[], &[bad.into()]).unwrap_err().contains("`experiences`"), "{bad}");
            assert!(Reach::new(&[bad.into()], &[]).unwrap_err().contains("`types`"), "{bad}");
        }
    }
}
