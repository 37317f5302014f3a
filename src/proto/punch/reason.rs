//! Why a punch failed, for the program, for `p2p_explain`, and as a number for the peer.

use std::fmt;

use super::target::Refusal;
use super::technique::Hopeless;

/// A reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The two NATs cannot be punched.
    Hopeless(Hopeless),
    /// The peer's address may not be aimed at.
    Target(Refusal),
    /// No local port could be bound.
    NoLocalPort,
    /// No server told which outside port ours have.
    NoOutsidePort,
    /// The peer said nothing for too long.
    Silent,
    /// All rounds were fired and nothing came through.
    Unmet,
    /// Connections came through, but none lived long enough to be agreed on.
    Lost,
    /// Too many flows are open or were opened lately.
    Budget,
    /// The program, or another way that was faster, ended it.
    Cancelled,
    /// It took too long altogether.
    TooLong,
    /// The rendezvous server does not know the peer (classic fights).
    Absent,
    /// The peer has a reason that we do not know.
    Other(u8),
}

impl Reason {
    /// The number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Reason::Hopeless(why) => why as u8,
            Reason::Target(Refusal::NotAgreed) => 16,
            Reason::Target(Refusal::NotAHost) => 17,
            Reason::Target(Refusal::Inside) => 18,
            Reason::Target(Refusal::Own) => 19,
            Reason::NoLocalPort => 32,
            Reason::NoOutsidePort => 33,
            Reason::Silent => 34,
            Reason::Unmet => 35,
            Reason::Lost => 36,
            Reason::Budget => 37,
            Reason::Cancelled => 38,
            Reason::TooLong => 39,
            Reason::Absent => 40,
            Reason::Other(number) => number,
        }
    }

    /// From the number on the wire.
    pub fn from_number(number: u8) -> Reason {
        match number {
            16 => Reason::Target(Refusal::NotAgreed),
            17 => Reason::Target(Refusal::NotAHost),
            18 => Reason::Target(Refusal::Inside),
            19 => Reason::Target(Refusal::Own),
            32 => Reason::NoLocalPort,
            33 => Reason::NoOutsidePort,
            34 => Reason::Silent,
            35 => Reason::Unmet,
            36 => Reason::Lost,
            37 => Reason::Budget,
            38 => Reason::Cancelled,
            39 => Reason::TooLong,
            40 => Reason::Absent,
            other => Hopeless::from_number(other).map_or(Reason::Other(other), Reason::Hopeless),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Hopeless(why) => why.text(),
            Reason::Target(why) => why.text(),
            Reason::NoLocalPort => "no local port could be bound",
            Reason::NoOutsidePort => "no server told which outside ports our NAT gives",
            Reason::Silent => "no word came from the peer by the signalling",
            Reason::Unmet => {
                "both sides fired in every round and no connection came through: a NAT gave other ports \
                 than were foreseen, or a firewall refuses connections"
            }
            Reason::Lost => "connections came through, but broke before both sides had agreed on one",
            Reason::Budget => "too many connection attempts are open or were begun within a minute",
            Reason::Cancelled => "it was called off",
            Reason::TooLong => "it took too long",
            Reason::Absent => "the rendezvous server does not know the peer as one that can be punched to",
            Reason::Other(number) => return write!(f, "reason {number}, which this version does not know"),
        })
    }
}

/// How a punch failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// Whether that is what the peer says, about its side.
    pub by_peer: bool,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // True of both sides alike.
            Failure { reason: reason @ Reason::Hopeless(_), .. } | Failure { reason, by_peer: false } => {
                write!(f, "{reason}")
            }
            Failure { reason, by_peer: true } => write!(f, "the peer gave up: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_texts_differ() {
        let mut texts = std::collections::BTreeSet::new();
        for number in 0..=255 {
            let reason = Reason::from_number(number);
            assert_eq!(reason.number(), number);
            assert!(texts.insert(reason.to_string()), "two reasons with one text: {reason}");
        }
    }
}
