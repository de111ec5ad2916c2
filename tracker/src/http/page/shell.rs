//! The document around what changes: head, style, script, and what they may do.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha2::{Digest as _, Sha256};

use super::chart::PATTERNS;
use super::text::{Text, Time};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Nothing from elsewhere, and of what is inline only what was written here,
/// each named by its hash.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; style-src {}; script-src {}; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
});
/// How often the page loads itself anew where scripts are off, in s.
const RELOAD_S: u32 = 15;

/// A page. `live` is what the script replaces; both are markup.
pub(super) struct Document<'a> {
    pub(super) status: StatusCode,
    pub(super) title: &'a str,
    /// Above the heading, to where the page belongs.
    pub(super) back: bool,
    pub(super) live: &'a str,
    pub(super) now: i64,
}

impl Document<'_> {
    pub(super) fn html(&self) -> String {
        let title = Text(self.title);
        let mut html = String::with_capacity(self.live.len() + STYLE.len() + SCRIPT.len() + 2_048);
        let version = env!("CARGO_PKG_VERSION");
        let _ = write!(
            html,
            "<!doctype html><html lang=\"en\" data-version=\"{version}\" data-status=\"{}\"><head>\
             <meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\">\
             <noscript><meta http-equiv=\"refresh\" content=\"{RELOAD_S}\"></noscript>\
             <title>{title}</title><style>{STYLE}</style></head><body>{PATTERNS}\
             <header class=\"top\">",
            self.status.as_u16()
        );
        html.push_str(match self.back {
            true => "<p class=\"home\"><a href=\"/\">\u{2190} User experiences</a></p>",
            false => "<h1>User experiences</h1>",
        });
        let _ = write!(
            html,
            "<p id=\"fresh\" class=\"fresh\"><span id=\"dot\" class=\"dot\"></span> as of {}</p>\
             <noscript><p><a href=\"\">Reload</a></p></noscript></header>\
             <p id=\"trouble\" class=\"trouble\" role=\"status\"></p>\
             <main id=\"live\">{}</main><script>{SCRIPT}</script></body></html>",
            Time(self.now),
            self.live
        );
        html
    }
}

/// The answer with this page, once written.
pub(super) fn answer(status: StatusCode, html: String) -> Response {
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, &POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, html).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_and_script_hold_nothing_that_would_end_their_element() {
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains("</") && !text.contains("<!--"));
        }
    }
}
