//! Requests that are wrong in a way that a seed decides: good ones, damaged.
#![allow(dead_code, missing_docs, unreachable_pub)] // each test binary uses its own part

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// A small generator of numbers, the same on every machine (SplitMix64).
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `most`, which is not 0.
    pub fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// One request, and what has to come back where that is certain.
#[derive(Debug)]
pub struct Case {
    pub damage: &'static str,
    pub headers: Vec<String>,
    pub body: Vec<u8>,
    pub status: Option<u16>,
    /// Code and field of the problem.
    pub fault: Option<(&'static str, &'static str)>,
}

const FIELDS: [&str; 13] = [
    "correlation_id",
    "user_experience_id",
    "checkpoint",
    "checkpoint_category",
    "type",
    "feature_category",
    "urgency",
    "client_timestamp",
    "id",
    "outcome",
    "reason",
    "started_at",
    "elapsed_ms",
];
const REQUIRED: [&str; 7] = [
    "correlation_id",
    "user_experience_id",
    "checkpoint",
    "type",
    "feature_category",
    "urgency",
    "client_timestamp",
];
/// What no field of a checkpoint can be.
const WRONG: [&str; 6] = ["true", "[]", "{}", "[1]", "-1", "\"\""];
const NUMBERS: [&str; 8] =
    ["1e400", "-1e400", "-1", "1e308", "99999999999999999999999", "0.1e-999", "-0", "1E+2"];
/// A lone byte, a zero in two bytes, a surrogate, and what is beyond Unicode.
const NO_UTF8: [&[u8]; 4] = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"];
const TEXTS: [&str; 8] = ["", " ", "\n", "null", "[]", "7", "\"text\"", "true false"];

/// An end, as an SDK sends it.
fn single(dice: &mut Dice, now: &str) -> Value {
    json!({
        "correlation_id": format!("{:032x}", dice.below(16)), "checkpoint": "end",
        "user_experience_id": "create_merge_request", "checkpoint_category": "done", "type": "web",
        "feature_category": "code_review_workflow", "urgency": "custom", "client_timestamp": now,
        "meta": {"project_id": 7, "path": "a/b"}, "id": format!("01J{:023}", dice.below(1_000)),
        "outcome": "error", "reason": "disk full", "started_at": now, "elapsed_ms": 1500.5
    })
}

fn batch(dice: &mut Dice, now: &str) -> Value {
    let items: Vec<Value> = (0..=dice.below(5)).map(|_| single(dice, now)).collect();
    json!({
        "sent_at": now, "instance_id": "01HZZZZZZZZZZZZZZZZZZZZZZZ", "recorded": 8123,
        "sdk": {"name": "labkit-ruby", "version": "0.1.0"}, "dropped": {"queue_full": 0},
        "checkpoints": items
    })
}

fn any(dice: &mut Dice, now: &str) -> Value {
    match dice.below(2) {
        0 => single(dice, now),
        _ => batch(dice, now),
    }
}

/// The text of `value` with `json` where `field` has its value; also what is no JSON.
fn replaced(mut value: Value, field: &str, json: &str) -> String {
    value[field] = Value::from("\u{1}here\u{1}");
    value.to_string().replace("\"\\u0001here\\u0001\"", json)
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

impl Case {
    fn new(damage: &'static str, body: impl Into<Vec<u8>>) -> Case {
        let headers = vec!["Content-Type: application/json".to_owned()];
        Case { damage, headers, body: body.into(), status: None, fault: None }
    }

    fn answered(self, status: u16) -> Case {
        Case { status: Some(status), ..self }
    }

    fn at_fault(self, code: &'static str, field: &'static str) -> Case {
        Case { fault: Some((code, field)), ..self.answered(422) }
    }

    fn packed(mut self) -> Case {
        self.body = gzip(&self.body);
        self.headers.push("Content-Encoding: gzip".to_owned());
        self
    }

    /// The case of this number, at the time `now` (ISO-8601).
    pub fn new_of(number: usize, dice: &mut Dice, now: &str) -> Case {
        let case = match number % 5 {
            0 => bytes(dice, now),
            1 => fields(dice, now),
            2 => envelope(dice, now),
            3 => transport(dice, now),
            _ => sizes(dice, now),
        };
        // What is said of the text holds for its packed form, too.
        match case.headers.len() == 1 && case.body.len() < 4_000 && dice.below(4) == 0 {
            true => case.packed(),
            false => case,
        }
    }
}

/// Damage that knows nothing of JSON.
fn bytes(dice: &mut Dice, now: &str) -> Case {
    let mut body = any(dice, now).to_string().into_bytes();
    let at = dice.below(body.len());
    match dice.below(8) {
        0 => {
            body.truncate(at);
            Case::new("cut", body).answered(400)
        }
        1 => {
            for _ in 0..=dice.below(8) {
                let at = dice.below(body.len());
                body[at] = dice.below(256) as u8;
            }
            Case::new("other bytes", body)
        }
        2 => {
            insert(&mut body, at, NO_UTF8[dice.below(NO_UTF8.len())]);
            Case::new("no UTF-8", body).answered(400)
        }
        3 => {
            insert(&mut body, at, b"\0");
            Case::new("NUL", body).answered(400)
        }
        4 => {
            insert(&mut body, 0, b"\xef\xbb\xbf");
            Case::new("byte order mark", body).answered(400)
        }
        5 => {
            let text = String::from_utf8(body).unwrap();
            let body: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            Case::new("UTF-16", body).answered(400)
        }
        6 => {
            let other = any(dice, now).to_string().into_bytes();
            body.truncate(at);
            body.extend_from_slice(&other[dice.below(other.len())..]);
            Case::new("two halves", body)
        }
        _ => {
            body.drain(at..(at + 1 + dice.below(20)).min(body.len()));
            Case::new("a hole", body)
        }
    }
}

/// One field of one checkpoint.
fn fields(dice: &mut Dice, now: &str) -> Case {
    let good = single(dice, now);
    let field = *dice.pick(&FIELDS);
    match dice.below(7) {
        0 => {
            // A number is a number, so that only what is below 0 is wrong.
            let wrong = *dice.pick(&WRONG);
            Case::new("another type", replaced(good, field, wrong)).at_fault("invalid_field", field)
        }
        1 => {
            let field = *dice.pick(&REQUIRED);
            let mut good = good;
            if dice.below(2) == 0 {
                good[field] = Value::Null;
            } else {
                good.as_object_mut().unwrap().remove(field);
            }
            Case::new("missing", good.to_string()).at_fault("missing_field", field)
        }
        2 => {
            let number = *dice.pick(&NUMBERS);
            Case::new("a number", replaced(good, "elapsed_ms", number))
        }
        3 => {
            let text = good.to_string();
            let twice = format!("{{\"{field}\":{},{}", good[field], &text[1..]);
            Case::new("twice", twice).answered(400)
        }
        4 => {
            let lone = *dice.pick(&["\"\\ud800\"", "\"a\\udfffb\"", "\"\\ud800\\ud800\""]);
            let field = *dice.pick(&["reason", "type", "checkpoint_category", "urgency"]);
            Case::new("a lone surrogate", replaced(good, field, lone))
                .at_fault("invalid_field", field)
        }
        5 => {
            let word = *dice.pick(&[
                "NaN",
                "Infinity",
                "-Infinity",
                "nan",
                "undefined",
                "0x1F",
                "+1",
                ".5",
                "01",
                "'a'",
            ]);
            Case::new("no JSON", replaced(good, field, word)).answered(400)
        }
        _ => {
            let meta = *dice.pick(&[
                "[]",
                "7",
                "\"text\"",
                r#"{"a":{}}"#,
                r#"{"a":[1]}"#,
                r#"{"a":1e400}"#,
                r#"{"a":1,"a":2}"#,
                r#"{"\ud800":1}"#,
                r#"{"a":"\udead"}"#,
            ]);
            Case::new("no meta", replaced(good, "meta", meta)).at_fault("invalid_field", "meta")
        }
    }
}

/// What stands around the checkpoints.
fn envelope(dice: &mut Dice, now: &str) -> Case {
    let mut good = batch(dice, now);
    match dice.below(7) {
        0 => Case::new("no request", *dice.pick(&TEXTS)).answered(400),
        1 => {
            good.as_object_mut().unwrap().remove("sent_at");
            Case::new("no sent_at", good.to_string()).answered(400)
        }
        2 => {
            let field = *dice.pick(&[
                "sent_at",
                "instance_id",
                "sdk",
                "recorded",
                "dropped",
                "checkpoints",
            ]);
            Case::new("another envelope", replaced(good, field, "true")).answered(400)
        }
        3 => {
            let items = good["checkpoints"].take();
            good["checkpoint"] = items;
            good.as_object_mut().unwrap().remove("checkpoints");
            Case::new("another name", good.to_string()).at_fault("invalid_field", "checkpoint")
        }
        4 => {
            let item = *dice.pick(&[
                "7",
                "null",
                "[]",
                "{}",
                "\"x\"",
                "{\"type\":1,\"type\":1}",
                "[[[[[[[[[]]]]]]]]]",
            ]);
            let list = format!("[{},{item}]", good["checkpoints"][0]);
            Case::new("an item", replaced(good, "checkpoints", &list)).answered(200)
        }
        5 => {
            let text = good.to_string();
            Case::new("two of them", format!("{text}{text}")).answered(400)
        }
        _ => {
            let wrong = *dice.pick(&["\"now\"", "0", "\"2026-01-05T10:00:00\"", "\"\"", "[]"]);
            Case::new("another time", replaced(good, "sent_at", wrong)).answered(400)
        }
    }
}

/// Headers, and compression.
fn transport(dice: &mut Dice, now: &str) -> Case {
    let good = Case::new("headers", any(dice, now).to_string());
    let body = good.body.clone();
    let headed = |headers: &[&str], status| {
        let headers = headers.iter().map(|header| (*header).to_owned()).collect();
        Case { headers, ..Case::new("headers", body) }.answered(status)
    };
    let json = "Content-Type: application/json";
    match dice.below(5) {
        0 => {
            let other = *dice.pick(&[
                "text/plain",
                "application/jsonx",
                "",
                ";",
                "application/json; charset=latin1",
                "multipart/form-data",
            ]);
            headed(&[&format!("Content-Type: {other}")], 415)
        }
        1 => {
            let other = *dice.pick(&["br", "zstd", "gzip, gzip", "x", "deflate"]);
            headed(&[json, &format!("Content-Encoding: {other}")], 415)
        }
        2 => headed(&[json, "Content-Encoding: gzip"], 400),
        3 => {
            let mut packed = good.packed();
            let length = packed.body.len();
            match dice.below(3) {
                0 => packed.body.truncate(dice.below(length)),
                1 => packed.body[length - 1 - dice.below(8)] ^= 1 << dice.below(8),
                _ => packed.body.extend_from_slice(b"behind it"),
            }
            Case { damage: "damaged gzip", ..packed }.answered(400)
        }
        _ => {
            let mut packed = good.packed();
            let at = dice.below(packed.body.len());
            packed.body[at] ^= 1 << dice.below(8);
            Case { damage: "gzip with another bit", ..packed }
        }
    }
}

/// Too long, too deep, too many.
fn sizes(dice: &mut Dice, now: &str) -> Case {
    let good = single(dice, now);
    let long = "x".repeat(257 + dice.below(3_000));
    match dice.below(6) {
        0 => {
            let field = *dice.pick(&[
                "reason",
                "type",
                "checkpoint_category",
                "user_experience_id",
                "urgency",
            ]);
            Case::new("long", replaced(good, field, &format!("\"{long}\"")))
                .at_fault("invalid_field", field)
        }
        1 => {
            let levels = 9 + dice.below(1_000);
            let deep = "[".repeat(levels) + &"]".repeat(levels);
            Case::new("deep", replaced(good, "pad", &deep)).answered(400)
        }
        2 => {
            let keys: Vec<String> =
                (0..33 + dice.below(60)).map(|n| format!("\"k{n}\":{n}")).collect();
            let meta = format!("{{{}}}", keys.join(","));
            Case::new("a large meta", replaced(good, "meta", &meta))
                .at_fault("meta_too_large", "meta")
        }
        3 => {
            let items = vec!["{}"; 501 + dice.below(100)].join(",");
            let body = format!("{{\"sent_at\":\"{now}\",\"checkpoints\":[{items}]}}");
            Case::new("many", body).answered(413)
        }
        4 => {
            let keys: Vec<String> = (0..129).map(|n| format!("\"k{n}\":{n}")).collect();
            Case::new("many keys", format!("{{{}}}", keys.join(","))).answered(400)
        }
        _ => {
            let pad = format!("\"{}\"", "x".repeat(16_400));
            Case::new("a large one", replaced(good, "pad", &pad)).answered(422)
        }
    }
}
