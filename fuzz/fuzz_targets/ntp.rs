//! Whatever time servers send: each datagram is taken or refused, what it measures stays in bounds, and two servers
//! that agree are not moved by a third.
#![no_main]

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::clock_sync::agree;
use p2pnet::proto::ntp::{MAX_DISTANCE_US, Sample, measure, reply, timestamp, unix_us};

fuzz_target!(|data: &[u8]| {
    let Some((head, datagram)) = data.split_first_chunk::<16>() else { return };
    let number = |at: usize| i64::from_be_bytes(head[at..at + 8].try_into().unwrap_or_default());
    let (t1, t4) = (number(0), number(8));
    // The cookie is taken from its place, so that the rest is looked at.
    let cookie = datagram.get(24..).and_then(<[u8]>::first_chunk).copied().map_or(0, u64::from_be_bytes);
    let Ok(got) = reply(datagram, cookie) else { return };
    assert!((0..=MAX_DISTANCE_US).contains(&got.distance_us) && (1..=15).contains(&got.stratum));
    let back = timestamp(unix_us(got.transmit));
    assert!(back.wrapping_sub(got.transmit) as i64 / 5000 == 0, "a microsecond is 4,295 units");
    let Ok(sample) = measure(t1, &got, t4) else { return };
    assert!(sample.delay_us >= 0);
    let honest = Sample { offset_us: 1000, delay_us: 20_000, distance_us: 0 };
    let agreed = agree(&[vec![honest], vec![sample], vec![honest]], 2);
    assert!(agreed.reliable && (agreed.offset_us - 1000).abs() <= 11_000, "{agreed:?}");
});
