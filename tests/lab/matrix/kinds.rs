//! The kinds of NAT in the matrix, and what is to be expected of two of them (docs/punch.md, section 2).

use crate::Result;
use crate::cases::catalogue;
use crate::kernel_nat::Kind;
use crate::natbox::{By, Ports};
use crate::topology::Nat;

/// A kind for every row and column of docs/punch.md; `--all` takes all of the catalogue.
const STANDARD: [&str; 12] = [
    "public",
    "firewall",
    "preserve",
    "cone",
    "delta",
    "eim",
    "seq",
    "box-ad-apd-seq+1",
    "box-apd-apd-preserving",
    "box-apd-apd-delta+9",
    "box-apd-apd-seq+1noise2",
    "random",
];
/// One of each sort.
const QUICK: [&str; 6] = ["public", "firewall", "preserve", "eim", "seq", "random"];

/// What is to be expected of a pair, seen from the caller.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Class {
    /// The called one can be reached as it is.
    Direct,
    /// The caller can be reached: the other comes to it.
    Reverse,
    /// Both sides' ports can be predicted.
    Predict,
    /// One side's ports cannot be predicted, and the other keeps one port: by many sockets and guesses.
    Spray,
    /// Others take ports in between, and each destination has a port of its own: it may work.
    Chance,
    /// TCP cannot do it: by a relay.
    Hopeless,
}

impl Class {
    pub(crate) const ALL: [Class; 6] =
        [Class::Direct, Class::Reverse, Class::Predict, Class::Spray, Class::Chance, Class::Hopeless];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Class::Direct => "direct",
            Class::Reverse => "reverse",
            Class::Predict => "predict",
            Class::Spray => "spray",
            Class::Chance => "chance",
            Class::Hopeless => "hopeless",
        }
    }

    pub(crate) fn what(self) -> &'static str {
        match self {
            Class::Direct => "the called one is public",
            Class::Reverse => "the caller is public",
            Class::Predict => "both sides' ports can be predicted",
            Class::Spray => "random against one port for all",
            Class::Chance => "others take ports in between",
            Class::Hopeless => "only a relay helps",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.name() == name)
    }

    /// What two kinds come to.
    pub(crate) fn of(caller: &Nat, called: &Nat) -> Class {
        if matches!(called, Nat::Public) {
            return Class::Direct;
        }
        if matches!(caller, Nat::Public) {
            return Class::Reverse;
        }
        match (foresight(caller), foresight(called)) {
            (Foresight::None, other) | (other, Foresight::None) => match other {
                Foresight::Known | Foresight::Row { shared: true, busy: false } => Class::Spray,
                Foresight::Row { shared: true, busy: true } => Class::Chance,
                _ => Class::Hopeless,
            },
            (Foresight::Known, _) | (_, Foresight::Known) => Class::Predict,
            (Foresight::Row { busy: true, .. }, _) | (_, Foresight::Row { busy: true, .. }) => Class::Chance,
            _ => Class::Predict,
        }
    }
}

/// How a side knows its outside port before it is used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Foresight {
    /// By arithmetic, or by asking, as it is one for all.
    Known,
    /// By arithmetic, for the first destination of a local port.
    First,
    /// The next in a row; shared by all ports of one address; others take some in between.
    Row { shared: bool, busy: bool },
    /// Not at all.
    None,
}

fn foresight(nat: &Nat) -> Foresight {
    match nat {
        Nat::Public | Nat::Firewall => Foresight::Known,
        Nat::Kernel(Kind::Preserve | Kind::Cone | Kind::Delta | Kind::Eim) => Foresight::Known,
        Nat::Kernel(Kind::Seq) => Foresight::Row { shared: false, busy: false },
        Nat::Kernel(Kind::Random) => Foresight::None,
        Nat::Boxed(nat) => match (nat.rules.mapping, nat.rules.ports) {
            (By::Endpoint, _) => Foresight::Known,
            (_, Ports::Random) => Foresight::None,
            (by, Ports::Sequential { noise, .. }) => {
                Foresight::Row { shared: by == By::Address, busy: noise > 0 }
            }
            (By::Address, _) => Foresight::Known,
            (By::AddressAndPort, _) => Foresight::First,
        },
    }
}

/// Which kinds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Choice {
    Standard,
    Quick,
    All,
    Named(Vec<String>),
}

impl Choice {
    /// The kinds, in the order of the matrix.
    pub(crate) fn nats(&self) -> Result<Vec<Nat>> {
        let named = |names: &[&str]| names.iter().map(|name| find(name)).collect();
        match self {
            Choice::Standard => named(&STANDARD),
            Choice::Quick => named(&QUICK),
            Choice::All => Ok(catalogue::nats()),
            Choice::Named(names) => named(&names.iter().map(String::as_str).collect::<Vec<_>>()),
        }
    }
}

/// A kind by its name.
pub(crate) fn find(name: &str) -> Result<Nat> {
    let all = catalogue::nats();
    let names = || all.iter().map(Nat::to_string).collect::<Vec<_>>().join(", ");
    let found = all.iter().find(|nat| nat.to_string() == name || label(&nat.to_string()) == name);
    Ok(found.cloned().ok_or_else(|| format!("no kind of NAT {name:?}; there are {}", names()))?)
}

/// A kind's name as short as tables need it: a box's mapping and ports.
pub(crate) fn label(name: &str) -> String {
    name.strip_prefix("box-").map_or_else(|| name.to_owned(), |rest| rest.replacen("-apd-", " ", 1))
}
