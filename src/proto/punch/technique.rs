//! Which way of punching two NATs allow: [`Technique::choose`].
//!
//! A TCP hole needs both sides to send to the very port the other one's NAT will give. So either both can
//! foresee their outside ports, or one side keeps a known port towards everybody while the other opens so
//! many that guesses meet one of them (the birthday argument; Guha and Francis 2005 measured which NATs allow
//! which). Everything else is hopeless, and it is kinder to say so at once than to try.

use std::fmt;

use super::side::{Foresight, Side};

/// How to punch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Technique {
    /// Both sides foresee their outside ports and tell each other.
    Predict,
    /// One side's ports cannot be foreseen: it connects from many local ports to the other's one port, which
    /// in turn guesses many of its outside ports.
    Spray {
        /// Whether it is we who guess; else we open the many ports.
        we_guess: bool,
    },
    /// Not by punching.
    Hopeless(Hopeless),
}

/// Why two NATs cannot be punched. The numbers are on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Hopeless {
    /// Neither side's ports can be foreseen.
    BothBlind = 1,
    /// One side's ports cannot be foreseen, and the other takes a new outside port for each guess.
    BlindAgainstPerDestination = 2,
    /// An outside address is not known.
    NoAddress = 3,
    /// One side has an IPv4, the other an IPv6 address.
    OtherFamily = 4,
}

impl Hopeless {
    /// The reason in words, for people.
    pub fn text(self) -> &'static str {
        match self {
            Hopeless::BothBlind => {
                "both NATs give every destination another, unforeseeable outside port, so neither side can \
                 be told where to connect to; only a relay or a mapped port helps"
            }
            Hopeless::BlindAgainstPerDestination => {
                "one NAT gives unforeseeable outside ports, and the other takes a new outside port for \
                 every guess, so guesses never come from the port that was opened for them; only a relay \
                 or a mapped port helps"
            }
            Hopeless::NoAddress => "the outside address of one side is not known (no server told it)",
            Hopeless::OtherFamily => "one side has an IPv4 outside address, the other an IPv6 one",
        }
    }

    /// From its number on the wire.
    pub fn from_number(number: u8) -> Option<Hopeless> {
        [
            Hopeless::BothBlind,
            Hopeless::BlindAgainstPerDestination,
            Hopeless::NoAddress,
            Hopeless::OtherFamily,
        ]
        .into_iter()
        .find(|reason| *reason as u8 == number)
    }
}

impl Technique {
    /// The technique for two sides; both come to the same one, seen from their end.
    pub fn choose(ours: &Side, theirs: &Side) -> Technique {
        let (Some(our_ip), Some(their_ip)) = (ours.outside_ip, theirs.outside_ip) else {
            return Technique::Hopeless(Hopeless::NoAddress);
        };
        if our_ip.to_canonical().is_ipv4() != their_ip.to_canonical().is_ipv4() {
            return Technique::Hopeless(Hopeless::OtherFamily);
        }
        match (ours.foresight(), theirs.foresight()) {
            (Foresight::Blind, Foresight::Blind) => Technique::Hopeless(Hopeless::BothBlind),
            (Foresight::Blind, theirs) => spray(theirs, false),
            (ours, Foresight::Blind) => spray(ours, true),
            _ => Technique::Predict,
        }
    }

    /// One word, for reports.
    pub fn name(self) -> &'static str {
        match self {
            Technique::Predict => "predict",
            Technique::Spray { .. } => "spray",
            Technique::Hopeless(_) => "hopeless",
        }
    }
}

/// Guesses must all leave from one outside port, the one the other side connects to.
fn spray(guesser: Foresight, we_guess: bool) -> Technique {
    match guesser {
        Foresight::Computed { first_only: false } | Foresight::Asked | Foresight::Row { shared: true } => {
            Technique::Spray { we_guess }
        }
        _ => Technique::Hopeless(Hopeless::BlindAgainstPerDestination),
    }
}

/// A sentence.
impl fmt::Display for Technique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Technique::Predict => "both sides foresee their outside ports",
            Technique::Spray { we_guess: true } => {
                "the peer's outside ports cannot be foreseen: it opens many, we guess many"
            }
            Technique::Spray { we_guess: false } => {
                "our outside ports cannot be foreseen: we open many, the peer guesses many"
            }
            Technique::Hopeless(reason) => reason.text(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::nat::behaviour::{Allocation as A, Mapping as M};

    fn side(mapping: M, allocation: A) -> Side {
        let outside_ip = Some("198.51.100.1".parse().unwrap());
        Side { outside_ip, mapping, allocation, constant: 1, last_outside: None }
    }

    #[test]
    fn pairs() {
        let preserving = side(M::EndpointIndependent, A::Preserving);
        let symmetric = side(M::AddressAndPortDependent, A::Random);
        let row = side(M::AddressAndPortDependent, A::Sequential);
        let row_per_address = side(M::AddressDependent, A::Sequential);
        let first_only = side(M::AddressAndPortDependent, A::Preserving);
        assert_eq!(Technique::choose(&preserving, &row), Technique::Predict);
        assert_eq!(Technique::choose(&row, &first_only), Technique::Predict);
        for one_port in [preserving, row_per_address, side(M::EndpointIndependent, A::Random)] {
            assert_eq!(Technique::choose(&one_port, &symmetric), Technique::Spray { we_guess: true });
            assert_eq!(Technique::choose(&symmetric, &one_port), Technique::Spray { we_guess: false });
        }
        let why = |a: &Side, b: &Side| match Technique::choose(a, b) {
            Technique::Hopeless(reason) => Some(reason),
            _ => None,
        };
        assert_eq!(why(&symmetric, &symmetric), Some(Hopeless::BothBlind));
        for per_destination in [row, first_only] {
            assert_eq!(why(&symmetric, &per_destination), Some(Hopeless::BlindAgainstPerDestination));
            assert_eq!(why(&per_destination, &symmetric), Some(Hopeless::BlindAgainstPerDestination));
        }
        let nowhere = Side { outside_ip: None, ..preserving };
        assert_eq!(why(&preserving, &nowhere), Some(Hopeless::NoAddress));
        let v6 = Side { outside_ip: Some("2001:db8::1".parse().unwrap()), ..preserving };
        assert_eq!(why(&preserving, &v6), Some(Hopeless::OtherFamily));
    }

    #[test]
    fn numbers_come_back() {
        for number in 0..=255 {
            if let Some(reason) = Hopeless::from_number(number) {
                assert_eq!(reason as u8, number);
            }
        }
        assert_eq!(Hopeless::from_number(2), Some(Hopeless::BlindAgainstPerDestination));
    }
}
