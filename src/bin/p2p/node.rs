//! What `p2p listen` and `p2p connect` have in common: the node they run, and the talk over its connections.

use std::io::BufRead;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use p2pnet::config::{Config, Dialect, NetType, ServerKind};
use p2pnet::event::{Event, Kind, LogLevel};
use p2pnet::proto::unl::Info;
use p2pnet::{Code, Error, Net};

/// How to run the node.
#[derive(clap::Args)]
pub(crate) struct NodeOptions {
    /// Rendezvous server, HOST:PORT: by it peers find each other and learn of their NATs. May be given several times.
    #[arg(short, long = "server", value_name = "HOST:PORT")]
    servers: Vec<String>,
    /// Speak PyP2P's protocol, in clear text and with locators of version 2, instead of the secure dialect.
    #[arg(long)]
    classic: bool,
    /// Name of the network; nodes of others are turned away.
    #[arg(short, long, default_value = "")]
    network: String,
    /// File with this node's secret key, made if it is not there; a new key each time if not given.
    #[arg(short, long, default_value = "")]
    key_file: String,
    /// Port to listen on; 0 = any.
    #[arg(short, long, default_value_t = 0)]
    port: u16,
    /// Network interface, by name or address.
    #[arg(short, long, default_value = "")]
    interface: String,
    /// NTP server (classic hole punching goes by the clock).
    #[arg(long = "ntp", value_name = "HOST[:PORT]")]
    ntp: Vec<String>,
    /// Mailbox for messages between nodes, HOST:PORT or URL (classic).
    #[arg(long = "mailbox", value_name = "URL")]
    mailboxes: Vec<String>,
    /// Node of BitTorrent's DHT to begin with, HOST:PORT, or "public": by it peers find each other without a server. This node's
    /// addresses then lie there for all who know its key.
    #[arg(long = "mainline", value_name = "HOST:PORT")]
    mainline: Vec<String>,
    /// Do not ask routers for a port.
    #[arg(long)]
    no_mapping: bool,
    /// Say everything that happens, on standard error.
    #[arg(short, long)]
    verbose: bool,
}

impl NodeOptions {
    /// What is spoken, for people.
    pub(crate) fn dialect(&self) -> &'static str {
        match self.classic {
            true => "classic dialect (PyP2P's): in clear text, and a peer is whoever is at the address",
            false => "secure dialect: encrypted, and peers are known by their keys",
        }
    }

    /// Whether a locator is one of this dialect; what is none is the library's to refuse.
    pub(crate) fn check(&self, locator: &str) -> Result<(), Error> {
        let version = Info::parse(locator).map(|info| info.version).unwrap_or_default();
        let help = match (self.classic, version) {
            (false, 2) => "one of PyP2P's protocol: say --classic",
            (true, 3) => "one of the secure dialect: leave --classic out",
            _ => return Ok(()),
        };
        Err(Error::new(Code::Invalid, format!("that is a locator of version {version}, {help}")))
    }

    /// Starts the node, with what else is to be set.
    pub(crate) fn start(&self, more: impl FnOnce(&mut Config) -> Result<(), Error>) -> Result<Net, Error> {
        let mut c = Config { net_type: NetType::Direct, passive_port: self.port, ..Config::default() };
        c.dialect = if self.classic { Dialect::Classic } else { Dialect::Secure };
        for (kind, servers) in [
            (ServerKind::Rendezvous, &self.servers),
            (ServerKind::Ntp, &self.ntp),
            (ServerKind::Dht, &self.mailboxes),
            (ServerKind::Mainline, &self.mainline),
        ] {
            servers.iter().try_for_each(|at| c.add_server(kind, at))?;
        }
        c.set_str(1002, &self.interface)?;
        c.set_str(1006, &self.network)?;
        c.set_str(1008, &self.key_file)?;
        if self.no_mapping {
            c.forwarding = 0;
        }
        more(&mut c)?;
        if self.verbose {
            c.log_level = LogLevel::Debug;
            c.log_fd = 2;
        }
        let net = Net::new(c)?;
        net.start()?;
        Ok(net)
    }
}

/// Lines that are typed; the end of input ends it.
pub(crate) fn typed() -> Receiver<String> {
    let (tx, rx) = channel();
    // Left behind at the end: nothing ends a read of the terminal.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if tx.send(line).is_err() {
                return;
            }
        }
    });
    rx
}

/// Text from the network, fit for a terminal: servers, routers and peers choose parts of it, and none of it may steer.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Waits for an event that `wanted` takes, at most `limit`. Others are given to `also`.
pub(crate) fn until(
    net: &Net,
    limit: Duration,
    mut wanted: impl FnMut(&Event) -> bool,
    mut also: impl FnMut(&Event),
) -> Option<Event> {
    let end = Instant::now() + limit;
    loop {
        while let Ok(Some(event)) = net.next_event() {
            if wanted(&event) {
                return Some(event);
            }
            also(&event);
            if event.kind == Kind::Stopped {
                return None;
            }
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        let _ = net.wait(Some(left.min(Duration::from_secs(1))));
    }
}
