//! Gives the shared library its soname: one per incompatible ABI, so that programs load the one they were linked with.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |what: &str| std::env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    if target("FAMILY").contains("unix") && target("VENDOR") != "apple" {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libp2pnet.so.0");
    }
}
