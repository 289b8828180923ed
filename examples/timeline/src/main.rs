//! timeline
fn main() {}
