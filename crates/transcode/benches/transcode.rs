//! Placeholder until the benchmark is written below.
fn main() {}
