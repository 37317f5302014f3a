//! The command line of `p2p-rendezvous`.

use super::relay::RelayOptions;
use super::signal::SignalOptions;
use clap::{Args, Parser, ValueEnum};
use p2pnet::proto::rdv_msg::Alternate;
use p2pnet::proto::rdv_server::Limits;
use p2pnet::server::{HttpLimits, Log, MailboxLimits, NatPort, ServerConfig, StoreConfig};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

const AFTER_HELP: &str = "\
Ports:
  8000/tcp  rendezvous: nodes register, find each other, arrange hole punching, signal to each other, and are
            relayed if nothing else connects them (--no-relay switches that off)
  8001/tcp  the same, on a second port: nodes compare the two to learn how their NAT behaves
  8080/tcp  HTTP: \"what is my address\", \"is my port reachable\", the mailbox, /healthz, /metrics

Examples:
  p2p-rendezvous
      All three ports on all addresses, mailbox in ./p2p-rendezvous.redb
  p2p-rendezvous --listen 0.0.0.0:9000 --http off --store memory
      Rendezvous on 9000 and 9001 only
  p2p-rendezvous --listen 127.0.0.1:0 --http 127.0.0.1:0 --store memory --print-addrs
      For tests: free ports, told on standard output

SIGTERM and SIGINT stop it cleanly. Addresses and limits are explained in docs/server.md.";

/// Rendezvous server for p2pnet and PyP2P nodes: they find each other here and arrange to get through their NATs.
#[derive(Debug, Parser)]
#[command(name = "p2p-rendezvous", version, after_help = AFTER_HELP, max_term_width = 110)]
pub(super) struct Options {
    /// Address and port for the rendezvous protocol; repeatable (default: port 8000 on all addresses, IPv4 and IPv6)
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Vec<SocketAddr>,

    /// Second rendezvous port, for NAT measurement; repeatable; `off` for none (default: each --listen port + 1)
    #[arg(long, value_name = "ADDR:PORT|off", value_parser = addr_or_off)]
    nat_listen: Vec<AddrOrOff>,

    /// Further address of this machine, told to nodes that measure their NAT; repeatable. Needed if --listen names no
    /// address (`0.0.0.0`, `[::]`) or one that nodes cannot use (default: the addresses of --listen)
    #[arg(long, value_name = "ADDR[:PORT]")]
    alternate_address: Vec<Alternate>,

    /// Address and port for HTTP; repeatable; `off` for none (default: port 8080 on all addresses, IPv4 and IPv6)
    #[arg(long, value_name = "ADDR:PORT|off", value_parser = addr_or_off)]
    http: Vec<AddrOrOff>,

    /// File for the mailbox, made if it is not there; `memory` keeps nothing across a restart
    #[arg(long, value_name = "PATH|memory", default_value = "p2p-rendezvous.redb")]
    store: String,

    /// Log (on standard error) for people or for programs
    #[arg(long, value_enum, default_value = "text")]
    pub(super) log_format: LogFormat,

    /// How much to log; `debug` shows every connection and request
    #[arg(long, value_enum, default_value = "info")]
    pub(super) log_level: LogLevel,

    /// When ready, print the addresses listened on as one JSON line on standard output
    #[arg(long)]
    pub(super) print_addrs: bool,

    /// Seed of all random choices, to make a run repeatable. For tests: nonces of signalling can be guessed then
    #[arg(long)]
    seed: Option<u64>,

    #[command(flatten)]
    rendezvous: RendezvousOptions,
    #[command(flatten)]
    signal: SignalOptions,
    #[command(flatten)]
    relay: RelayOptions,
    #[command(flatten)]
    http_limits: HttpOptions,
    #[command(flatten)]
    mailbox: MailboxOptions,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AddrOrOff {
    Addr(SocketAddr),
    Off,
}

fn addr_or_off(text: &str) -> Result<AddrOrOff, String> {
    if text == "off" {
        return Ok(AddrOrOff::Off);
    }
    text.parse().map(AddrOrOff::Addr).map_err(|_| {
        "expected an address with a port, such as 0.0.0.0:8080 or [::1]:8080, or `off`".to_owned()
    })
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .ok()
        .filter(|number: &f64| *number >= 0.0)
        .ok_or("expected a number of seconds, such as 30 or 0.5")?;
    // A century is for ever, and far from where adding it to a clock overflows.
    Duration::try_from_secs_f64(number.min(3.2e9)).map_err(|error| error.to_string())
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Limits of the rendezvous ports")]
struct RendezvousOptions {
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections)]
    max_connections: usize,
    /// Connections at once from one IPv4 address or IPv6 /64
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections_per_address)]
    max_connections_per_address: usize,
    /// Requests per second from one address in the long run
    #[arg(long, value_name = "N", default_value_t = Limits::default().requests_per_second)]
    requests_per_second: u32,
    /// Requests from one address at once after a quiet time
    #[arg(long, value_name = "N", default_value_t = Limits::default().request_burst)]
    request_burst: u32,
    /// A connection without a request by then is closed
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    first_request_timeout: Duration,
    /// A connection without requests for so long is closed, unless a hole-punching node waits on it
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "120")]
    idle_timeout: Duration,
    /// A node that does not register again for so long is forgotten
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "86400")]
    node_lifetime: Duration,
    /// Passive nodes known at once; then the oldest goes
    #[arg(long, value_name = "N", default_value_t = Limits::default().passive_nodes)]
    max_passive_nodes: usize,
    /// Passive nodes known at once from one IPv6 /64
    #[arg(long, value_name = "N", default_value_t = Limits::default().passive_per_network)]
    max_passive_per_network: usize,
    /// Challengers waiting for one node
    #[arg(long, value_name = "N", default_value_t = Limits::default().candidates_per_node)]
    max_candidates_per_node: usize,
    /// Nodes one connection challenges at once
    #[arg(long, value_name = "N", default_value_t = Limits::default().candidates_per_connection)]
    max_candidates_per_connection: usize,
    /// Bytes that may wait for a client that does not read
    #[arg(long, value_name = "BYTES", default_value_t = ServerConfig::default().write_buffer)]
    write_buffer: usize,
    /// Name nodes at 127.0.0.1 and ::1 to others (for tests on one machine)
    #[arg(long)]
    list_loopback: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Limits of HTTP")]
struct HttpOptions {
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = HttpLimits::default().connections)]
    http_max_connections: usize,
    /// Connections at once from one IPv4 address or IPv6 /64
    #[arg(long, value_name = "N", default_value_t = HttpLimits::default().connections_per_address)]
    http_max_connections_per_address: usize,
    /// Requests per second from one address in the long run
    #[arg(long, value_name = "N", default_value_t = HttpLimits::default().requests_per_second)]
    http_requests_per_second: u32,
    /// Requests from one address at once after a quiet time
    #[arg(long, value_name = "N", default_value_t = HttpLimits::default().request_burst)]
    http_request_burst: u32,
    /// A request's head has to be complete by then
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "15")]
    http_header_timeout: Duration,
    /// A request's body has to be complete by then
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "15")]
    http_body_timeout: Duration,
    /// A client that reads nothing of its answer for so long is closed
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    http_write_timeout: Duration,
    /// Longest request line and headers, at least 8192
    #[arg(long, value_name = "BYTES", default_value_t = HttpLimits::default().head_bytes)]
    http_max_head: usize,
    /// Longest request body
    #[arg(long, value_name = "BYTES", default_value_t = HttpLimits::default().body_bytes)]
    http_max_body: usize,
    /// How long a call for messages waits for one
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    long_poll: Duration,
    /// Calls waiting for messages at once
    #[arg(long, value_name = "N", default_value_t = HttpLimits::default().waiters)]
    max_waiters: usize,
    /// Calls waiting for messages to one node at once
    #[arg(long, value_name = "N", default_value_t = HttpLimits::default().waiters_per_node)]
    max_waiters_per_node: usize,
    /// Port checks at once
    #[arg(long, value_name = "N", default_value_t = HttpLimits::default().port_checks)]
    max_port_checks: usize,
    /// How long a port check waits for the connection
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    port_check_timeout: Duration,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Limits of the mailbox")]
struct MailboxOptions {
    /// Registered nodes
    #[arg(long, value_name = "N", default_value_t = MailboxLimits::default().nodes)]
    mailbox_max_nodes: usize,
    /// Registered nodes from one IPv4 address or IPv6 /64
    #[arg(long, value_name = "N", default_value_t = MailboxLimits::default().nodes_per_address)]
    mailbox_max_nodes_per_address: usize,
    /// A node not heard of for so long is forgotten
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "604800")]
    mailbox_node_lifetime: Duration,
    /// Messages waiting for one node
    #[arg(long, value_name = "N", default_value_t = MailboxLimits::default().messages_per_node)]
    mailbox_max_messages_per_node: usize,
    /// Longest message
    #[arg(long, value_name = "BYTES", default_value_t = MailboxLimits::default().message_bytes)]
    mailbox_max_message: usize,
    /// All waiting messages together
    #[arg(long, value_name = "BYTES", default_value_t = MailboxLimits::default().total_bytes)]
    mailbox_max_total: usize,
    /// A message not fetched for so long is dropped
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "86400")]
    mailbox_message_lifetime: Duration,
    /// Bytes of messages in one answer; the rest comes with the next
    #[arg(long, value_name = "BYTES", default_value_t = MailboxLimits::default().answer_bytes)]
    mailbox_max_answer: usize,
}

impl Options {
    /// The most connections that are configured, all ports together.
    pub(super) fn most_connections(&self) -> usize {
        let http_is_off = !self.http.is_empty() && addrs(&self.http).is_empty();
        let http = if http_is_off { 0 } else { self.http_limits.http_max_connections };
        self.rendezvous.max_connections.saturating_add(http)
    }

    /// The server's configuration.
    pub(super) fn config(&self, log: Log) -> ServerConfig {
        let listen = if self.listen.is_empty() { vec![everywhere(8000)] } else { self.listen.clone() };
        let http = if self.http.is_empty() { vec![everywhere(8080)] } else { addrs(&self.http) };
        let nat = match &self.nat_listen[..] {
            [] => NatPort::Next,
            list if addrs(list).is_empty() => NatPort::Off,
            list => NatPort::At(addrs(list)),
        };
        let store = match self.store.as_str() {
            "memory" => StoreConfig::Memory,
            path => StoreConfig::File(path.into()),
        };
        let r = &self.rendezvous;
        let limits = Limits {
            connections: r.max_connections,
            connections_per_address: r.max_connections_per_address,
            requests_per_second: r.requests_per_second,
            request_burst: r.request_burst,
            first_request: r.first_request_timeout,
            idle: r.idle_timeout,
            node_lifetime: r.node_lifetime,
            passive_nodes: r.max_passive_nodes,
            passive_per_network: r.max_passive_per_network,
            candidates_per_node: r.max_candidates_per_node,
            candidates_per_connection: r.max_candidates_per_connection,
            list_loopback: r.list_loopback,
            signal: self.signal.limits(),
            relay: self.relay.limits(),
        };
        let h = &self.http_limits;
        let http_limits = HttpLimits {
            connections: h.http_max_connections,
            connections_per_address: h.http_max_connections_per_address,
            requests_per_second: h.http_requests_per_second,
            request_burst: h.http_request_burst,
            header_timeout: h.http_header_timeout,
            body_timeout: h.http_body_timeout,
            write_timeout: h.http_write_timeout,
            head_bytes: h.http_max_head,
            body_bytes: h.http_max_body,
            long_poll: h.long_poll,
            waiters: h.max_waiters,
            waiters_per_node: h.max_waiters_per_node,
            port_checks: h.max_port_checks,
            port_check_timeout: h.port_check_timeout,
        };
        let m = &self.mailbox;
        let mailbox_limits = MailboxLimits {
            nodes: m.mailbox_max_nodes,
            nodes_per_address: m.mailbox_max_nodes_per_address,
            node_lifetime: m.mailbox_node_lifetime,
            messages_per_node: m.mailbox_max_messages_per_node,
            message_bytes: m.mailbox_max_message,
            total_bytes: m.mailbox_max_total,
            message_lifetime: m.mailbox_message_lifetime,
            answer_bytes: m.mailbox_max_answer,
        };
        ServerConfig {
            listen,
            nat,
            alternates: self.alternate_address.clone(),
            http,
            store,
            limits,
            write_buffer: r.write_buffer,
            http_limits,
            mailbox_limits,
            seed: self.seed,
            log,
        }
    }
}

fn addrs(list: &[AddrOrOff]) -> Vec<SocketAddr> {
    list.iter()
        .filter_map(|item| match item {
            AddrOrOff::Addr(addr) => Some(*addr),
            AddrOrOff::Off => None,
        })
        .collect()
}

/// All addresses of both families, or of IPv4 alone on a machine without IPv6.
fn everywhere(port: u16) -> SocketAddr {
    let has_v6 = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok();
    if has_v6 { (Ipv6Addr::UNSPECIFIED, port).into() } else { (Ipv4Addr::UNSPECIFIED, port).into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_its_defaults_are_the_librarys() {
        Options::command().debug_assert();
        let config = Options::parse_from(["p2p-rendezvous"]).config(Log::off());
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.http_limits, HttpLimits::default());
        assert_eq!(config.mailbox_limits, MailboxLimits::default());
        assert_eq!(config.nat, NatPort::Next);
        assert_eq!((config.listen[0].port(), config.http[0].port()), (8000, 8080));
    }

    #[test]
    fn further_addresses() {
        let read = |list: &[&str]| Options::try_parse_from([&["p2p-rendezvous"], list].concat());
        let config = read(&["--alternate-address", "192.0.2.2", "--alternate-address", "[2001:db8::2]:9000"]);
        let told: Vec<String> =
            config.unwrap().config(Log::off()).alternates.iter().map(Alternate::to_string).collect();
        assert_eq!(told, ["192.0.2.2", "[2001:db8::2]:9000"]);
        let wrong = read(&["--alternate-address", "elsewhere"]).unwrap_err().to_string();
        assert!(wrong.contains("192.0.2.2:8000"), "{wrong}");
    }

    #[test]
    fn the_relay_is_on_unless_it_is_switched_off() {
        let relay = |list: &[&str]| {
            Options::parse_from([&["p2p-rendezvous"], list].concat()).config(Log::off()).limits.relay
        };
        assert!(relay(&[]).is_on());
        assert!(!relay(&["--no-relay"]).is_on());
        assert!(!relay(&["--relay-max-sessions", "0"]).is_on());
        assert_eq!(relay(&["--relay-rate", "5", "--relay-idle-timeout", "7"]).idle.as_secs(), 7);
    }

    #[test]
    fn off_turns_off() {
        let config = Options::parse_from(["p2p-rendezvous", "--http", "off", "--nat-listen", "off"]);
        let config = config.config(Log::off());
        assert!(config.http.is_empty());
        assert_eq!(config.nat, NatPort::Off);
        assert!(Options::try_parse_from(["p2p-rendezvous", "--http", "8080"]).is_err());
        assert!(Options::try_parse_from(["p2p-rendezvous", "--idle-timeout", "-1"]).is_err());
        assert!(Options::try_parse_from(["p2p-rendezvous", "--idle-timeout", "nan"]).is_err());
        assert!(Options::try_parse_from(["p2p-rendezvous", "--idle-timeout", "inf"]).is_ok());
    }
}
