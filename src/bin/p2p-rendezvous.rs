//! The rendezvous server (being written).
fn main() {}
