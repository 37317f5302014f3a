//! Punches through real NATs: the library's sockets and its thinking, with a signalling in memory in place of a server's.
//! How two whole nodes get there is another story; here is only whether the packets do.

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use p2pnet::proto::punch::{Budget, Options, Reason, Side, Technique};
use p2pnet::testing::probe_nat;
use p2pnet::testing::punch::{Outcome, Plan, punch, signalling};

use crate::Result;
use crate::kernel_nat::Kind;
use crate::natbox::{By, NatBox, Ports};
use crate::network::{Network, RENDEZVOUS_PORT};
use crate::node::serve;
use crate::probe::HUNG;
use crate::runner::{Case, Notes};
use crate::topology::{Home, Lab, Nat, Unsolicited};

/// Punches in a case; `--times 5` makes it twenty.
const TRIES: usize = 4;

/// What a pair of NATs allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Each time.
    Predictable,
    /// Nearly each time.
    Lucky,
    /// Never, and it is said at once.
    Hopeless,
}

#[derive(Clone)]
struct Kinds {
    name: String,
    nat: Nat,
    /// Whether its ports cannot be foreseen.
    blind: bool,
    /// Whether it takes a port for each destination.
    per_destination: bool,
}

fn kernel(kind: Kind) -> Kinds {
    let blind = kind == Kind::Random;
    let per_destination = blind || kind == Kind::Seq;
    Kinds { name: kind.name().into(), nat: Nat::kernel(kind), blind, per_destination }
}

fn boxed(name: &str, mapping: By, ports: Ports) -> Kinds {
    let per_destination = mapping == By::AddressAndPort;
    let nat = Nat::boxed(NatBox::new(mapping, By::AddressAndPort, ports));
    Kinds { name: name.into(), nat, blind: ports == Ports::Random, per_destination }
}

pub(crate) fn cases() -> Vec<Case> {
    let kinds: Vec<Kinds> =
        [Kind::Preserve, Kind::Eim, Kind::Delta, Kind::Seq, Kind::Random].map(kernel).into();
    let boxes = [
        boxed("ad-seq", By::Address, Ports::Sequential { step: 1, noise: 0 }),
        boxed("sym-delta", By::AddressAndPort, Ports::Delta(-5)),
        boxed("sym-seq3", By::AddressAndPort, Ports::Sequential { step: 3, noise: 0 }),
    ];
    let mut cases = Vec::new();
    for (i, a) in kinds.iter().enumerate() {
        for b in kinds.iter().skip(i).chain(&boxes) {
            for refusal in [Unsolicited::Drop, Unsolicited::Rst] {
                for delay in [0, 25] {
                    cases.push(pair(a, b, refusal, delay));
                }
            }
        }
    }
    cases
}

fn pair(a: &Kinds, b: &Kinds, refusal: Unsolicited, delay: u64) -> Case {
    let class = match (a.blind, b.blind) {
        (true, true) => Class::Hopeless,
        (true, false) if b.per_destination => Class::Hopeless,
        (false, true) if a.per_destination => Class::Hopeless,
        (false, false) => Class::Predictable,
        _ => Class::Lucky,
    };
    let name = format!("punch::{}-{}-{refusal:?}-{delay}ms", a.name, b.name).to_lowercase();
    let home = |name: &str, kinds: &Kinds, delay| {
        Home::new(name, kinds.nat.clone()).unsolicited(refusal).delay_ms(delay)
    };
    let lab = Lab::new().with(home("a", a, delay / 2)).with(home("b", b, delay - delay / 2));
    let what = match class {
        Class::Predictable => "each punch gets through",
        Class::Lucky => "most punches get through",
        Class::Hopeless => "said at once",
    };
    let delay = Duration::from_millis(delay);
    Case::new(name, what, move |notes| tries(&lab, delay, class, notes))
}

/// What a home's NAT is measured to be.
fn measure(net: &Network, home: &str) -> Result<Side> {
    let servers = [net.server4(0, RENDEZVOUS_PORT).to_string()];
    Ok(Side::from(&net.host(home).enter(|| probe_nat(&servers, None, HUNG))?))
}

fn tries(lab: &Lab, delay: Duration, class: Class, notes: &Notes) -> Result {
    let net = lab.clone().build()?;
    let _server = serve(&net)?;
    let sides = [measure(&net, "a")?, measure(&net, "b")?];
    let (mut won, mut times, mut failures) = (0, Vec::new(), Vec::new());
    let (mut techniques, mut wasted) = (Vec::new(), Duration::ZERO);
    for run in 0..TRIES {
        let begun = Instant::now();
        let outcomes = one(&net, sides, delay, run % 2)?;
        assert!(
            outcomes.iter().all(|outcome| outcome.kept == 0),
            "the budget is not given back: {outcomes:#?}"
        );
        let usable = outcomes.iter().map(|outcome| outcome.usable).max().flatten();
        match usable.filter(|_| outcomes.iter().all(|outcome| outcome.usable.is_some())) {
            Some(at) => {
                won += 1;
                times.push(at - begun);
                techniques.extend(outcomes[0].technique.map(Technique::name));
            }
            None => {
                let ended = outcomes.iter().map(|outcome| outcome.ended - begun).max();
                wasted = wasted.max(ended.unwrap_or_default());
                failures.push(format!("{outcomes:#?}"));
            }
        }
        for outcome in &outcomes {
            let hopeless =
                matches!(&outcome.peer, Err(failure) if matches!(failure.reason, Reason::Hopeless(_)));
            assert_eq!(hopeless, class == Class::Hopeless, "{outcome:#?}");
            assert!(!hopeless || outcome.reports.is_empty(), "tried in vain: {outcome:#?}");
        }
    }
    times.sort_unstable();
    techniques.dedup();
    let ms = |time: Option<&Duration>| time.map_or(0, |time| time.as_millis() as u64);
    notes.note("won", format!("{won}/{TRIES}"));
    if won > 0 {
        notes.note("median_ms", ms(times.get(times.len() / 2)));
        notes.note("worst_ms", ms(times.last()));
        notes.note("by", techniques.join("+"));
    }
    if won < TRIES {
        notes.note("given_up_ms", ms(Some(&wasted)));
    }
    let enough = match class {
        Class::Predictable => TRIES,
        // Each misses one time in thirty.
        Class::Lucky => TRIES / 2,
        Class::Hopeless => 0,
    };
    assert!(won >= enough, "{won} of {TRIES}; {}", failures.join("\n"));
    Ok(())
}

/// One punch between the homes; `first` begins.
fn one(net: &Network, sides: [Side; 2], delay: Duration, first: usize) -> Result<Vec<Outcome>> {
    let (end_a, end_b) = signalling(delay);
    let ends = [("a", end_a), ("b", end_b)];
    let outcomes: Vec<Result<Outcome>> = thread::scope(|scope| {
        let threads: Vec<_> = (ends.into_iter().enumerate())
            .map(|(i, (home, end))| {
                let plan = Plan {
                    initiator: i == first,
                    ours: sides[i],
                    peer_ip: IpAddr::V4(net.public(ends_name(1 - i))),
                    servers: vec![net.server4(0, RENDEZVOUS_PORT).to_string()],
                    bind: None,
                    own: vec![net.host(home).ip()],
                    options: Options::default(),
                    budget: Budget::default(),
                };
                scope.spawn(move || net.host(home).enter(|| Ok(punch(plan, end)?)))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("panicked".into()))).collect()
    });
    outcomes.into_iter().collect()
}

fn ends_name(i: usize) -> &'static str {
    if i == 0 { "a" } else { "b" }
}
