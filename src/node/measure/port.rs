//! Who opens our port on the router? The mapper's reports in the words of the decisions.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use super::Places;
use crate::event::Forwarding;
use crate::os::route;
use crate::portmap::{self, Gateway, Happening, Mapped, Order};
use crate::proto::portmap::{Protocol, Transport};
use crate::proto::situation::Granted;

/// The port mapping protocols of this build, as `P2P_FWD_*` bits.
pub(crate) const PROTOCOLS: u32 =
    portmap::FWD_NATPMP | portmap::FWD_PCP | if cfg!(feature = "upnp") { portmap::FWD_UPNP } else { 0 };

/// What routers' tables show.
const DESCRIPTION: &str = "p2pnet";

/// The port that is wanted, and of whom.
pub(crate) struct Wish {
    pub(crate) port: u16,
    pub(crate) protocols: u32,
    pub(crate) lease: Duration,
    pub(crate) state_dir: Option<PathBuf>,
    /// The program's routers; if there are none, they are found out.
    pub(crate) gateways: Vec<IpAddr>,
    /// The interface or address the program has chosen.
    pub(crate) interface: Option<String>,
    pub(crate) limit: Duration,
}

/// The routers to ask. Finding them reads the system's tables, which may take a while: on a thread of its own.
pub(crate) async fn gateways(wish: &Wish, places: &Places) -> Vec<Gateway> {
    let (interface, named) = (wish.interface.clone(), wish.gateways.clone());
    let found = places.run(move || route::gateways(interface.as_deref(), &named)).await.unwrap_or_default();
    found.into_iter().map(|g| Gateway { ip: g.ip, scope: g.scope, local: g.local }).collect()
}

/// Has the port opened and keeps it so until it is told to remove it.
pub(crate) async fn keep_mapped(
    wish: Wish,
    places: &Places,
    orders: UnboundedReceiver<Order>,
    report: impl Fn(Happening) + Send + 'static,
) {
    let gateways = gateways(&wish, places).await;
    let wish = portmap::Wish {
        port: wish.port,
        transport: Transport::Tcp,
        protocols: wish.protocols & PROTOCOLS,
        lease: wish.lease,
        gateways,
        description: DESCRIPTION.into(),
        state_dir: wish.state_dir,
        limit: wish.limit,
        ports: portmap::Ports::default(),
    };
    portmap::run(wish, orders, report).await;
}

/// What a report means for the decisions.
pub(crate) enum News {
    /// A router has given us a port.
    Granted(Granted),
    /// A router lets strangers in to our IPv6 address.
    Pinhole,
    /// It does not any more.
    NoPinhole,
    /// The port is gone; another one is being asked for.
    Lost,
    /// Nobody gives us one (any more).
    None,
    /// Nothing for the decisions.
    Nothing,
}

/// A report in the words of the decisions; whether it is good news; its text, if it is worth one; how long it took.
pub(crate) fn news(happening: &Happening) -> (News, bool, Option<String>, Duration) {
    let zero = Duration::ZERO;
    match happening {
        Happening::Mapped(m) | Happening::Moved(m) => {
            let moved = matches!(happening, Happening::Moved(_));
            let text = if moved { format!("moved: {}", describe(m)) } else { describe(m) };
            let news = if m.pinhole { News::Pinhole } else { News::Granted(granted(m)) };
            (news, true, Some(text), zero)
        }
        Happening::Lost { pinhole: true, why } => {
            (News::NoPinhole, false, Some(format!("pinhole lost: {why}")), zero)
        }
        Happening::Lost { pinhole: false, why } => (News::Lost, false, Some(format!("lost: {why}")), zero),
        Happening::Failed { attempts } => {
            let none = "no router found on this network to ask for the port".to_owned();
            (News::None, false, attempts.is_empty().then_some(none), zero)
        }
        Happening::Tried(a) => (News::Nothing, a.outcome.is_ok(), Some(a.to_string()), a.took),
        Happening::Note(text) => (News::Nothing, true, Some(text.clone()), zero),
        Happening::Removed => (News::None, true, None, zero),
    }
}

fn granted(m: &Mapped) -> Granted {
    let by = match m.protocol {
        Protocol::Upnp => Forwarding::Upnp,
        Protocol::NatPmp => Forwarding::NatPmp,
        Protocol::Pcp => Forwarding::Pcp,
    };
    Granted { by, external_ip: m.external_ip, external_port: m.external_port }
}

fn describe(m: &Mapped) -> String {
    let outside = m.external_ip.map_or_else(|| "port".to_owned(), |ip| format!("{ip} port"));
    let lease = match m.lease {
        Duration::ZERO => "for ever".to_owned(),
        lease => format!("for {} s", lease.as_secs()),
    };
    let what = if m.pinhole { "lets strangers in to" } else { "leads to" };
    let (by, port, internal) = (m.protocol, m.external_port, m.internal);
    format!("by {by}: {outside} {port} {what} {internal}, {lease}")
}
