//! Who may wait, who meets whom, how fast they may go, and when it is over.

use super::limits::RelayLimits;
use super::pace::Pace;
use super::types::{Asked, Counters, End, Next, Output, Refusal, SessionId, Summary};
use crate::proto::rdv_msg::{RelayReason, RelayToken};
use crate::proto::rdv_server::{ConnId, account_of};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

#[derive(Debug)]
struct Waiting {
    conn: ConnId,
    account: IpAddr,
    until: Instant,
}

#[derive(Debug)]
enum Meeting {
    Waiting(Waiting),
    Met,
}

#[derive(Debug)]
struct Session {
    token: RelayToken,
    accounts: [IpAddr; 2],
    begun: Instant,
    bytes: u64,
    pace: Pace,
    /// Bytes since it last paused behind the others.
    turn: u64,
    /// When something last got through, or when it may again.
    stirred: Instant,
    /// When that is looked at next.
    look: Instant,
    /// It was said to be over.
    over: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Late(RelayToken),
    Idle(SessionId),
}

/// The state of a relay.
#[derive(Debug)]
pub struct Relay {
    limits: RelayLimits,
    next_session: u64,
    meetings: BTreeMap<RelayToken, Meeting>,
    /// Who waits, and by which token.
    waiting: BTreeMap<ConnId, RelayToken>,
    sessions: BTreeMap<SessionId, Session>,
    /// How many wait or are relayed from each address.
    accounts: BTreeMap<IpAddr, usize>,
    due: BTreeSet<(Instant, Due)>,
    pace: Pace,
    outputs: VecDeque<Output>,
    counters: Counters,
}

impl Relay {
    /// A relay without anybody.
    pub fn new(limits: RelayLimits) -> Relay {
        Relay {
            next_session: 1,
            meetings: BTreeMap::new(),
            waiting: BTreeMap::new(),
            sessions: BTreeMap::new(),
            accounts: BTreeMap::new(),
            due: BTreeSet::new(),
            // A tenth of a second may be passed at once.
            pace: Pace::new(limits.rate_in_all, limits.rate_in_all / 10),
            outputs: VecDeque::new(),
            counters: Counters::default(),
            limits,
        }
    }

    /// A connection has said RELAY. One that may wait reports its end by [`Relay::left`], unless it was told of by
    /// [`Asked::Go`] or [`Output::Late`] before.
    ///
    /// # Errors
    /// What to say to it; nothing is kept of it.
    pub fn ask(
        &mut self,
        now: Instant,
        conn: ConnId,
        ip: IpAddr,
        token: RelayToken,
    ) -> Result<Asked, Refusal> {
        let account = account_of(ip);
        self.admit(account, token).inspect_err(|refusal| self.refused(refusal.reason))?;
        *self.accounts.entry(account).or_insert(0) += 1;
        match self.meetings.insert(token, Meeting::Met) {
            Some(Meeting::Waiting(first)) => {
                self.due.remove(&(first.until, Due::Late(token)));
                self.waiting.remove(&first.conn);
                let session = SessionId(self.next_session);
                self.next_session += 1;
                self.counters.sessions += 1;
                let look = now + self.limits.idle;
                self.due.insert((look, Due::Idle(session)));
                let accounts = [first.account, account];
                let pace = Pace::new(self.limits.rate, self.limits.burst);
                self.sessions.insert(
                    session,
                    Session {
                        token,
                        accounts,
                        begun: now,
                        bytes: 0,
                        pace,
                        turn: 0,
                        stirred: now,
                        look,
                        over: None,
                    },
                );
                Ok(Asked::Go { session, other: first.conn })
            }
            _ => {
                let until = now + self.limits.wait;
                self.due.insert((until, Due::Late(token)));
                self.waiting.insert(conn, token);
                self.meetings.insert(token, Meeting::Waiting(Waiting { conn, account, until }));
                Ok(Asked::Wait)
            }
        }
    }

    /// Whether one more from there may wait or be relayed by this token.
    fn admit(&self, account: IpAddr, token: RelayToken) -> Result<(), Refusal> {
        let refuse = |reason, expected: String| Err(Refusal { reason, expected });
        let limits = &self.limits;
        if !limits.is_on() {
            return refuse(RelayReason::Off, "expected another server: this one does not relay".to_owned());
        }
        let first = match self.meetings.get(&token) {
            None => true,
            Some(Meeting::Waiting(_)) => false,
            Some(Meeting::Met) => {
                return refuse(
                    RelayReason::Token,
                    "expected another token: two have met by this one".to_owned(),
                );
            }
        };
        if self.accounts.get(&account).is_some_and(|n| *n >= limits.per_address) {
            let most = limits.per_address;
            return refuse(
                RelayReason::Address,
                format!("expected at most {most} connections to the relay from one address; try again later"),
            );
        }
        // Who comes first will need a session soon: better to say no at once.
        if self.sessions.len() >= limits.sessions || first && self.waiting.len() >= limits.waiting {
            let (sessions, waiting) = (limits.sessions, limits.waiting);
            return refuse(
                RelayReason::Full,
                format!(
                    "expected at most {sessions} relayed connections and {waiting} that wait; try again later"
                ),
            );
        }
        Ok(())
    }

    /// Counts a refusal that was made before this was asked.
    pub fn refused(&mut self, reason: RelayReason) {
        if let Some(n) = self.counters.refused.get_mut(reason.index()) {
            *n += 1;
        }
    }

    /// A connection that waited has ended. Harmless for others.
    pub fn left(&mut self, conn: ConnId) {
        let Some(token) = self.waiting.remove(&conn) else { return };
        if let Some(Meeting::Waiting(waiting)) = self.meetings.remove(&token) {
            self.due.remove(&(waiting.until, Due::Late(token)));
            self.leave(waiting.account);
        }
    }

    /// So many bytes of a session have been passed on: taken by the system of the one they are for.
    pub fn moved(&mut self, now: Instant, id: SessionId, bytes: usize) -> Next {
        let bytes = bytes as u64;
        self.counters.bytes += bytes;
        let Some(session) = self.sessions.get_mut(&id) else { return Next::Over };
        session.bytes = session.bytes.saturating_add(bytes);
        session.turn = session.turn.saturating_add(bytes);
        let own = session.pace.charge(now, bytes);
        // Who says little has the others wait no longer than who says much, and need not wait for them each time.
        let quantum = self.limits.quantum() as u64;
        let behind = self.pace.charge(now, bytes).filter(|_| session.turn >= quantum);
        if behind.is_some() {
            session.turn -= quantum;
        }
        let pause = own.max(behind);
        // A pause of ours is not the peers' silence.
        session.stirred = pause.unwrap_or(now);
        if self.limits.bytes > 0 && session.bytes >= self.limits.bytes {
            self.over(id, End::Bytes);
            return Next::Over;
        }
        pause.map_or(Next::Go, Next::Pause)
    }

    /// A session has ended, by itself or after [`Output::Over`], whose reason counts. `None`: there is none of that name.
    pub fn ended(&mut self, now: Instant, id: SessionId, end: End) -> Option<Summary> {
        let session = self.sessions.remove(&id)?;
        self.due.remove(&(session.look, Due::Idle(id)));
        self.meetings.remove(&session.token);
        session.accounts.into_iter().for_each(|account| self.leave(account));
        let end = session.over.unwrap_or(end);
        let place = End::ALL.iter().position(|other| *other == end);
        if let Some(n) = place.and_then(|at| self.counters.ended.get_mut(at)) {
            *n += 1;
        }
        let lasted = now.saturating_duration_since(session.begun);
        Some(Summary { end, bytes: session.bytes, lasted })
    }

    /// When [`Relay::on_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Time has passed.
    pub fn on_timeout(&mut self, now: Instant) {
        while let Some(&(at, due)) = self.due.first()
            && at <= now
        {
            self.due.remove(&(at, due));
            match due {
                Due::Late(token) => {
                    if let Some(Meeting::Waiting(waiting)) = self.meetings.remove(&token) {
                        self.waiting.remove(&waiting.conn);
                        self.leave(waiting.account);
                        self.refused(RelayReason::Time);
                        self.outputs.push_back(Output::Late { conn: waiting.conn });
                    }
                }
                Due::Idle(id) => {
                    let Some(session) = self.sessions.get_mut(&id) else { continue };
                    // Looked at now and then, so that passing bytes on costs no timer.
                    let end = session.stirred + self.limits.idle;
                    if end <= now {
                        self.over(id, End::Idle);
                    } else {
                        session.look = end;
                        self.due.insert((end, due));
                    }
                }
            }
        }
    }

    /// What to do next, until there is nothing more.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Sessions at the moment.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Connections that wait for the other one.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn over(&mut self, id: SessionId, why: End) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.over.is_none() {
            session.over = Some(why);
            self.due.remove(&(session.look, Due::Idle(id)));
            self.outputs.push_back(Output::Over { session: id, why });
        }
    }

    fn leave(&mut self, account: IpAddr) {
        if let Some(n) = self.accounts.get_mut(&account) {
            *n = n.saturating_sub(1);
            if *n == 0 {
                self.accounts.remove(&account);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_consistent(&self) -> bool {
        let met = self.meetings.values().filter(|m| matches!(m, Meeting::Met)).count();
        let idle = self.sessions.values().filter(|s| s.over.is_none()).count();
        self.accounts.values().sum::<usize>() == self.waiting.len() + 2 * self.sessions.len()
            && self.accounts.values().all(|n| (1..=self.limits.per_address).contains(n))
            && met == self.sessions.len()
            && self.meetings.len() == met + self.waiting.len()
            && self.due.len() == self.waiting.len() + idle
            && self.sessions.len() <= self.limits.sessions
            && self.waiting.len() <= self.limits.waiting
    }
}
