//! Which tokens are let in: a table, each case with its name. The issuer is
//! real and counts how often it is asked.

#[path = "support/issuer.rs"]
mod issuer;
#[path = "support/openssl.rs"]
mod openssl;
#[path = "support/token_cases.rs"]
mod token_cases;
#[path = "support/tokens.rs"]
mod tokens;

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use issuer::{Issuer, Says, key_set};
use labkit_tracker::auth::{Auth, IssuerConfig, Scope};
use labkit_tracker::clock::ManualClock;
use labkit_tracker::limits::Limits;
use openssl::OpenSsl;
use tokens::{AUDIENCE, Desk, ISS, NOW_S, OTHER, TENANT};

fn config(iss: &str, uri: &str) -> IssuerConfig {
    toml::from_str(&format!(
        "iss = '{iss}'\njwks_uri = '{uri}'\naudiences = ['{AUDIENCE}', 'labkit-2']\n\
         algs = ['RS256', 'ES256']\nrealms = ['saas']"
    ))
    .unwrap()
}

fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes());
    // What no header can carry never arrives.
    let Ok(value) = value else { return headers };
    headers.insert(header::AUTHORIZATION, value);
    headers
}

/// The tenant, or the code of the refusal.
async fn judged(auth: &Auth, headers: &HeaderMap) -> String {
    match auth.admit(headers, Scope::Write).await {
        Ok(grant) => grant.tenant.to_string(),
        Err(denied) => denied.code().to_owned(),
    }
}

fn auth(issuers: &[IssuerConfig]) -> Auth {
    let clock = Arc::new(ManualClock::new(NOW_S * 1_000));
    Auth::new(&[], issuers, &Limits::default(), clock).unwrap()
}

#[tokio::test]
async fn only_valid_tokens_are_let_in_and_bad_ones_cause_no_fetches() {
    let desk = Desk::new();
    let ours = Issuer::start(Says::Body(key_set(&[desk.rsa.jwk("k1"), desk.ec.jwk("e1")])));
    let theirs = Issuer::start(Says::Body(key_set(&[desk.other.jwk("o1")])));
    let auth = auth(&[config(ISS, &ours.uri()), config(OTHER, &theirs.uri())]);
    auth.refresh().await;
    assert_eq!((ours.requests(), theirs.requests()), (1, 1));

    let cases = token_cases::cases(&desk, &ours.address);
    let mut names: Vec<&str> = cases.iter().map(|case| case.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), cases.len(), "each case has its own name");
    assert!(cases.len() >= 120, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let outcome = judged(&auth, &bearer(&case.token)).await;
        if outcome != case.expected {
            wrong.push(format!("{}: expected {}, got {outcome}", case.name, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let bad = cases.iter().filter(|case| case.expected != TENANT).count();
    println!("{} cases, {bad} of them bad", cases.len());
    // One fetch for the first unknown `kid`, and none for the dozen others.
    assert_eq!((ours.requests(), theirs.requests()), (2, 1));
    // Nothing that a header names was asked, either: `jku` and the rest name this address.
}

#[tokio::test]
async fn no_answer_to_a_bad_token_repeats_any_of_it() {
    let desk = Desk::new();
    let ours = Issuer::start(Says::Body(key_set(&[desk.rsa.jwk("k1"), desk.ec.jwk("e1")])));
    let auth = auth(&[config(ISS, &ours.uri())]);
    for case in token_cases::cases(&desk, &ours.address) {
        let Err(denied) = auth.admit(&bearer(&case.token), Scope::Write).await else { continue };
        let said = format!("{denied:?} {} {}", denied.detail(), denied.field());
        for part in case.token.split('.').filter(|part| part.len() > 20) {
            assert!(!said.contains(&part[..20]), "{}: {said}", case.name);
        }
    }
}

#[tokio::test]
async fn headers_that_are_sent_must_say_what_the_token_says() {
    let desk = Desk::new();
    let ours = Issuer::start(Says::Body(key_set(&[desk.rsa.jwk("k1")])));
    let auth = auth(&[config(ISS, &ours.uri())]);
    auth.refresh().await;
    let token = desk.good(|_| {});
    for (sent, expected) in [
        (&[][..], TENANT),
        (&[("x-gitlab-instance-id", "instance-1")], TENANT),
        (&[("x-gitlab-realm", "saas")], TENANT),
        (&[("x-gitlab-instance-id", "instance-1"), ("x-gitlab-realm", "saas")], TENANT),
        (&[("x-gitlab-instance-id", "instance-2")], "header_mismatch"),
        (&[("x-gitlab-instance-id", "Instance-1")], "header_mismatch"),
        (&[("x-gitlab-instance-id", "")], "header_mismatch"),
        (&[("x-gitlab-realm", "self-managed")], "header_mismatch"),
        (
            &[("x-gitlab-instance-id", "instance-1"), ("x-gitlab-instance-id", "instance-2")],
            "header_mismatch",
        ),
    ] {
        let mut headers = bearer(&token);
        for (name, value) in sent {
            headers.append(*name, HeaderValue::from_static(value));
        }
        assert_eq!(judged(&auth, &headers).await, expected, "{sent:?}");
    }
}

#[tokio::test]
async fn the_scheme_is_bearer_in_any_case_and_stands_there_once() {
    let desk = Desk::new();
    let ours = Issuer::start(Says::Body(key_set(&[desk.rsa.jwk("k1")])));
    let auth = auth(&[config(ISS, &ours.uri())]);
    auth.refresh().await;
    let token = desk.good(|_| {});
    for (value, expected) in [
        (format!("Bearer {token}"), TENANT),
        (format!("bearer  {token} "), TENANT),
        (format!("BEARER {token}"), TENANT),
        (token.clone(), "missing"),
        (format!("Basic {token}"), "missing"),
        (format!("Bearer{token}"), "missing"),
        (format!("Bearer {token} {token}"), "unknown_credential"),
        (format!("Bearer {token},{token}"), "unknown_credential"),
        ("Bearer ".into(), "missing"),
        ("".into(), "missing"),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
        assert_eq!(judged(&auth, &headers).await, expected, "{:.12}", value);
    }
    let mut twice = bearer(&token);
    twice.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    assert_eq!(judged(&auth, &twice).await, "ambiguous");
    assert_eq!(judged(&auth, &HeaderMap::new()).await, "missing");
}

#[tokio::test]
async fn each_scope_opens_its_own_door() {
    let desk = Desk::new();
    let ours = Issuer::start(Says::Body(key_set(&[desk.rsa.jwk("k1")])));
    let auth = auth(&[config(ISS, &ours.uri())]);
    auth.refresh().await;
    let (write, read) = ("user_experience:write", "user_experience:read");
    for (scopes, may_write, may_read) in
        [(vec![write], true, false), (vec![read], false, true), (vec![write, read], true, true)]
    {
        let headers = bearer(&desk.good(|claims| claims["scopes"] = scopes.clone().into()));
        let let_in = async |scope| auth.admit(&headers, scope).await.is_ok();
        assert_eq!((let_in(Scope::Write).await, let_in(Scope::Read).await), (may_write, may_read));
    }
}

/// Signed by OpenSSL, so that no two mistakes of one library cancel out.
#[tokio::test]
async fn every_algorithm_verifies_what_another_implementation_has_signed() {
    for (algorithm, curve) in [
        ("RS256", None),
        ("RS384", None),
        ("RS512", None),
        ("PS256", None),
        ("PS384", None),
        ("PS512", None),
        ("ES256", Some(("P-256", 32))),
        ("ES384", Some(("P-384", 48))),
        ("EdDSA", None),
    ] {
        let signer = OpenSsl::new(algorithm, curve);
        let mut jwk = signer.jwk.clone();
        jwk["kid"] = "x".into();
        let ours = Issuer::start(Says::Body(key_set(&[jwk])));
        let mut config = config(ISS, &ours.uri());
        config.algs = vec![algorithm.parse().unwrap()];
        let auth = auth(&[config]);
        let header = format!(r#"{{"alg":"{algorithm}","kid":"x"}}"#);
        let token = signer.token(&header, &tokens::claims(|_| {}));
        assert_eq!(judged(&auth, &bearer(&token)).await, TENANT, "{algorithm}");
        let other = OpenSsl::new(algorithm, curve);
        let token = other.token(&header, &tokens::claims(|_| {}));
        assert_eq!(judged(&auth, &bearer(&token)).await, "bad_signature", "{algorithm}");
    }
}

#[test]
fn what_an_operator_got_wrong_about_an_issuer_is_named() {
    let good = config(ISS, "https://gitlab.example/keys");
    let with = |change: fn(&mut IssuerConfig)| {
        let mut config = good.clone();
        change(&mut config);
        vec![config]
    };
    let twice = vec![good.clone(), good.clone()];
    let within = vec![good.clone(), IssuerConfig { iss: format!("{ISS}/group"), ..good.clone() }];
    for (issuers, expected) in [
        (with(|c| c.jwks_uri = Some("http://gitlab.example/keys".into())), "https://"),
        (with(|c| c.jwks_uri = None), "one of `jwks_uri`"),
        (with(|c| c.discovery = true), "one of `jwks_uri`"),
        (with(|c| c.audiences.clear()), "`audiences`"),
        (with(|c| c.algs.clear()), "`algs`"),
        (with(|c| c.algs = vec!["HS256".parse().unwrap()]), "`algs`"),
        (with(|c| c.types = vec!["Web".into()]), "`types`"),
        (with(|c| c.tenant_claim.clear()), "`tenant_claim`"),
        (with(|c| c.ca_file = Some("/nowhere/ca.pem".into())), "/nowhere/ca.pem"),
        (twice, "twice"),
        (within, "lies within"),
    ] {
        let clock = Arc::new(ManualClock::new(0));
        let Err(error) = Auth::new(&[], &issuers, &Limits::default(), clock) else {
            panic!("{expected}: it was accepted");
        };
        assert!(error.contains(expected) && error.contains(ISS), "{error}");
    }
}
