//! The last way: both connect to a server that passes on what they send. It is used when nothing else is left, at once if
//! that can be known before, or a second after the beginning, so that nobody waits for what may never come.
//!
//! Whoever calls chooses the relay, draws a token and tells the peer both, behind the call; then both go there. What comes of
//! it is a connection like any other: the caller greets, the handshake shows who is there, and it runs in the race. A
//! connection that was proved before stays the one.
//!
//! A peer goes only to a relay that its own program or its own locator names or is one of its servers, or that the caller's
//! signed locator names; so an offer leads nowhere where a call does not. Relays that are no servers but nodes of the network
//! (`volunteers`) come last.
//!
//! Once it is open, a direct one is looked for behind it (`better`).

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::aim::aim;
use super::call::{Call, CallEnd};
use super::core::Core;
use super::link::{Link, Step};
use super::message::{Message, Refusal};
use super::pair::{MOST_LINKS, Pair};
use super::report::{Result, Technique};
use super::rungs::Ladder;
use super::types::{Closing, ConnId, Output, Token};
use super::volunteers::text;
use crate::proto::punch::Technique as Punch;
use crate::proto::rdv_msg::RelayToken;
use crate::proto::unl::UnlV3;
use crate::small::SmallSet;

/// How often the peer is told of a meeting, and how long after each other.
const MOST_OFFERS: u8 = 3;
const AGAIN: Duration = Duration::from_millis(1500);
/// Most relays that an attempt goes to, and that are gone to for a call.
const MOST_RELAYS: usize = 3;
/// An address that is not known yet.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// How far an attempt is with relays.
#[derive(Clone, Debug, Default)]
pub(super) struct Relaying {
    stage: Stage,
    /// Until then a punch that goes on is waited for.
    patience: Option<Instant>,
    tried: SmallSet<String>,
    /// Why the last one came to nothing.
    trouble: Option<String>,
}

#[derive(Clone, Debug, Default)]
enum Stage {
    /// It is not to be used.
    #[default]
    Off,
    /// To be used from then on.
    From(Instant),
    /// To be used as soon as that is possible.
    Due,
    /// The peer was told, so often; again then.
    Offered { token: Token, server: String, offers: u8, again: Instant },
    /// Nothing more comes of it.
    Over,
}

impl Relaying {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::From(at) => Some(*at),
            Stage::Offered { offers, again, .. } => Some(*again).filter(|_| *offers < MOST_OFFERS),
            _ => None,
        }
    }

    /// Why there is no connection by a relay, for people.
    pub(super) fn why(&self) -> Option<&str> {
        self.trouble.as_deref()
    }
}

impl Pair {
    /// Decides when a relay is to be used.
    pub(super) fn wish_to_relay(&mut self, now: Instant, ladder: &Ladder, core: &Core) {
        let patient = ladder.reachable || core.own.is_reachable() || self.dials_near();
        let Some(attempt) = &mut self.attempt else { return };
        if self.open.is_some() {
            // It is this what we want to get away from.
            return;
        }
        if !core.settings.relay {
            attempt.relay.trouble = Some("this node uses none".to_owned());
            return;
        }
        let record = attempt.unl.record();
        let aims = [true, false].into_iter().filter_map(|v4| aim(record, core, v4));
        let hopeless =
            |aim: super::aim::Aim| matches!(Punch::choose(&aim.ours, &aim.theirs), Punch::Hopeless(_));
        let no_punch = !attempt.wish.is_open() || aims.into_iter().all(hopeless);
        let after = match (no_punch, patient) {
            (true, false) => Duration::ZERO,
            (true, true) => core.settings.punch_after.min(core.settings.relay_after),
            (false, _) => core.settings.relay_after,
        };
        attempt.relay.patience = (!no_punch).then(|| now + core.settings.relay_behind_punch);
        attempt.relay.stage = Stage::From(now + after);
    }

    /// Nothing speaks against it any more from then on.
    pub(super) fn relay_from(&mut self, at: Instant) {
        let Some(attempt) = &mut self.attempt else { return };
        if matches!(attempt.relay.stage, Stage::From(since) if since > at) {
            attempt.relay.stage = Stage::From(at);
        }
    }

    /// Goes to a relay if it is time, or nothing else is left to be waited for; repeats what the peer may not have heard.
    pub(super) fn relay_if_due(&mut self, now: Instant, core: &mut Core) {
        self.leave_empty_relay(now, core);
        let opening = |link: &Link| link.step < Step::Open;
        let others = self.links.values().any(opening) || !self.rungs.is_empty() || self.punch.is_some();
        let by_relay = self.links.values().any(|link| link.relay.is_some() && opening(link));
        let Some(attempt) = &mut self.attempt else { return };
        let left = others || attempt.wish.is_open() || !attempt.call.is_over(now);
        match &attempt.relay.stage {
            Stage::From(at) if *at <= now || !left => {
                let patience = attempt.relay.patience.filter(|at| self.punch.is_some() && *at > now);
                attempt.relay.stage = match patience {
                    Some(at) => Stage::From(at),
                    None => Stage::Due,
                };
            }
            Stage::Offered { offers, again, .. } if *again <= now && *offers < MOST_OFFERS => {
                return self.offer(now, core);
            }
            _ => {}
        }
        // One that the peer has chosen is as good as one of ours.
        if !matches!(attempt.relay.stage, Stage::Due) || by_relay {
            return;
        }
        let told = match &attempt.call {
            Call::Told { .. } | Call::Heard { .. } | Call::Answered { .. } => true,
            Call::Wanted { .. } | Call::Pause { .. } | Call::Over(_) => false,
        };
        if !told {
            return;
        }
        match self.choose_relay(core) {
            Some(server) => self.meet(now, server, core),
            // A server that we are just entering may turn out to be one.
            None if left => {}
            None => self.no_relay(),
        }
    }

    /// Where nobody can pass on our call, nobody has passed on where we wait. If the peer answers a letter, we go there again.
    fn leave_empty_relay(&mut self, now: Instant, core: &mut Core) {
        let Some(attempt) = &mut self.attempt else { return };
        let Call::Over(CallEnd::Absent | CallEnd::Unreachable(_)) = &attempt.call else { return };
        let Stage::Offered { token, server, .. } = &attempt.relay.stage else { return };
        let waits =
            |link: &Link| link.punch == Some(*token) && link.step == Step::Awaited && link.at == NOWHERE;
        let Some(conn) = self.links.iter().find(|(_, link)| waits(link)).map(|(conn, _)| *conn) else {
            return;
        };
        attempt.relay.tried.remove(server);
        attempt.relay.stage = Stage::Due;
        self.close_link(now, conn, Closing::GivenUp, Result::Failed, core);
    }

    fn no_relay(&mut self) {
        let Some(attempt) = &mut self.attempt else { return };
        attempt.relay.stage = Stage::Over;
        let why = "none of the signalling servers of the two is known to relay, and no node that does is";
        attempt.relay.trouble.get_or_insert_with(|| why.to_owned());
    }

    /// A relay that the peer will go to: where it was heard, where it stays, where we stay.
    fn choose_relay(&self, core: &Core) -> Option<String> {
        let attempt = self.attempt.as_ref().filter(|attempt| attempt.relay.tried.len() < MOST_RELAYS)?;
        let ours = core.own.locator.iter().flat_map(|unl| unl.record().servers.iter().map(text));
        let named: Vec<String> = attempt.unl.record().servers.iter().map(text).chain(ours).collect();
        let heard = self.server.iter().filter(|server| named.contains(server)).cloned();
        let relays = |server: &String| core.own.relays.contains(server);
        let known = heard.chain(named.iter().cloned()).filter(relays);
        let volunteers = core.volunteers_for(attempt.unl.record());
        let mut all = known.chain(core.settings.relays.iter().cloned()).chain(volunteers);
        all.find(|server| !attempt.relay.tried.contains(server))
    }

    /// Goes to a relay and tells the peer.
    fn meet(&mut self, now: Instant, server: String, core: &mut Core) {
        let token = core.token();
        self.go_to(now, server.clone(), token, true, core);
        if let Some(attempt) = &mut self.attempt {
            attempt.relay.tried.insert(server.clone());
            attempt.relay.stage = Stage::Offered { token, server, offers: 0, again: now };
        }
        self.offer(now, core);
    }

    fn offer(&mut self, now: Instant, core: &mut Core) {
        let via = self.via();
        let Some(attempt) = &mut self.attempt else { return };
        let Stage::Offered { token: relay, server, offers, again } = &mut attempt.relay.stage else { return };
        (*offers, *again) = (*offers + 1, now + AGAIN);
        let message = Message::Relay { token: attempt.token, relay: *relay, server: server.clone() };
        core.tell(self.peer, via, &message);
    }

    fn go_to(&mut self, now: Instant, server: String, token: Token, ours: bool, core: &mut Core) {
        // Where we are only for a peer's sake its name may lead elsewhere by now.
        let mut trusted = core.own.servers.iter().chain(&core.settings.relays);
        let guest = !trusted.any(|own| own.eq_ignore_ascii_case(&server));
        let unl = self.attempt.as_ref().map(|attempt| &attempt.unl).filter(|_| ours);
        let unl = unl.or(self.called.as_ref().map(|called| &called.unl));
        let prove = !core.is_server(&server, unl.map(UnlV3::record));
        let conn = ConnId(core.name());
        let entry = self.tale.began(now, Technique::Relay, None);
        let link = Link {
            ours,
            punch: Some(token),
            relay: Some(server.clone()),
            until: Some(now + core.settings.relaying),
            entry,
            story: format!("this is the connection, by the relay {server}"),
            ..Link::new(now, NOWHERE, Technique::Relay)
        };
        self.add_link(conn, link, core);
        let token = RelayToken(token);
        core.push(Output::Relay { conn, peer: self.peer, server, guest, prove, token, ours });
    }

    /// The peer wants to meet us at a relay.
    pub(super) fn relay_offered(
        &mut self,
        now: Instant,
        call: Token,
        relay: Token,
        server: String,
        core: &mut Core,
    ) {
        let Some(called) = self.called.as_mut().filter(|called| called.token == call) else { return };
        if self.links.values().any(|link| link.punch == Some(relay)) {
            return;
        }
        let ours = core.own.servers.iter().chain(&core.own.relays).chain(&core.settings.relays);
        let ours = core.settings.relay && ours.into_iter().any(|own| own.eq_ignore_ascii_case(&server));
        let record = called.unl.record();
        let theirs = record.servers.iter().any(|named| text(named) == server)
            || core.volunteers_for(record).contains(&server);
        let reason = if !core.settings.relay || !ours && !theirs {
            Some(Refusal::NoRelay)
        } else if usize::from(called.relays) >= MOST_RELAYS
            || self.links.len() >= MOST_LINKS
            || !core.limits.may_dial(now)
        {
            Some(Refusal::Busy)
        } else {
            None
        };
        if let Some(reason) = reason {
            core.log(now, || {
                format!("{} wants to be met at the relay {server}, and is not: {reason}", self.peer)
            });
            let via = vec![called.server.clone()];
            core.tell(self.peer, via, &Message::Refuse { token: relay, reason });
            return;
        }
        called.relays += 1;
        self.tale.note(now, format!("the peer wants to meet us at the relay {server}"));
        self.go_to(now, server, relay, false, core);
    }

    /// The peer's relay did not take us: it need not wait for us there, and may know another one.
    pub(super) fn relay_missed(&self, link: &Link, core: &mut Core) {
        let waits = !link.ours && link.at == NOWHERE && self.open.is_none();
        if let (Some(called), Some(token), true) = (&self.called, link.punch, waits) {
            let via = vec![called.server.clone()];
            core.tell(self.peer, via, &Message::Refuse { token, reason: Refusal::NotRelayed });
        }
    }

    /// The peer does not come to our relay.
    pub(super) fn relay_refused(
        &mut self,
        now: Instant,
        token: Token,
        reason: Refusal,
        core: &mut Core,
    ) -> bool {
        let link = self.links.iter().find(|(_, link)| {
            link.ours && link.relay.is_some() && link.punch == Some(token) && link.step == Step::Awaited
        });
        let Some((conn, link)) = link.map(|(conn, link)| (*conn, link.clone())) else { return false };
        let text = format!("the peer refused: {reason}");
        self.tale.ended(link.entry, now, Result::Failed, 0, text.as_str());
        self.close_link(now, conn, Closing::GivenUp, Result::Failed, core);
        if let Some(relay) = link.relay.as_deref().filter(|_| reason == Refusal::NotRelayed) {
            core.volunteers.failed(relay);
        }
        self.failed_dial(&link, &text);
        true
    }

    /// The relay has both of us: greets, or is greeted.
    pub(super) fn relayed(&mut self, now: Instant, conn: ConnId, at: SocketAddr, core: &mut Core) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        if link.relay.is_none() || link.step != Step::Awaited || link.at != NOWHERE {
            return;
        }
        (link.at, link.until) = (at, Some(now + core.settings.handshake));
        if link.ours {
            self.greet(now, conn, core);
        }
    }

    /// A connection by a relay has failed. Another relay may do better.
    pub(super) fn relay_lost(&mut self, link: &Link, text: &str) {
        let Some(attempt) = &mut self.attempt else { return };
        let server = link.relay.as_deref().unwrap_or_default();
        attempt.relay.trouble = Some(format!("{server}: {text}"));
        if matches!(attempt.relay.stage, Stage::Offered { token, .. } if link.punch == Some(token)) {
            attempt.relay.stage = Stage::Due;
        }
    }
}
