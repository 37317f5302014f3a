//! What an idle connection costs, in bytes of the heap, counted: nobody can let it grow without knowing.
//!
//! Counted is what an allocator takes for each piece that is still there (its size, 8 bytes and rounding to 16, as glibc's does);
//! fixed costs fall out, as only what further connections add is looked at.
#![cfg(all(feature = "server", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "in a test that is a failure")]
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use p2pnet::Config;
use p2pnet::config::{Dialect, DuplicateIp};
use p2pnet::event::Kind;
use p2pnet::testing::{TestNode, alone};

/// The most that one end of an idle connection may take.
const CLASSIC: usize = 1080;
const SECURE: usize = 6 << 10;
/// A test that waits this long for something hangs.
const HUNG: Duration = Duration::from_secs(60);

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

fn taken(size: usize) -> usize {
    (size + 8).next_multiple_of(16).max(32)
}

// SAFETY: the system's allocator does it; what is added only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(taken(layout.size()), SeqCst);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(taken(layout.size()), SeqCst);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(taken(size), SeqCst);
        LIVE.fetch_sub(taken(layout.size()), SeqCst);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The tests of this file, one at a time: they count for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

fn connect(from: &TestNode, to: SocketAddr, number: usize) {
    for _ in 0..number {
        from.request(|net| net.connect(&to.to_string())).unwrap();
    }
}

/// All events are taken; the program keeps nothing.
fn settle(node: &TestNode, opened: usize) {
    for _ in 0..opened {
        node.expect(Kind::Opened);
    }
}

/// What `ends` more ends of connections take each, once that is down to `most`: what connecting needed goes away soon.
fn check(what: &str, before: usize, ends: usize, most: usize) {
    let began = Instant::now();
    let each = || LIVE.load(SeqCst).saturating_sub(before) / ends;
    while each() > most {
        assert!(began.elapsed() < HUNG, "{what}: {} bytes for each end, at most {most} expected", each());
        std::thread::sleep(Duration::from_millis(10));
    }
    // The least there must be: a socket's registration alone.
    assert!(each() > 256, "{what}: {} bytes are too few to be true", each());
    println!("{what}: {} bytes for each end", each());
}

#[test]
fn an_idle_classic_connection_is_small() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let config = |c: &mut Config| {
        (c.dialect, c.duplicate_ip) = (Dialect::Classic, DuplicateIp::Allow);
        (c.max_inbound, c.max_outbound) = (1000, 1000);
    };
    let (server, client) = (TestNode::alone(config).unwrap(), TestNode::alone(config).unwrap());
    let fill = |number| {
        connect(&client, server.listens(), number);
        settle(&server, number);
        settle(&client, number);
    };
    fill(100);
    let before = LIVE.load(SeqCst);
    fill(300);
    check("classic", before, 600, CLASSIC);
}

#[test]
fn an_idle_secure_connection_is_small() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // One connection between any two of them: 28, then 162 more.
    let nodes: Vec<TestNode> = (0..20)
        .map(|_| {
            let mut config = alone();
            (config.max_inbound, config.max_outbound) = (100, 100);
            TestNode::start(config).unwrap()
        })
        .collect();
    let fill = |from: usize, to: usize| {
        for later in from..to {
            for earlier in 0..later {
                connect(&nodes[later], nodes[earlier].listens(), 1);
            }
        }
        for (i, node) in nodes.iter().enumerate().take(to) {
            settle(node, (to - 1) - if i < from { from - 1 } else { 0 });
        }
    };
    fill(1, 8);
    let before = LIVE.load(SeqCst);
    fill(8, 20);
    check("secure", before, 2 * 162, SECURE);
}
