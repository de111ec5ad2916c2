//! A definition file is written by people: any bytes are a definition or a
//! finding that names the file.
#![no_main]

mod directory;

use labkit::definition;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let dir = directory::own();
    std::fs::write(dir.join("sign_in.yml"), bytes).expect("the directory is writable");
    let (registry, findings) = definition::load(dir).expect("the directory is readable");
    for finding in &findings {
        assert!(finding.to_string().contains("sign_in.yml"), "{finding}");
    }
    assert!(registry.index("sign_in").is_some() || !findings.is_empty());
});
