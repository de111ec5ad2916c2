//! From the bytes of a request to its text: media type, size, compression.

use std::io::{self, Write};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use flate2::write::MultiGzDecoder;
use http_body_util::BodyExt;

use super::gate::{Held, Shed};
use super::plain::{Fault, Plain};
use super::problem::Problem;
use crate::limits::{DRAIN_TIMEOUT, DRAINED_BYTES, Limits};

/// How the body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
}

/// Why a body was not taken.
#[derive(Debug)]
pub(super) enum Unread {
    /// It is not what may be sent.
    Refused(Problem),
    /// It came too slowly, or too much comes at once.
    Shed(Shed),
}

impl From<Problem> for Unread {
    fn from(problem: Problem) -> Self {
        Unread::Refused(problem)
    }
}

/// Reads the JSON text of a request, with the memory that it holds. Whatever
/// is above a limit is noticed with the piece that goes beyond it: no more than
/// `body_bytes` are ever kept, and nothing of the compressed text.
pub(super) async fn read(
    headers: &HeaderMap,
    body: &mut Body,
    limits: &Limits,
    held: Held,
) -> Result<(String, Held), Unread> {
    check_media_type(headers)?;
    let encoding = encoding(headers)?;
    let declared = body.size_hint();
    if declared.lower() > limits.body_bytes as u64 {
        return Err(too_large(limits).into());
    }
    if !held.has_room(declared.lower()) {
        return Err(Unread::Shed(Shed::Bodies));
    }
    let mut sink = match encoding {
        Encoding::Identity => Sink::Identity(Plain::new(limits.body_bytes, held)),
        Encoding::Gzip => {
            let most = declared.exact().map_or(limits.body_bytes as u64, |bytes| {
                bytes.saturating_mul(limits.compression_ratio as u64)
            });
            let most = limits.body_bytes.min(usize::try_from(most).unwrap_or(usize::MAX));
            Sink::Gzip(Box::new(MultiGzDecoder::new(Plain::new(most, held))))
        }
    };
    let received =
        match tokio::time::timeout(limits.body_timeout(), fill(&mut sink, body, limits)).await {
            Ok(filled) => filled?,
            Err(_) => return Err(Unread::Shed(Shed::BodyTimeout)),
        };
    let (bytes, held) = sink.finish(limits)?;
    if encoding == Encoding::Gzip && bytes.len() > received.saturating_mul(limits.compression_ratio)
    {
        return Err(too_dense(limits).into());
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body must be UTF-8"))?;
    Ok((text, held))
}

/// Writes the pieces as they come; how many bytes they were.
async fn fill(sink: &mut Sink, body: &mut Body, limits: &Limits) -> Result<usize, Unread> {
    let mut received = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Problem::new(StatusCode::BAD_REQUEST, "the body ended before its length")
        })?;
        let Some(piece) = frame.data_ref() else { continue };
        received += piece.len();
        // Nothing of an honest body is larger compressed than it is plain.
        if received > limits.body_bytes {
            return Err(too_large(limits).into());
        }
        sink.write(piece, limits)?;
    }
    Ok(received)
}

/// Where the pieces of a body go.
enum Sink {
    Identity(Plain),
    Gzip(Box<MultiGzDecoder<Plain>>),
}

impl Sink {
    fn write(&mut self, piece: &[u8], limits: &Limits) -> Result<(), Unread> {
        let written = match self {
            Sink::Identity(plain) => plain.write_all(piece),
            Sink::Gzip(decoder) => decoder.write_all(piece),
        };
        written.map_err(|error| self.fault(&error, limits))
    }

    fn finish(mut self, limits: &Limits) -> Result<(Vec<u8>, Held), Unread> {
        if let Sink::Gzip(decoder) = &mut self {
            let finished = decoder.try_finish();
            finished.map_err(|error| self.fault(&error, limits))?;
        }
        Ok(match self {
            Sink::Identity(mut plain) => plain.take(),
            Sink::Gzip(mut decoder) => decoder.get_mut().take(),
        })
    }

    /// Why a write failed: because of what it was to be written to, or else
    /// because it is no gzip.
    fn fault(&self, error: &io::Error, limits: &Limits) -> Unread {
        let plain = match self {
            Sink::Identity(plain) => plain,
            Sink::Gzip(decoder) => decoder.get_ref(),
        };
        match plain.fault {
            Some(Fault::NoRoom) => Unread::Shed(Shed::Bodies),
            Some(Fault::TooLarge) if plain.most < limits.body_bytes => too_dense(limits).into(),
            Some(Fault::TooLarge) => too_large(limits).into(),
            None => Problem::new(StatusCode::BAD_REQUEST, format!("the body is no gzip: {error}"))
                .into(),
        }
    }
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
    let _ = tokio::time::timeout(limits.body_timeout().min(DRAIN_TIMEOUT), discard).await;
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

fn too_large(limits: &Limits) -> Problem {
    let most = limits.body_bytes;
    let detail = format!("the body is larger than {most} bytes, after decompression");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

fn too_dense(limits: &Limits) -> Problem {
    let detail = format!("the body is compressed more than {} to 1", limits.compression_ratio);
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}
