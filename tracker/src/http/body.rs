//! From the bytes of a request to its text: media type, size, compression.

use std::io::Read;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::problem::Problem;
use crate::limits::{DRAINED_BYTES, Limits};

/// How the body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
}

/// Reads the JSON text of a request.
pub(super) async fn read(
    headers: &HeaderMap,
    body: &mut Body,
    limits: &Limits,
) -> Result<String, Problem> {
    check_media_type(headers)?;
    let encoding = encoding(headers)?;
    if body.size_hint().lower() > limits.body_bytes as u64 {
        return Err(too_large(limits));
    }
    // Nothing of an honest body is larger compressed than it is plain.
    let read = Limited::new(body, limits.body_bytes).collect();
    let bytes = match tokio::time::timeout(limits.body_timeout(), read).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large(limits)),
        Ok(Err(_)) => {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "the body ended before its length"));
        }
        Err(_) => {
            let detail = format!("the body did not arrive within {} ms", limits.body_timeout_ms);
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
        }
    };
    let bytes = match encoding {
        Encoding::Identity => bytes.into(),
        Encoding::Gzip => unzip(&bytes, limits)?,
    };
    String::from_utf8(bytes)
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body must be UTF-8"))
}

/// Reads on after a refusal, so that a client which writes all before it reads
/// is not cut off with the answer unread. One that asked first (`Expect`) is
/// waiting for just that answer.
pub(super) async fn drain(headers: &HeaderMap, body: &mut Body, limits: &Limits) {
    if headers.contains_key(header::EXPECT) {
        return;
    }
    let discard = async {
        let mut left = DRAINED_BYTES;
        while left > 0 {
            let Some(Ok(frame)) = body.frame().await else { return };
            left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len()));
        }
    };
    // How far it came is nobody's concern.
    let _ = tokio::time::timeout(limits.body_timeout(), discard).await;
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let mut parts = value.unwrap_or_default().split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    // JSON is UTF-8 and nothing else; a client that says so is right.
    let is_utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, charset)) if name.eq_ignore_ascii_case("charset") => {
            charset.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    match is_json && is_utf8 {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send `Content-Type: application/json`, in UTF-8",
        )),
    }
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Problem> {
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    let name = |value: &HeaderValue| value.to_str().unwrap_or("?").trim().to_ascii_lowercase();
    match (values.next().map(name).as_deref(), values.next()) {
        (None | Some("identity"), None) => Ok(Encoding::Identity),
        (Some("gzip"), None) => Ok(Encoding::Gzip),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "only `Content-Encoding: gzip` or none is understood",
        )),
    }
}

/// Stops at the first byte above either limit, so that a bomb costs no more
/// than an honest body.
fn unzip(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, Problem> {
    let by_ratio = bytes.len().saturating_mul(limits.compression_ratio);
    let limit = limits.body_bytes.min(by_ratio);
    let mut plain = Vec::with_capacity(limit.min(bytes.len() * 8));
    let mut decoder = MultiGzDecoder::new(bytes).take(limit as u64 + 1);
    decoder
        .read_to_end(&mut plain)
        .map_err(|e| Problem::new(StatusCode::BAD_REQUEST, format!("the body is no gzip: {e}")))?;
    match plain.len() {
        length if length <= limit => Ok(plain),
        _ if by_ratio < limits.body_bytes => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is compressed more than {} to 1", limits.compression_ratio),
        )),
        _ => Err(too_large(limits)),
    }
}

fn too_large(limits: &Limits) -> Problem {
    let most = limits.body_bytes;
    let detail = format!("the body is larger than {most} bytes, after decompression");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}
