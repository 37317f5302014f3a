//! `/metrics`: counters and gauges in the text format of Prometheus.

use super::Http;
use crate::proto::rdv_msg::RelayReason;
use crate::proto::rdv_msg::signal::Reason;
use crate::proto::relay::End;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::Ordering;

/// How often each HTTP call was made.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<BTreeMap<&'static str, u64>>);

impl Counts {
    pub(super) fn add(&self, what: &'static str) {
        *self.0.lock().entry(what).or_insert(0) += 1;
    }
}

impl Http {
    /// The page.
    pub(super) fn metrics(&self) -> String {
        let (counters, gauges) = self.hub.numbers();
        let (nodes, messages, bytes) = self.post.with(|mailbox| mailbox.size());
        let mut page = Page(String::new());
        page.family("p2p_rendezvous_requests_total", "counter", "Requests on the rendezvous ports, by verb.");
        for (verb, n) in [
            ("bootstrap", counters.bootstrap),
            ("passive_ready", counters.passive_ready),
            ("simultaneous_ready", counters.simultaneous_ready),
            ("source_tcp", counters.source_tcp),
            ("observe", counters.observe),
            ("candidate", counters.candidate),
            ("accept", counters.accept),
            ("clear", counters.clear),
            ("quit", counters.quit),
            ("enter", counters.enter),
            ("prove", counters.prove),
            ("tell", counters.tell),
            ("heard", counters.heard),
            ("echo", counters.echo),
            ("leave", counters.leave),
            ("relay", counters.relay),
        ] {
            page.labelled("p2p_rendezvous_requests_total", "verb", verb, n);
        }
        for (name, help, n) in [
            ("p2p_rendezvous_opened_total", "Rendezvous connections taken.", counters.opened),
            ("p2p_rendezvous_refused_total", "Rendezvous connections refused by a limit.", counters.refused),
            (
                "p2p_rendezvous_closed_by_us_total",
                "Rendezvous connections the server ended.",
                counters.closed_by_us,
            ),
            ("p2p_rendezvous_ignored_total", "Lines answered by silence.", counters.ignored),
            ("p2p_rendezvous_expired_total", "Registrations that ran out.", counters.expired),
            ("p2p_rendezvous_replies_total", "Lines sent.", counters.replies),
        ] {
            page.family(name, "counter", help);
            page.value(name, n);
        }
        page.family("p2p_rendezvous_nodes", "gauge", "Nodes registered, by kind.");
        for (kind, n) in [
            ("passive_ipv4", gauges.passive_v4),
            ("passive_ipv6", gauges.passive_v6),
            ("simultaneous", gauges.simultaneous),
        ] {
            page.labelled("p2p_rendezvous_nodes", "kind", kind, n as u64);
        }
        page.family("p2p_signal_messages_total", "counter", "Messages, by what became of them.");
        for (result, n) in [
            ("told", counters.signal_told),
            ("heard", counters.signal_heard),
            ("unheard", counters.signal_unheard),
            ("absent", counters.signal_absent),
        ] {
            page.labelled("p2p_signal_messages_total", "result", result, n);
        }
        page.family("p2p_signal_refused_total", "counter", "Lines of signalling refused, by reason.");
        for (reason, n) in Reason::ALL.iter().zip(counters.signal_refused) {
            page.labelled("p2p_signal_refused_total", "reason", &reason.word().to_ascii_lowercase(), n);
        }
        page.family("p2p_signal_replaced_total", "counter", "Nodes that entered anew while they were here.");
        page.value("p2p_signal_replaced_total", counters.signal_replaced);
        let (relay, relay_sessions, relay_waiting) = self.hub.relay().numbers();
        page.family("p2p_relay_refused_total", "counter", "Connections not relayed, by reason.");
        for (at, reason) in RelayReason::ALL.iter().enumerate() {
            let counts = [relay.refused, counters.relay_refused];
            let n = counts.iter().filter_map(|counts| counts.get(at)).sum();
            page.labelled("p2p_relay_refused_total", "reason", &reason.word().to_ascii_lowercase(), n);
        }
        page.family("p2p_relay_ended_total", "counter", "Relayed connections that have ended, by reason.");
        for (end, n) in End::ALL.iter().zip(relay.ended) {
            page.labelled("p2p_relay_ended_total", "reason", end.word(), n);
        }
        for (name, help, n) in [
            ("p2p_relay_sessions_total", "Relayed connections begun.", relay.sessions),
            ("p2p_relay_bytes_total", "Bytes passed on.", relay.bytes),
        ] {
            page.family(name, "counter", help);
            page.value(name, n);
        }
        page.family("p2p_http_requests_total", "counter", "HTTP requests, by call or reason of refusal.");
        for (call, n) in self.counts.0.lock().iter() {
            page.labelled("p2p_http_requests_total", "call", call, *n);
        }
        let http_connections = self.connections.load(Ordering::Relaxed);
        let waiting = self.limits.waiters.saturating_sub(self.waiters.available_permits());
        for (name, help, n) in [
            ("p2p_rendezvous_connections", "Open rendezvous connections.", gauges.connections),
            ("p2p_rendezvous_candidates", "Challengers waiting for a node.", gauges.candidates),
            ("p2p_signal_nodes", "Nodes that can be reached by signalling.", gauges.signal_nodes),
            ("p2p_signal_waiting", "Messages their receivers have not confirmed.", gauges.signal_waiting),
            ("p2p_relay_sessions", "Relayed connections.", relay_sessions),
            ("p2p_relay_waiting", "Nodes that wait for the other one at the relay.", relay_waiting),
            ("p2p_http_connections", "Open HTTP connections.", http_connections),
            ("p2p_http_waiting", "List calls waiting for a message.", waiting),
            ("p2p_mailbox_nodes", "Nodes registered with the mailbox.", nodes),
            ("p2p_mailbox_messages", "Messages waiting in the mailbox.", messages),
            ("p2p_mailbox_bytes", "Bytes these messages count for.", bytes),
        ] {
            page.family(name, "gauge", help);
            page.value(name, n as u64);
        }
        page.0
    }
}

struct Page(String);

// Writing to a string does not fail.
impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, n: u64) {
        let _ = writeln!(self.0, "{name} {n}");
    }

    fn labelled(&mut self, name: &str, label: &str, value: &str, n: u64) {
        let _ = writeln!(self.0, "{name}{{{label}=\"{value}\"}} {n}");
    }
}
