//! The part of the command line that limits the relay.

use super::options::seconds;
use clap::Args;
use p2pnet::proto::relay::RelayLimits;
use std::time::Duration;

/// In the order of `docs/server.md`.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits of the relay")]
pub(super) struct RelayOptions {
    /// Do not pass bytes between nodes that cannot reach each other; they are told so and find another server
    #[arg(long)]
    no_relay: bool,
    /// Relayed connections at once; 0 is the same as --no-relay
    #[arg(long, value_name = "N", default_value_t = RelayLimits::default().sessions)]
    relay_max_sessions: usize,
    /// Nodes that wait for the other one at once
    #[arg(long, value_name = "N", default_value_t = RelayLimits::default().waiting)]
    relay_max_waiting: usize,
    /// Nodes that wait or are relayed from one IPv4 address or IPv6 /64
    #[arg(long, value_name = "N", default_value_t = RelayLimits::default().per_address)]
    relay_max_per_address: usize,
    /// How long a node waits for the other one
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    relay_wait_timeout: Duration,
    /// A relayed connection through which nothing has got for so long is cut
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "600")]
    relay_idle_timeout: Duration,
    /// Bytes per second of one relayed connection in the long run, both ways together; 0: no limit
    #[arg(long, value_name = "BYTES", default_value_t = RelayLimits::default().rate)]
    relay_rate: u64,
    /// Bytes of one relayed connection at once after a quiet time
    #[arg(long, value_name = "BYTES", default_value_t = RelayLimits::default().burst)]
    relay_burst: u64,
    /// Bytes per second of all relayed connections together, which take turns; 0: no limit
    #[arg(long, value_name = "BYTES", default_value_t = RelayLimits::default().rate_in_all)]
    relay_max_rate: u64,
    /// A relayed connection is cut after so many bytes; 0: no limit
    #[arg(long, value_name = "BYTES", default_value_t = RelayLimits::default().bytes)]
    relay_max_bytes: u64,
    /// What the system may keep for each direction of each node's connection; 0: as much as it likes
    #[arg(long, value_name = "BYTES", default_value_t = RelayLimits::default().buffer)]
    relay_buffer: usize,
}

impl RelayOptions {
    pub(super) fn limits(&self) -> RelayLimits {
        RelayLimits {
            sessions: if self.no_relay { 0 } else { self.relay_max_sessions },
            waiting: self.relay_max_waiting,
            per_address: self.relay_max_per_address,
            wait: self.relay_wait_timeout,
            idle: self.relay_idle_timeout,
            rate: self.relay_rate,
            burst: self.relay_burst,
            rate_in_all: self.relay_max_rate,
            bytes: self.relay_max_bytes,
            buffer: self.relay_buffer,
        }
    }
}
