//! Errors as RFC 9457 describes them: for a program the status and the code,
//! for a person the detail.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use labkit::wire::{BodyError, Rejection};
use serde::Serialize;

use super::gate::Shed;
use crate::admission::{too_deep, too_many};
use crate::auth::Denied;
use crate::ingest::{Refusal, short};
use crate::limits::RETRY_AFTER_S;
use crate::store::StoreError;

/// RFC 7617; the password is a key.
const ASK_USER: &str = "Basic realm=\"labkit-tracker\", charset=\"UTF-8\"";

/// One error answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    /// Always `about:blank`: the status says which kind it is.
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What was expected.
    pub detail: String,
    /// The code of a rejection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// The field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<Cow<'static, str>>,
    /// When to come again, for `Retry-After`.
    #[serde(skip)]
    retry_after_s: u32,
    /// A browser may ask its user for a key.
    #[serde(skip)]
    asks_user: bool,
}

impl Problem {
    /// Any problem.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code: None,
            field: None,
            retry_after_s: RETRY_AFTER_S,
            asks_user: false,
        }
    }

    /// A credential has sent more than its share.
    pub(super) fn throttled(wait: Duration) -> Self {
        let retry_after_s = u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX);
        let detail = "this credential has sent more than `credential_rate` allows; nothing of \
                      this request was taken in";
        Problem { retry_after_s, ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }

    /// There is no place for it, or no time.
    pub(super) fn overloaded(reason: Shed) -> Self {
        let limit = reason.limit();
        let detail = match reason {
            Shed::Peer => "this address has as many connections as one may have",
            Shed::Requests => "as many requests are in work as may be; this one was not looked at",
            Shed::Bodies => "there is no memory for another body now; this one was not looked at",
            Shed::TotalTimeout => "it took too long; whether it had its effect is open",
            Shed::BodyTimeout => "the body did not arrive in time",
            Shed::HeadTimeout => "the head did not arrive in time",
        };
        let status = match reason {
            Shed::Peer => StatusCode::TOO_MANY_REQUESTS,
            Shed::BodyTimeout | Shed::HeadTimeout => StatusCode::REQUEST_TIMEOUT,
            Shed::Requests | Shed::Bodies | Shed::TotalTimeout => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, format!("{detail} (`{limit}`); send it again"))
    }

    /// The same on a page: a browser then asks its user, and comes again.
    pub(super) fn on_page(self) -> Self {
        Problem { asks_user: self.status_code() == StatusCode::UNAUTHORIZED, ..self }
    }

    pub(super) fn not_found(detail: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not answer that method")
    }

    pub(super) fn bad_parameter(field: &'static str, detail: impl Into<String>) -> Self {
        let field = Some(Cow::Borrowed(field));
        Problem { field, ..Self::new(StatusCode::BAD_REQUEST, detail) }
    }

    fn rejection(rejection: Rejection) -> Self {
        Problem {
            code: Some(rejection.code.as_str()),
            field: rejection.field,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, short(rejection.detail))
        }
    }

    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What the answer says of the credential (RFC 6750, 3).
    fn challenge(&self) -> Option<&'static str> {
        match (self.status_code(), self.code) {
            (StatusCode::UNAUTHORIZED, None | Some("missing")) => {
                Some("Bearer realm=\"labkit-tracker\"")
            }
            (StatusCode::UNAUTHORIZED, _) => {
                Some("Bearer realm=\"labkit-tracker\", error=\"invalid_token\"")
            }
            (StatusCode::FORBIDDEN, Some("out_of_scope")) => {
                Some("Bearer realm=\"labkit-tracker\", error=\"insufficient_scope\"")
            }
            _ => None,
        }
    }

    /// The JSON text.
    pub fn to_json(&self) -> String {
        // Cannot fail: strings and a number.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed(error) => {
                let problem = Self::new(StatusCode::BAD_REQUEST, short(error.to_string()));
                match error {
                    BodyError::Envelope { field, .. } => Problem { field: Some(field), ..problem },
                    _ => problem,
                }
            }
            Refusal::TooDeep(levels) => Self::new(StatusCode::BAD_REQUEST, too_deep(levels)),
            Refusal::TooMany { count, most } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, too_many(count, most))
            }
            Refusal::Invalid(rejection) => Self::rejection(rejection),
            Refusal::Unavailable(error) => error.into(),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let (code, field) = (Some(denied.code()), Some(denied.field()));
        Problem { code, field, ..Self::new(denied.status(), denied.detail()) }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let media_type = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status_code(), media_type, self.to_json()).into_response();
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge() {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.asks_user {
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(ASK_USER));
        }
        if let StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS = self.status_code()
        {
            headers.insert(header::RETRY_AFTER, self.retry_after_s.into());
        }
        response
    }
}
