//! A carrier comes from another process, perhaps from a header: any text. The
//! input's first line is the carrier, the rest the job's own id.
#![no_main]

use labkit::experience::Carrier;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (carrier, job) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(carrier) = Carrier::parse(carrier) else { return };
    for id in ["create_order", "sign_in", ""] {
        // Each retry of a job must come to the same experience.
        assert_eq!(carrier.find(id, job), carrier.find(id, job));
    }
});
