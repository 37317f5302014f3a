//! Punches through real NATs: the library's sockets and its thinking, with a signalling in memory in place of a server's.
//! How two whole nodes get there is another story; here is only whether the packets do.

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
    special(&mut cases);
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
    let name = format!("{}-{}-{refusal:?}-{delay}ms", a.name, b.name);
    let home = |name: &str, kinds: &Kinds| Home::new(name, kinds.nat.clone()).unsolicited(refusal);
    case(&name, [home("a", a), home("b", b)], delay, class, Way::V4)
}

/// How the two get at each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From home to home by IPv4.
    V4,
    /// From home to home by IPv6, each behind a firewall.
    V6,
    /// Both are in home a.
    Hairpin,
}

/// What is not a matter of two kinds.
fn special(cases: &mut Vec<Case>) {
    let kernel = |name: &str, kind| Home::new(name, Nat::kernel(kind));
    let symmetric =
        |noise| NatBox::new(By::AddressAndPort, By::AddressAndPort, Ports::Sequential { step: 1, noise });
    let mut add = |name: &str, homes: [Home; 2]| {
        cases.push(case(name, homes, 25, Class::Predictable, Way::V4));
    };
    for (name, refusal) in [("icmp", Unsolicited::Icmp), ("own-stack", Unsolicited::OwnStack)] {
        for kind in [Kind::Preserve, Kind::Seq] {
            let home = |name| kernel(name, kind).unsolicited(refusal);
            add(&format!("{name}-{}-{}", kind.name(), kind.name()), [home("a"), home("b")]);
        }
    }
    let kills = |name| Home::new(name, Nat::boxed(symmetric(0).rst_kills())).unsolicited(Unsolicited::Rst);
    add("rst-kills-the-mapping", [kills("a"), kills("b")]);
    add("busy-row", [Home::new("a", Nat::boxed(symmetric(2))), kernel("b", Kind::Preserve)]);
    add("public-firewall", [Home::new("a", Nat::Public), Home::new("b", Nat::Firewall)]);
    add("firewall-seq", [Home::new("a", Nat::Firewall), kernel("b", Kind::Seq)]);
    add("cone-seq", [kernel("a", Kind::Cone), kernel("b", Kind::Seq)]);
    for kind in [Kind::Preserve, Kind::Seq] {
        let lossy = |name| kernel(name, kind).loss_percent(1.0);
        add(&format!("loss-{}", kind.name()), [lossy("a"), lossy("b")]);
        let inner = kernel("a", Kind::Preserve).behind("isp");
        add(&format!("double-nat-{}", kind.name()), [inner, kernel("b", kind)]);
    }
    let firewalled = |name| Home::new(name, Nat::kernel(Kind::Random)).ipv6();
    cases.push(case("ipv6-firewalls", [firewalled("a"), firewalled("b")], 25, Class::Predictable, Way::V6));
    let turns = NatBox::new(By::Endpoint, By::AddressAndPort, Ports::Random).hairpin();
    let shared = Home::new("a", Nat::boxed(turns)).hosts(2);
    cases.push(case("hairpin", [shared, kernel("b", Kind::Preserve)], 25, Class::Predictable, Way::Hairpin));
}

fn case(name: &str, homes: [Home; 2], delay: u64, class: Class, way: Way) -> Case {
    let [a, b] = homes;
    let lab = Lab::new();
    let lab = match a.behind {
        Some(_) => lab.carrier("isp", Nat::kernel(Kind::Seq)).with(a.delay_ms(0)),
        None => lab.with(a.delay_ms(delay / 2)),
    };
    let lab = lab.with(b.delay_ms(delay - delay / 2));
    let what = match class {
        Class::Predictable => "each punch gets through",
        Class::Lucky => "most punches get through",
        Class::Hopeless => "said at once",
    };
    let delay = Duration::from_millis(delay);
    Case::new(format!("punch::{name}").to_lowercase(), what, move |notes| {
        tries(&lab, delay, class, way, notes)
    })
}

/// What a home's NAT is measured to be.
pub(crate) fn measure(net: &Network, home: &str) -> Result<Side> {
    let servers = [net.server4(0, RENDEZVOUS_PORT).to_string()];
    Ok(Side::from(&net.host(home).enter(|| probe_nat(&servers, None, HUNG))?))
}

fn tries(lab: &Lab, delay: Duration, class: Class, way: Way, notes: &Notes) -> Result {
    let net = lab.clone().build()?;
    let _server = serve(&net)?;
    let hosts = if way == Way::Hairpin { ["a", "a2"] } else { ["a", "b"] };
    let sides = hosts.map(|host| match way {
        Way::V6 => Ok(Side::untranslated(net.host(host).ip6().into())),
        _ => measure(&net, host),
    });
    let [a, b] = sides;
    let sides = [a?, b?];
    let (mut won, mut times, mut failures) = (0, Vec::new(), Vec::new());
    let (mut techniques, mut wasted, mut why) = (Vec::new(), Duration::ZERO, None);
    // One whose thread did not get the CPU in time has a second chance.
    let most = if class == Class::Predictable { TRIES + 2 } else { TRIES };
    for run in 0..most {
        if run >= TRIES && won == TRIES {
            break;
        }
        let begun = Instant::now();
        let outcomes = one(&net, hosts, sides, delay, run % 2)?;
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
                why =
                    outcomes.iter().find_map(|outcome| outcome.peer.as_ref().err()).map(ToString::to_string);
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
        notes.note("why", why);
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

/// One punch between the hosts; `first` begins.
fn one(
    net: &Network,
    hosts: [&str; 2],
    sides: [Side; 2],
    delay: Duration,
    first: usize,
) -> Result<Vec<Outcome>> {
    let (end_a, end_b) = signalling(delay);
    let outcomes: Vec<Result<Outcome>> = thread::scope(|scope| {
        let threads: Vec<_> = (hosts.into_iter().zip([end_a, end_b]).enumerate())
            .map(|(i, (host, end))| {
                let plan = Plan {
                    initiator: i == first,
                    ours: sides[i],
                    peer_ip: sides[1 - i].outside_ip.expect("an outside address"),
                    servers: vec![net.server4(0, RENDEZVOUS_PORT).to_string()],
                    bind: None,
                    own: vec![net.host(host).ip()],
                    options: Options::default(),
                    budget: Budget::default(),
                };
                scope.spawn(move || net.host(host).enter(|| Ok(punch(plan, end)?)))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("panicked".into()))).collect()
    });
    outcomes.into_iter().collect()
}
