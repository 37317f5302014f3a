//! The part of the command line that limits signalling.

use super::options::seconds;
use clap::Args;
use p2pnet::proto::rdv_server::{Rate, SignalLimits};
use std::time::Duration;

/// In the order of `docs/server.md`.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits of signalling")]
pub(super) struct SignalOptions {
    /// Nodes that can be reached by signalling; 0 switches it off
    #[arg(long, value_name = "N", default_value_t = SignalLimits::default().nodes)]
    signal_max_nodes: usize,
    /// Nodes from one IPv4 address or IPv6 /64
    #[arg(long, value_name = "N", default_value_t = SignalLimits::default().nodes_per_address)]
    signal_max_nodes_per_address: usize,
    /// A node has to prove its key so soon after ENTER
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    signal_prove_timeout: Duration,
    /// Proofs per second from one address in the long run
    #[arg(long, value_name = "N", default_value_t = SignalLimits::default().proofs.per_second)]
    signal_proofs_per_second: u32,
    /// Proofs from one address at once after a quiet time
    #[arg(long, value_name = "N", default_value_t = SignalLimits::default().proofs.burst)]
    signal_proof_burst: u32,
    /// Proofs per second from all together
    #[arg(long, value_name = "N", default_value_t = SignalLimits::default().proofs_in_all.per_second)]
    signal_max_proofs_per_second: u32,
    /// A node that says nothing for so long, not even ECHO, is thrown out
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    signal_idle_timeout: Duration,
    /// Lines per second of one node in the long run
    #[arg(long, value_name = "N", default_value_t = SignalLimits::default().lines.per_second)]
    signal_lines_per_second: u32,
    /// Lines of one node at once after a quiet time
    #[arg(long, value_name = "N", default_value_t = SignalLimits::default().lines.burst)]
    signal_line_burst: u32,
    /// Messages per second from one node in the long run
    #[arg(long, value_name = "N", default_value_t = SignalLimits::default().messages.per_second)]
    signal_messages_per_second: u32,
    /// Messages from one node at once after a quiet time
    #[arg(long, value_name = "N", default_value_t = SignalLimits::default().messages.burst)]
    signal_message_burst: u32,
    /// Messages per second from one node to one other; from all nodes of an address to one node four times as many
    #[arg(long, value_name = "N", default_value_t = SignalLimits::default().pair.per_second)]
    signal_pair_messages_per_second: u32,
    /// Messages from one node to one other at once after a quiet time
    #[arg(long, value_name = "N", default_value_t = SignalLimits::default().pair.burst)]
    signal_pair_message_burst: u32,
    /// Messages per second from one address in the long run
    #[arg(long, value_name = "N", default_value_t = SignalLimits::default().address.per_second)]
    signal_address_messages_per_second: u32,
    /// Messages from one address at once after a quiet time
    #[arg(long, value_name = "N", default_value_t = SignalLimits::default().address.burst)]
    signal_address_message_burst: u32,
    /// Messages per second to one node in the long run
    #[arg(long, value_name = "N", default_value_t = SignalLimits::default().receiver.per_second)]
    signal_receiver_messages_per_second: u32,
    /// Messages to one node at once after a quiet time
    #[arg(long, value_name = "N", default_value_t = SignalLimits::default().receiver.burst)]
    signal_receiver_message_burst: u32,
    /// Longest message before base64url, 8192 at most
    #[arg(long, value_name = "BYTES", default_value_t = SignalLimits::default().message_bytes)]
    signal_max_message: usize,
    /// Messages that one receiver has not confirmed yet
    #[arg(long, value_name = "N", default_value_t = SignalLimits::default().queue)]
    signal_queue: usize,
    /// Their bytes
    #[arg(long, value_name = "BYTES", default_value_t = SignalLimits::default().queue_bytes)]
    signal_queue_bytes: usize,
    /// A receiver that has not confirmed a message after so long is thrown out
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "20")]
    signal_heard_timeout: Duration,
}

impl SignalOptions {
    pub(super) fn limits(&self) -> SignalLimits {
        let in_all = self.signal_max_proofs_per_second;
        SignalLimits {
            nodes: self.signal_max_nodes,
            nodes_per_address: self.signal_max_nodes_per_address,
            prove: self.signal_prove_timeout,
            proofs: Rate::new(self.signal_proofs_per_second, self.signal_proof_burst),
            proofs_in_all: Rate::new(in_all, in_all),
            idle: self.signal_idle_timeout,
            lines: Rate::new(self.signal_lines_per_second, self.signal_line_burst),
            messages: Rate::new(self.signal_messages_per_second, self.signal_message_burst),
            pair: Rate::new(self.signal_pair_messages_per_second, self.signal_pair_message_burst),
            address: Rate::new(self.signal_address_messages_per_second, self.signal_address_message_burst),
            receiver: Rate::new(self.signal_receiver_messages_per_second, self.signal_receiver_message_burst),
            message_bytes: self.signal_max_message,
            queue: self.signal_queue,
            queue_bytes: self.signal_queue_bytes,
            heard: self.signal_heard_timeout,
        }
    }
}
