//! A node under test: how it is set up, and what is waited for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use super::HUNG;
use crate::config::{Config, NodeType};
use crate::error::{Code, Error, Result};
use crate::event::{Event, Kind};
use crate::node::Net;

/// An address of 127/8 that hardly anything else has: below 127.200, which is left to strangers that a test counts.
pub fn loopback() -> IpAddr {
    Ipv4Addr::new(127, fastrand::u8(1..=199), fastrand::u8(..), fastrand::u8(2..=254)).into()
}

/// The configuration of a passive node that knows no server and does nothing by itself, on an address of its own.
pub fn alone() -> Config {
    let mut config =
        Config { passive_bind: Some(loopback()), node_type: NodeType::Passive, ..Config::default() };
    patient(&mut config);
    quiet(&mut config);
    config
}

/// Makes it the configuration of a node that gives up nobody who is only slow. The defaults are for programs; on a busy machine a
/// thread may not get the CPU for seconds, and what is right is not to fail by that.
pub fn patient(config: &mut Config) {
    (config.server_timeout, config.start_timeout) = (HUNG, HUNG);
    config.close_timeout = Duration::from_secs(20);
}

/// Makes it the configuration of a node that does nothing by itself: it looks for nobody and is on no list.
pub fn quiet(config: &mut Config) {
    (config.bootstrap, config.advertise) = (false, false);
}

/// Makes it the configuration of a quiet node that cannot be reached and reaches no peer: a relay has to connect it.
pub fn hidden(config: &mut Config) {
    quiet(config);
    (config.node_type, config.simultaneous) = (NodeType::Active, false);
    config.test_unreachable.store(true, SeqCst);
}

/// A node under test, with the events that were passed over while another was waited for.
pub struct TestNode {
    /// The node.
    pub net: Net,
    passed_over: std::sync::Mutex<Vec<Event>>,
}

impl TestNode {
    /// Starts a node with this configuration and waits for READY.
    ///
    /// # Errors
    /// What [`Net::new`] and [`Net::start`] say.
    pub fn start(config: Config) -> Result<TestNode> {
        let net = Net::new(config)?;
        net.start()?;
        let node = TestNode { net, passed_over: std::sync::Mutex::default() };
        node.expect(Kind::Ready);
        Ok(node)
    }

    /// Starts a node that is alone ([`alone`]); `change` may change its configuration first.
    ///
    /// # Errors
    /// What [`Net::new`] and [`Net::start`] say.
    pub fn alone(change: impl FnOnce(&mut Config)) -> Result<TestNode> {
        let mut config = alone();
        change(&mut config);
        TestNode::start(config)
    }

    /// Where the node listens.
    pub fn listens(&self) -> SocketAddr {
        let info = self.net.info();
        SocketAddr::new(info.lan_ip.unwrap_or(Ipv4Addr::LOCALHOST.into()), info.passive_port)
    }

    /// The first event that `wanted` accepts, of those that have come or will come; others are kept in their order.
    ///
    /// # Panics
    /// If there is none after a minute: the test hangs.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Event) -> bool) -> Event {
        let mut passed_over = self.passed_over.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(at) = passed_over.iter().position(&wanted) {
            return passed_over.remove(at);
        }
        let until = Instant::now() + HUNG;
        loop {
            while let Ok(Some(event)) = self.net.next_event() {
                if wanted(&event) {
                    return event;
                }
                passed_over.push(event);
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "hung: no {what} within {HUNG:?}; there were {passed_over:?}");
            let waited = self.net.wait(Some(left));
            assert!(waited != Err(Code::Closed), "the net stopped before {what}; there were {passed_over:?}");
        }
    }

    /// The next event of this kind.
    ///
    /// # Panics
    /// As [`TestNode::wait_for`].
    pub fn expect(&self, kind: Kind) -> Event {
        self.wait_for(&format!("{kind:?}"), |e| e.kind == kind)
    }

    /// The next LOG event with this in its text.
    ///
    /// # Panics
    /// As [`TestNode::wait_for`].
    pub fn logged(&self, text: &str) -> Event {
        self.wait_for(text, |e| e.kind == Kind::Log && e.text().contains(text))
    }

    /// The DONE of that request.
    ///
    /// # Panics
    /// As [`TestNode::wait_for`].
    pub fn done(&self, request: u64) -> Event {
        self.wait_for("DONE", |e| e.kind == Kind::Done && e.request == request)
    }

    /// What was tried for that request, as JSON, or why nothing is known of it.
    pub fn story(&self, request: u64) -> String {
        self.net.explain(request).map_or_else(|code| format!("{code:?}"), |story| story.to_json())
    }

    /// Makes a request and waits for its DONE.
    ///
    /// # Errors
    /// What the request says, at once or by its DONE.
    pub fn request(&self, ask: impl FnOnce(&Net) -> Result<u64>) -> Result<Event> {
        let done = self.done(ask(&self.net)?);
        match done.result {
            Ok(()) => Ok(done),
            Err(code) => {
                Err(Error { code, os_error: done.os_error, message: done.text().into_owned().into() })
            }
        }
    }
}

/// Sends that many lines, each longer than the one before, one way and then the other between two ends of a connection, and
/// compares what arrives.
///
/// # Panics
/// If a line cannot be sent, is another, or does not come: as [`TestNode::wait_for`].
pub fn talk(alice: &TestNode, a: u64, bob: &TestNode, b: u64, lines: usize) {
    let said = |n: usize| format!("{n} {}", "x".repeat(n * 10));
    for (from, here, to, there) in [(alice, a, bob, b), (bob, b, alice, a)] {
        for n in 0..lines {
            while let Err(code) = from.net.send_line(here, said(n).as_bytes()) {
                assert_eq!(code, Code::WouldBlock, "line {n} cannot be sent");
                from.expect(Kind::Writable);
            }
        }
        for n in 0..lines {
            let line = to.wait_for("LINE", |e| e.kind == Kind::Line && e.conn == there);
            assert_eq!(line.text(), said(n));
        }
    }
}

/// Looks again and again until it is so.
///
/// # Panics
/// If it is not after a minute: the test hangs.
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < HUNG, "hung: never {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
