//! The secure dialect's side of the actor: carries out what [`crate::proto::connect`] decides.
//!
//! ```text
//!   program ─ unl_connect, cancel ─▶ ┌───────────┐ ◀─ steps ─ ushers (one per connection that is not open yet)
//!   situation ─ what we are ───────▶ │ Connector │ ◀─ happenings ─ signalling (one task)
//!                                    └───────────┘ ◀─ says, ends ─ punches (one task each), BitTorrent's DHT (one task)
//! ```
//!
//! `links`, `opening` and `ends` have the connections from begin to end, `sessions` what outlives them; `signalling`, `punches`,
//! `relays`, `volunteer` and `mainline` the tasks; `own` what the node knows of itself.

mod ends;
mod links;
#[cfg_attr(not(feature = "mainline"), path = "no_mainline.rs")]
mod mainline;
mod opening;
mod own;
mod punches;
mod relays;
mod sessions;
mod signalling;
mod volunteer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{Actor, Msg};
use crate::config::Dialect;
use crate::error::{Code, Error, Result};
use crate::node::greet::Greeted;
use crate::node::log::log;
use crate::node::session::Report;
use crate::node::shared::{Outcome, Shared};
use crate::node::volunteer::{Guest, Volunteer};
use crate::node::{key, punch, signal, usher};
use crate::proto::connect::{ConnId, Connector, Input, Output, Own, PunchId, Seals};
use crate::proto::handshake::Answer;
use crate::proto::identity::PublicKey;
use crate::proto::punch::Budget;
use crate::proto::signal::Happening;
use crate::proto::unl::UnlV3;
use crate::small::{SmallMap, SmallSet};
use links::Link;
pub(super) use sessions::Start;

pub(super) use mainline::Happening as MainlineHappening;

/// The story of a request that goes on is at most so old when the program asks for it. (Many requests may go on, and much
/// may happen.)
const STORY_TIME: Duration = Duration::from_millis(20);

/// The secure dialect's state; `None` in the actor of a classic net.
pub(super) struct Secure {
    connector: Connector,
    /// Where each connection stands that is not the program's yet. Few, however many are.
    links: SmallMap<ConnId, Link>,
    /// The program's, by the id that it knows.
    given: SmallMap<ConnId, u64>,
    /// The same the other way round: the link of each of the program's connections, if it has one.
    open: SmallMap<u64, ConnId>,
    sessions: sessions::Sessions,
    punches: SmallMap<PunchId, punches::Punching>,
    budget: Arc<Mutex<Budget>>,
    /// Servers where we are now that relay.
    relays: Vec<String>,
    /// The relay of this node, if it volunteers.
    volunteer: Option<Arc<Volunteer>>,
    /// Whether the program was told that this node relays, or does not.
    relays_itself: Option<bool>,
    /// Where it does, as peers are told.
    relays_at: Option<SocketAddr>,
    signal: Option<mpsc::Sender<signal::Order>>,
    happenings: Option<mpsc::Receiver<Happening>>,
    mainline: mainline::Desk,
    /// What the connector was told last of the node.
    full: bool,
    /// Requests that go on, and whom they want.
    running: SmallMap<u64, PublicKey>,
    /// When the stories of those are to be written down again.
    stories_at: Option<Instant>,
    /// When the locator that peers are answered with is to be made anew.
    refresh_at: Option<Instant>,
    /// Whether [`Actor::secure_act`] is under way.
    acting: bool,
}

/// What a task of this part reports.
pub(crate) enum News {
    /// A dial has ended.
    Dialled { conn: ConnId, outcome: Result<tokio::net::TcpStream> },
    /// A relay has connected us, or has not.
    Relayed {
        conn: ConnId,
        ours: bool,
        relay: Arc<str>,
        outcome: Result<(tokio::net::TcpStream, SocketAddr)>,
    },
    /// One who has come by the listener wants to be relayed.
    ForRelay { conn: ConnId, guest: Box<Guest> },
    /// A connection says something.
    Usher { conn: ConnId, step: usher::Step },
    /// A session says something.
    Session { id: u64, report: Report },
    /// A peer whose session has ended here has said which one it holds on a new link; what comes of that.
    Met { conn: ConnId, outcome: Result<Option<Box<Greeted>>> },
    /// A punch wants to tell the peer something.
    PunchSend { punch: PunchId, message: crate::proto::punch::Message },
    /// A punch has ended.
    Punched { punch: PunchId, end: Box<punch::Punched> },
}

impl Secure {
    /// The state of a node that begins; `None` if its net is a classic one.
    pub(super) fn new(shared: &Shared) -> Option<Secure> {
        let config = &shared.config;
        if config.dialect != Dialect::Secure {
            return None;
        }
        // The start has made sure that there is one.
        let identity = shared.identity().ok()?;
        let secret = match config.seed {
            0 => key::random().ok()?,
            seed => {
                let mut rng = fastrand::Rng::with_seed(seed);
                std::array::from_fn(|_| rng.u8(..))
            }
        };
        // Never from the seed: the same keys with other messages under them would be none.
        let seals = Seals::new(Instant::now(), shared.myself().ok()?.clone(), key::random().ok()?);
        Some(Secure {
            connector: Connector::new(
                own::settings(config, identity.public()),
                Own::default(),
                seals,
                secret,
            ),
            links: SmallMap::new(),
            given: SmallMap::new(),
            open: SmallMap::new(),
            sessions: sessions::Sessions::default(),
            punches: SmallMap::new(),
            budget: Arc::new(Mutex::new(Budget::new(config.punch_half_open, config.punch_per_minute))),
            relays: Vec::new(),
            volunteer: None,
            relays_itself: None,
            relays_at: None,
            signal: None,
            happenings: None,
            mainline: mainline::Desk::default(),
            full: false,
            running: SmallMap::new(),
            stories_at: None,
            refresh_at: None,
            acting: false,
        })
    }

    /// Peers to which connections are on their way at the program's wish that have no entry in the table yet.
    fn under_way(&self) -> usize {
        let peers: SmallSet<&PublicKey> = self.running.values().collect();
        let opening = self.links.values().filter(|link| link.is_opening_outwards());
        peers.len() + opening.count()
    }

    /// When [`Actor::secure_due`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines =
            [self.connector.deadline(), self.stories_at, self.refresh_at, self.mainline.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// The next happening of the signalling.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Happening> {
        match self.happenings.as_mut().map(|rx| rx.poll_recv(cx)) {
            Some(Poll::Ready(Some(happening))) => Poll::Ready(happening),
            _ => Poll::Pending,
        }
    }

    /// The next happening of BitTorrent's DHT.
    pub(super) fn poll_mainline(&mut self, cx: &mut Context<'_>) -> Poll<MainlineHappening> {
        self.mainline.poll(cx)
    }
}

impl Actor {
    /// The program wants a connection to the node with this locator.
    pub(super) fn secure_connect(&mut self, request: u64, unl: &str) {
        let unl = match UnlV3::decode(unl) {
            Ok(unl) => unl,
            Err(e) => return self.shared.done(request, Error::new(Code::Invalid, e.to_string()).into()),
        };
        let peer = *unl.identity();
        if !self.shared.config.admits(&peer) {
            let message =
                format!("{peer} is not among the peers that this node allows (p2p_config_allow_peer)");
            return self.shared.done(request, Error::new(Code::Refused, message).into());
        }
        self.forget_ending(&peer);
        let Some(secure) = &self.secure else {
            let e = Error::new(Code::Io, "this node has no keys: the system had no randomness at its start");
            return self.shared.done(request, e.into());
        };
        if secure.sessions.id_of(&peer).is_none() && !secure.running.values().any(|other| *other == peer) {
            if let Err(e) = self.has_outbound_place_beside(secure.under_way()) {
                return self.shared.done(request, e.into());
            }
            self.secure_refresh();
        }
        if let Some(secure) = &mut self.secure {
            secure.running.insert(request, peer);
            secure.connector.connect(Instant::now(), request, &unl, None);
            if let Some(story) = secure.connector.story(request) {
                self.shared.stories.lock().put(story);
            }
        }
        self.secure_act();
    }

    /// Gives a request up, if it is one of these.
    pub(super) fn secure_cancel(&mut self, request: u64) {
        let Some(secure) = &mut self.secure else { return };
        for link in secure.links.values_mut() {
            link.leave(request);
        }
        secure.connector.cancel(Instant::now(), request);
        self.secure_act();
    }

    /// Does what has become due.
    pub(super) fn secure_due(&mut self, now: Instant) {
        let Some(secure) = &mut self.secure else { return };
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(secure.stories_at) {
            secure.stories_at = None;
            let mut stories = self.shared.stories.lock();
            secure.running.keys().filter_map(|r| secure.connector.story(*r)).for_each(|s| stories.put(s));
        }
        let (wake, refresh) = (due(secure.connector.deadline()), due(secure.refresh_at));
        if refresh {
            self.secure_refresh();
        }
        if wake {
            self.secure_input(Input::Wake);
        }
        self.secure_room();
    }

    /// Gives the connector something that has happened, and does what it says.
    fn secure_input(&mut self, input: Input) {
        if let Some(secure) = &mut self.secure {
            secure.connector.handle(Instant::now(), input);
        }
        self.secure_act();
    }

    /// Does what the connector says, until it says nothing more. What follows from that at once is its next input, and done
    /// here as well: however long such a chain is, it takes no stack.
    fn secure_act(&mut self) {
        match &mut self.secure {
            Some(secure) if !secure.acting => secure.acting = true,
            _ => return,
        }
        while let Some(output) = self.secure.as_mut().and_then(|s| s.connector.poll_output()) {
            match output {
                Output::Dial { conn, to, .. } => self.secure_dial(conn, to),
                Output::Relay { conn, server, guest, prove, token, ours, .. } => {
                    self.begin_relay(conn, server, guest, (token, prove), ours);
                }
                Output::Greet { conn, peer, token, chosen } => self.greet(conn, peer, token, chosen),
                Output::Answer { conn, chosen } => {
                    self.word(conn, usher::Word::Answer(Answer::Welcome { chosen }))
                }
                Output::Choose { conn } => self.word(conn, usher::Word::Choose),
                Output::Open { conn, at, via, story, .. } => {
                    if story.request != 0 {
                        self.shared.stories.lock().put(*story);
                    }
                    self.secure_open(conn, at, via);
                }
                Output::Spare { conn } => self.secure_spare(conn),
                Output::Close { conn, why } => self.secure_close(conn, why),
                Output::Tell { tag, to, via, message } => self.tell(tag, to, via, message),
                Output::LookUp { tag, peer } => self.look_up(tag, peer),
                Output::Punch { punch, begin } => self.begin_punch(punch, *begin),
                Output::PunchMessage { punch, message } => {
                    self.order_punch(punch, punch::Inbox::Message(message));
                }
                Output::PunchCancel { punch } => self.order_punch(punch, punch::Inbox::Cancel),
                Output::Done { request, outcome, story } => {
                    if let Some(secure) = &mut self.secure {
                        secure.running.remove(&request);
                    }
                    self.shared.stories.lock().put(*story);
                    match outcome {
                        Ok(conn) => self.secure_done(request, conn),
                        Err(e) => {
                            log!(self.shared, Debug, "{e}");
                            self.shared.done(request, e.into());
                        }
                    }
                }
                Output::Log(text) => log!(self.shared, Info, "{text}"),
            }
        }
        if let Some(secure) = &mut self.secure {
            secure.acting = false;
            secure.stories_at = match secure.running.is_empty() {
                true => None,
                false => secure.stories_at.or_else(|| Some(Instant::now() + STORY_TIME)),
            };
        }
        self.renew_volunteers();
    }

    /// Takes what a task of this part reports.
    pub(super) fn secure_news(&mut self, news: News) {
        match news {
            News::Dialled { conn, outcome } => self.secure_dialled(conn, outcome),
            News::Relayed { conn, ours, relay, outcome } => self.relayed(conn, ours, relay, outcome),
            News::ForRelay { conn, guest } => self.leave_to_relay(conn, *guest),
            News::Usher { conn, step } => self.usher_says(conn, step),
            News::Session { id, report } => self.session_says(id, report),
            News::Met { conn, outcome } => self.met_ended(conn, outcome),
            News::PunchSend { punch, message } => self.secure_input(Input::PunchSend { punch, message }),
            News::Punched { punch, end } => self.punched(punch, *end),
        }
    }

    /// Ends what this part has under way. The signalling says goodbye by itself.
    pub(super) fn end_secure(&mut self) {
        if let Some(secure) = &mut self.secure {
            // That ends the requests and their stories, and the peers that were called hear of it.
            secure.connector.stop(Instant::now());
        }
        self.secure_act();
        let Some(secure) = self.secure.take() else { return };
        secure.links.values().for_each(Link::abort);
        secure.sessions.abort();
        secure.volunteer.iter().for_each(|volunteer| volunteer.stop());
        if let Some(signal) = &secure.signal {
            let _ = signal.try_send(signal::Order::Leave);
        }
    }

    /// A request of this part has its connection.
    fn secure_succeeded(&self, request: u64, id: u64) {
        match self.shared.conn(id).filter(|conn| !conn.closed.load(Relaxed)) {
            Some(conn) => {
                self.shared.done(request, Outcome { conn: Some(conn), ..Outcome::ok(0, String::new()) });
            }
            None => {
                let message = "the connection was made, and has ended since";
                self.shared.done(request, Error::new(Code::Closed, message).into());
            }
        }
    }

    fn report_secure(&self) -> impl Fn(News) + Send + 'static {
        let report = self.report.clone();
        // The actor is gone only when the net has ended.
        move |news| drop(report.send(Msg::Secure(news)))
    }
}
