//! A configuration is the host's own JSON: any text is a client or a sentence.
#![no_main]

use labkit::{Client, Config};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|text: &str| -> Corpus {
    let mut config = match Config::from_json(text) {
        Ok(config) => config,
        Err(refused) => {
            assert!(!refused.to_string().is_empty());
            return Corpus::Keep;
        }
    };
    // What it names on this machine is not for a fuzzer to read, nor is it to
    // fill the memory; nothing is recorded, so no connection is made.
    config.definitions =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/scenarios/definitions").into();
    (config.ca_file, config.spool_dir) = (None, None);
    config.queue_items = config.queue_items.min(64);
    let client = Client::new(config).expect("a configuration that was read makes a client");
    assert!(client.stats().balances());
    Corpus::Keep
});
