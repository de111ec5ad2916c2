//! Why somebody is not let in: for a program the status, the code and the
//! field, for a person the sentence, for the metrics one of a few words. None
//! of them repeats a credential.

use std::borrow::Cow;

use axum::http::StatusCode;

use super::reach::Scope;

/// A request that is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No `Authorization: Bearer` at all.
    Missing,
    /// More than one `Authorization`: whose request it is would be a guess.
    Ambiguous,
    /// Longer than any credential is.
    TooLong,
    /// A key that nobody configured, and no token either.
    Unknown,
    /// Not a token in compact form with a header that can be honoured.
    Malformed(&'static str),
    /// Signed by nobody who is configured.
    UnknownIssuer,
    /// The issuer publishes no such key.
    UnknownKey,
    /// The key is for another algorithm than the token says.
    WrongAlgorithm,
    /// The signature is not that key's over that token.
    BadSignature,
    /// A claim is missing, or is not what a claim of its name has to be.
    Claim(Cow<'static, str>),
    /// For somebody else.
    WrongAudience,
    /// No longer valid.
    Expired,
    /// Not valid yet, or made in the future.
    NotYetValid(&'static str),
    /// The issuer's keys are not known: it could not be asked for them.
    KeysUnavailable,
    /// Good, but without this scope.
    OutOfScope(Scope),
    /// Good, but of a realm that may not come here.
    ForeignRealm,
    /// This header says something else than the token.
    HeaderMismatch(&'static str),
}

/// Every word of the metric's label, in the order of [`Denied::outcome`].
pub(super) const OUTCOMES: [&str; 17] = [
    "missing",
    "ambiguous",
    "too_long",
    "unknown_credential",
    "malformed_token",
    "unknown_issuer",
    "unknown_key",
    "wrong_algorithm",
    "bad_signature",
    "bad_claim",
    "wrong_audience",
    "expired",
    "not_yet_valid",
    "keys_unavailable",
    "out_of_scope",
    "foreign_realm",
    "header_mismatch",
];

impl Denied {
    /// Its place among the metric's labels.
    pub(super) fn outcome(&self) -> usize {
        match self {
            Denied::Missing => 0,
            Denied::Ambiguous => 1,
            Denied::TooLong => 2,
            Denied::Unknown => 3,
            Denied::Malformed(_) => 4,
            Denied::UnknownIssuer => 5,
            Denied::UnknownKey => 6,
            Denied::WrongAlgorithm => 7,
            Denied::BadSignature => 8,
            Denied::Claim(_) => 9,
            Denied::WrongAudience => 10,
            Denied::Expired => 11,
            Denied::NotYetValid(_) => 12,
            Denied::KeysUnavailable => 13,
            Denied::OutOfScope(_) => 14,
            Denied::ForeignRealm => 15,
            Denied::HeaderMismatch(_) => 16,
        }
    }

    /// What a client branches on.
    pub fn code(&self) -> &'static str {
        OUTCOMES[self.outcome()]
    }

    /// 401 for a bad credential, 403 for a good one that may not, 503 where it
    /// is the tracker that cannot tell.
    pub fn status(&self) -> StatusCode {
        match self {
            Denied::OutOfScope(_) | Denied::ForeignRealm | Denied::HeaderMismatch(_) => {
                StatusCode::FORBIDDEN
            }
            Denied::KeysUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// The header or claim at fault.
    pub fn field(&self) -> Cow<'static, str> {
        match self {
            Denied::Missing | Denied::Ambiguous | Denied::TooLong | Denied::Unknown => {
                "Authorization".into()
            }
            Denied::Malformed(part) => (*part).into(),
            Denied::UnknownIssuer | Denied::KeysUnavailable => "iss".into(),
            Denied::UnknownKey => "kid".into(),
            Denied::WrongAlgorithm => "alg".into(),
            Denied::BadSignature => "signature".into(),
            Denied::Claim(name) => name.clone(),
            Denied::WrongAudience => "aud".into(),
            Denied::Expired => "exp".into(),
            Denied::NotYetValid(claim) => (*claim).into(),
            Denied::OutOfScope(_) => "scopes".into(),
            Denied::ForeignRealm => "gitlab_realm".into(),
            Denied::HeaderMismatch(header) => (*header).into(),
        }
    }

    /// What to do about it.
    pub fn detail(&self) -> String {
        match self {
            Denied::Missing => "send `Authorization: Bearer <key or token>`".into(),
            Denied::Ambiguous => "send `Authorization` once".into(),
            Denied::TooLong => "no key or token that is known here is that long".into(),
            Denied::Unknown => "this bearer key is not configured here".into(),
            Denied::Malformed(part) => format!("`{part}` is not what a signed token may have"),
            Denied::UnknownIssuer => {
                "no `[[issuers]]` has exactly this `iss`; compare the scheme and the last slash"
                    .into()
            }
            Denied::UnknownKey => {
                "the issuer's key set has no key with this `kid`; a new key is looked for once in \
                 a while"
                    .into()
            }
            Denied::WrongAlgorithm => "the key with this `kid` is for another `alg`".into(),
            Denied::BadSignature => "the signature does not match the token".into(),
            Denied::Claim(name) => format!("the claim `{name}` is missing or of the wrong form"),
            Denied::WrongAudience => "`aud` names no audience of this tracker".into(),
            Denied::Expired => "the token has expired; get a new one".into(),
            Denied::NotYetValid(claim) => {
                format!("`{claim}` is in the future; compare the clocks")
            }
            Denied::KeysUnavailable => {
                "the issuer's keys could not be fetched; the tracker's log says why".into()
            }
            Denied::OutOfScope(scope) => format!("the scope `{}` is needed", scope.as_str()),
            Denied::ForeignRealm => "tokens of this realm are not accepted here".into(),
            Denied::HeaderMismatch(header) => {
                format!("`{header}` says something else than the token")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_code_in_the_metrics() {
        let all = [
            Denied::Missing,
            Denied::Ambiguous,
            Denied::TooLong,
            Denied::Unknown,
            Denied::Malformed("x"),
            Denied::UnknownIssuer,
            Denied::UnknownKey,
            Denied::WrongAlgorithm,
            Denied::BadSignature,
            Denied::Claim("x".into()),
            Denied::WrongAudience,
            Denied::Expired,
            Denied::NotYetValid("x"),
            Denied::KeysUnavailable,
            Denied::OutOfScope(Scope::Read),
            Denied::ForeignRealm,
            Denied::HeaderMismatch("x"),
        ];
        let codes: Vec<&str> = all.iter().map(Denied::code).collect();
        assert_eq!(codes, OUTCOMES);
    }
}
