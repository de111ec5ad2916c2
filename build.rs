//! Names the shared library, keeps it loaded, and, with the feature `header`,
//! writes the C header to the file that LABKIT_HEADER names.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rerun-if-env-changed=LABKIT_HEADER");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,liblabkit.so.0");
        // A thread of ours would run on in unmapped code after dlclose.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    // Only for the test that makes what ships panic: see src/inject.rs.
    println!("cargo:rustc-check-cfg=cfg(panic_injection)");
    println!("cargo:rerun-if-env-changed=LABKIT_PANIC_INJECTION");
    if std::env::var("LABKIT_PANIC_INJECTION").as_deref() == Ok("1") {
        println!("cargo:rustc-cfg=panic_injection");
    }
    #[cfg(feature = "header")]
    header();
}

#[cfg(feature = "header")]
fn header() {
    println!("cargo:rerun-if-changed=src/ffi");
    let Ok(path) = std::env::var("LABKIT_HEADER") else { return };
    // The order of the header: what a reader meets first comes first.
    let files =
        ["status", "client", "definition", "image", "experience", "carrier", "observed", "testing"];
    let config = cbindgen::Config::from_file("cbindgen.toml").expect("cbindgen.toml is valid");
    let builder = cbindgen::Builder::new().with_config(config);
    files
        .into_iter()
        .fold(builder, |builder, file| builder.with_src(format!("src/ffi/{file}.rs")))
        .generate()
        .expect("src/ffi parses")
        .write_to_file(path);
}
