//! `GET /openapi.json`: what this server answers, for programs that ask.

use axum::http::{HeaderName, header};
use axum::response::IntoResponse;

/// Written by hand beside this file; tests compare it with the routes, and with
/// what a running server answers.
const DESCRIPTION: &str = include_str!("openapi.json");

pub(super) async fn show() -> impl IntoResponse {
    let headers: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];
    (headers, DESCRIPTION)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use labkit::wire::{Code, limits as wire};
    use serde_json::{Value, json};

    use super::*;
    use crate::http::routes;
    use crate::limits::{COMPRESSION_RATIO, LISTED, LISTED_MOST};
    use crate::transition::Final;

    fn described() -> Value {
        serde_json::from_str(DESCRIPTION).unwrap()
    }

    #[test]
    fn every_route_is_described_and_nothing_else_is() {
        let described = described();
        let described: BTreeSet<&str> =
            described["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        let served: BTreeSet<&str> = routes().iter().map(|(path, _)| *path).collect();
        assert_eq!(described, served);
    }

    #[test]
    fn the_description_is_of_this_version() {
        assert_eq!(described()["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(described()["openapi"], "3.1.0");
    }

    #[test]
    fn limits_and_words_are_those_that_the_code_goes_by() {
        let described = described();
        let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let ends: BTreeSet<&str> = Final::ALL.iter().map(|outcome| outcome.as_str()).collect();
        let schemas = &described["components"]["schemas"];
        let fields = &schemas["Checkpoint"]["properties"];
        let list = &described["paths"]["/v1/experiences"]["get"];
        let name = wire::NAME_BYTES;
        for (said, meant) in [
            (&schemas["Batch"]["properties"]["checkpoints"]["maxItems"], json!(wire::BATCH_ITEMS)),
            (&fields["user_experience_id"]["maxLength"], json!(wire::EXPERIENCE_ID_BYTES)),
            (&fields["feature_category"]["maxLength"], json!(name)),
            (&fields["type"]["pattern"], json!(format!("^[a-z0-9_-]{{1,{name}}}$"))),
            (&fields["meta"]["maxProperties"], json!(wire::META_KEYS)),
            (&fields["reason"]["maxLength"], json!(wire::REASON_BYTES)),
            (&schemas["RejectionCode"]["enum"], json!(codes)),
            (&list["parameters"][2]["schema"]["maximum"], json!(LISTED_MOST)),
            (&list["parameters"][2]["schema"]["default"], json!(LISTED)),
        ] {
            assert_eq!(*said, meant);
        }
        let outcomes = schemas["Experience"]["properties"]["outcome"]["enum"].as_array().unwrap();
        assert_eq!(
            outcomes.iter().map(|word| word.as_str().unwrap()).collect::<BTreeSet<_>>(),
            ends
        );
        for told in [
            format!("at most {} MiB, nested", wire::BODY_BYTES >> 20),
            format!("nested at most {} levels", wire::JSON_DEPTH),
            format!("At most {COMPRESSION_RATIO} to 1"),
            format!("at most {} KiB as JSON", wire::META_BYTES >> 10),
            format!("At most {} KiB.", wire::CHECKPOINT_BYTES >> 10),
            format!("At most {} h ago, and", wire::ACCEPTANCE_AGE_MS / 3_600_000),
            format!("and {} min ahead", wire::FUTURE_MS / 60_000),
            format!("Within {} h of", wire::SENT_AT_MS / 3_600_000),
        ] {
            assert!(DESCRIPTION.contains(&told), "{told}");
        }
    }
}
