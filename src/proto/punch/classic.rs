//! PyP2P's prediction of the port a NAT will show for one of ours, kept because both sides of a classic punch
//! must count the same way. The punch itself is [`super::fight`].

use crate::proto::nat::NatType;

/// How many ports a classic node predicts for one punch.
pub const CLASSIC_PREDICTIONS: usize = 4;

/// What PyP2P writes in place of a prediction when its NAT cannot be predicted.
pub const UNPREDICTABLE_PORT: u16 = 1337;

/// The outside port that PyP2P 0.8.3 predicts for a connection from local port `source`.
///
/// A preserving NAT: the same port. A delta NAT: `source + delta`, wrapped as PyP2P wraps it, which is not
/// modulo 65536: above 65535 subtract 65535, below 0 add 65535, and whatever is then no port (0) becomes 1.
/// `None` for the other kinds. `delta` is looked at for delta NATs only.
///
/// For a real delta NAT this is the wrong base: its ports follow the *last outside port*, not our local one.
/// The caller who knows that port gives it as `source`.
pub fn predict(nat: NatType, delta: i32, source: u16) -> Option<u16> {
    const MAX: i32 = u16::MAX as i32;
    match nat {
        NatType::Preserving | NatType::None => Some(source),
        NatType::Delta => {
            let sum = i32::from(source).saturating_add(delta);
            let wrapped = match sum {
                s if s > MAX => s - MAX,
                s if s < 0 => s + MAX,
                s => s,
            };
            Some(u16::try_from(wrapped).ok().filter(|&port| port != 0).unwrap_or(1))
        }
        NatType::Unknown | NatType::Reuse | NatType::Random => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wraps_like_the_original() {
        let delta = |d, s| predict(NatType::Delta, d, s);
        assert_eq!(delta(5, 65535), Some(5));
        assert_eq!(delta(1, 65535), Some(1));
        assert_eq!(delta(-5, 5), Some(1));
        assert_eq!(delta(-5, 4), Some(65534));
        assert_eq!(delta(65535, 65535), Some(65535));
        assert_eq!(delta(-65535, 0), Some(1));
        assert_eq!(delta(i32::MAX, 1), Some(1));
        assert_eq!(delta(i32::MIN, 0), Some(1));
    }

    #[test]
    fn only_two_kinds_are_predictable() {
        assert_eq!(predict(NatType::Preserving, 7, 80), Some(80));
        for nat in [NatType::Unknown, NatType::Reuse, NatType::Random] {
            assert_eq!(predict(nat, 0, 80), None);
        }
    }

    proptest! {
        #[test]
        fn always_a_port(delta: i32, source: u16) {
            prop_assert!(predict(NatType::Delta, delta, source).is_some_and(|port| port != 0));
        }
    }
}
