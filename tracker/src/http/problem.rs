//! Errors as RFC 9457 describes them: for a program the status and the code,
//! for a person the detail.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use labkit::wire::{BodyError, Rejection};
use serde::Serialize;

use crate::admission::{too_deep, too_many};
use crate::ingest::{Refusal, short};
use crate::limits::RETRY_AFTER_S;
use crate::store::StoreError;

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
        }
    }

    pub(super) fn unauthorized(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
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
        match self.status_code() {
            StatusCode::UNAUTHORIZED => {
                let challenge = HeaderValue::from_static("Bearer realm=\"labkit-tracker\"");
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER_S.into());
            }
            _ => {}
        }
        response
    }
}
