//! The userspace NAT, for what the kernel's cannot do: every mapping, filtering and allocation behaviour of RFC 4787
//! and RFC 5382, hairpins, resets that kill mappings, timeouts.
//!
//! ```text
//!   hosts ─ lan [ router ] wan (TUN) ⇄ [ NatBox: mapping, packet ] ⇄ delay, loss ⇄ (TUN) to-a [ net ]
//!                                         └──────────── wire: one thread ────────────┘
//! ```
//!
//! The router forwards as if there were no NAT; its WAN interface is the box's inside. The address outside is the
//! box's alone: nothing in the router listens there.

pub(crate) mod mapping;
pub(crate) mod packet;
pub(crate) mod translate;
pub(crate) mod wire;

use std::time::Duration;

use mapping::Rules;
pub(crate) use mapping::{By, Ports};

/// A box's behaviour.
#[derive(Clone, Debug)]
pub(crate) struct NatBox {
    pub(crate) rules: Rules,
    pub(crate) hairpin: bool,
}

impl NatBox {
    /// Without hairpin, with mappings that outlive any case, unmoved by resets.
    pub(crate) fn new(mapping: By, filtering: By, ports: Ports) -> NatBox {
        let timeout = Duration::from_secs(3600);
        let rules = Rules { mapping, filtering, ports, timeout, rst_kills: false, seed: fastrand::u64(..) };
        NatBox { rules, hairpin: false }
    }

    /// Hosts behind it reach each other by their addresses outside.
    pub(crate) fn hairpin(mut self) -> NatBox {
        self.hairpin = true;
        self
    }

    /// A TCP reset that passes, in either direction, ends its mapping.
    pub(crate) fn rst_kills(mut self) -> NatBox {
        self.rules.rst_kills = true;
        self
    }

    /// A mapping without a packet for so long is gone.
    pub(crate) fn timeout_ms(mut self, timeout: u64) -> NatBox {
        self.rules.timeout = Duration::from_millis(timeout);
        self
    }

    /// The seed of its random choices; otherwise each box has another.
    pub(crate) fn seed(mut self, seed: u64) -> NatBox {
        self.rules.seed = seed;
        self
    }
}

impl std::fmt::Display for NatBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let short = |by: By| match by {
            By::Endpoint => "ei",
            By::Address => "ad",
            By::AddressAndPort => "apd",
        };
        let Rules { mapping, filtering, ports, .. } = self.rules;
        write!(f, "box-{}-{}-", short(mapping), short(filtering))?;
        match ports {
            Ports::Preserving => f.write_str("preserving")?,
            Ports::Delta(delta) => write!(f, "delta{delta:+}")?,
            Ports::Sequential { step, noise: 0 } => write!(f, "seq{step:+}")?,
            Ports::Sequential { step, noise } => write!(f, "seq{step:+}noise{noise}")?,
            Ports::Random => f.write_str("random")?,
        }
        let flags = [(self.hairpin, "-hairpin"), (self.rules.rst_kills, "-rstkills")];
        flags.into_iter().filter(|(on, _)| *on).try_for_each(|(_, word)| f.write_str(word))
    }
}
