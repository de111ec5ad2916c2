//! Tokens, good and bad, each with a name and what has to become of it.
#![allow(dead_code, missing_docs, unreachable_pub)] // each test binary uses its own part

use ring::hmac;
use ring::signature::{RSA_PKCS1_SHA384, RSA_PSS_SHA256};
use serde_json::{Value, json};

use super::issuer::base64url;
use super::tokens::{AUDIENCE, Desk, HEADER, ISS, NOW_S, OTHER, TENANT, claims, raw};

pub struct Case {
    pub name: &'static str,
    pub token: String,
    /// The tenant, or the code of the refusal.
    pub expected: &'static str,
}

struct Table(Vec<Case>);

impl Table {
    fn add(&mut self, name: &'static str, expected: &'static str, token: String) {
        self.0.push(Case { name, token, expected });
    }
}

/// `evil` is an address that counts what it is asked.
pub fn cases(desk: &Desk, evil: &str) -> Vec<Case> {
    let mut table = Table(Vec::new());
    valid(&mut table, desk, evil);
    algorithms(&mut table, desk);
    names_of_keys(&mut table, desk, evil);
    signatures(&mut table, desk);
    issuers(&mut table, desk);
    audiences(&mut table, desk);
    times(&mut table, desk);
    shapes(&mut table, desk);
    headers(&mut table, desk, evil);
    grants(&mut table, desk);
    table.0
}

fn valid(table: &mut Table, desk: &Desk, evil: &str) {
    let mut good = |name, token| table.add(name, TENANT, token);
    good("a plain token", desk.good(|_| {}));
    let header = r#"{"alg":"ES256","kid":"e1"}"#;
    good("signed with the EC key", desk.ec.token(header, &claims(|_| {})));
    good("our audience in a list", desk.good(|c| c["aud"] = json!([AUDIENCE])));
    good("our audience among others", desk.good(|c| c["aud"] = json!(["x", AUDIENCE])));
    good("our second audience", desk.good(|c| c["aud"] = json!("labkit-2")));
    good("exp with a fraction", desk.good(|c| c["exp"] = json!(NOW_S as f64 + 0.5)));
    good("exp 29 s ago, within the leeway", desk.good(|c| c["exp"] = json!(NOW_S - 29)));
    good("nbf in 30 s, within the leeway", desk.good(|c| c["nbf"] = json!(NOW_S + 30)));
    good("iat in 30 s, within the leeway", desk.good(|c| c["iat"] = json!(NOW_S + 30)));
    let without = |claim: &str| desk.good(|c| drop(c.as_object_mut().unwrap().remove(claim)));
    good("without nbf", without("nbf"));
    good("without iat", without("iat"));
    good("without sub", without("sub"));
    good("without jti", without("jti"));
    good("claims that nobody knows", desk.good(|c| c["x"] = json!({"a": [1, null, "é"]})));
    good(
        "scope as one text",
        desk.good(|c| {
            c.as_object_mut().unwrap().remove("scopes");
            c["scope"] = json!("openid user_experience:write");
        }),
    );
    let mut header = |name, header: &str| good(name, desk.rsa.token(header, &claims(|_| {})));
    header("typ at+jwt", r#"{"typ":"at+jwt","alg":"RS256","kid":"k1"}"#);
    header("typ in lower case", r#"{"typ":"jwt","alg":"RS256","kid":"k1"}"#);
    header("without typ", r#"{"alg":"RS256","kid":"k1"}"#);
    header("white space in the header", "{ \"alg\" : \"RS256\",\n\"kid\":\"k1\" }");
    header("a header that nobody knows", r#"{"alg":"RS256","kid":"k1","x":{"y":1}}"#);
    header("a thumbprint", r#"{"alg":"RS256","kid":"k1","x5t":"AAAA"}"#);
    // It is ignored, not followed.
    let jku = format!(r#"{{"alg":"RS256","kid":"k1","jku":"http://{evil}/jku"}}"#);
    header("jku beside a good signature", &jku);
}

fn algorithms(table: &mut Table, desk: &Desk) {
    for (name, alg) in [
        ("alg none", "\"none\""),
        ("alg None", "\"None\""),
        ("alg NONE", "\"NONE\""),
        ("alg nOnE", "\"nOnE\""),
        ("alg empty", "\"\""),
        ("alg null", "null"),
        ("alg a number", "256"),
        ("alg a list", "[\"RS256\"]"),
        ("alg in lower case", "\"rs256\""),
        ("alg with a space", "\"RS256 \""),
        ("alg unheard of", "\"XS256\""),
    ] {
        let header = format!(r#"{{"alg":{alg},"kid":"k1"}}"#);
        table.add(name, "malformed_token", desk.rsa.token(&header, &claims(|_| {})));
    }
    let unsigned = |header: &str| format!("{}.{}.", base64url(header), base64url(claims(|_| {})));
    let mut bad = |name, expected, token| table.add(name, expected, token);
    bad("alg none, no signature", "malformed_token", unsigned(r#"{"alg":"none","kid":"k1"}"#));
    bad("alg none, no kid", "malformed_token", unsigned(r#"{"alg":"none"}"#));
    bad("no alg", "malformed_token", unsigned(r#"{"kid":"k1"}"#));
    bad("alg RS256, no signature", "bad_signature", unsigned(HEADER));

    // The public key as the secret, in every form in which it is known.
    let jwk = desk.rsa.jwk("k1");
    let modulus = jwk["n"].as_str().unwrap().as_bytes().to_vec();
    for (name, alg, algorithm, secret) in [
        ("HS256 with the modulus", "HS256", hmac::HMAC_SHA256, modulus),
        ("HS256 with the JWK", "HS256", hmac::HMAC_SHA256, jwk.to_string().into_bytes()),
        ("HS384 with the JWK", "HS384", hmac::HMAC_SHA384, jwk.to_string().into_bytes()),
        ("HS512 with the JWK", "HS512", hmac::HMAC_SHA512, jwk.to_string().into_bytes()),
        ("HS256 with no secret", "HS256", hmac::HMAC_SHA256, Vec::new()),
    ] {
        let header = base64url(format!(r#"{{"alg":"{alg}","kid":"k1"}}"#));
        let message = format!("{header}.{}", base64url(claims(|_| {})));
        let mac = hmac::sign(&hmac::Key::new(algorithm, &secret), message.as_bytes());
        bad(name, "wrong_algorithm", format!("{message}.{}", base64url(mac)));
    }

    let signed = |alg: &str, encoding| {
        let header = base64url(format!(r#"{{"alg":"{alg}","kid":"k1"}}"#));
        let message = format!("{header}.{}", base64url(claims(|_| {})));
        let signature = desk.rsa.sign_rsa(encoding, message.as_bytes());
        format!("{message}.{}", base64url(signature))
    };
    bad("the right key, but RS384", "wrong_algorithm", signed("RS384", &RSA_PKCS1_SHA384));
    bad("the right key, but PS256", "wrong_algorithm", signed("PS256", &RSA_PSS_SHA256));
    bad("PS256 that says RS256", "bad_signature", signed("RS256", &RSA_PSS_SHA256));
    for (name, header) in [
        ("EC with the RSA key's kid", r#"{"alg":"ES256","kid":"k1"}"#),
        ("RSA with the EC key's kid", r#"{"alg":"RS256","kid":"e1"}"#),
        ("ES384 with the P-256 key", r#"{"alg":"ES384","kid":"e1"}"#),
        ("EdDSA with the EC key", r#"{"alg":"EdDSA","kid":"e1"}"#),
    ] {
        bad(name, "wrong_algorithm", desk.ec.token(header, &claims(|_| {})));
    }
}

fn names_of_keys(table: &mut Table, desk: &Desk, evil: &str) {
    let mut kid = |name, expected, kid: &str| {
        let header = format!(r#"{{"alg":"RS256","kid":{kid}}}"#);
        table.add(name, expected, desk.attacker.token(&header, &claims(|_| {})));
    };
    kid("a kid that is not there", "unknown_key", "\"k2\"");
    kid("a kid in another case", "unknown_key", "\"K1\"");
    kid("a kid with a space", "unknown_key", "\"k1 \"");
    kid("a kid with a NUL", "unknown_key", r#""k1\u0000""#);
    kid("a kid that looks alike", "unknown_key", "\"\u{43a}1\"");
    kid("a kid that is a path", "unknown_key", r#""../../../../dev/null""#);
    kid("a kid that is SQL", "unknown_key", r#""x' UNION SELECT 'secret""#);
    kid("a kid that is a command", "unknown_key", r#""|/bin/true""#);
    kid("a kid that is an address", "unknown_key", &format!("\"http://{evil}/kid\""));
    kid("a kid of 256 bytes", "unknown_key", &format!("\"{}\"", "k".repeat(256)));
    kid("a kid of 257 bytes", "malformed_token", &format!("\"{}\"", "k".repeat(257)));
    kid("an empty kid", "malformed_token", "\"\"");
    kid("kid null", "malformed_token", "null");
    kid("kid a number", "malformed_token", "1");
    kid("kid a list", "malformed_token", "[\"k1\"]");
    let token = desk.rsa.token(r#"{"alg":"RS256"}"#, &claims(|_| {}));
    table.add("no kid", "malformed_token", token);
    let header = r#"{"alg":"ES256","kid":"o1"}"#;
    let token = desk.other.token(header, &claims(|_| {}));
    table.add("signed by another issuer's key", "unknown_key", token);
}

fn signatures(table: &mut Table, desk: &Desk) {
    let good = desk.good(|_| {});
    let (message, signature) = good.rsplit_once('.').unwrap();
    let mut bad = |name, token| table.add(name, "bad_signature", token);
    bad("the signature left out", format!("{message}."));
    bad("the signature cut short", format!("{message}.{}", &signature[..signature.len() - 4]));
    bad("the signature and more", format!("{good}AAAA"));
    bad("a signature of zeros", format!("{message}.{}", base64url([0; 256])));
    bad("padding", format!("{good}=="));
    // 256 bytes end in a letter of which only four bits count.
    let last = signature.as_bytes()[signature.len() - 1];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.iter().position(|letter| *letter == last).unwrap();
    let odd = char::from(alphabet[place + 1]);
    bad("idle bits that are not idle", format!("{}{odd}", &good[..good.len() - 1]));
    let mut flipped = signature.to_owned();
    flipped.replace_range(..1, if signature.starts_with('A') { "B" } else { "A" });
    bad("one letter changed", format!("{message}.{flipped}"));
    let (other, _) = desk
        .good(|c| c["gitlab_instance_id"] = json!("instance-2"))
        .rsplit_once('.')
        .map(|(m, s)| (m.to_owned(), s.to_owned()))
        .unwrap();
    bad("another instance in the claims", format!("{other}.{signature}"));
    let header = base64url(r#"{"alg":"RS256","kid":"k1","x":1}"#);
    let (_, payload) = message.split_once('.').unwrap();
    bad("another header", format!("{header}.{payload}.{signature}"));
    bad("signed by somebody else", desk.attacker.token(HEADER, &claims(|_| {})));

    let header = r#"{"alg":"ES256","kid":"e1"}"#;
    let message = format!("{}.{}", base64url(header), base64url(claims(|_| {})));
    bad("EC, r and s zero", format!("{message}.{}", base64url([0; 64])));
    let fixed = desk.ec.sign(message.as_bytes());
    bad("EC, in DER", format!("{message}.{}", base64url(der(&fixed))));
    bad("EC, another's", desk.other.token(header, &claims(|_| {})));
}

/// The other common encoding of an ECDSA signature.
fn der(fixed: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let mut bytes = vec![0];
        bytes.extend(number);
        [&[2, bytes.len() as u8], &bytes[..]].concat()
    };
    let (r, s) = fixed.split_at(fixed.len() / 2);
    let both = [integer(r), integer(s)].concat();
    [&[0x30, both.len() as u8], &both[..]].concat()
}

fn issuers(table: &mut Table, desk: &Desk) {
    for (name, expected, iss) in [
        ("iss unknown", "unknown_issuer", json!("https://evil.example")),
        ("iss with a slash", "unknown_issuer", json!("https://gitlab.example/")),
        ("iss in another case", "unknown_issuer", json!("https://GitLab.example")),
        ("iss with a space", "unknown_issuer", json!("https://gitlab.example ")),
        ("iss without its scheme", "unknown_issuer", json!("gitlab.example")),
        ("iss over http", "unknown_issuer", json!("http://gitlab.example")),
        ("iss that goes on", "unknown_issuer", json!("https://gitlab.example.evil.example")),
        ("iss empty", "unknown_issuer", json!("")),
        ("iss null", "bad_claim", Value::Null),
        ("iss a list with ours", "bad_claim", json!([ISS])),
        ("iss a number", "bad_claim", json!(1)),
        ("iss an object", "bad_claim", json!({ ISS: ISS })),
    ] {
        table.add(name, expected, desk.good(|c| c["iss"] = iss));
    }
    table.add("no iss", "bad_claim", desk.rsa.token(HEADER, &raw("iss", "\"x\":1")));
    let twice = format!("\"iss\":\"https://evil.example\",\"iss\":\"{ISS}\"");
    table.add("iss twice", "malformed_token", desk.rsa.token(HEADER, &raw("iss", &twice)));
    // The other issuer is configured, too: its tokens need its keys.
    let header = r#"{"alg":"ES256","kid":"o1"}"#;
    let payload = claims(|c| c["iss"] = json!(OTHER));
    table.add("another issuer's name", "bad_signature", desk.ec.token(header, &payload));
}

fn audiences(table: &mut Table, desk: &Desk) {
    for (name, expected, aud) in [
        ("aud wrong", "wrong_audience", json!("somebody-else")),
        ("aud that goes on", "wrong_audience", json!("labkit-tracker-2")),
        ("aud in another case", "wrong_audience", json!("Labkit-Tracker")),
        ("aud empty", "wrong_audience", json!("")),
        ("aud a list of others", "wrong_audience", json!(["a", "b"])),
        ("aud an empty list", "wrong_audience", json!([])),
        ("aud null", "bad_claim", Value::Null),
        ("aud a number", "bad_claim", json!(1)),
        ("aud an object", "bad_claim", json!({ AUDIENCE: true })),
        ("aud a list of ours and a number", "bad_claim", json!([AUDIENCE, 1])),
        ("aud a list in a list", "bad_claim", json!([[AUDIENCE]])),
    ] {
        table.add(name, expected, desk.good(|c| c["aud"] = aud));
    }
    table.add("no aud", "bad_claim", desk.rsa.token(HEADER, &raw("aud", "\"x\":1")));
}

fn times(table: &mut Table, desk: &Desk) {
    let mut with = |name, expected, claim: &str, instead: &str| {
        table.add(name, expected, desk.rsa.token(HEADER, &raw(claim, instead)));
    };
    with("no exp", "bad_claim", "exp", "\"x\":1");
    for (name, expected, exp) in [
        ("exp a text", "bad_claim", "\"1800003600\""),
        ("exp 1e400", "malformed_token", "1e400"),
        ("exp -1e400", "malformed_token", "-1e400"),
        ("exp 1e300", "bad_claim", "1e300"),
        ("exp of 30 digits", "bad_claim", "100000000000000000000000000000"),
        ("exp in milliseconds", "bad_claim", "1800003600000"),
        ("exp negative", "bad_claim", "-1"),
        ("exp negative, with a fraction", "bad_claim", "-0.5"),
        ("exp null", "bad_claim", "null"),
        ("exp true", "bad_claim", "true"),
        ("exp a list", "bad_claim", "[1800003600]"),
        ("exp an object", "bad_claim", "{}"),
        ("exp NaN", "malformed_token", "NaN"),
        ("exp Infinity", "malformed_token", "Infinity"),
        ("exp in hex", "malformed_token", "0x6B49D200"),
        ("exp 0", "expired", "0"),
        ("exp an hour ago", "expired", "1799996400"),
        ("exp 30 s ago", "expired", "1799999970"),
        ("exp 30 s ago, with a fraction", "expired", "1799999969.9"),
    ] {
        with(name, expected, "exp", &format!("\"exp\":{exp}"));
    }
    with("exp twice", "malformed_token", "exp", "\"exp\":1,\"exp\":1800003600");
    with("exp twice, escaped", "malformed_token", "exp", r#""exp":1800003600,"\u0065xp":1"#);
    for (name, expected, claim, value) in [
        ("nbf in an hour", "not_yet_valid", "nbf", "1800003600"),
        ("nbf in 31 s", "not_yet_valid", "nbf", "1800000031"),
        ("nbf a text", "bad_claim", "nbf", "\"1800000000\""),
        ("nbf negative", "bad_claim", "nbf", "-1"),
        ("nbf null", "bad_claim", "nbf", "null"),
        ("iat in an hour", "not_yet_valid", "iat", "1800003600"),
        ("iat a text", "bad_claim", "iat", "\"1800000000\""),
        ("iat 1e300", "bad_claim", "iat", "1e300"),
    ] {
        with(name, expected, claim, &format!("\"{claim}\":{value}"));
    }
}

fn shapes(table: &mut Table, desk: &Desk) {
    let good = desk.good(|_| {});
    let parts: Vec<&str> = good.split('.').collect();
    let (head, payload, signature) = (parts[0], parts[1], parts[2]);
    let mut bad = |name, expected, token: String| table.add(name, expected, token);
    bad("no dots", "unknown_credential", "abcdef".into());
    bad("two parts", "unknown_credential", format!("{head}.{payload}"));
    bad("four parts", "unknown_credential", format!("{good}.AAAA"));
    bad("five parts, as if encrypted", "unknown_credential", format!("{good}.AAAA.AAAA"));
    bad("a dot at the end", "unknown_credential", format!("{good}."));
    bad("a dot at the start", "unknown_credential", format!(".{good}"));
    bad("nothing but dots", "malformed_token", "..".into());
    bad("no header", "malformed_token", format!(".{payload}.{signature}"));
    bad("no payload", "malformed_token", format!("{head}..{signature}"));
    bad("a header that is no base64url", "malformed_token", format!("{{}}.{payload}.{signature}"));
    bad("a space between", "malformed_token", format!("{head}. {payload}.{signature}"));
    bad("letters beyond ASCII", "malformed_token", format!("{head}.é{payload}.{signature}"));
    bad("a token of 2 MB", "too_long", format!("{head}.{}.{signature}", "A".repeat(2 << 20)));
    bad("a token of 8 KiB and a byte", "too_long", "a".repeat(8 * 1024 + 1));

    let mut payload = |name, payload: &str| {
        table.add(name, "malformed_token", desk.rsa.token(HEADER, payload));
    };
    let json = claims(|_| {});
    payload("a byte after the claims", &format!("{json}x"));
    payload("claims after the claims", &format!("{json}{json}"));
    payload("a NUL after the claims", &format!("{json}\0"));
    payload("a byte order mark", &format!("\u{feff}{json}"));
    payload("a comma too many", &json.replace('}', ",}"));
    payload("claims in a list", &format!("[{json}]"));
    payload("claims in a text", &json!(json).to_string());
    payload("a token in the token", &good);
    payload("claims null", "null");
    payload(
        "claims nested 2,000 deep",
        &json.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(2_000), "]".repeat(2_000)), 1),
    );
    payload(
        "tenant claim twice",
        &raw(
            "gitlab_instance_id",
            r#""gitlab_instance_id":"instance-2","gitlab_instance_id":"instance-1""#,
        ),
    );
    payload("aud twice", &raw("aud", r#""aud":"x","aud":"labkit-tracker""#));
    payload("scopes twice", &raw("scopes", r#""scopes":[],"scopes":["user_experience:write"]"#));
    payload("a lone surrogate", &raw("sub", r#""sub":"\ud800""#));
}

fn headers(table: &mut Table, desk: &Desk, evil: &str) {
    let mut ours = |name, header: &str| {
        table.add(name, "malformed_token", desk.rsa.token(header, &claims(|_| {})));
    };
    ours("crit", r#"{"alg":"RS256","kid":"k1","crit":["x"],"x":1}"#);
    ours("crit empty", r#"{"alg":"RS256","kid":"k1","crit":[]}"#);
    ours("b64 false", r#"{"alg":"RS256","kid":"k1","b64":false,"crit":["b64"]}"#);
    ours("zip", r#"{"alg":"RS256","kid":"k1","zip":"DEF"}"#);
    ours("enc", r#"{"alg":"RS256","kid":"k1","enc":"A128GCM"}"#);
    ours("cty JWT", r#"{"alg":"RS256","kid":"k1","cty":"JWT"}"#);
    ours("typ of a logout", r#"{"typ":"logout+jwt","alg":"RS256","kid":"k1"}"#);
    ours("typ of a proof", r#"{"typ":"dpop+jwt","alg":"RS256","kid":"k1"}"#);
    ours("typ a number", r#"{"typ":1,"alg":"RS256","kid":"k1"}"#);
    ours("alg twice", r#"{"alg":"none","alg":"RS256","kid":"k1"}"#);
    ours("kid twice", r#"{"alg":"RS256","kid":"x","kid":"k1"}"#);
    ours("a header in a list", r#"[{"alg":"RS256","kid":"k1"}]"#);
    ours("a byte after the header", r#"{"alg":"RS256","kid":"k1"}x"#);

    // Whoever brings a key along is not taken at their word.
    let jwk = desk.attacker.jwk("k1");
    let uri = format!("http://{evil}/evil");
    for (name, kid, extra) in [
        ("jwk with our kid", "k1", json!({ "jwk": jwk })),
        ("jwk with a kid of its own", "evil", json!({ "jwk": desk.attacker.jwk("evil") })),
        ("jku with our kid", "k1", json!({ "jku": uri })),
        ("jku with a kid of its own", "evil", json!({ "jku": uri })),
        ("x5u", "k1", json!({ "x5u": uri })),
        ("x5c", "k1", json!({ "x5c": ["AAAA"] })),
        ("all of them", "k1", json!({ "jku": uri, "x5u": uri, "x5c": ["AAAA"], "jwk": jwk })),
    ] {
        let mut header = extra;
        header["alg"] = json!("RS256");
        header["kid"] = json!(kid);
        let expected = if kid == "k1" { "bad_signature" } else { "unknown_key" };
        table.add(name, expected, desk.attacker.token(&header.to_string(), &claims(|_| {})));
    }
}

fn grants(table: &mut Table, desk: &Desk) {
    for (name, expected, claim, value) in [
        ("no tenant", "bad_claim", "gitlab_instance_id", Value::Null),
        ("tenant empty", "bad_claim", "gitlab_instance_id", json!("")),
        ("tenant a number", "bad_claim", "gitlab_instance_id", json!(1)),
        ("tenant with a line feed", "bad_claim", "gitlab_instance_id", json!("a\nb")),
        ("tenant with a NUL", "bad_claim", "gitlab_instance_id", json!("a\0")),
        ("tenant of 257 bytes", "bad_claim", "gitlab_instance_id", json!("x".repeat(257))),
        ("realm of others", "foreign_realm", "gitlab_realm", json!("self-managed")),
        ("no realm", "foreign_realm", "gitlab_realm", Value::Null),
        ("realm a list with ours", "foreign_realm", "gitlab_realm", json!(["saas"])),
        ("no scopes", "out_of_scope", "scopes", Value::Null),
        ("scopes empty", "out_of_scope", "scopes", json!([])),
        ("scopes of others", "out_of_scope", "scopes", json!(["duo_chat"])),
        ("only the read scope", "out_of_scope", "scopes", json!(["user_experience:read"])),
        ("a scope that goes on", "out_of_scope", "scopes", json!(["user_experience:writer"])),
        ("a scope in another case", "out_of_scope", "scopes", json!(["User_Experience:Write"])),
        (
            "a scope in a list in a list",
            "out_of_scope",
            "scopes",
            json!([["user_experience:write"]]),
        ),
        ("scopes with a comma", "out_of_scope", "scopes", json!(["x,user_experience:write"])),
    ] {
        table.add(name, expected, desk.good(|c| c[claim] = value));
    }
}
