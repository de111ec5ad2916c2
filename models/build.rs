//! Says that this is the library as the model checker sees it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cfg=model");
    println!("cargo:rustc-check-cfg=cfg(model)");
    println!("cargo:rustc-check-cfg=cfg(panic_injection)");
}
