//! Text that is a UNL survives being written again; raw bytes are also tried with a mended checksum, which the fuzzer
//! could not find by itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::unl::{UnlError, UnlV2, v2};

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        again(UnlV2::decode(text));
        v2::is_master(text, "AgAAAAAAAAAAAAAAAAAAAAAAAAAAcGdtRMUICAgILQCowEkZ9eM=");
    }
    if let Some(raw) = data.first_chunk::<{ v2::RAW_LEN }>() {
        again(UnlV2::from_bytes(&v2::with_checksum(*raw)));
    }
});

fn again(read: Result<UnlV2, UnlError>) {
    if let Ok(unl) = read {
        assert_eq!(UnlV2::decode(&unl.encode()), Ok(unl));
    }
}
