//! Has the pages embedded anew when they were built anew. `web/dist` may be missing: the binary then says so itself.

fn main() {
    println!("cargo::rerun-if-changed=../../web/dist");
    println!("cargo::rerun-if-changed=build.rs");
}
