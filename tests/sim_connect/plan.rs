//! What a world is like: sites, hosts in them, the ways between, and who does what when.

use std::time::Duration;

use p2pnet::proto::nat::behaviour::Unsolicited;
use p2pnet::proto::punch::Options;

use crate::nat::Kind;
use crate::net::Way;

/// What stands in front of hosts.
#[derive(Clone, Debug, Default)]
pub struct SitePlan {
    /// From inside to outside; none: one public host.
    pub nats: Vec<Kind>,
    pub hairpin: bool,
    pub firewall: Option<Unsolicited>,
    /// Sites of one number have the same addresses inside.
    pub lan: u8,
}

#[derive(Clone, Debug, Default)]
pub struct HostPlan {
    pub site: usize,
    /// The router passes its port on, and it knows.
    pub mapped: bool,
    pub v6: bool,
    /// It has no IPv4.
    pub v6_only: bool,
    /// It does not know its NAT's hairpin.
    pub unsure: bool,
    pub no_signalling: bool,
    /// What else is in its locator.
    pub stale: Stale,
    /// Whether it relays for its network, or says so. It has to be public.
    pub volunteer: Volunteer,
}

/// What a node that says that it relays does with those who come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Volunteer {
    /// It does not say so.
    #[default]
    No,
    Honest,
    /// It refuses everybody.
    Full,
    /// It takes connections and says nothing.
    Mute,
    /// It lets the first of two wait, and refuses the other.
    TwoFaced,
    /// It says that it is a stranger's address that takes connections and says nothing.
    Stranger,
    /// It says that it is the address of that host.
    At(usize),
}

/// An address that is not the node's any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stale {
    #[default]
    None,
    /// Nothing is there.
    Nothing,
    /// Something takes connections and says nothing.
    Mute,
}

#[derive(Clone, Copy, Debug)]
pub enum Action {
    Connect(usize, usize),
    /// The n-th request of a node.
    Cancel(usize, u64),
    /// A host vanishes without a word.
    Kill(usize),
    /// A node that relays does so no more, and cuts off those whom it relays.
    Stop(usize),
    /// The program closes what it has.
    Close(usize),
    /// A node forgets everything: it is started anew, with the same key.
    Restart(usize),
    /// Somebody sends a node what was once sent to it, from elsewhere.
    Replay(usize),
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub sites: Vec<SitePlan>,
    pub hosts: Vec<HostPlan>,
    pub way: Way,
    /// Signalling messages lost, of a thousand.
    pub signal_loss: u64,
    /// How much longer a signalling message may take, in thousandths of the way.
    pub signal_jitter: u32,
    pub actions: Vec<(Duration, Action)>,
    /// The first host's key is the smaller one.
    pub first_chooses: Option<bool>,
    pub options: Options,
    /// The I/O does not tell what the handshake says once the connection is the program's.
    pub deaf: bool,
    /// All servers relay,
    pub relay: bool,
    /// but not always, in a thousand.
    pub relay_refuses: u64,
}

impl Plan {
    /// Two hosts, each in its site; the first connects to the second.
    pub fn pair(a: Vec<Kind>, b: Vec<Kind>, delay: Duration) -> Plan {
        let site = |nats, lan| SitePlan { nats, lan, ..SitePlan::default() };
        Plan {
            sites: vec![site(a, 1), site(b, 2)],
            hosts: (0..2).map(|site| HostPlan { site, ..HostPlan::default() }).collect(),
            way: Way { delay, jitter: 0, loss: 0 },
            signal_loss: 0,
            signal_jitter: 0,
            actions: vec![(Duration::ZERO, Action::Connect(0, 1))],
            first_chooses: None,
            options: Options { spray_sockets: 24, spray_guesses: 40, ..Options::default() },
            deaf: false,
            relay: false,
            relay_refuses: 0,
        }
    }
}
