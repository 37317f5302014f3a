//! The library itself in a host of the lab: a server outside, a node inside, and what the node finds out.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use p2pnet::config::{Config, NetType, ServerKind};
use p2pnet::event::{Event, Kind, LogLevel};
use p2pnet::server::{Server, ServerThread};
use p2pnet::{Net, report::Report};

use crate::Result;
use crate::host::Host;
use crate::network::{Network, RENDEZVOUS_PORT};
use crate::probe::HUNG;

/// A rendezvous server on both addresses of the server host; it ends when this is dropped.
pub(crate) fn serve(network: &Network) -> Result<ServerThread> {
    let mut config = network.rendezvous();
    // Twenty starts in a second are more than a node would make.
    config.limits.request_burst = 10_000;
    Ok(network.server().enter(|| Server::spawn(config))?)
}

/// A node in a host.
pub(crate) struct Node {
    pub(crate) net: Net,
    started: Instant,
    /// From the start to READY.
    pub(crate) ready: Option<Duration>,
    /// INFO events taken.
    pub(crate) infos: usize,
}

impl Node {
    /// Starts one that finds out everything by itself, for chosen peers, with the lab's server; `tune` changes that.
    pub(crate) fn start(
        network: &Network,
        host: &str,
        tune: impl FnOnce(&mut Config) + Send,
    ) -> Result<Node> {
        let at = network.server4(0, RENDEZVOUS_PORT).to_string();
        let net = network.host(host).enter(|| -> Result<Net> {
            let mut config =
                Config { net_type: NetType::Direct, log_level: LogLevel::Off, ..Config::default() };
            config.add_server(ServerKind::Rendezvous, &at)?;
            // Whoever does not get the CPU for some seconds is not to change what a case finds.
            (config.start_timeout, config.server_timeout) = (HUNG, HUNG / 3);
            config.close_timeout = Duration::from_secs(10);
            tune(&mut config);
            let net = Net::new(config)?;
            net.start()?;
            Ok(net)
        })?;
        Ok(Node { net, started: Instant::now(), ready: None, infos: 0 })
    }

    /// The next event, if there is one.
    fn event(&mut self) -> Result<Option<Event>> {
        let event = self.net.next_event().map_err(|code| format!("{code:?}"))?;
        if event.as_ref().is_some_and(|e| e.kind == Kind::Ready) {
            self.ready.get_or_insert(self.started.elapsed());
        }
        self.infos += usize::from(event.as_ref().is_some_and(|e| e.kind == Kind::Info));
        Ok(event)
    }

    /// Waits for an event that `wanted` accepts.
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Result<Event> {
        let begun = Instant::now();
        loop {
            while let Some(event) = self.event()? {
                if wanted(&event) {
                    return Ok(event);
                }
            }
            if begun.elapsed() > HUNG {
                return Err(format!("hung: {what} does not come\n{}", self.net.report().to_json()).into());
            }
            let _ = self.net.wait(Some(Duration::from_millis(200)));
        }
    }

    /// Waits until the start is finished.
    pub(crate) fn ready(&mut self) -> Result<Report> {
        if self.ready.is_none() {
            self.until("READY", |e| e.kind == Kind::Ready)?;
        }
        Ok(self.net.report())
    }

    /// Waits until `wanted` holds of the situation.
    pub(crate) fn settled(&mut self, what: &str, wanted: impl Fn(&Report) -> bool) -> Result<Report> {
        let begun = Instant::now();
        loop {
            let report = self.net.report();
            if wanted(&report) {
                return Ok(report);
            }
            if begun.elapsed() > HUNG {
                return Err(format!("hung: {what} does not come\n{}", report.to_json()).into());
            }
            while self.event()?.is_some() {}
            let _ = self.net.wait(Some(Duration::from_millis(50)));
        }
    }

    /// Stops it and waits until it is gone.
    pub(crate) fn stop(self) -> Result {
        if self.net.join() { Ok(()) } else { Err("the net's thread did not end".into()) }
    }
}

/// Whether a stranger on the internet gets a connection there.
pub(crate) fn stranger_gets_in(network: &Network, to: SocketAddr) -> bool {
    let connect = || std::net::TcpStream::connect_timeout(&to, Duration::from_millis(700)).is_ok();
    network.server().enter(connect)
}

/// Loses everything that comes to a router or server itself; what it forwards goes on.
pub(crate) fn silence(host: &Host) -> Result {
    let rules = "table inet silent {\nchain in {\ntype filter hook input priority -200; policy drop;\n}\n}\n";
    host.feed("nft", &["-f", "-"], rules).map(drop)
}
