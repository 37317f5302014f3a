//! What is done at a stranger's word: the rules of REVERSE_CONNECT, REVERSE_QUERY and REVERSE_ORIGIN.
//!
//! These messages come from anybody who can reach the mailbox, and prove nothing. So:
//!
//! | message | what it can make us do | what limits it |
//! |---|---|---|
//! | REVERSE_CONNECT | connect once to the address its UNL names, or punch to it | [`super::target`]; [`PER_MINUTE`] in all, [`PER_ADDRESS`] per address named, [`AT_ONCE`] at a time; one nonce for one address once in ten minutes; never one REVERSE_CONNECT for another |
//! | REVERSE_QUERY | send one REVERSE_ORIGIN to a node that we have asked | only if we have, and once for each asking |
//! | REVERSE_ORIGIN | keep a connection open | only the one that was made for that UNL |
//!
//! A connection made at such a word is closed unless ORIGIN comes within 60 s (as in PyP2P); at once if the question
//! cannot be sent.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::proto::conn_id::Nonce;
use crate::proto::unl::UnlV2;
use crate::small::SmallMap;

/// Connections made at a stranger's word within any minute.
pub const PER_MINUTE: usize = 30;
/// The same towards one address.
pub const PER_ADDRESS: usize = 6;
/// Of them under way at a time.
pub const AT_ONCE: usize = 8;
/// Nodes we have asked that are remembered.
const MOST_ASKED: usize = 1024;
const MINUTE: Duration = Duration::from_secs(60);
/// For how long a nonce is known.
const REPLAY: Duration = Duration::from_secs(600);
/// Nonces that are known. At [`PER_MINUTE`] these are those of ten minutes.
const MOST_SEEN: usize = 300;

/// Why a REVERSE_CONNECT is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// It has come before.
    Replay,
    /// Too many within a minute.
    TooMany,
}

impl Ignored {
    /// The reason in words.
    pub fn text(self) -> &'static str {
        match self {
            Ignored::Replay => "it has come before",
            Ignored::TooMany => "too many within a minute",
        }
    }
}

/// A question whether somebody has asked for a connection.
#[derive(Clone, Copy, Debug)]
struct Query {
    node: UnlV2,
    tag: u64,
    until: Instant,
}

/// Whether both are from one node, whatever it has found out about itself in between.
fn is_party(one: &UnlV2, other: &UnlV2) -> bool {
    one.node_id == other.node_id && one.wan_ip == other.wan_ip
}

/// Who was asked, who has asked, and who is being asked back.
#[derive(Debug, Default)]
pub(super) struct Book {
    asked: VecDeque<(UnlV2, Instant)>,
    seen: VecDeque<(Instant, Nonce, Ipv4Addr, u16)>,
    followed: VecDeque<(Instant, Ipv4Addr)>,
    queries: SmallMap<u64, Query>,
}

impl Book {
    /// We have asked this node to connect; its query is answered until then.
    pub(super) fn asked(&mut self, node: UnlV2, until: Instant) {
        self.asked.push_back((node, until));
        if self.asked.len() > MOST_ASKED {
            self.asked.pop_front();
        }
    }

    /// Whether we have asked this node, once.
    pub(super) fn did_ask(&mut self, now: Instant, node: &UnlV2) -> bool {
        self.asked.retain(|(_, until)| *until > now);
        match self.asked.iter().position(|(asked, _)| is_party(asked, node)) {
            Some(index) => self.asked.remove(index).is_some(),
            None => false,
        }
    }

    /// Whether a REVERSE_CONNECT may be followed, which counts it.
    pub(super) fn may_follow(&mut self, now: Instant, node: &UnlV2, nonce: &Nonce) -> Result<(), Ignored> {
        let old = |at: &Instant, limit| now.saturating_duration_since(*at) >= limit;
        self.seen.retain(|(at, ..)| !old(at, REPLAY));
        self.followed.retain(|(at, _)| !old(at, MINUTE));
        let (ip, port) = (node.wan_ip, node.listen_port);
        let zeros = super::matching::is_zero(nonce);
        // Who has not chosen a nonce may ask again, but not at once.
        let known = |(at, seen, to, on): &(Instant, Nonce, Ipv4Addr, u16)| {
            seen == nonce && (*to, *on) == (ip, port) && !(zeros && old(at, MINUTE))
        };
        if self.seen.iter().any(known) {
            return Err(Ignored::Replay);
        }
        let same = self.followed.iter().filter(|(_, to)| *to == ip).count();
        if self.followed.len() >= PER_MINUTE || same >= PER_ADDRESS {
            return Err(Ignored::TooMany);
        }
        self.followed.push_back((now, ip));
        self.seen.push_back((now, *nonce, ip, port));
        if self.seen.len() > MOST_SEEN {
            self.seen.pop_front();
        }
        Ok(())
    }

    /// This connection was made at this node's word, and it is being asked with this message.
    pub(super) fn query(&mut self, conn: u64, node: UnlV2, tag: u64, until: Instant) {
        self.queries.insert(conn, Query { node, tag, until });
    }

    /// The connection that a message asks about.
    pub(super) fn query_of(&self, tag: u64) -> Option<u64> {
        self.queries.iter().find(|(_, query)| query.tag == tag).map(|(conn, _)| *conn)
    }

    /// The node says that it has asked: its oldest connection stays. Which that is.
    pub(super) fn confirmed(&mut self, node: &UnlV2) -> Option<u64> {
        let conn =
            self.queries.iter().find(|(_, query)| is_party(&query.node, node)).map(|(conn, _)| *conn)?;
        self.queries.remove(&conn);
        Some(conn)
    }

    pub(super) fn forget(&mut self, conn: u64) {
        self.queries.remove(&conn);
    }

    /// Connections that nobody has said they asked for, in time. They are forgotten.
    pub(super) fn unanswered(&mut self, now: Instant) -> Vec<(u64, UnlV2)> {
        let late: Vec<(u64, UnlV2)> =
            self.queries.iter().filter(|(_, q)| q.until <= now).map(|(conn, q)| (*conn, q.node)).collect();
        late.iter().for_each(|(conn, _)| self.forget(*conn));
        late
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.queries.values().map(|query| query.until).min()
    }
}
