//! The description against the routes of the running server. What each of them
//! answers is checked by schemathesis (openapi_test.py).

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::Server;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

#[test]
fn the_description_names_the_methods_that_each_path_answers() {
    let server = Server::start(&[]);
    let (status, head, text) = server.curl("/openapi.json", &[]);
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/json"), "{head}");
    let described: Value = serde_json::from_str(&text).unwrap();
    for (path, item) in described["paths"].as_object().unwrap() {
        let mut named: BTreeSet<String> = item
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| METHODS.contains(&&***key))
            .cloned()
            .collect();
        // Whatever can be got can be asked for without its body; nobody describes that.
        if named.contains("get") {
            named.insert("head".into());
        }
        let path = path
            .replace("{user_experience_id}", "create_merge_request")
            .replace("{correlation_id}", "01HZZZZZZZZZZZZZZZZZZZZZZA");
        let (status, head, _) = server.curl(&path, &["-X", "DELETE"]);
        assert_eq!(status, 405, "{path}");
        let allow = head.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap();
        let allowed: BTreeSet<String> = allow.split(',').map(|m| m.trim().to_owned()).collect();
        assert_eq!(named, allowed, "{path}");
    }
}

#[test]
fn a_path_that_is_not_described_is_not_found() {
    let server = Server::start(&[]);
    for path in ["/openapi", "/v1", "/experiences", "/experiences/a", "/metrics/"] {
        assert_eq!(server.curl(path, &[]).0, 404, "{path}");
    }
}
