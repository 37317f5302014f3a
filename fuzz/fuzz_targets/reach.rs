//! Whatever a server answers to "is my port open?" and "what is my address?": it is taken or refused, and a yes has to
//! stand in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::reach::{Answer, MAX_ANSWER, port_check, wan_ip};

fuzz_target!(|data: &[u8]| {
    let has = |word: &[u8]| data.windows(word.len()).any(|w| w == word);
    match port_check(data) {
        Ok(Answer::Unconfirmed) => panic!("that is not for a server to say"),
        // An escape may hide the word.
        Ok(Answer::Open) => assert!(has(b"true") || has(b"yes") || has(b"\\u")),
        Ok(_) | Err(_) => {}
    }
    if let Ok(ip) = wan_ip(data) {
        assert!(!ip.is_unspecified() && !ip.is_multicast());
        assert_eq!(wan_ip(ip.to_string().as_bytes()), Ok(ip));
        assert_eq!(wan_ip(format!(" {{\"ip\" : \"{ip}\"}}\n").as_bytes()), Ok(ip));
    }
    if data.len() > MAX_ANSWER {
        assert!(port_check(data).is_err());
    }
});
