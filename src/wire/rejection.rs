//! Why one checkpoint was refused: a code a program can count, the field, and
//! a sentence a person can act on.

use std::borrow::Cow;
use std::fmt;

/// The code of a rejection; the set is part of the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names are the wire's own and say it all
pub enum Code {
    InvalidField,
    MissingField,
    UnknownExperience,
    TooOld,
    InFuture,
    TypeNotAllowed,
    ExperienceNotAllowed,
    MetaTooLarge,
    TooManyCheckpoints,
}

impl Code {
    /// Every code, in the order of the documentation.
    pub const ALL: [Code; 9] = [
        Code::InvalidField,
        Code::MissingField,
        Code::UnknownExperience,
        Code::TooOld,
        Code::InFuture,
        Code::TypeNotAllowed,
        Code::ExperienceNotAllowed,
        Code::MetaTooLarge,
        Code::TooManyCheckpoints,
    ];

    /// The code as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidField => "invalid_field",
            Code::MissingField => "missing_field",
            Code::UnknownExperience => "unknown_experience",
            Code::TooOld => "too_old",
            Code::InFuture => "in_future",
            Code::TypeNotAllowed => "type_not_allowed",
            Code::ExperienceNotAllowed => "experience_not_allowed",
            Code::MetaTooLarge => "meta_too_large",
            Code::TooManyCheckpoints => "too_many_checkpoints",
        }
    }
}

/// One refused checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What kind of mistake it is.
    pub code: Code,
    /// The field at fault; `None` where the checkpoint as a whole is.
    pub field: Option<Cow<'static, str>>,
    /// What was expected, for a person.
    pub detail: String,
}

impl Rejection {
    /// A value of the wrong type, form or range.
    pub fn invalid(field: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidField, Some(field), detail)
    }

    /// A required field that is absent or null.
    pub fn missing(field: &'static str) -> Self {
        Self::new(Code::MissingField, Some(field), format!("`{field}` is required"))
    }

    /// Any rejection.
    pub fn new(code: Code, field: Option<&'static str>, detail: impl Into<String>) -> Self {
        Rejection { code, field: field.map(Cow::Borrowed), detail: detail.into() }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{} ({field}): {}", self.code.as_str(), self.detail),
            None => write!(f, "{}: {}", self.code.as_str(), self.detail),
        }
    }
}
