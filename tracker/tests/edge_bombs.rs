//! Bodies that are made to hurt: each is answered quickly, and holds no more
//! than 8 MiB while it is looked at.

mod support;

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use labkit::wire::Timestamp;
use serde_json::Value;
use support::Server;
use support::raw::{Raw, forget_peak, memory_kib};

const JSON: &str = "Content-Type: application/json";
const GZIP: &str = "Content-Encoding: gzip";
const MIB: usize = 1 << 20;
const MOST_KIB: u64 = 8 * 1_024;
/// A debug build reads a MiB in a tenth of a second.
const QUICK: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1_000 } else { 50 });

fn now() -> String {
    Timestamp::from_millis(UNIX_EPOCH.elapsed().unwrap().as_millis() as i64).to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// So many times, until the body is as long as it may be.
fn repeated(open: &str, piece: impl Fn(usize) -> String, close: &str) -> Vec<u8> {
    let mut text = open.to_owned();
    for n in 0.. {
        let next = piece(n);
        if text.len() + next.len() + close.len() + 1 >= MIB {
            break;
        }
        text.push_str(&next);
        text.push(',');
    }
    text.pop();
    text.push_str(close);
    text.into_bytes()
}

fn checkpoint(field: &str, json: &str) -> String {
    let now = now();
    format!(
        r#"{{"correlation_id":"01HZZZZZZZZZZZZZZZZZZZZZZA","user_experience_id":"create_merge_request","checkpoint":"start","type":"web","feature_category":"code_review_workflow","urgency":"custom","client_timestamp":"{now}","{field}":{json}}}"#
    )
}

fn batch(items: &str) -> Vec<u8> {
    format!(r#"{{"sent_at":"{}","checkpoints":[{items}]}}"#, now()).into_bytes()
}

type Bomb = (&'static str, Vec<&'static str>, Vec<u8>, u16);

fn nesting() -> Vec<Bomb> {
    let deep = |open: &str, close: &str| open.repeat(1_000_000) + &close.repeat(20_000);
    let fits = |text: String| text.as_bytes()[..text.len().min(MIB)].to_vec();
    vec![
        ("a million arrays", vec![JSON], fits(deep("[", "]")), 400),
        ("objects in objects", vec![JSON], fits("{\"a\":".repeat(200_000)), 400),
        (
            "an item that is deep",
            vec![JSON],
            batch(&("[".repeat(400_000) + &"]".repeat(400_000))),
            200,
        ),
        ("a million arrays, packed", vec![JSON, GZIP], gzip(deep("[", "]").as_bytes()), 413),
    ]
}

fn many() -> Vec<Bomb> {
    let sent = format!(r#"{{"sent_at":"{}","#, now());
    let keys = repeated("{", |n| format!("\"{n:x}\":1"), "}");
    let dropped = repeated(
        &format!("{sent}\"checkpoints\":[],\"dropped\":{{"),
        |n| format!("\"{n:x}\":1"),
        "}}",
    );
    let numbers = repeated(&format!("{sent}\"checkpoints\":["), |_| "1".to_owned(), "]}");
    let empty = repeated(&format!("{sent}\"checkpoints\":["), |_| "{}".to_owned(), "]}");
    let meta = repeated("{\"meta\":{", |n| format!("\"{n:x}\":1"), "}}");
    let most = vec![r#"{"checkpoint":1}"#; 500].join(",");
    vec![
        ("a million keys", vec![JSON], keys, 400),
        ("as many reasons of drops", vec![JSON], dropped, 400),
        ("half a million items", vec![JSON], numbers, 413),
        ("empty items", vec![JSON], empty, 413),
        ("a meta of keys", vec![JSON], meta, 422),
        ("all refused", vec![JSON], batch(&most), 200),
    ]
}

fn large() -> Vec<Bomb> {
    let long = "x".repeat(MIB - 500);
    let escaped = "\\u0041".repeat((MIB - 500) / 6);
    let string = |field: &str, text: &str| checkpoint(field, &format!("\"{text}\"")).into_bytes();
    let key = format!(r#"{{"{escaped}":1,"sent_at":"x"}}"#).into_bytes();
    vec![
        ("a long reason", vec![JSON], string("reason", &long), 422),
        ("a long field that nobody knows", vec![JSON], string("pad", &long), 422),
        ("a long reason of escapes", vec![JSON], string("reason", &escaped), 422),
        ("a long key of escapes", vec![JSON], key, 400),
        (
            "a long number",
            vec![JSON],
            checkpoint("elapsed_ms", &"9".repeat(MIB - 500)).into_bytes(),
            422,
        ),
        (
            "a long name of an SDK",
            vec![JSON],
            [br#"{"sdk":{"name":""#, long.as_bytes(), br#"","version":""},"checkpoints":[]}"#]
                .concat(),
            400,
        ),
        ("one byte too many", vec![JSON], vec![b' '; MIB + 1], 413),
        ("a thousand to one", vec![JSON, GZIP], gzip(&vec![b' '; 8 * MIB]), 413),
        ("packed twice", vec![JSON, GZIP], gzip(&gzip(&vec![b' '; 16 * MIB])), 413),
        ("packed in many members", vec![JSON, GZIP], gzip(b" ").repeat(40_000), 400),
        (
            "no end of a file's name",
            vec![JSON, GZIP],
            [&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3][..], &vec![b'n'; MIB - 10]].concat(),
            400,
        ),
    ]
}

fn odd() -> Vec<Bomb> {
    let good = checkpoint("reason", "\"r\"");
    let bytes = |prefix: &[u8], suffix: &[u8]| [prefix, good.as_bytes(), suffix].concat();
    vec![
        ("NaN", vec![JSON], checkpoint("elapsed_ms", "NaN").into_bytes(), 400),
        ("infinity", vec![JSON], checkpoint("elapsed_ms", "-Infinity").into_bytes(), 400),
        ("1e400", vec![JSON], checkpoint("elapsed_ms", "1e400").into_bytes(), 422),
        ("1e400 in meta", vec![JSON], checkpoint("meta", r#"{"a":1e400}"#).into_bytes(), 422),
        ("a lone surrogate", vec![JSON], checkpoint("reason", r#""\ud800""#).into_bytes(), 422),
        (
            "a lone surrogate for a key",
            vec![JSON],
            checkpoint("meta", r#"{"\udc00":1}"#).into_bytes(),
            422,
        ),
        ("a byte order mark", vec![JSON], bytes(b"\xef\xbb\xbf", b""), 400),
        ("UTF-16", vec![JSON], good.encode_utf16().flat_map(u16::to_le_bytes).collect(), 400),
        ("a NUL behind it", vec![JSON], bytes(b"", b"\0"), 400),
        ("a NUL before it", vec![JSON], bytes(b"\0", b""), 400),
        ("a NUL in a string", vec![JSON], checkpoint("reason", "\"\0\"").into_bytes(), 400),
        ("bytes that are no UTF-8", vec![JSON], bytes(b"\xff\xfe", b"\xc0\x80"), 400),
        ("nothing", vec![JSON], Vec::new(), 400),
    ]
}

#[test]
fn what_is_made_to_hurt_is_answered_quickly_and_within_8_mib_a_request() {
    let (mut worst, mut slowest) = ((0, ""), (Duration::ZERO, ""));
    for (name, headers, body, status) in
        nesting().into_iter().chain(many()).chain(large()).chain(odd())
    {
        // A process of its own: in another one it would find memory that is free again.
        let server = Server::start_logging("127.0.0.1:0", &[], Stdio::null());
        let (address, pid) = (server.url.strip_prefix("http://").unwrap(), server.child.id());
        let mut raw = Raw::new(address);
        let good = checkpoint("reason", "\"r\"");
        assert_eq!(raw.post(&[JSON], good.as_bytes()).status, 200);
        forget_peak(pid);
        let before = memory_kib(pid, "VmRSS");
        let heard = raw.post(&headers, &body);
        let held = memory_kib(pid, "VmHWM").saturating_sub(before);
        check(name, &heard, status);
        // What is slow by itself is slow each time.
        let mut took = heard.took;
        for _ in 0..2 {
            took = if took < QUICK { took } else { raw.post(&headers, &body).took };
        }
        assert!(held <= MOST_KIB, "{name}: {held} KiB");
        assert!(took < QUICK, "{name}: {took:?}, three times");
        (worst, slowest) = (worst.max((held, name)), slowest.max((took, name)));
        assert_eq!(raw.post(&[JSON], good.as_bytes()).status, 200, "after {name}");
        let page = raw.get("/metrics").body;
        assert!(!page.contains("status=\"5"), "{page}");
    }
    println!("the most memory for one request: {worst:?} KiB; the slowest: {slowest:?}");
}

fn check(name: &str, heard: &support::raw::Heard, status: u16) {
    assert_eq!(heard.status, status, "{name}: {}", heard.body);
    let body: Value = serde_json::from_str(&heard.body).unwrap();
    if status != 200 {
        assert!(body["detail"].as_str().is_some_and(|d| (1..=300).contains(&d.len())), "{name}");
    }
    if status == 422 {
        assert!(body["code"].is_string(), "{name}: {body}");
    }
}

#[test]
fn a_packed_body_is_read_as_it_comes_and_judged_as_a_whole() {
    let server = Server::start(&[]);
    let address = server.url.strip_prefix("http://").unwrap();
    let mut raw = Raw::new(address);
    let body = checkpoint("reason", "\"r\"");
    let (first, second) = body.split_at(100);
    let members = [gzip(first.as_bytes()), gzip(second.as_bytes())].concat();
    assert_eq!(raw.post(&[JSON, GZIP], &members).status, 200, "members are one text");
    let packed = gzip(body.as_bytes());
    for cut in 0..packed.len() {
        assert_eq!(raw.post(&[JSON, GZIP], &packed[..cut]).status, 400, "cut at {cut}");
    }
    for at in packed.len() - 8..packed.len() {
        let mut damaged = packed.clone();
        damaged[at] ^= 1;
        assert_eq!(raw.post(&[JSON, GZIP], &damaged).status, 400, "its checksum or its length");
    }
    // In pieces of one byte, and of no length that is told beforehand.
    let head = format!(
        "POST /v1/checkpoints HTTP/1.1\r\nHost: x\r\n{JSON}\r\n{GZIP}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let chunked = |bytes: &[u8]| {
        let mut request = head.clone().into_bytes();
        for byte in bytes {
            request.extend_from_slice(&[b'1', b'\r', b'\n', *byte, b'\r', b'\n']);
        }
        request.extend_from_slice(b"0\r\n\r\n");
        request
    };
    assert_eq!(raw.send(&chunked(&packed)).status, 200);
    let dense = raw.send(&chunked(&gzip(&[body.as_bytes(), &[b' '; 60_000]].concat())));
    assert!(dense.status == 413 && dense.body.contains("more than 20 to 1"), "{}", dense.body);
}
