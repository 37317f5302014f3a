//! The command line tool: what is this machine behind, and what can be done about it.

fn main() {}
