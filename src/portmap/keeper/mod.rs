//! The keeper of the mappings: one loop that owns all state, asks tasks to do things and takes their notes.
//!
//! There is a seat for IPv4 and one for IPv6. A seat races all its ways, holds the winner's mapping (renews
//! it, looks after the gateway), and starts again when the mapping is lost. After a race that nobody won it
//! pauses, longer each time.

mod holding;
mod racing;
mod removing;
mod state;

use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use self::state::{Seat, State};
use super::race::Way;
use super::way::{Mapping, News, Trouble};
use super::{Attempt, Context, Gateway, Happening, Mapped, Order, Wish, now};
use crate::boxed::boxed;
use crate::proto::portmap::contest::Decision;

/// How long the removal of mappings may hold up the end, or a new start.
const REMOVAL: Duration = Duration::from_secs(1);

/// How long a renewal may take; there are more to come before the lease ends.
const RENEWAL: Duration = Duration::from_secs(10);

/// How often a gateway is asked whether it was restarted or has another address: in between the renewals,
/// because a restart makes us unreachable at once.
const LOOK: Duration = Duration::from_secs(5 * 60);

/// After a restart of the gateway all its clients come; we come at random within this time (RFC 6887 8.5).
const AFTER_RESTART: Duration = Duration::from_secs(2);

/// Pause after the first race that nobody won; doubles.
const PAUSE: Duration = Duration::from_secs(15);
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

const FAMILIES: usize = 2;

/// What a task has to say.
enum Note {
    /// The entries that crashed nodes left are dealt with.
    Cleaned,
    /// A way of a race is at its end.
    Way { seat: usize, race: u64, number: usize, way: Way, result: Result<Mapping, String>, took: Duration },
    /// A renewal of what is held.
    Renewed { seat: usize, hold: u64, result: Result<Mapping, Trouble> },
    /// A look at the gateway of what is held.
    Looked { seat: usize, hold: u64, result: Result<News, String> },
    /// A removal that somebody waits for.
    Removed { seat: usize, hold: u64 },
    /// A removal that nobody waits for.
    Dropped(Option<String>),
}

pub(super) struct Keeper<F> {
    ctx: Arc<Context>,
    protocols: u32,
    report: F,
    orders: UnboundedReceiver<Order>,
    notes: UnboundedReceiver<Note>,
    /// For the tasks.
    teller: UnboundedSender<Note>,
    tasks: JoinSet<()>,
    gateways: Vec<Gateway>,
    seats: [Seat; FAMILIES],
    last_id: u64,
    /// FAILED was reported and nothing has changed since.
    failure_told: bool,
    rng: fastrand::Rng,
}

enum Input {
    Order(Option<Order>),
    Note(Box<Note>),
    Time,
}

impl<F: Fn(Happening) + Send + 'static> Keeper<F> {
    pub(super) fn new(wish: Wish, orders: UnboundedReceiver<Order>, report: F) -> Keeper<F> {
        let (teller, notes) = mpsc::unbounded_channel();
        let ctx = Context {
            port: wish.port,
            transport: wish.transport,
            lease: wish.lease,
            description: wish.description,
            limit: wish.limit,
            ports: wish.ports,
            threads: super::threads::Threads::new(),
            journal: super::journal::Journal::new(wish.state_dir),
            unheard: super::unheard::Unheard::default(),
        };
        Keeper {
            ctx: Arc::new(ctx),
            protocols: wish.protocols,
            report,
            orders,
            notes,
            teller,
            tasks: JoinSet::new(),
            gateways: wish.gateways,
            seats: [Seat::new(), Seat::new()],
            last_id: 0,
            failure_told: false,
            rng: fastrand::Rng::new(),
        }
    }

    pub(super) async fn run(mut self) {
        self.clean();
        loop {
            self.tick();
            let until = self.seats.iter().filter_map(Seat::deadline).min();
            match self.input(until).await {
                Input::Order(Some(Order::Gateways(gateways))) => self.network_changed(gateways),
                Input::Order(Some(Order::Dead { pinhole })) => self.dead(usize::from(pinhole)),
                Input::Order(Some(Order::Remove) | None) => return self.end().await,
                Input::Note(note) => self.note(*note),
                Input::Time => {}
            }
        }
    }

    /// The next thing that happens, orders first.
    async fn input(&mut self, until: Option<Instant>) -> Input {
        let next = std::future::poll_fn(|cx| {
            // A panic of a task is one of ours: the shield around us deals with it.
            while let Poll::Ready(Some(ended)) = self.tasks.poll_join_next(cx) {
                if let Err(e) = ended
                    && e.is_panic()
                {
                    std::panic::resume_unwind(e.into_panic());
                }
            }
            if let Poll::Ready(order) = self.orders.poll_recv(cx) {
                return Poll::Ready(Input::Order(order));
            }
            match self.notes.poll_recv(cx) {
                Poll::Ready(Some(note)) => Poll::Ready(Input::Note(Box::new(note))),
                _ => Poll::Pending,
            }
        });
        match until {
            Some(until) => timeout_at(until.into(), next).await.unwrap_or(Input::Time),
            None => next.await,
        }
    }

    fn spawn(&mut self, work: impl Future<Output = Note> + Send + 'static) {
        let teller = self.teller.clone();
        let work = boxed(work);
        self.tasks.spawn(boxed(async move {
            let note = work.await;
            // At the very end nobody listens any more.
            let _ = teller.send(note);
        }));
    }

    fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Lets the seats do what is due.
    fn tick(&mut self) {
        if let Some(trouble) = self.ctx.journal.trouble() {
            (self.report)(Happening::Note(trouble));
        }
        for at in 0..FAMILIES {
            match &self.seats[at].state {
                State::Pause { until } if *until <= now() => self.start_race(at, None),
                State::Removing { until, again, .. } if *until <= now() => self.start_race(at, *again),
                State::Race(race) => match race.shared.decide() {
                    Decision::Open(_) => {}
                    Decision::Winner(way) => self.won(at, way),
                    Decision::AllFailed => self.lost_race(at),
                },
                State::Hold(_) => self.look_after(at),
                _ => {}
            }
        }
    }

    fn network_changed(&mut self, gateways: Vec<Gateway>) {
        self.gateways = gateways;
        self.failure_told = false;
        for at in 0..FAMILIES {
            let seat = &mut self.seats[at];
            (seat.pause, seat.failed) = (PAUSE, false);
            seat.distrust.clear();
            seat.attempts.clear();
            match std::mem::replace(&mut seat.state, State::Empty) {
                // The same addresses are perhaps the same network, perhaps not: a renewal makes the mapping
                // in both cases.
                State::Hold(mut hold) if self.gateways.contains(&hold.mapping.gateway) => {
                    hold.renew_at = now();
                    seat.state = State::Hold(hold);
                }
                State::Hold(hold) => {
                    (self.report)(Happening::Lost {
                        pinhole: at == 1,
                        why: "the network has changed".into(),
                    });
                    self.drop_hold(*hold);
                }
                State::Race(race) => {
                    race.shared.end();
                    for mapping in race.got.into_iter().flatten() {
                        self.drop_mapping(mapping);
                    }
                }
                State::Empty | State::Pause { .. } | State::Removing { .. } => {}
            }
        }
        self.clean();
    }

    fn note(&mut self, note: Note) {
        match note {
            Note::Cleaned => {
                for seat in &mut self.seats {
                    // A pause after a lost race is not this one; it is longer, and cutting it once does no
                    // harm.
                    if let State::Pause { until } = &mut seat.state {
                        *until = now();
                    }
                }
            }
            Note::Way { seat, race, number, way, result, took } => {
                let outcome = match &result {
                    Ok(mapping) => Ok(describe(&mapping.mapped())),
                    Err(why) => Err(why.clone()),
                };
                let attempt = Attempt { protocol: way.protocol, gateway: way.gateway.ip, outcome, took };
                self.way_ended(seat, race, number, result, attempt);
            }
            Note::Renewed { seat, hold, result } => self.renewed(seat, hold, result),
            Note::Looked { seat, hold, result } => self.looked(seat, hold, result),
            Note::Removed { seat, hold } => {
                if let State::Removing { hold: waiting, until, .. } = &mut self.seats[seat].state
                    && *waiting == hold
                {
                    *until = now();
                }
            }
            Note::Dropped(None) => {}
            Note::Dropped(Some(why)) => (self.report)(Happening::Note(why)),
        }
    }
}

/// The seat of a gateway's family.
fn family_of(gateway: &Gateway) -> usize {
    usize::from(gateway.ip.is_ipv6())
}

/// A pause, up to a tenth shorter or longer.
fn jittered(pause: Duration, rng: &mut fastrand::Rng) -> Duration {
    pause.mul_f64(0.9 + 0.2 * rng.f64())
}

fn describe(mapped: &Mapped) -> String {
    let lease = match mapped.lease.as_secs() {
        0 => "without an end".to_owned(),
        seconds => format!("for {seconds} s"),
    };
    match mapped.external_ip {
        Some(ip) => format!("mapped {} {lease}", std::net::SocketAddr::new(ip, mapped.external_port)),
        None => format!("mapped port {} {lease}", mapped.external_port),
    }
}
