//! How the command is linked.
//!
//! A position-independent program of this size has tens of thousands of addresses that are put right each time it
//! starts, page by page: half of the page faults of `deploy plan`. Like the programs of Go, it is linked to a fixed
//! address instead; its heap, stack and libraries still lie where nobody knows beforehand.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).as_deref() == Ok(value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
