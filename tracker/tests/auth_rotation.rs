//! An issuer over time: it changes its keys, goes away, comes back, and does
//! all that an issuer should not. Time is the test's; the sockets are real.

#[path = "support/issuer.rs"]
mod issuer;
#[path = "support/tokens.rs"]
mod tokens;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, header};
use issuer::{Issuer, Says, SigningKey, key_set};
use labkit_tracker::auth::{Auth, IssuerConfig, Scope};
use labkit_tracker::clock::{Clock, ManualClock};
use labkit_tracker::limits::Limits;
use tokens::{AUDIENCE, ISS, NOW_S, TENANT, claims_at};

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;

/// A tracker's door, its clock, and tokens that are fresh whenever it is.
struct Door {
    auth: Auth,
    clock: Arc<ManualClock>,
}

impl Door {
    fn new(source: &str) -> Self {
        let config = format!("iss = '{ISS}'\naudiences = ['{AUDIENCE}']\nalgs = ['ES256']\n");
        let config: IssuerConfig = toml::from_str(&format!("{config}{source}")).unwrap();
        let clock = Arc::new(ManualClock::new(NOW_S * SECOND));
        let auth = Auth::new(&[], &[config], &Limits::default(), clock.clone()).unwrap();
        Door { auth, clock }
    }

    fn at(uri: &str) -> Self {
        Door::new(&format!("jwks_uri = '{uri}'"))
    }

    fn token(&self, key: &SigningKey, kid: &str) -> HeaderMap {
        let claims = claims_at(self.clock.now_ms() / SECOND, |_| {});
        let token = key.token(&format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#), &claims);
        let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        HeaderMap::from_iter([(header::AUTHORIZATION, value)])
    }

    /// The tenant, or the code of the refusal.
    async fn knock(&self, key: &SigningKey, kid: &str) -> String {
        match self.auth.admit(&self.token(key, kid), Scope::Write).await {
            Ok(grant) => grant.tenant.to_string(),
            Err(denied) => denied.code().to_owned(),
        }
    }

    /// What happens by itself while time passes.
    async fn pass(&self, millis: i64) {
        self.clock.step(millis);
        self.auth.refresh().await;
    }

    fn metric(&self, name: &str) -> String {
        let page = self.auth.render();
        let line = page.lines().find(|line| line.starts_with(&format!("{name}{{")));
        line.unwrap_or_else(|| panic!("{name}: {page}")).rsplit(' ').next().unwrap().to_owned()
    }
}

fn set(keys: &[(&SigningKey, &str)]) -> Says {
    Says::Body(key_set(&keys.iter().map(|(key, kid)| key.jwk(kid)).collect::<Vec<_>>()))
}

#[tokio::test]
async fn the_first_token_with_a_new_key_is_let_in_at_once() {
    let (old, new) = (SigningKey::ec(), SigningKey::ec());
    let issuer = Issuer::start(set(&[(&old, "old")]));
    let door = Door::at(&issuer.uri());
    door.auth.refresh().await;
    assert_eq!(door.knock(&old, "old").await, TENANT);

    // Also a moment after a fetch in the background: that one does not count.
    issuer.say(set(&[(&old, "old"), (&new, "new")]));
    let began = Instant::now();
    assert_eq!(door.knock(&new, "new").await, TENANT);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!((door.knock(&old, "old").await.as_str(), issuer.requests()), (TENANT, 2));

    // The old key is withdrawn, and forgotten with the next look.
    issuer.say(set(&[(&new, "new")]));
    door.pass(300 * SECOND).await;
    assert_eq!(door.knock(&new, "new").await, TENANT);
    assert_eq!(door.knock(&old, "old").await, "unknown_key");
}

#[tokio::test]
async fn a_client_with_an_old_key_does_not_keep_a_new_one_out() {
    let (key, new, stale) = (SigningKey::ec(), SigningKey::ec(), SigningKey::ec());
    let issuer = Issuer::start(set(&[(&key, "key")]));
    let door = Door::at(&issuer.uri());
    door.auth.refresh().await;
    // For half an hour, once a second.
    for _ in 0..1_800 {
        door.clock.step(SECOND);
        assert_eq!(door.knock(&stale, "stale").await, "unknown_key");
    }
    // After 0, 30, 60, 120, 240, 480, 600 s more: not once in 30 s, which were 60.
    assert_eq!(issuer.requests() - 1, 7);
    door.clock.step(31 * SECOND);
    issuer.say(set(&[(&key, "key"), (&new, "new")]));
    assert_eq!(door.knock(&stale, "stale").await, "unknown_key");
    assert_eq!(door.knock(&new, "new").await, TENANT);
}

#[tokio::test]
async fn invented_names_cause_one_fetch_in_thirty_seconds_and_delay_a_rotation_by_no_more() {
    let (key, new, evil) = (SigningKey::ec(), SigningKey::ec(), SigningKey::ec());
    let issuer = Issuer::start(set(&[(&key, "key")]));
    let door = Door::at(&issuer.uri());
    door.auth.refresh().await;
    for attempt in 0..600 {
        // Ten a second.
        assert_eq!(door.knock(&evil, &attempt.to_string()).await, "unknown_key");
        door.clock.step(SECOND / 10);
    }
    assert_eq!(issuer.requests() - 1, 2, "in 60 s");
    assert_eq!(door.knock(&evil, "again").await, "unknown_key");
    issuer.say(set(&[(&key, "key"), (&new, "new")]));
    assert_eq!(door.knock(&new, "new").await, "unknown_key");
    door.clock.step(30 * SECOND);
    assert_eq!(door.knock(&new, "new").await, TENANT);
    assert_eq!(door.knock(&key, "key").await, TENANT);
}

#[tokio::test]
async fn a_hundred_tokens_with_a_new_key_at_once_cause_one_fetch() {
    let (old, new) = (SigningKey::ec(), SigningKey::ec());
    let issuer = Issuer::start(set(&[(&old, "old")]));
    let door = Arc::new(Door::at(&issuer.uri()));
    door.auth.refresh().await;
    issuer.say(set(&[(&new, "new")]));
    let new = Arc::new(new);
    let knocks: Vec<_> = (0..100)
        .map(|_| {
            let (door, new) = (door.clone(), new.clone());
            tokio::spawn(async move { door.knock(&new, "new").await })
        })
        .collect();
    for knock in knocks {
        assert_eq!(knock.await.unwrap(), TENANT);
    }
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test]
async fn an_issuer_that_is_away_at_the_start_is_asked_again_by_the_first_token() {
    let key = SigningKey::ec();
    // An address at which nobody listens, for now.
    let address = Issuer::start(Says::Nothing).address.clone();
    let door = Door::at(&format!("http://{address}/keys"));
    door.auth.refresh().await;
    // It may well be good: the sender keeps what it has and comes again.
    assert_eq!(door.knock(&key, "key").await, "keys_unavailable");
    assert_eq!(door.metric("labkit_tracker_issuer_keys"), "0");
    assert_eq!(door.metric("labkit_tracker_issuer_keys_age_seconds"), "+Inf");
    assert_eq!(door.metric("labkit_tracker_issuer_fetch_failures_total"), "2");

    let issuer = Issuer::start_on(&address, set(&[(&key, "key")]));
    assert_eq!(door.knock(&key, "key").await, "keys_unavailable", "within 30 s");
    door.clock.step(30 * SECOND);
    assert_eq!(door.knock(&key, "key").await, TENANT);
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test]
async fn an_issuer_that_is_away_at_the_start_is_found_without_any_token() {
    let key = SigningKey::ec();
    let address = Issuer::start(Says::Nothing).address.clone();
    let door = Door::at(&format!("http://{address}/keys"));
    door.auth.refresh().await;
    let issuer = Issuer::start_on(&address, set(&[(&key, "key")]));
    door.pass(29 * SECOND).await;
    assert_eq!(issuer.requests(), 0);
    door.pass(SECOND).await;
    assert_eq!((issuer.requests(), door.knock(&key, "key").await.as_str()), (1, TENANT));
}

#[tokio::test]
async fn keys_stay_in_force_while_the_issuer_is_away_for_a_day() {
    let (key, new) = (SigningKey::ec(), SigningKey::ec());
    let issuer = Issuer::start(set(&[(&key, "key")]));
    let (address, door) = (issuer.address.clone(), Door::at(&issuer.uri()));
    door.auth.refresh().await;
    drop(issuer);
    for hour in 1..=24 {
        door.pass(HOUR).await;
        assert_eq!(door.knock(&key, "key").await, TENANT, "after {hour} h");
    }
    assert_eq!(door.metric("labkit_tracker_issuer_keys_age_seconds"), "86400");
    assert_eq!(door.metric("labkit_tracker_issuer_fetch_failures_total"), "24");
    assert_eq!(door.knock(&new, "new").await, "keys_unavailable", "it may be a new one");

    let issuer = Issuer::start_on(&address, set(&[(&key, "key"), (&new, "new")]));
    door.pass(30 * SECOND).await;
    assert_eq!((issuer.requests(), door.knock(&new, "new").await.as_str()), (1, TENANT));
    assert_eq!(door.metric("labkit_tracker_issuer_keys_age_seconds"), "0");
}

#[tokio::test]
async fn no_odd_answer_replaces_good_keys_or_takes_longer_than_three_seconds() {
    let (key, evil) = (SigningKey::ec(), SigningKey::ec());
    let elsewhere = Issuer::start(set(&[(&evil, "key")]));
    let issuer = Issuer::start(set(&[(&key, "key")]));
    let door = Door::at(&issuer.uri());
    door.auth.refresh().await;
    let redirect = |status: u16| {
        let to = elsewhere.uri();
        Says::Head(format!(
            "HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
        ))
    };
    let status = |status: u16| {
        Says::Head(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
    };
    let huge = format!("{}{}", key_set(&[evil.jwk("key")]), " ".repeat(256 * 1024));
    let secret = serde_json::json!({"kty": "oct", "kid": "key", "alg": "HS256", "k": "c2VjcmV0"});
    for (name, says) in [
        ("an empty set", Says::Body(key_set(&[]))),
        ("a set of a secret", Says::Body(key_set(&[secret]))),
        ("no JSON", Says::Body("<html>maintenance</html>".into())),
        ("an empty body", Says::Body(String::new())),
        ("256 KiB and more", Says::Body(huge)),
        ("a redirection for good", redirect(301)),
        ("a redirection for now", redirect(302)),
        ("a redirection with its method", redirect(307)),
        ("404", status(404)),
        ("503", status(503)),
        ("204", status(204)),
        ("no HTTP", Says::Head("SSH-2.0-OpenSSH_9.2\r\n\r\n".into())),
        ("nothing", Says::Head(String::new())),
        ("silence", Says::Nothing),
        ("one byte at a time", Says::Drip),
    ] {
        issuer.say(says);
        let failed = door.metric("labkit_tracker_issuer_fetch_failures_total");
        let began = Instant::now();
        door.pass(HOUR).await;
        assert!(began.elapsed() < Duration::from_secs(5), "{name}: {:?}", began.elapsed());
        let more = door.metric("labkit_tracker_issuer_fetch_failures_total");
        assert_eq!(more.parse::<u64>().unwrap(), failed.parse::<u64>().unwrap() + 1, "{name}");
        assert_eq!(door.knock(&key, "key").await, TENANT, "{name}");
        assert_eq!(door.knock(&evil, "key").await, "bad_signature", "{name}");
    }
    assert_eq!(elsewhere.requests(), 0, "nobody was sent there");
}

#[tokio::test]
async fn the_address_of_the_keys_is_discovered_from_the_issuer_itself() {
    let key = SigningKey::ec();
    let issuer = Issuer::start(Says::Nothing);
    // The description is asked for without the last slash, and must have it.
    let iss = format!("http://{}/realm/", issuer.address);
    let describe = |issuer: &str, uri: &str| {
        serde_json::json!({"issuer": issuer, "jwks_uri": uri}).to_string()
    };
    let says = |description: String| {
        Says::Paths(vec![
            ("/realm/.well-known/openid-configuration".into(), description),
            ("/keys".into(), key_set(&[key.jwk("key")])),
        ])
    };
    let source =
        format!("iss = '{iss}'\ndiscovery = true\naudiences = ['{AUDIENCE}']\nalgs = ['ES256']");
    let config: IssuerConfig = toml::from_str(&source).unwrap();
    for (name, description, keys) in [
        ("another issuer", describe(iss.trim_end_matches('/'), &issuer.uri()), "0"),
        ("an address anybody can answer for", describe(&iss, "http://example.com/keys"), "0"),
        ("a file of this machine", describe(&iss, "file:///etc/passwd"), "0"),
        ("no address", "{}".into(), "0"),
        ("the right one", describe(&iss, &issuer.uri()), "1"),
    ] {
        issuer.say(says(description));
        let clock = Arc::new(ManualClock::new(NOW_S * SECOND));
        let auth = Auth::new(&[], std::slice::from_ref(&config), &Limits::default(), clock.clone());
        let door = Door { auth: auth.unwrap(), clock };
        door.auth.refresh().await;
        assert_eq!(door.metric("labkit_tracker_issuer_keys"), keys, "{name}");
    }
}

#[tokio::test]
async fn keys_come_over_tls_from_an_issuer_whose_certificate_is_trusted_and_no_other() {
    let key = SigningKey::ec();
    let (issuer, certificate) = Issuer::start_tls(set(&[(&key, "key")]));
    let port = issuer.address.rsplit(':').next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let trusted = dir.path().join("ca.pem");
    std::fs::write(&trusted, certificate).unwrap();
    let trust = format!("ca_file = '{}'\n", trusted.display());
    for (name, trust, host, expected) in [
        ("trusted", &*trust, "localhost", TENANT),
        ("known to nobody", "", "localhost", "keys_unavailable"),
        ("of another name", &*trust, "127.0.0.1", "keys_unavailable"),
    ] {
        let door = Door::new(&format!("{trust}jwks_uri = 'https://{host}:{port}/keys'"));
        door.auth.refresh().await;
        assert_eq!(door.knock(&key, "key").await, expected, "{name}");
    }
    assert_eq!(issuer.requests(), 1, "the others did not get as far as to ask");
}

#[tokio::test]
async fn keys_in_a_file_are_read_again_when_a_new_one_is_needed() {
    let (old, new) = (SigningKey::ec(), SigningKey::ec());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.json");
    std::fs::write(&path, key_set(&[old.jwk("old")])).unwrap();
    let door = Door::new(&format!("file = '{}'", path.display()));
    door.auth.refresh().await;
    assert_eq!(door.knock(&old, "old").await, TENANT);
    std::fs::write(&path, key_set(&[new.jwk("new")])).unwrap();
    assert_eq!(door.knock(&new, "new").await, TENANT);
    std::fs::remove_file(&path).unwrap();
    door.pass(HOUR).await;
    assert_eq!(door.knock(&new, "new").await, TENANT);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_break_a_fetch_off() {
    let key = SigningKey::ec();
    let issuer = Issuer::start(set(&[(&key, "key")]));
    let door = Door::at(&issuer.uri());
    let token = door.token(&key, "key");
    // Polled once, and dropped: the fetch is under way.
    let knock = door.auth.admit(&token, Scope::Write);
    assert!(tokio::time::timeout(Duration::ZERO, knock).await.is_err());
    assert_eq!(door.knock(&key, "key").await, TENANT);
    assert_eq!(issuer.requests(), 1);
}
