//! How long what takes, case by case, and that it is the right way that wins.

use std::time::Duration;

use p2pnet::error::Code;
use p2pnet::event::Via;
use p2pnet::proto::nat::behaviour::Unsolicited;

use crate::check;
use crate::kinds::{KINDS, variant};
use crate::nat::Kind;
use crate::plan::{Action, HostPlan, Plan, SitePlan, Stale};
use crate::world::World;

fn kind(name: &str) -> Kind {
    *KINDS.iter().find(|kind| kind.name == name).expect("a kind")
}

fn nats(name: &str) -> Vec<Kind> {
    if name == "public" { Vec::new() } else { vec![kind(name)] }
}

/// What is to come of a case.
#[derive(Clone, Copy, Debug)]
enum Expect {
    /// At the caller, in one-way times and milliseconds.
    Via(Via, u32, u64),
    Fails(Code, &'static str, u32, u64),
}

struct Case {
    name: String,
    plan: Plan,
    expect: Expect,
}

fn case(name: &str, plan: Plan, expect: Expect) -> Case {
    Case { name: name.to_owned(), plan, expect }
}

fn pair(a: &str, b: &str, ms: u64) -> Plan {
    Plan::pair(nats(a), nats(b), Duration::from_millis(ms))
}

/// Two hosts in one site.
fn one_site(ms: u64, change: impl Fn(&mut SitePlan, &mut [HostPlan])) -> Plan {
    let mut plan = pair("eim", "eim", ms);
    plan.sites.truncate(1);
    plan.hosts = vec![HostPlan::default(); 2];
    change(&mut plan.sites[0], &mut plan.hosts);
    plan
}

fn cases(ms: u64) -> Vec<Case> {
    use Expect::{Fails, Via as By};
    let mut cases = vec![
        case("public to public", pair("public", "public", ms), By(Via::Direct, 4, 0)),
        case("NAT to public", pair("eim", "public", ms), By(Via::Direct, 4, 0)),
        case("public to NAT", pair("public", "eim", ms), By(Via::Reverse, 4, 1)),
        case("public to symmetric NAT", pair("public", "random", ms), By(Via::Reverse, 4, 1)),
    ];
    let mut mapped = pair("random", "random", ms);
    mapped.hosts[1].mapped = true;
    cases.push(case("symmetric NAT to mapped port", mapped.clone(), By(Via::Direct, 4, 0)));
    mapped.actions[0].1 = Action::Connect(1, 0);
    cases.push(case("mapped port to symmetric NAT", mapped, By(Via::Reverse, 4, 1)));
    for (a, b) in [("preserve", "preserve"), ("eim", "delta"), ("sym-pres", "preserve"), ("sym-seq", "eim")] {
        // Asking a server for a port takes four one-way times.
        cases.push(case(&format!("{a} to {b}"), pair(a, b, ms), By(Via::Punch, 15, 5)));
    }
    let hopeless = "both NATs give every destination another, unforeseeable outside port";
    cases.push(case("random to random", pair("random", "random", ms), Fails(Code::NoPath, hopeless, 3, 5)));
    let relayed = |mut plan: Plan| {
        plan.relay = true;
        plan
    };
    // The call and the offer there, the peer to the relay and its token there, GO, greeting, reply.
    let random = || relayed(pair("random", "random", ms));
    cases.push(case("random to random, by a relay", random(), By(Via::Relay, 5, 3)));
    let mut glare = random();
    glare.actions.push((Duration::ZERO, Action::Connect(1, 0)));
    cases.push(case("the same, both call at once", glare, By(Via::Relay, 5, 3)));
    let mut guest = random();
    guest.hosts[0].no_signalling = true;
    cases.push(case("the same, the caller has no server of its own", guest, By(Via::Relay, 5, 3)));
    let mut stale = random();
    stale.hosts[1].stale = Stale::Nothing;
    cases.push(case("the same, a wrong address in the locator", stale, By(Via::Relay, 5, 403)));
    let one_port = relayed(pair("random", "sym-seq", ms));
    cases.push(case("random to ports in a row, by a relay", one_port, By(Via::Relay, 5, 3)));
    for (a, b, via, ways, more) in [
        ("eim", "preserve", Via::Punch, 15, 5),
        ("public", "eim", Via::Reverse, 4, 1),
        ("eim", "public", Via::Direct, 4, 0),
    ] {
        let name = format!("{a} to {b}, with a relay there");
        cases.push(case(&name, relayed(pair(a, b, ms)), By(via, ways, more)));
    }
    let mut absent = pair("random", "public", ms);
    absent.hosts[1].stale = Stale::Nothing;
    absent.actions.insert(0, (Duration::ZERO, Action::Kill(1)));
    let offline = "the peer is at none of its signalling servers (s1.example:8000)";
    cases.push(case("peer is gone", absent, Fails(Code::NoPath, offline, 0, 4600)));
    let mut mute = pair("eim", "eim", ms);
    mute.hosts.iter_mut().for_each(|host| host.no_signalling = true);
    let no_server = "the locator names no signalling server";
    cases.push(case("no signalling", mute, Fails(Code::NoPath, no_server, 0, 1)));
    cases.push(case("one LAN", one_site(ms, |_, _| {}), By(Via::Lan, 0, 5)));
    let mut hairpin = one_site(ms, |site, hosts| {
        (site.hairpin, hosts[1].mapped) = (true, true);
    });
    hairpin.hosts[0].unsure = true;
    cases.push(case("one LAN, mapped port, hairpin", hairpin, By(Via::Lan, 0, 5)));
    let v6 = |firewalls: [Option<Unsolicited>; 2]| {
        let mut plan = pair("random", "random", ms);
        for (site, firewall) in plan.sites.iter_mut().zip(firewalls) {
            site.firewall = firewall;
        }
        plan.hosts.iter_mut().for_each(|host| host.v6 = true);
        plan
    };
    let closed = Some(Unsolicited::Dropped);
    cases.push(case("IPv6, open", v6([None, None]), By(Via::Direct, 4, 1)));
    cases.push(case("IPv6, firewall at the peer", v6([None, closed]), By(Via::Reverse, 4, 1)));
    cases.push(case("IPv6, firewalls at both", v6([closed, closed]), By(Via::Punch, 15, 5)));
    let mut only = v6([closed, Some(Unsolicited::Reset)]);
    only.hosts.iter_mut().for_each(|host| host.v6_only = true);
    cases.push(case("IPv6 only, firewalls at both", only, By(Via::Punch, 15, 5)));
    let mut stale = pair("eim", "eim", ms);
    stale.hosts[1].stale = Stale::Nothing;
    cases.push(case("eim to eim, a wrong address in the locator", stale, By(Via::Punch, 15, 405)));
    let mut mute = pair("eim", "public", ms);
    mute.hosts[1].stale = Stale::Mute;
    // Its turn comes after a quarter of a second; then as long again, and a little more, for the one that says nothing.
    cases.push(case("NAT to public, something mute at an old address", mute, By(Via::Direct, 6, 252)));
    let mut mute = pair("eim", "eim", ms);
    mute.hosts[1].stale = Stale::Mute;
    cases.push(case("eim to eim, something mute at an old address", mute, By(Via::Punch, 17, 655)));
    // Started anew without a word, while the other end holds the old connection: as chooser it waits for two seconds.
    for (who, whom) in [(0, 1), (1, 0)] {
        let mut again = pair("public", "public", ms);
        let at = |s: u64| Duration::from_secs(s);
        again.actions.extend([(at(3), Action::Restart(who)), (at(4), Action::Connect(who, whom))]);
        let name = if who == 0 { "the caller comes back" } else { "the called one comes back" };
        cases.push(case(name, again, By(Via::Direct, 6, 2001)));
    }
    let mut same_prefix = pair("eim", "preserve", ms);
    same_prefix.sites[1].lan = same_prefix.sites[0].lan;
    cases.push(case("two homes with the same addresses", same_prefix, By(Via::Punch, 15, 5)));
    let mut double = pair("eim", "preserve", ms);
    double.sites[0].nats.insert(0, kind("preserve"));
    cases.push(case("double NAT", double, By(Via::Punch, 15, 5)));
    let mut glare = pair("eim", "delta", ms);
    glare.actions.push((Duration::ZERO, Action::Connect(1, 0)));
    cases.push(case("eim and delta, both call at once", glare, By(Via::Punch, 15, 5)));
    let mut both = pair("public", "public", ms);
    both.actions.push((Duration::ZERO, Action::Connect(1, 0)));
    cases.push(case("both public, both call at once", both, By(Via::Direct, 4, 0)));
    cases
}

#[test]
fn every_case_in_its_time() {
    println!("{:<46} {:>8}  at the caller   at both   a line both ways", "25 ms one way", "by");
    for ms in [25, 100] {
        for seed in crate::seeds(4) {
            for mut case in cases(ms) {
                case.plan.first_chooses = Some(seed % 2 == 0);
                for site in &mut case.plan.sites {
                    site.nats.iter_mut().for_each(|nat| *nat = variant(*nat, seed / 2));
                }
                let show = ms == 25 && seed < 2;
                run(&case, ms, seed, show);
            }
        }
    }
}

fn run(case: &Case, ms: u64, seed: u64, show: bool) {
    let mut world = World::new(case.plan.clone(), seed);
    world.run();
    let again = format!("{} at {ms} ms, SIM_SEED={seed}", case.name);
    check::everything(&world);
    // After a restart, whoever was restarted.
    let fresh = case.plan.actions.iter().find_map(|(_, action)| match action {
        Action::Restart(who) => Some(*who),
        _ => None,
    });
    let caller =
        fresh.or_else(|| world.nodes.iter().position(|node| !node.requests.is_empty())).expect("a caller");
    let request = &world.nodes[caller].requests[&1];
    let (at, outcome, story) = request.done.as_ref().expect("an end");
    let took = *at - request.at;
    let most = |ways: u32, more: u64| Duration::from_millis(ms) * ways + Duration::from_millis(more + 2);
    match (case.expect, outcome) {
        (Expect::Via(via, ways, more), Ok(conn)) => {
            let open = &world.nodes[caller].opened[conn];
            // If both have called, it is one's dial and the other's accept.
            let both = world.nodes.iter().filter(|node| !node.requests.is_empty()).count() == 2;
            let by_other = both && matches!(open.via, Via::Accept | Via::Reverse);
            assert!(open.via == via || by_other, "{again}: {:?}\n{story:#?}", open.via);
            assert!(
                took <= most(ways, more),
                "{again}: {took:?}, expected {:?}\n{story:#?}",
                most(ways, more)
            );
            let opened = world
                .nodes
                .iter()
                .flat_map(|node| node.opened.values())
                .map(|open| open.at.saturating_duration_since(request.at));
            let lines = world.nodes.iter().flat_map(|node| node.opened.values()).filter_map(|open| open.line);
            let lines = lines.max().map(|at| at.saturating_duration_since(request.at)).unwrap_or_default();
            if show {
                let who = if seed.is_multiple_of(2) { "chooser" } else { "follower" };
                println!(
                    "{:<46} {:>8} {:>9} ms {:>8} ms {:>8} ms",
                    format!("{} ({who})", case.name),
                    format!("{:?}", open.via).to_lowercase(),
                    took.as_millis(),
                    opened.max().unwrap_or_default().as_millis(),
                    lines.as_millis()
                );
            }
        }
        (Expect::Fails(code, reason, ways, more), Err(error)) => {
            assert_eq!(error.code, code, "{again}: {error}");
            assert!(error.message.contains(reason), "{again}: {error}");
            assert!(took <= most(ways, more), "{again}: {took:?}\n{story:#?}");
            if show && seed == 0 {
                println!("{:<46} {:>8} {:>9} ms   {}", case.name, "-", took.as_millis(), error.message);
            }
        }
        (expected, outcome) => panic!("{again}: {outcome:?}, expected {expected:?}\n{story:#?}"),
    }
}
