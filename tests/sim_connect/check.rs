//! What must hold whatever has happened, once nothing happens any more.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use p2pnet::error::Code;
use p2pnet::proto::connect::report::{End, Result as Ended, Story};

use crate::node::Name;
use crate::plan::Action;
use crate::sim_net::tcp::State;
use crate::world::{PORT, World};

/// A request ends by then, a little later if the world is slow.
const LIMIT: Duration = Duration::from_millis(10_001);

pub fn everything(world: &World) {
    for i in 0..world.nodes.len() {
        if world.net.homes[i].alive {
            requests(world, i);
            nothing_left(world, i);
        }
    }
    for a in 0..world.nodes.len() {
        for b in a + 1..world.nodes.len() {
            if world.net.homes[a].alive && world.net.homes[b].alive {
                agreement(world, a, b);
            }
        }
    }
    steadiness(world);
}

/// Where nobody ends anything, whoever was told of a connection has one in the end; where nothing is lost, it is the same.
fn steadiness(world: &World) {
    let calm = |action: &Action| matches!(action, Action::Connect(..) | Action::Replay(_));
    let calm = world.plan.actions.iter().all(|(_, action)| calm(action));
    for (i, node) in world.nodes.iter().enumerate().filter(|_| calm) {
        let connected = |(_, outcome, _): &(_, Result<_, _>, _)| outcome.is_ok();
        for request in node.requests.values().filter(|request| request.done.as_ref().is_some_and(connected)) {
            let open = world.nodes[request.to].connector.open(&node.key).is_some();
            assert!(
                open && node.connector.open(&world.nodes[request.to].key).is_some(),
                "{i}: lost after all"
            );
        }
    }
    if calm && world.plan.way.loss == 0 {
        for open in world.nodes.iter().flat_map(|node| node.opened.values()) {
            assert_eq!(open.closed, None, "an open connection was closed");
        }
    }
}

fn requests(world: &World, i: usize) {
    for (number, request) in &world.nodes[i].requests {
        let Some((at, outcome, story)) = &request.done else { panic!("request {number} of {i} is stuck") };
        assert!(*at - request.at <= LIMIT, "late: {:?}", *at - request.at);
        the_story(story, *number);
        match outcome {
            Ok(_) => assert!(matches!(story.end, End::Connected { .. })),
            Err(error) => {
                let End::Failed { code, reason } = &story.end else { panic!("{:?}", story.end) };
                assert_eq!((*code, reason.as_str()), (error.code, &*error.message));
                assert!(reason.len() > 20, "{reason}");
                match error.code {
                    Code::NoPath => assert!(!reason.starts_with("nothing was left"), "{reason}"),
                    Code::Timeout => assert!(*at - request.at >= Duration::from_secs(10)),
                    Code::Canceled => {}
                    code => panic!("{code:?}: {reason}"),
                }
            }
        }
    }
}

fn the_story(story: &Story, request: u64) {
    assert_eq!(story.request, request);
    assert!(story.took.is_some());
    let won = story.attempts.iter().filter(|attempt| attempt.result == Ended::Won).count();
    assert!(won <= 1);
    for attempt in &story.attempts {
        assert!(attempt.end.is_some_and(|end| end >= attempt.start) && attempt.result != Ended::Running);
        assert!(!attempt.text.is_empty(), "{attempt:?}");
    }
}

fn nothing_left(world: &World, i: usize) {
    let (node, host) = (&world.nodes[i], &world.net.homes[i].host);
    assert!(node.punches.is_empty(), "a punch goes on");
    assert_eq!(node.budget.half_open(), 0, "given back");
    assert_eq!(host.listeners.iter().copied().collect::<Vec<_>>(), [PORT]);
    let open: BTreeSet<u64> =
        node.opened.iter().filter(|(_, open)| open.closed.is_none()).map(|(conn, _)| *conn).collect();
    for name in host.conns.keys() {
        assert!(matches!(name, Name::Conn(conn) if open.contains(conn)), "{name:?} is left open at {i}");
    }
    for (conn, _) in world.relay.of(i) {
        assert!(open.contains(&conn), "{conn} is left at the relay by {i}");
    }
    let links: BTreeSet<u64> = node.links.keys().copied().collect();
    assert_eq!(links, open, "connections of the I/O");
    assert_eq!(node.connector.len(), open.len(), "peers that are remembered");
    assert_eq!(node.connector.deadline(), None);
    for other in &world.nodes {
        let known = node.connector.open(&other.key).map(|conn| conn.0);
        let ours = node.opened.iter().find(|(_, open)| open.peer == other.key && open.closed.is_none());
        assert_eq!(known, ours.map(|(conn, _)| *conn));
    }
    limits(world, i);
}

/// At most eight dials an attempt; each request and each call is one.
fn limits(world: &World, i: usize) {
    let node = &world.nodes[i];
    let mut dials: BTreeMap<_, BTreeMap<SocketAddr, usize>> = BTreeMap::new();
    for (peer, to) in &node.dials {
        *dials.entry(*peer).or_default().entry(*to).or_default() += 1;
    }
    let attempts = world.plan.actions.iter().filter(|(_, a)| matches!(a, Action::Connect(..))).count();
    for (_, addresses) in dials {
        assert!(addresses.len() <= 8);
        assert!(addresses.values().all(|count| *count <= attempts * 4), "{addresses:?}");
    }
    assert!(node.told < 2000);
}

/// Both ends have the same connection, or none that lives.
fn agreement(world: &World, a: usize, b: usize) {
    let alive = |i: usize, j: usize| {
        let conn = world.nodes[i].connector.open(&world.nodes[j].key)?;
        if let Some((k, other)) = world.relay.other((i, conn.0)) {
            // As TCP's numbers: each has the other's for its own.
            let number = |node: usize, conn: u64| (node as u32) << 28 | conn as u32;
            return Some((conn.0, State::Established, number(i, conn.0), number(k, other)));
        }
        let socket = world.net.homes[i].host.state(Name::Conn(conn.0))?;
        Some((conn.0, socket.state, socket.iss, socket.irs))
    };
    match (alive(a, b), alive(b, a)) {
        (None, None) => {}
        (Some((x, s, iss, irs)), Some((y, t, other_iss, other_irs))) => {
            assert_eq!((iss, irs), (other_irs, other_iss), "two survivors");
            assert_eq!((s, t), (State::Established, State::Established));
            let line = |i: usize, conn: u64| world.nodes[i].opened[&conn].line.is_some();
            assert!(line(a, x) && line(b, y), "open, but nothing came through");
        }
        (x, y) => {
            // The word of its end was lost, or nobody was left to say it.
            let restarted = world.plan.actions.iter().any(|(_, a)| matches!(a, Action::Restart(_)));
            assert!(restarted || world.plan.way.loss > 0, "{a} has {x:?}, {b} has {y:?}");
            let (holder, other) = if x.is_some() { (x, b) } else { (y, a) };
            let sockets = &world.net.homes[other].host.sockets;
            let twin = |(_, _, iss, irs): (u64, State, u32, u32)| {
                sockets.values().any(|socket| (socket.iss, socket.irs) == (irs, iss))
            };
            assert!(!holder.is_some_and(twin), "one end is open, the other is not told");
        }
    }
}
