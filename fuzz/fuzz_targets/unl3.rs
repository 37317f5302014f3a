//! Locators of version 3: as text, and as fields that somebody signed, so that all of the reading behind the signature is
//! reached. What begins like an override is tried as one.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::identity::Identity;
use p2pnet::proto::unl::{Check, Info, Overrides, UnlV3, v3};

static WHO: LazyLock<Identity> = LazyLock::new(|| Identity::from_secret(&[7; 32]));

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Info::check(text, &Check::at(1_800_000_000).network(None));
        if let Ok(unl) = UnlV3::decode(text) {
            assert_eq!(unl.text(), text);
        }
        if let Some((name, value)) = text.split_once('=') {
            let _ = Overrides::default().set(name, value);
        }
    }
    let Some(text) = v3::seal(&WHO, data) else { return };
    let Ok(unl) = UnlV3::decode(&text) else { return };
    assert_eq!(unl.text(), text);
    let again = UnlV3::sign(unl.record().clone(), &WHO).expect("what was read can be said");
    assert_eq!(again.record(), unl.record());
    // Of what is the same length nothing was skipped, so the letters are the same too.
    assert!(again.text().len() < text.len() || again.text() == text);
    // The signature covers every byte.
    let mut wrong = text.clone().into_bytes();
    let at = data.first().map_or(0, |byte| usize::from(*byte)) * 3 % wrong.len();
    wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
    assert!(UnlV3::decode(std::str::from_utf8(&wrong).expect("ASCII")).is_err());
});
