//! Whoever waits drives, and somebody always does.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use super::*;
use crate::config::{Config, Dialect, NetType, NodeType};
use crate::error::Code;
use crate::event::{Event, Kind};
use crate::node::Net;

const MS: Duration = Duration::from_millis(1);
/// Longer than any of this takes: whoever waits so long hangs.
const HUNG: Duration = Duration::from_secs(60);

/// Questions and answers of the longest test.
const ROUNDS: u32 = 500;

fn node(change: impl FnOnce(&mut Config)) -> Net {
    let mut config = Config { net_type: NetType::Direct, node_type: NodeType::Passive, ..Config::default() };
    config.passive_bind = Some([127, 0, 0, 1].into());
    (config.local_peers, config.network_monitor, config.close_timeout) = (true, false, HUNG);
    change(&mut config);
    let net = Net::new(config).unwrap();
    net.start().unwrap();
    net
}

/// The next event of that kind, waited for as programs do.
fn expect(net: &Net, kind: Kind) -> Event {
    let since = Instant::now();
    loop {
        match net.next_event().unwrap() {
            Some(event) if event.kind == kind => return event,
            Some(_) => {}
            // So long that a wake-up which is lost does not go unseen.
            None => _ = net.wait(Some(HUNG)),
        }
        assert!(since.elapsed() < HUNG, "no {kind:?}");
    }
}

/// Whoever waits gets the lease, however long ago he has last waited.
fn eager(config: &mut Config) {
    config.spin = Duration::from_micros(1);
}

/// Tells the others of a test that it is over, also when it fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Two nodes with a connection, and its ids.
fn pair(change: impl Fn(&mut Config)) -> (Net, u64, Net, u64) {
    let (alice, bob) = (node(&change), node(&change));
    let port = bob.shared.info.lock().passive_port;
    alice.connect(&format!("127.0.0.1:{port}")).unwrap();
    let a = expect(&alice, Kind::Opened).conn;
    let b = expect(&bob, Kind::Opened).conn;
    (alice, a, bob, b)
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < HUNG, "never {what}");
        thread::yield_now();
    }
}

/// Nobody of the program is inside, and the runtime is driven.
fn own_thread_drives(net: &Net) -> bool {
    let lease = &net.shared.lease;
    !lease.turns.is_inside() && lease.runtime.try_lock().is_none()
}

/// A thread of the program drives, and our own has gone to sleep for as long as that stays.
fn program_drives(net: &Net) -> bool {
    net.shared.lease.turns.is_watched()
}

#[test]
fn who_waits_drives_and_the_own_thread_takes_over_when_nobody_does() {
    for dialect in [Dialect::Classic, Dialect::Secure] {
        let (alice, a, bob, b) = pair(|c| {
            eager(c);
            c.dialect = dialect;
        });
        thread::scope(|scope| {
            let waiter = scope.spawn(|| expect(&bob, Kind::Line));
            until("driven by who waits", || program_drives(&bob));
            alice.send_line(a, b"hello").unwrap();
            assert_eq!(waiter.join().unwrap().text(), "hello");
        });
        until("driven by the own thread", || own_thread_drives(&bob));
        // Everything goes on without anybody who waits.
        alice.send_line(a, b"anybody there?").unwrap();
        until("the line", || bob.shared.queue.is_ready());
        assert_eq!(expect(&bob, Kind::Line).conn, b);
    }
}

#[test]
fn without_the_lease_the_own_thread_does_it_all() {
    let (alice, a, bob, _) = pair(|c| c.lease = false);
    for _ in 0..100 {
        alice.send_line(a, b"x").unwrap();
        expect(&bob, Kind::Line);
        assert!(!bob.shared.lease.turns.is_inside());
    }
}

#[test]
fn a_look_and_a_rare_wait_leave_the_lease_where_it_is() {
    let (_alice, _, bob, _) = pair(|_| {});
    until("driven by the own thread", || own_thread_drives(&bob));
    for _ in 0..3 {
        assert_eq!(bob.wait(Some(Duration::ZERO)), Ok(false));
        bob.shared.lease.slept.store(0, Relaxed);
        assert_eq!(bob.wait(Some(MS)), Ok(false));
        assert!(own_thread_drives(&bob));
    }
}

#[test]
fn of_several_that_wait_one_drives_and_all_are_woken() {
    let (alice, a, bob, _) = pair(eager);
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..4).map(|_| scope.spawn(|| bob.wait(None))).collect();
        until("driven by one who waits", || program_drives(&bob));
        alice.send_line(a, b"for all").unwrap();
        waiters.into_iter().for_each(|w| assert_eq!(w.join().unwrap(), Ok(true)));
    });
    expect(&bob, Kind::Line);
}

#[test]
fn a_wake_ends_the_wait_of_who_drives() {
    let (_alice, _, bob, _) = pair(eager);
    let second = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            assert_eq!(bob.wait(Some(MS)), Ok(false));
            second.store(true, SeqCst);
            bob.wait(None)
        });
        // Not the first one: it may last as long if this thread is faster, and a wake ends one wait only.
        until("the second wait", || second.load(SeqCst));
        until("driven by who waits", || program_drives(&bob));
        bob.wake();
        assert_eq!(waiter.join().unwrap(), Ok(false));
    });
}

#[test]
fn who_wakes_himself_and_waits_and_wakes_himself_drives_nevertheless() {
    let (alice, a, bob, _) = pair(eager);
    alice.send_line(a, b"through all that").unwrap();
    let since = Instant::now();
    loop {
        bob.wake();
        let _ = bob.wait(Some(HUNG));
        if bob.next_event().unwrap().is_some_and(|event| event.kind == Kind::Line) {
            break;
        }
        assert!(since.elapsed() < HUNG, "nobody drives");
    }
}

#[test]
fn the_net_ends_while_a_thread_of_the_program_drives() {
    let (_alice, _, bob, _) = pair(eager);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| expect(&bob, Kind::Stopped));
        until("driven by who waits", || program_drives(&bob));
        bob.stop();
        waiter.join().unwrap();
    });
    assert_eq!(bob.wait(None), Err(Code::Closed));
    assert!(bob.join());
}

#[test]
fn a_program_in_rust_may_wait_inside_of_a_runtime_of_its_own() {
    let (alice, a, bob, _) = pair(|_| {});
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    alice.send_line(a, b"inside").unwrap();
    runtime.block_on(async { assert_eq!(expect(&bob, Kind::Line).text(), "inside") });
}

#[test]
fn a_small_stack_is_enough_to_drive_on() {
    let thread = thread::Builder::new().stack_size(128 << 10);
    let waiter = thread.spawn(|| {
        let (alice, a, bob, _) = pair(|c| {
            eager(c);
            c.dialect = Dialect::Secure;
        });
        alice.send_line(a, b"squeezed").unwrap();
        expect(&bob, Kind::Line);
    });
    waiter.unwrap().join().unwrap();
}

#[test]
fn what_is_asked_for_while_nobody_drives_presses() {
    let (_alice, _, bob, _) = pair(eager);
    let turns = &bob.shared.lease.turns;
    // As long as the own thread stands by and nobody waits, asking presses; while it drives, there is nobody to press.
    for _ in 0..20 {
        assert_eq!(bob.wait(Some(MS)), Ok(false));
        bob.network_changed().unwrap();
        until("driven by the own thread", || own_thread_drives(&bob));
    }
    assert!(!turns.is_inside());
    bob.stop();
    expect(&bob, Kind::Stopped);
}

#[test]
fn nothing_is_lost_or_late_for_ever_whoever_comes_and_goes() {
    for spin in [0, 20] {
        let (alice, a, bob, b) = pair(|c| c.spin = Duration::from_micros(spin));
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            // Somebody else who waits now and then, and somebody who wakes them.
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    let _ = bob.wait(Some(MS * fastrand::u32(0..3)));
                    bob.wake();
                    alice.wake();
                }
            });
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let line = expect(&bob, Kind::Line);
                    bob.send_line(b, &line.data).unwrap();
                    bob.send_line(b, b"and more").unwrap();
                }
            });
            let _over = Over(&over);
            for i in 0..ROUNDS {
                alice.send_line(a, format!("{i}").as_bytes()).unwrap();
                assert_eq!(expect(&alice, Kind::Line).text(), format!("{i}"));
                assert_eq!(expect(&alice, Kind::Line).text(), "and more");
                // Away for as long as somebody else might take over.
                if i % 20 == 0 {
                    let back = Instant::now() + MS * fastrand::u32(0..25);
                    while Instant::now() < back {
                        thread::yield_now();
                    }
                }
            }
        });
        assert!(alice.join() && bob.join());
    }
}
