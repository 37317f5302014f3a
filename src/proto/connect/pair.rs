//! Everything between us and one peer: what we want of it, what it wants of us, and the connections of which one is kept.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::attempt::Attempt;
use super::better::Better;
use super::core::Core;
use super::link::{Link, Step};
use super::links::Links;
use super::recover::{Recovery, Way};
use super::report::Result;
use super::rungs::Rung;
use super::tale::Tale;
use super::types::{Closing, ConnId, Token};
use crate::proto::identity::PublicKey;
use crate::proto::unl::UnlV3;

/// Most connections with one peer that are being opened at a time.
pub(super) const MOST_LINKS: usize = 16;
/// How long a call of the peer is our business, if it does not repeat it.
pub(super) const CALLED: Duration = Duration::from_secs(12);

/// A call of the peer.
#[derive(Clone, Debug)]
pub(super) struct Called {
    /// Its attempt.
    pub(super) token: Token,
    /// Its locator.
    pub(super) unl: UnlV3,
    /// By which server it came.
    pub(super) server: String,
    /// How many addresses we said we would dial.
    pub(super) dials: u8,
    /// Whether it was told that none of them was reached.
    pub(super) in_vain: bool,
    /// To how many relays we went at its wish.
    pub(super) relays: u8,
    pub(super) until: Instant,
}

/// A punch that goes on.
#[derive(Clone, Debug)]
pub(super) struct Punching {
    pub(super) id: super::PunchId,
    pub(super) token: crate::proto::punch::Token,
    /// Whether it was our idea.
    pub(super) ours: bool,
    /// The address that is aimed at.
    pub(super) target: std::net::IpAddr,
    pub(super) entry: Option<usize>,
}

/// See the module. Of most peers it is only known that there is a connection with them: what else there may be is boxed, and given
/// up by [`Pair::rest`] once it is over.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) peer: PublicKey,
    /// Whether it is us who choose among the connections: whose key is smaller.
    pub(super) chooser: bool,
    pub(super) links: Links,
    /// Chooser: the connection of which the peer was told that it is the one.
    pub(super) choice: Option<ConnId>,
    /// The program's connection, and since when.
    pub(super) open: Option<(ConnId, Instant)>,
    /// Whether the other end is known to have it, too.
    pub(super) confirmed: bool,
    pub(super) attempt: Option<Box<Attempt>>,
    pub(super) called: Option<Box<Called>>,
    /// What is still to be dialled, and when.
    pub(super) rungs: Vec<(Instant, Rung)>,
    /// What was dialled.
    pub(super) dialled: BTreeSet<SocketAddr>,
    pub(super) punch: Option<Box<Punching>>,
    /// Punches that the peer has begun.
    pub(super) responded: u8,
    /// By which server the peer was heard last.
    pub(super) server: Option<String>,
    pub(super) tale: Tale,
    /// What is known of how to get to the peer, for the time after a link has broken.
    pub(super) way: Way,
    /// The session that we hold with the peer: whoever names it has lost its link, or wants another.
    pub(super) session: Option<Token>,
    /// Its link has broken.
    pub(super) recovery: Option<Box<Recovery>>,
    /// Its link goes by a relay, and a better one is wanted.
    pub(super) better: Option<Box<Better>>,
    /// When it is to be looked at again.
    pub(super) wake: Option<Instant>,
}

impl Pair {
    pub(super) fn new(now: Instant, peer: PublicKey, core: &Core) -> Pair {
        Pair {
            peer,
            chooser: core.settings.identity < peer,
            links: Links::default(),
            choice: None,
            open: None,
            confirmed: true,
            attempt: None,
            called: None,
            rungs: Vec::new(),
            dialled: BTreeSet::new(),
            punch: None,
            responded: 0,
            server: None,
            tale: Tale::begin(now),
            way: Way::default(),
            session: None,
            recovery: None,
            better: None,
            wake: None,
        }
    }

    /// Whether there is nothing left to be remembered.
    pub(super) fn is_idle(&self) -> bool {
        let busy = self.attempt.is_some() || self.called.is_some() || self.punch.is_some();
        self.links.is_empty() && !busy && self.session.is_none() && self.recovery.is_none()
    }

    /// Does what is due, after whatever has happened.
    pub(super) fn pump(&mut self, now: Instant, core: &mut Core) {
        self.expire_links(now, core);
        self.expire_requests(now, core);
        if self.called.as_ref().is_some_and(|called| called.until <= now) {
            self.end_called(now, core);
        }
        self.recover_if_due(now, core);
        self.better_if_due(now, core);
        if self.open.is_none() || self.called.is_some() || self.attempt.is_some() {
            self.launch(now, core);
            self.call_if_due(now, core);
            self.punch_if_due(now, core);
            self.relay_if_due(now, core);
            self.search_if_due(now, core);
        }
        self.report_vain(core);
        self.fail_if_hopeless(now, core);
        let wanted = self.attempt.is_some() || self.called.is_some() || self.recovery.is_some();
        if self.open.is_none() && !wanted {
            // It went on behind a relayed connection, which has ended.
            self.stop_punch(now, Result::GivenUp, core);
        }
        self.better_if_due(now, core);
        if self.attempt.is_none() && self.called.is_none() && self.recovery.is_none() {
            self.rungs.clear();
            self.dialled.clear();
            self.responded = 0;
        }
    }

    /// Where there is nothing but an open connection: gives up what was only needed for it to come about.
    pub(super) fn rest(&mut self) {
        let busy = self.attempt.is_some() || self.called.is_some() || self.punch.is_some();
        if self.open.is_some() && self.confirmed && !busy && self.recovery.is_none() && self.links.len() == 1
        {
            self.tale.forget();
            self.rungs = Vec::new();
        }
    }

    /// When to pump again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let links = self.links.values().filter_map(|link| link.until);
        let called = self.called.iter().map(|called| called.until);
        let rungs = self.rungs.first().map(|(at, _)| *at);
        let attempt = self.attempt.as_deref().and_then(Attempt::deadline);
        links
            .chain(called)
            .chain(rungs)
            .chain(attempt)
            .chain(self.impatient_at())
            .chain(self.confirm_at())
            .chain(self.recovery.as_deref().map(Recovery::deadline))
            .chain(self.better_at())
            .min()
    }

    /// Servers by which the peer is told something, the best first.
    pub(super) fn via(&self) -> Vec<String> {
        let unl = self.attempt.as_ref().map(|attempt| &attempt.unl);
        let unl = unl.or(self.called.as_ref().map(|called| &called.unl));
        let named = unl.into_iter().flat_map(|unl| unl.record().servers.iter().map(ToString::to_string));
        let mut via: Vec<String> = Vec::new();
        for server in self.server.iter().cloned().chain(named) {
            if !via.contains(&server) {
                via.push(server);
            }
        }
        via
    }

    /// One more connection, by this name.
    pub(super) fn add_link(&mut self, conn: ConnId, link: Link, core: &mut Core) {
        self.links.insert(conn, link);
        core.conns.insert(conn, self.peer);
    }

    /// Forgets a connection. `dialling` counts those that are not connected.
    pub(super) fn take_link(&mut self, conn: ConnId, core: &mut Core) -> Option<Link> {
        let link = self.links.remove(conn)?;
        core.conns.remove(&conn);
        if link.step == Step::Dialling {
            core.dialling = core.dialling.saturating_sub(1);
        }
        if self.choice == Some(conn) {
            self.choice = None;
        }
        if self.open.is_some_and(|(open, _)| open == conn) {
            (self.open, self.confirmed) = (None, true);
        }
        Some(link)
    }

    /// Closes a connection. The story is told so.
    pub(super) fn close_link(
        &mut self,
        now: Instant,
        conn: ConnId,
        why: Closing,
        result: Result,
        core: &mut Core,
    ) {
        if let Some(link) = self.take_link(conn, core) {
            self.tale.ended(link.entry, now, result, 0, why.text());
            core.close(conn, why);
        }
    }

    /// Whether a dial or a greeting of ours is under way.
    pub(super) fn is_dialling(&self) -> bool {
        self.links.values().any(|link| {
            link.ours && link.punch.is_none() && matches!(link.step, Step::Dialling | Step::Greeted)
        })
    }
}
