use super::*;
use proptest::prelude::*;

const COOKIE: u64 = 0x0123_4567_89ab_cdef;
/// 2026-01-01 in Unix microseconds.
const T: i64 = 1_767_225_600_000_000;

/// A good answer: received at `t2`, sent at `t3`.
fn answer(t2: i64, t3: i64) -> [u8; PACKET] {
    let mut p = [0; PACKET];
    p[0] = 4 << 3 | 4;
    p[1] = 2;
    p[3] = -20i8 as u8;
    p[4..8].copy_from_slice(&(1u32 << 16 >> 5).to_be_bytes()); // 1/32 s
    p[8..12].copy_from_slice(&(1u32 << 16 >> 6).to_be_bytes()); // 1/64 s
    p[24..32].copy_from_slice(&COOKIE.to_be_bytes());
    p[32..40].copy_from_slice(&timestamp(t2).to_be_bytes());
    p[40..48].copy_from_slice(&timestamp(t3).to_be_bytes());
    p
}

#[test]
fn the_question() {
    let packet = request(COOKIE);
    assert_eq!(packet[0], 0x23);
    assert!(packet[1..40].iter().all(|b| *b == 0), "nothing about us");
    assert_eq!(packet[40..], COOKIE.to_be_bytes());
    assert_eq!(reply(&packet, 0), Err(Refused::NotOurs), "a question is no answer");
}

#[test]
fn a_good_answer() {
    let got = reply(&answer(T, T + 50), COOKIE).unwrap();
    assert_eq!((got.receive, got.transmit, got.stratum), (timestamp(T), timestamp(T + 50), 2));
    assert_eq!(got.distance_us, 15_625 + 15_625);
    let mut longer = answer(T, T).to_vec();
    longer.extend([9; 20]);
    assert!(reply(&longer, COOKIE).is_ok(), "an authenticator behind it");
    let mut older = answer(T, T);
    older[0] = 3 << 3 | 4;
    assert!(reply(&older, COOKIE).is_ok(), "version 3");
}

#[test]
fn answers_that_are_refused() {
    let changed = |at: usize, value: u8| {
        let mut p = answer(T, T);
        p[at] = value;
        reply(&p, COOKIE)
    };
    assert_eq!(reply(&answer(T, T)[..47], COOKIE), Err(Refused::NotOurs));
    assert_eq!(reply(&[], COOKIE), Err(Refused::NotOurs));
    assert_eq!(reply(&answer(T, T), COOKIE ^ 1), Err(Refused::NotOurs));
    for first in [4 << 3 | 3, 4 << 3 | 5, 4 << 3, 4, 5 << 3 | 4] {
        assert_eq!(changed(0, first), Err(Refused::NotOurs), "{first:#x}");
    }
    assert_eq!(changed(0, 3 << 6 | 4 << 3 | 4), Err(Refused::Unsynchronised), "leap 3");
    assert_eq!(changed(1, 16), Err(Refused::Unsynchronised), "stratum 16");
    assert_eq!(changed(9, 1), Err(Refused::TooFar), "dispersion over a second");
    assert_eq!(changed(5, 3), Err(Refused::TooFar), "delay over two seconds");
    assert_eq!(changed(3, 1), Err(Refused::TooFar), "a clock that ticks every two seconds");
    assert_eq!(changed(3, 127), Err(Refused::TooFar), "one that never ticks");
    let mut kiss = answer(T, T);
    kiss[1] = 0;
    kiss[12..16].copy_from_slice(b"RATE");
    let refused = reply(&kiss, COOKIE).unwrap_err();
    assert_eq!((refused, refused.is_final()), (Refused::Kiss(*b"RATE"), true));
    assert!(refused.to_string().contains("RATE"));
    kiss[24] ^= 1;
    assert_eq!(reply(&kiss, COOKIE), Err(Refused::NotOurs), "a kiss from somebody else");
    let mut timeless = answer(T, T);
    timeless[40..].fill(0);
    assert_eq!(reply(&timeless, COOKIE), Err(Refused::Unsynchronised));
}

fn measured(t1: i64, t2: i64, t3: i64, t4: i64) -> Result<(i64, i64), Refused> {
    measure(t1, &reply(&answer(t2, t3), COOKIE).unwrap(), t4).map(|s| (s.offset_us, s.delay_us))
}

#[test]
fn offset_and_delay() {
    assert_eq!(measured(T, T + 10_000, T + 10_500, T + 20_500), Ok((0, 20_000)));
    let day = 86_400_000_000;
    assert_eq!(measured(T - day, T + 10_000, T + 10_500, T - day + 20_500), Ok((day, 20_000)));
    assert_eq!(measured(T, T + 30_000, T + 30_000, T + 40_000), Ok((10_000, 40_000)), "a way longer there");
    assert_eq!(measured(0, T, T, 0), Ok((T, 0)), "a machine that thinks it is 1970");
    assert_eq!(measured(T + 10, T, T, T), Err(Refused::Inconsistent), "received before sent");
    assert_eq!(measured(T, T, T - 50_000, T), Err(Refused::Inconsistent), "answered before asked");
    assert_eq!(measured(T, T, T + 60_000, T + 1000), Err(Refused::Inconsistent), "longer than the exchange");
    assert_eq!(measured(T, T, T + 1500, T + 1000), Ok((250, 0)), "a clock that ticks coarsely");
}

#[test]
fn eras() {
    assert_eq!(unix_us((UNIX_EPOCH as u64) << 32), 0);
    assert_eq!(unix_us(u64::MAX), unix_us(0), "the end of an era is the beginning of the next");
    // 2036-02-07T06:28:16Z, where 32 bits of seconds end.
    assert_eq!(unix_us(0), 2_085_978_496_000_000);
    assert_eq!(unix_us(1 << 63), -61_505_152_000_000, "1968");
    let end = 2_085_978_496_000_000;
    assert_eq!(measured(end - 20_000, end - 10_000, end + 10_000, end + 20_000), Ok((0, 20_000)));
}

proptest! {
    #[test]
    fn any_datagram(datagram in prop::collection::vec(any::<u8>(), 0..80), cookie: u64, t1: i64, t4: i64) {
        if let Ok(got) = reply(&datagram, cookie) {
            prop_assert!((0..=MAX_DISTANCE_US).contains(&got.distance_us));
            let _ = measure(t1, &got, t4);
        }
    }

    /// With the cookie in its place, so that the rest is looked at.
    #[test]
    fn any_answer(mut packet: [u8; 32], times: [u64; 2], mode in 0x1cu8..0x26, t1: i64, took in 0..1i64 << 40) {
        packet[0] = mode;
        packet[24..].copy_from_slice(&COOKIE.to_be_bytes());
        let whole = [&packet[..], &times[0].to_be_bytes(), &times[1].to_be_bytes()].concat();
        if let Ok(got) = reply(&whole, COOKIE) {
            prop_assert!((1..=15).contains(&got.stratum));
            if let Ok(sample) = measure(t1, &got, t1.saturating_add(took)) {
                prop_assert!(sample.delay_us >= 0);
            }
        }
    }

    #[test]
    fn timestamps_return(us in -61_505_152_000_000i64..4_200_000_000_000_000) {
        let back = unix_us(timestamp(us));
        prop_assert!((back - us).abs() <= 1, "{us} {back}");
    }

    /// The offset is right to half the delay, whatever the ways are.
    #[test]
    fn the_truth_is_within_half_the_delay(
        off in -2_000_000_000_000_000i64..2_000_000_000_000_000,
        there in 0i64..1_000_000,
        stay in 0i64..1_000_000,
        back in 0i64..1_000_000,
    ) {
        // Local time at the beginning is T - off, true time T; servers' times have to lie between 1968 and 2104.
        let t1 = T - off;
        let (offset, delay) = measured(t1, T + there, T + there + stay, t1 + there + stay + back).unwrap();
        prop_assert!((offset - off).abs() <= delay / 2 + 2, "{offset} {delay}");
        prop_assert!((delay - there - back).abs() <= 2);
    }
}
