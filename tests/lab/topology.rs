//! What a lab looks like, said in a few words; `network` builds it.
//!
//! ```text
//!            home "a"                       the internet                     home "b"
//!   a, a2 ── lan [ ra ] wan ──────── to-a [ net ] to-b ──────────── wan [ rb ] lan ── b
//!                                          │ s
//!                                          └── s (two IPv4, two IPv6 addresses)
//! ```

use std::fmt::{Display, Formatter};
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::time::Duration;

use crate::kernel_nat::Kind;
use crate::natbox::NatBox;
use crate::network::Network;
use crate::upnpd::{Daemon, Upnpd};
use crate::{Result, host::Host};

/// What a home's router does to IPv4.
#[derive(Clone, Debug)]
pub(crate) enum Nat {
    /// Nothing: the hosts have public addresses.
    Public,
    /// No translation, but only answers come in.
    Firewall,
    /// The kernel's translation.
    Kernel(Kind),
    /// The userspace box.
    Boxed(NatBox),
}

impl Nat {
    pub(crate) fn kernel(kind: Kind) -> Nat {
        Nat::Kernel(kind)
    }

    pub(crate) fn boxed(nat: NatBox) -> Nat {
        Nat::Boxed(nat)
    }

    /// Whether hosts behind it have addresses of their own on the internet.
    pub(crate) fn is_transparent(&self) -> bool {
        matches!(self, Nat::Public | Nat::Firewall)
    }
}

/// What a router answers to a TCP SYN from outside for which it has no mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Unsolicited {
    #[default]
    Drop,
    /// TCP reset.
    Rst,
    /// ICMP port unreachable.
    Icmp,
    /// What the router's own stack says, which is a TCP reset as nothing listens there (kernel NATs only).
    OwnStack,
}

/// A home, or with no hosts of its own a carrier's network: a router and what is behind it.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) name: String,
    pub(crate) nat: Nat,
    pub(crate) hosts: usize,
    pub(crate) behind: Option<String>,
    pub(crate) lan: Option<Ipv4Addr>,
    pub(crate) delay: Option<Duration>,
    pub(crate) loss_percent: f64,
    pub(crate) unsolicited: Unsolicited,
    pub(crate) ipv4: bool,
    pub(crate) ipv6: bool,
    pub(crate) ipv6_firewall: bool,
    pub(crate) upnpd: Option<Upnpd>,
}

impl Home {
    /// One host behind this NAT.
    pub(crate) fn new(name: &str, nat: Nat) -> Home {
        Home {
            name: name.into(),
            nat,
            hosts: 1,
            behind: None,
            lan: None,
            delay: None,
            loss_percent: 0.0,
            unsolicited: Unsolicited::Drop,
            ipv4: true,
            ipv6: false,
            ipv6_firewall: true,
            upnpd: None,
        }
    }

    /// This many hosts: of home `a` they are `a`, `a2`, `a3`, ...
    pub(crate) fn hosts(mut self, number: usize) -> Home {
        self.hosts = number;
        self
    }

    /// Behind the router of this other home or carrier, which has been added before: double NAT.
    pub(crate) fn behind(mut self, other: &str) -> Home {
        self.behind = Some(other.into());
        self
    }

    /// The LAN's prefix, always /24. Homes may have the same.
    pub(crate) fn lan(mut self, prefix: [u8; 3]) -> Home {
        self.lan = Some(Ipv4Addr::new(prefix[0], prefix[1], prefix[2], 0));
        self
    }

    /// One-way delay of this home's line, outside of its NAT, instead of the lab's.
    pub(crate) fn delay_ms(mut self, delay: u64) -> Home {
        self.delay = Some(Duration::from_millis(delay));
        self
    }

    /// How many of a hundred packets the line loses, in each direction.
    pub(crate) fn loss_percent(mut self, loss: f64) -> Home {
        self.loss_percent = loss;
        self
    }

    pub(crate) fn unsolicited(mut self, answer: Unsolicited) -> Home {
        self.unsolicited = answer;
        self
    }

    /// Dual stack, with a stateful IPv6 firewall.
    pub(crate) fn ipv6(mut self) -> Home {
        self.ipv6 = true;
        self
    }

    /// IPv6 without a firewall.
    pub(crate) fn ipv6_open(mut self) -> Home {
        self.ipv6_firewall = false;
        self.ipv6()
    }

    /// IPv6 alone, behind a stateful firewall.
    pub(crate) fn ipv6_only(mut self) -> Home {
        self.ipv4 = false;
        self.nat = Nat::Public;
        self.ipv6()
    }

    /// A miniupnpd on the router (kernel NATs only).
    pub(crate) fn upnpd(mut self, daemon: Upnpd) -> Home {
        self.upnpd = Some(daemon);
        self
    }
}

/// A lab to be built.
#[derive(Clone, Default, Debug)]
pub(crate) struct Lab {
    pub(crate) homes: Vec<Home>,
    pub(crate) delay: Duration,
    pub(crate) plain_names: bool,
}

impl Lab {
    /// The internet with the server host; add homes to it.
    pub(crate) fn new() -> Lab {
        Lab::default()
    }

    /// Adds a home with one host behind this NAT.
    pub(crate) fn home(self, name: &str, nat: Nat) -> Lab {
        self.with(Home::new(name, nat))
    }

    /// Adds a carrier-grade NAT: a router behind which homes can be put with [`Home::behind`].
    pub(crate) fn carrier(self, name: &str, nat: Nat) -> Lab {
        self.with(Home::new(name, nat).hosts(0))
    }

    /// Adds a home.
    pub(crate) fn with(mut self, home: Home) -> Lab {
        self.homes.push(home);
        self
    }

    /// One-way delay of every home's line, outside of its NAT: the round trip to the server is twice that, between
    /// two homes four times.
    pub(crate) fn delay_ms(mut self, delay: u64) -> Lab {
        self.delay = Duration::from_millis(delay);
        self
    }

    /// Calls the network namespaces as the hosts, for a lab that is alone in its world.
    pub(crate) fn plain_names(mut self) -> Lab {
        self.plain_names = true;
        self
    }

    /// Brings it up.
    pub(crate) fn build(self) -> Result<Network> {
        Network::build(&self)
    }

    pub(crate) fn delay_of(&self, home: &Home) -> Duration {
        home.delay.unwrap_or(self.delay)
    }

    /// Says what cannot be.
    pub(crate) fn check(&self, home: &Home) -> Result {
        let outer = self.homes.iter().find(|h| Some(&h.name) == home.behind.as_ref());
        if home.ipv6 && outer.is_some_and(|outer| !outer.ipv6) {
            return Err(format!("{} has IPv6, what it is behind has not", home.name).into());
        }
        if home.upnpd.is_some() && matches!(home.nat, Nat::Boxed(_)) {
            return Err(format!("{}: miniupnpd needs a NAT of the kernel", home.name).into());
        }
        Ok(())
    }

    /// Whether anything in it speaks IPv6.
    pub(crate) fn has_ipv6(&self) -> bool {
        self.homes.iter().any(|h| h.ipv6)
    }
}

impl Display for Nat {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Nat::Public => f.write_str("public"),
            Nat::Firewall => f.write_str("firewall"),
            Nat::Kernel(kind) => f.write_str(kind.name()),
            Nat::Boxed(nat) => nat.fmt(f),
        }
    }
}

/// One line that says what it is.
impl Display for Lab {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        for (n, home) in self.homes.iter().enumerate() {
            write!(f, "{}{}: {}", if n > 0 { ", " } else { "" }, home.name, home.nat)?;
            f.write_str(if home.ipv6 { "+v6" } else { "" })?;
            home.behind.as_ref().map_or(Ok(()), |other| write!(f, " behind {other}"))?;
        }
        Ok(())
    }
}

/// The name of a home's host; the first is number 1.
pub(crate) fn host_name(home: &str, number: usize) -> String {
    if number == 1 { home.into() } else { format!("{home}{number}") }
}

/// A host of a running home with its router, as [`Network::home`] finds it.
pub(crate) struct Running {
    pub(crate) plan: Home,
    pub(crate) router: Host,
    pub(crate) hosts: Vec<Host>,
    pub(crate) wan4: Option<Ipv4Addr>,
    pub(crate) upnpd: Option<Mutex<Daemon>>,
}
