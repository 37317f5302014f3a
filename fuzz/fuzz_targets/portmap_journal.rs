//! The journal of port mappings: what is read can be written and read again, and is bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::portmap::journal::{LONGEST_FILE, MOST, parse, print};

fuzz_target!(|data: &[u8]| {
    let read = parse(data);
    assert!(read.len() <= MOST);
    let text = print(&read);
    assert!(text.len() <= LONGEST_FILE);
    assert_eq!(parse(text.as_bytes()), read);
});
