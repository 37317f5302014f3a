//! Two nodes, each a C program of its own, connect by locator through the NATs between them: each technique both ways, and
//! what the matrix has as special cases. `make matrix` is the same with all pairs and numbers.

use crate::Result;
use crate::matrix::kinds::{self, Class};
use crate::matrix::pair::{Manner, Pair};
use crate::matrix::record::Try;
use crate::matrix::special::{self, Special};
use crate::network::Network;
use crate::peer::{self, NO_PATH};
use crate::runner::{Case, Notes, skip};
use crate::topology::{Home, Lab, Unsolicited};

/// Two kinds of NAT, what their routers do with strangers, and the one way that is possible if there is but one.
const PAIRS: [(&str, &str, Unsolicited); 13] = [
    ("public", "public", Unsolicited::Drop),
    ("public", "random", Unsolicited::Drop),
    ("firewall", "firewall", Unsolicited::Drop),
    ("preserve", "preserve", Unsolicited::Drop),
    ("preserve", "seq", Unsolicited::Rst),
    ("eim", "eim", Unsolicited::Rst),
    ("delta", "apd preserving", Unsolicited::Drop),
    ("seq", "seq", Unsolicited::Drop),
    ("seq", "ad seq+1", Unsolicited::Drop),
    ("cone", "apd seq+1noise2", Unsolicited::Drop),
    ("random", "eim", Unsolicited::Drop),
    ("random", "random", Unsolicited::Drop),
    ("random", "seq", Unsolicited::Drop),
];

/// A spray fails in two of a hundred tries. Each is one of nodes just started: the flows of a minute are too few for two.
const SPRAYS: usize = 4;

pub(crate) fn cases() -> Vec<Case> {
    let pairs = PAIRS.into_iter().map(|(a, b, answer)| {
        let manner = if answer == Unsolicited::Rst { "-rst" } else { "" };
        let name = format!("connect::{a}-{b}{manner}").replace(' ', "-");
        Case::new(name, "by locator, both ways, through two NATs", move |notes| pair([a, b], answer, notes))
    });
    let special = special::all().into_iter().map(|s| {
        let what = format!("by locator, both ways: {}", s.what);
        Case::new(format!("connect::{}", s.name), what, move |notes| special_case(&s, notes))
    });
    let what = "random NATs, and one of the two nodes does not use relays: the failure says so";
    let without = Case::new("connect::random-random-no-relay", what, without_relay);
    pairs.chain(special).chain([without]).collect()
}

fn pair(names: [&str; 2], answer: Unsolicited, notes: &Notes) -> Result {
    let nats = [kinds::find(names[0])?, kinds::find(names[1])?];
    let home = |name: &str, n: usize| Home::new(name, nats[n].clone()).unsolicited(answer);
    let network = Lab::new().with(home("a", 0)).with(home("b", 1)).delay_ms(5).build()?;
    let mut pair = start(&network, ["a", "b"], [Vec::new(), Vec::new()])?;
    for caller in [0, 1] {
        let class = Class::of(&nats[caller], &nats[1 - caller]);
        let both_public = names == ["public", "public"];
        let ways: &[&str] = match class {
            // The called one is faster now and then, when it comes back.
            Class::Direct if both_public => &["direct", "reverse"],
            Class::Direct => &["direct"],
            Class::Reverse => &["reverse"],
            Class::Predict | Class::Spray => &["punch"],
            Class::Chance => &["punch", "relay"],
            Class::Hopeless => &["relay"],
        };
        let tries = if class == Class::Spray { SPRAYS } else { 1 };
        if class == Class::Spray {
            pair.stop()?;
        }
        let tried = attempt(&mut pair, caller, ways, tries)?;
        tell(notes, caller, &tried);
    }
    pair.stop()
}

/// Two NATs that only a relay helps through, and one of the two does not want one.
fn without_relay(notes: &Notes) -> Result {
    let random = kinds::find("random")?;
    let network = Lab::new().home("a", random.clone()).home("b", random).delay_ms(5).build()?;
    let never = vec!["--relay".to_owned(), "0".to_owned()];
    let mut pair = start(&network, ["a", "b"], [never, Vec::new()])?;
    for caller in [0, 1] {
        let tried = attempt(&mut pair, caller, &[], 1)?;
        tell(notes, caller, &tried);
        let Err(why) = &tried.via else { return Err("connected all the same".into()) };
        let relay = ["no relay: this node uses none", "it does not go to that relay"][caller];
        assert!(why.contains("unforeseeable") && why.contains(relay), "it does not say why: {why}");
    }
    pair.stop()
}

fn special_case(special: &Special, notes: &Notes) -> Result {
    let network = special.lab.clone().build()?;
    (special.prepare)(&network)?;
    let mut pair = start(&network, special.hosts, special.options.clone())?;
    for caller in [0, 1] {
        tell(notes, caller, &attempt(&mut pair, caller, special.ways, 1)?);
    }
    pair.stop()
}

/// Nodes and a server with nothing but their defaults.
fn start<'a>(network: &'a Network, hosts: [&str; 2], more: [Vec<String>; 2]) -> Result<Pair<'a>> {
    if let Some(reason) = peer::obstacle() {
        return skip(reason);
    }
    let options = more.map(|more| [vec!["--dialect".to_owned(), "2".to_owned()], more].concat());
    Pair::new(network, hosts, options, Manner::AsUsual)
}

/// Connects, in one of so many tries, by one of these ways; if there are none, it has to fail.
fn attempt(pair: &mut Pair<'_>, caller: usize, ways: &[&str], tries: usize) -> Result<Try> {
    let only_relay = ways == ["relay"];
    let mut tried = pair.attempt(caller, only_relay)?;
    for _ in 1..tries {
        // What a spray does not get through is relayed.
        if !tried.outcome.way().is_ok_and(|way| ways.contains(&way)) {
            pair.stop()?;
            tried = pair.attempt(caller, only_relay)?;
        }
    }
    if let Some(why) = tried.disagreed {
        return Err(why.into());
    }
    match tried.outcome.way() {
        Ok(way) if ways.contains(&way) => Ok(tried.outcome),
        // How soon is measured by the matrix, where it is a goal.
        Err(_) if ways.is_empty() && tried.outcome.code == NO_PATH => Ok(tried.outcome),
        other => Err(format!("expected one of {ways:?}, not {other:?}: {}", tried.outcome.story).into()),
    }
}

fn tell(notes: &Notes, caller: usize, tried: &Try) {
    let name = ["there", "back"][caller];
    match &tried.via {
        Ok(via) => notes.note(name, format!("{via} {:.0} ms", tried.usable)),
        Err(_) => notes.note(name, format!("failed after {:.0} ms", tried.opened)),
    }
}
