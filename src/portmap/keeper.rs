//! The keeper of the mappings: one loop that owns all state, asks tasks to do things and takes their notes.
//!
//! There is a seat for IPv4 and one for IPv6. A seat races all its ways, holds the winner's mapping (renews it, looks
//! after the gateway), and starts again when the mapping is lost. After a race that nobody won it pauses, longer each time.

use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::race::{Distrust, Shared, Way, attempt, ways};
use super::way::{Mapping, News, Trouble};
use super::{Attempt, Context, Gateway, Happening, Mapped, Order, Wish, now};
use crate::proto::portmap::contest::{Decision, same_entry};
use crate::proto::portmap::epoch::Epoch;
use crate::proto::portmap::lease::Lease;

/// How long the removal of mappings may hold up the end, or a new start.
const REMOVAL: Duration = Duration::from_secs(1);

/// How long a renewal may take; there are more to come before the lease ends.
const RENEWAL: Duration = Duration::from_secs(10);

/// How often a gateway is asked whether it was restarted or has another address: in between the renewals, because a
/// restart makes us unreachable at once.
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

struct Race {
    id: u64,
    shared: Arc<Shared>,
    got: Vec<Option<Mapping>>,
    /// Only the way whose mapping was dead is tried again.
    repair: bool,
}

struct Hold {
    id: u64,
    mapping: Mapping,
    lease: Lease,
    epoch: Option<Epoch>,
    renew_at: Instant,
    look_at: Instant,
    /// A task is at it.
    busy: bool,
}

enum State {
    /// There is no gateway of this family.
    Empty,
    /// Waiting before the next race.
    Pause {
        until: Instant,
    },
    /// Waiting for the removal of a dead mapping; then this way is tried again, or all.
    Removing {
        hold: u64,
        until: Instant,
        again: Option<Way>,
    },
    Race(Race),
    Hold(Box<Hold>),
}

struct Seat {
    state: State,
    pause: Duration,
    distrust: Distrust,
    /// Of the last race.
    attempts: Vec<Attempt>,
    /// A race has ended without a winner since there last was a mapping.
    failed: bool,
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
        };
        let seat = || Seat {
            state: State::Empty,
            pause: PAUSE,
            distrust: Distrust::default(),
            attempts: Vec::new(),
            failed: false,
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
            seats: [seat(), seat()],
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
        self.tasks.spawn(async move {
            let note = work.await;
            // At the very end nobody listens any more.
            let _ = teller.send(note);
        });
    }

    fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Has what crashed nodes left behind on the present gateways removed. The seats wait for it, not long: our own wish
    /// may be in conflict with what is still there.
    fn clean(&mut self) {
        let until = now() + REMOVAL;
        for (family, seat) in self.seats.iter_mut().enumerate() {
            if matches!(seat.state, State::Hold(_)) {
                continue;
            }
            let any = self.gateways.iter().any(|gateway| family_of(gateway) == family);
            seat.state = if any { State::Pause { until } } else { State::Empty };
        }
        if self.gateways.is_empty() {
            self.tell_failure();
        }
        let (ctx, gateways) = (Arc::clone(&self.ctx), self.gateways.clone());
        self.spawn(async move {
            let left = ctx.journal.left_behind(&ctx.threads).await;
            let here = |entry: &&_| gateway_of(entry, &gateways).is_some();
            let (mut removals, mut removed) = (JoinSet::new(), Vec::new());
            for entry in left.iter().filter(here).cloned() {
                let mapping = gateway_of(&entry, &gateways).and_then(|g| Mapping::left_behind(&entry, g));
                let Some(mapping) = mapping else { continue };
                let ctx = Arc::clone(&ctx);
                removals.spawn(async move {
                    mapping.remove(&ctx, REMOVAL * 3 / 4).await.is_ok().then_some(entry)
                });
            }
            while let Some(done) = removals.join_next().await {
                removed.extend(done.ok().flatten());
            }
            if !removed.is_empty() {
                ctx.journal.strike_dead(&ctx.threads, removed).await;
            }
            Note::Cleaned
        });
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

    fn start_race(&mut self, at: usize, only: Option<Way>) {
        let gateways: Vec<_> = self.gateways.iter().filter(|g| family_of(g) == at).copied().collect();
        let all = ways(&gateways, self.protocols);
        let ways = match only {
            Some(way) => vec![way],
            None => self.seats[at].distrust.filter(all),
        };
        let id = self.new_id();
        let shared = Shared::new(&ways, self.ctx.limit);
        // The ways end before the race, so that its report is complete.
        let limit = self.ctx.limit.mul_f64(0.95);
        for (number, way) in ways.iter().copied().enumerate() {
            let (ctx, shared) = (Arc::clone(&self.ctx), Arc::clone(&shared));
            self.spawn(async move {
                let started = now();
                let trying = attempt(&ctx, &shared, number, way, limit);
                // Every part has a limit; this one holds even if their sum is more.
                let result = match timeout_at((started + limit).into(), trying).await {
                    Ok(result) => result,
                    Err(_) => Err(format!("nothing came of it within {:.1} s", limit.as_secs_f64())),
                };
                Note::Way { seat: at, race: id, number, way, result, took: now() - started }
            });
        }
        let got = ways.iter().map(|_| None).collect();
        self.seats[at].attempts.clear();
        self.seats[at].state = State::Race(Race { id, shared, got, repair: only.is_some() });
        // Without any way it is lost already.
        if ways.is_empty() {
            self.lost_race(at);
        }
    }

    fn won(&mut self, at: usize, way: usize) {
        let id = self.new_id();
        let State::Race(race) = &mut self.seats[at].state else { return };
        race.shared.end();
        let Some(mapping) = race.got.get_mut(way).and_then(Option::take) else { return };
        let losers: Vec<_> = race.got.drain(..).flatten().collect();
        let lease = Lease::new(mapping.grant.asked, mapping.grant.lease, self.rng.fork());
        let mut epoch = mapping.clock_rule().map(Epoch::new);
        if let (Some(epoch), Some(clock)) = (&mut epoch, mapping.grant.epoch) {
            epoch.goes_on(mapping.grant.asked, clock);
        }
        let (renew_at, look_at) = (lease.renew_at(), now() + jittered(LOOK, &mut self.rng));
        let mapped = mapping.mapped();
        for loser in losers {
            self.drop_loser(&mapped, loser);
        }
        let seat = &mut self.seats[at];
        (seat.pause, seat.failed) = (PAUSE, false);
        seat.state =
            State::Hold(Box::new(Hold { id, mapping, lease, epoch, renew_at, look_at, busy: false }));
        self.failure_told = false;
        (self.report)(Happening::Mapped(mapped));
    }

    /// What a loser mapped goes, unless it is the winner's entry of the router's table.
    fn drop_loser(&mut self, winner: &Mapped, loser: Mapping) {
        let its = (loser.gateway.ip, loser.grant.external_port);
        if same_entry((winner.gateway, winner.external_port), its) {
            let ctx = Arc::clone(&self.ctx);
            self.spawn(async move {
                loser.forget(&ctx).await;
                Note::Dropped(None)
            });
        } else {
            self.drop_mapping(loser);
        }
    }

    fn drop_mapping(&mut self, mapping: Mapping) {
        let ctx = Arc::clone(&self.ctx);
        self.spawn(async move { Note::Dropped(removed(&ctx, &mapping).await.err()) });
    }

    fn lost_race(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        let State::Race(race) = &seat.state else { return };
        race.shared.end();
        if race.repair {
            // The way that was repaired once does not work any more: all ways, at once.
            let why = "after it was found dead it could not be made again".into();
            seat.state = State::Pause { until: now() };
            return (self.report)(Happening::Lost { pinhole: at == 1, why });
        }
        seat.distrust.clear();
        let until = now() + jittered(seat.pause, &mut self.rng);
        seat.state = State::Pause { until };
        seat.pause = (seat.pause * 2).min(LONGEST_PAUSE);
        seat.failed = true;
        self.tell_failure();
    }

    /// Reports FAILED once every family has failed.
    fn tell_failure(&mut self) {
        let hopeless = |seat: &Seat| seat.failed || matches!(seat.state, State::Empty);
        if !self.failure_told && self.seats.iter().all(hopeless) {
            self.failure_told = true;
            let attempts = self.seats.iter().flat_map(|seat| seat.attempts.iter().cloned()).collect();
            (self.report)(Happening::Failed { attempts });
        }
    }

    fn look_after(&mut self, at: usize) {
        let now = now();
        let State::Hold(hold) = &mut self.seats[at].state else { return };
        if hold.busy {
            return;
        }
        if hold.lease.is_over(now) {
            return self.lose(at, "its lease is over and the gateway did not renew it".into());
        }
        let (renew, look) = (hold.renew_at <= now, hold.look_at <= now);
        if !renew && !look {
            return;
        }
        hold.busy = true;
        hold.look_at = now + jittered(LOOK, &mut self.rng);
        let left = hold.lease.ends_at().map_or(RENEWAL, |end| end.saturating_duration_since(now));
        let (id, mapping, ctx) = (hold.id, hold.mapping.clone(), Arc::clone(&self.ctx));
        if renew {
            // A little longer than the lease, so that an answer just before its end still counts.
            let limit = RENEWAL.min(left + Duration::from_secs(1));
            self.spawn(async move {
                let result = mapping.renew(&ctx, limit).await;
                if let Ok(renewed) = &result {
                    if renewed.grant.external_port != mapping.grant.external_port {
                        mapping.forget(&ctx).await;
                    }
                    renewed.note_down(&ctx).await;
                }
                Note::Renewed { seat: at, hold: id, result }
            });
        } else {
            self.spawn(async move {
                let result = mapping.look(&ctx, RENEWAL).await;
                Note::Looked { seat: at, hold: id, result }
            });
        }
    }

    /// The mapping is gone: says so and tries for a new one.
    fn lose(&mut self, at: usize, why: String) {
        self.seats[at].state = State::Pause { until: now() };
        (self.report)(Happening::Lost { pinhole: at == 1, why });
    }

    fn dead(&mut self, at: usize) {
        let State::Hold(hold) = &self.seats[at].state else { return };
        let (id, mapping) = (hold.id, hold.mapping.clone());
        let way = Way { gateway: mapping.gateway, protocol: mapping.protocol() };
        let again = (self.seats[at].distrust.add(way.key()) == 1).then_some(way);
        self.seats[at].state = State::Removing { hold: id, until: now() + REMOVAL, again };
        let ctx = Arc::clone(&self.ctx);
        self.spawn(async move {
            let _ = removed(&ctx, &mapping).await;
            Note::Removed { seat: at, hold: id }
        });
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
                // The same addresses are perhaps the same network, perhaps not: a renewal makes the mapping in both cases.
                State::Hold(mut hold) if self.gateways.contains(&hold.mapping.gateway) => {
                    hold.renew_at = now();
                    seat.state = State::Hold(hold);
                }
                State::Hold(hold) => {
                    (self.report)(Happening::Lost {
                        pinhole: at == 1,
                        why: "the network has changed".into(),
                    });
                    self.drop_mapping(hold.mapping);
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
                    // A pause after a lost race is not this one; it is longer, and cutting it once does no harm.
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

    fn way_ended(
        &mut self,
        at: usize,
        race: u64,
        number: usize,
        result: Result<Mapping, String>,
        attempt: Attempt,
    ) {
        (self.report)(Happening::Tried(attempt.clone()));
        self.seats[at].attempts.push(attempt);
        match (&mut self.seats[at].state, result) {
            (State::Race(current), Ok(mapping)) if current.id == race => {
                current.shared.succeeded(number, &mapping);
                if let Some(slot) = current.got.get_mut(number) {
                    *slot = Some(mapping);
                }
            }
            (State::Race(current), Err(_)) if current.id == race => current.shared.failed(number),
            // Too late for its race.
            (State::Hold(hold), Ok(mapping)) => {
                let winner = hold.mapping.mapped();
                self.drop_loser(&winner, mapping);
            }
            (_, Ok(mapping)) => self.drop_mapping(mapping),
            (_, Err(_)) => {}
        }
    }

    fn renewed(&mut self, at: usize, id: u64, result: Result<Mapping, Trouble>) {
        let State::Hold(hold) = &mut self.seats[at].state else { return };
        if hold.id != id {
            return;
        }
        hold.busy = false;
        match result {
            Ok(renewed) => {
                let before = hold.mapping.mapped();
                hold.lease = Lease::new(renewed.grant.asked, renewed.grant.lease, self.rng.fork());
                hold.renew_at = hold.lease.renew_at();
                // A restart since the last look does no harm: this renewal has made the mapping anew.
                if let (Some(epoch), Some(clock)) = (&mut hold.epoch, renewed.grant.epoch) {
                    epoch.goes_on(now(), clock);
                }
                hold.mapping = renewed;
                self.tell_move(at, &before);
            }
            Err(trouble) if trouble.gone => self.lose(at, trouble.why),
            Err(trouble) => {
                hold.lease.not_renewed(now());
                hold.renew_at = hold.lease.renew_at();
                (self.report)(Happening::Note(format!("the mapping was not renewed: {}", trouble.why)));
            }
        }
    }

    fn looked(&mut self, at: usize, id: u64, result: Result<News, String>) {
        let State::Hold(hold) = &mut self.seats[at].state else { return };
        if hold.id != id {
            return;
        }
        hold.busy = false;
        // A gateway that is silent once may be asleep; the renewals notice if it stays so.
        let Ok(news) = result else { return };
        let before = hold.mapping.mapped();
        let now = now();
        if let (Some(epoch), Some(clock)) = (&mut hold.epoch, news.epoch)
            && !epoch.goes_on(now, clock)
        {
            hold.renew_at = now + AFTER_RESTART.mul_f64(self.rng.f64());
            (self.report)(Happening::Note("the gateway was restarted: mapping again".into()));
        }
        if let Some(ip) = news.external_ip
            && before.external_ip != Some(ip)
        {
            hold.mapping.grant.external_ip = Some(ip);
            // Whoever dialled in anew may have lost its mappings as well.
            hold.renew_at = hold.renew_at.min(now + AFTER_RESTART);
            self.tell_move(at, &before);
        }
    }

    fn tell_move(&self, at: usize, before: &Mapped) {
        let State::Hold(hold) = &self.seats[at].state else { return };
        let after = hold.mapping.mapped();
        if (after.external_ip, after.external_port) != (before.external_ip, before.external_port) {
            (self.report)(Happening::Moved(after));
        }
    }

    /// Removes everything and ends, both within the limit.
    async fn end(mut self) {
        let until = now() + REMOVAL;
        for at in 0..FAMILIES {
            match std::mem::replace(&mut self.seats[at].state, State::Empty) {
                State::Hold(hold) => self.drop_mapping(hold.mapping),
                State::Race(race) => {
                    race.shared.end();
                    race.got.into_iter().flatten().for_each(|mapping| self.drop_mapping(mapping));
                }
                _ => {}
            }
        }
        // What the tasks still bring is removed as well. Their notes come before their end, so an empty set is the end.
        while now() < until && !(self.tasks.is_empty() && self.notes.is_empty()) {
            let next = std::future::poll_fn(|cx| {
                if let Poll::Ready(note) = self.notes.poll_recv(cx) {
                    return Poll::Ready(note);
                }
                self.tasks.poll_join_next(cx).map(|_| None)
            });
            match timeout_at(until.into(), next).await {
                Ok(Some(Note::Way { result: Ok(mapping), .. })) => self.drop_mapping(mapping),
                Ok(Some(Note::Renewed { result: Ok(mapping), .. })) => self.drop_mapping(mapping),
                Ok(Some(Note::Dropped(Some(why)))) => (self.report)(Happening::Note(why)),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        self.tasks.abort_all();
        self.ctx.journal.close(&self.ctx.threads).await;
        (self.report)(Happening::Removed);
    }
}

impl Seat {
    /// When something is due.
    fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Empty => None,
            State::Pause { until } | State::Removing { until, .. } => Some(*until),
            State::Race(race) => match race.shared.decide() {
                Decision::Open(until) => Some(until),
                _ => Some(now()),
            },
            State::Hold(hold) if hold.busy => None,
            State::Hold(hold) => {
                let next = hold.renew_at.min(hold.look_at);
                Some(hold.lease.ends_at().map_or(next, |end| end.min(next)))
            }
        }
    }
}

/// The seat of a gateway's family.
fn family_of(gateway: &Gateway) -> usize {
    usize::from(gateway.ip.is_ipv6())
}

/// The present gateway that an entry of the journal was made on, with our present address.
fn gateway_of(entry: &crate::proto::portmap::journal::Entry, gateways: &[Gateway]) -> Option<Gateway> {
    let same = |g: &&Gateway| (g.ip, g.scope, g.local) == (entry.gateway, entry.scope, entry.internal.ip());
    gateways.iter().find(same).copied()
}

async fn removed(ctx: &Context, mapping: &Mapping) -> Result<(), String> {
    // The limit of the parts is below the one that the waiting side has.
    let limit = REMOVAL * 9 / 10;
    let done = timeout_at((now() + limit).into(), mapping.remove(ctx, limit)).await;
    let why = match done {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(why)) => why,
        Err(_) => "it took too long".into(),
    };
    Err(format!("the {} mapping on {} was not removed: {why}", mapping.protocol(), mapping.gateway.ip))
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
