//! The kinds of NAT the matrix is made of.

use std::time::Duration;

use p2pnet::proto::nat::behaviour::{Allocation as A, Mapping as M, Unsolicited};

use super::nat::{Filter, Kind};

const fn kind(name: &'static str, mapping: M, allocation: A, constant: i32, noise: u16) -> Kind {
    Kind {
        name,
        mapping,
        allocation,
        constant,
        noise,
        filter: Filter::AddressAndPort,
        unsolicited: Unsolicited::Dropped,
        rst_kills: false,
        timeout: Duration::from_secs(240),
    }
}

const EI: M = M::EndpointIndependent;
const AD: M = M::AddressDependent;
const APD: M = M::AddressAndPortDependent;

/// All of them; `public` has no NAT at all.
pub const KINDS: [Kind; 16] = [
    kind("public", EI, A::Preserving, 0, 0),
    kind("preserve", EI, A::Preserving, 0, 0),
    Kind { filter: Filter::Everybody, ..kind("cone", EI, A::Preserving, 0, 0) },
    Kind { filter: Filter::Address, ..kind("eim", EI, A::Random, 0, 0) },
    kind("delta", EI, A::Delta, 7, 0),
    kind("ei-seq", EI, A::Sequential, 1, 2),
    kind("ad-seq", AD, A::Sequential, 1, 0),
    kind("ad-pres", AD, A::Preserving, 0, 0),
    kind("sym-pres", APD, A::Preserving, 0, 0),
    kind("sym-delta", APD, A::Delta, -5, 0),
    kind("sym-seq", APD, A::Sequential, 1, 0),
    kind("sym-seq2", APD, A::Sequential, 2, 0),
    kind("noisy-ad", AD, A::Sequential, 1, 2),
    kind("noisy", APD, A::Sequential, 1, 2),
    kind("ad-random", AD, A::Random, 0, 0),
    kind("random", APD, A::Random, 0, 0),
];

/// The kinds again, by what they do with what nobody asked for.
pub fn variant(kind: Kind, number: u64) -> Kind {
    let (unsolicited, rst_kills) = match number % 4 {
        0 => (Unsolicited::Dropped, false),
        1 => (Unsolicited::Reset, false),
        2 => (Unsolicited::Reset, true),
        _ => (Unsolicited::Unreachable, false),
    };
    Kind { unsolicited, rst_kills, ..kind }
}

/// What of the measurement's limits a pair of kinds comes under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Ports can be foreseen exactly: always succeeds.
    Predictable,
    /// Others take ports in between, but one side keeps one port for all: the window catches it.
    NoisyAgainstOne,
    /// Others take ports in between, and the other side takes a port for each destination, too.
    NoisyAgainstEach,
    /// Guessing.
    Birthday,
    /// Guessing a port that is itself in a noisy row.
    NoisyBirthday,
    /// Nothing can be done.
    Hopeless,
}

pub fn class(a: &Kind, b: &Kind) -> Class {
    let blind = |kind: &Kind| kind.allocation == A::Random && kind.mapping != EI;
    let noisy = |kind: &Kind| kind.noise > 0 && kind.mapping != EI;
    match (blind(a), blind(b)) {
        (true, true) => Class::Hopeless,
        (true, false) | (false, true) => {
            let other = if blind(a) { b } else { a };
            match other.mapping {
                M::AddressAndPortDependent => Class::Hopeless,
                _ if noisy(other) => Class::NoisyBirthday,
                _ => Class::Birthday,
            }
        }
        _ if !noisy(a) && !noisy(b) => Class::Predictable,
        _ => {
            let (noisy_one, other) = if noisy(a) { (a, b) } else { (b, a) };
            let one = |kind: &Kind| kind.mapping != APD;
            if one(other) && (one(noisy_one) || !noisy(other)) {
                Class::NoisyAgainstOne
            } else {
                Class::NoisyAgainstEach
            }
        }
    }
}
