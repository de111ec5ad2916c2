//! Who reads what, and who has to say so: the pages for people and for
//! Prometheus, and a start without keys.

mod support;

use std::process::Command;

use labkit_tracker::auth::sha256_hex;
use serde_json::Value;
use support::{BINARY, Server, definitions, figure};

const PAGES: [&str; 3] = ["/", "/metrics", "/metrics/sli"];

fn key(name: &str, scopes: &str) -> String {
    let sha256 = sha256_hex(&format!("secret-{name}"));
    format!("[[keys]]\nname = '{name}'\ntenant = 't'\nsha256 = '{sha256}'\nscopes = [{scopes}]\n")
}

/// A reader and a writer, and whatever stands above them.
fn serve(settings: &str) -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tracker.toml");
    let reader = key("reader", "'user_experience:read'");
    let writer = key("writer", "'user_experience:write'");
    std::fs::write(&file, format!("{settings}\n{reader}{writer}")).unwrap();
    (Server::start(&["--config", file.to_str().unwrap()]), dir)
}

fn status(server: &Server, path: &str, args: &[&str]) -> u16 {
    server.curl(path, args).0
}

#[test]
fn what_is_counted_and_what_people_see_is_for_those_who_may_read() {
    let (server, _dir) = serve("");
    let reader = ["-H", "Authorization: Bearer secret-reader"];
    let writer = ["-H", "Authorization: Bearer secret-writer"];
    for path in PAGES {
        let (got, head, body) = server.curl(path, &[]);
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((got, &problem["code"]), (401, &"missing".into()), "{path}");
        assert!(head.contains("www-authenticate: bearer realm=\"labkit-tracker\""), "{head}");
        assert_eq!(status(&server, path, &["-H", "Authorization: Bearer wrong"]), 401);
        assert_eq!(status(&server, path, &writer), 403, "{path}");
        assert_eq!(status(&server, path, &reader), 200, "{path}");
    }
    for path in ["/-/liveness", "/-/readiness"] {
        assert_eq!(status(&server, path, &[]), 200, "whoever restarts and routes has no key");
    }
    let page = server.curl("/metrics", &reader).2;
    let denied = |outcome: &str| {
        figure(&page, "labkit_tracker_authentications_total", &[&format!("\"{outcome}\"")])
    };
    assert_eq!(
        (denied("missing"), denied("unknown_credential"), denied("out_of_scope")),
        (3, 3, 3)
    );
}

#[test]
fn a_browser_asks_for_the_key_as_a_password_and_only_to_show_a_page() {
    let (server, _dir) = serve("");
    let basic = "www-authenticate: basic realm=\"labkit-tracker\", charset=\"utf-8\"";
    let (reader, wrong) = (["-u", "anybody:secret-reader"], ["-u", "anybody:wrong"]);
    for args in [&[][..], &wrong] {
        let (got, head, _) = server.curl("/", args);
        assert!(got == 401 && head.contains(basic), "{head}");
    }
    assert_eq!(status(&server, "/", &reader), 200);
    assert_eq!(status(&server, "/", &["-u", "anybody:secret-writer"]), 403);
    // What a browser was told once it sends wherever another site leads it.
    for path in ["/metrics", "/metrics/sli", "/v1/experiences"] {
        let (got, head, _) = server.curl(path, &reader);
        assert!(got == 401 && !head.contains("basic"), "{path}: {head}");
    }
    let (got, head, _) = server.post(b"{}", &["-u", "anybody:secret-writer"]);
    assert!(got == 401 && !head.contains("basic"), "{head}");
}

#[test]
fn metrics_are_open_where_the_operator_says_so_and_nothing_else_is() {
    let (server, _dir) = serve("metrics_without_credential = true");
    let open = PAGES.map(|path| status(&server, path, &[]));
    assert_eq!(open, [401, 200, 200]);
    assert_eq!(status(&server, "/v1/experiences", &[]), 401);
}

fn refused(args: &[&str], environment: &[(&str, &str)]) -> String {
    let output = Command::new(BINARY)
        .args(["serve", "--store", "memory", "--definitions"])
        .arg(definitions())
        .args(args)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(2), &b""[..]), "{said}");
    said
}

#[test]
fn without_keys_nothing_is_served_until_it_is_said_and_then_only_on_loopback() {
    for listen in ["127.0.0.1:0", "0.0.0.0:0"] {
        let said = refused(&["--listen", listen], &[]);
        for what in ["labkit-tracker keys new", "--config", "--insecure-no-auth"] {
            assert!(said.contains(what), "{said}");
        }
    }
    let said = refused(&["--listen", "0.0.0.0:0", "--insecure-no-auth"], &[]);
    assert!(said.contains("--listen 0.0.0.0:0") && said.contains("loopback"), "{said}");
    let server = Server::start(&[]);
    assert_eq!(PAGES.map(|path| status(&server, path, &[])), [200; 3]);
}

#[test]
fn the_flag_beside_keys_is_a_contradiction_and_not_a_guess() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tracker.toml");
    std::fs::write(&file, key("one", "'user_experience:read'")).unwrap();
    let config = ["--listen", "127.0.0.1:0", "--config", file.to_str().unwrap()];
    let flag = [&config[..], &["--insecure-no-auth"]].concat();
    for said in
        [refused(&flag, &[]), refused(&config, &[("LABKIT_TRACKER_INSECURE_NO_AUTH", "true")])]
    {
        assert!(said.contains("they are asked for"), "{said}");
    }
}
