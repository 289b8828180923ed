//! cache-bench
fn main() {}
