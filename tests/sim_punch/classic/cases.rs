//! Who fights whom, and what comes of it.

use p2pnet::proto::punch::fight::Fight;

use super::{Arena, Program};
use crate::kinds::{KINDS, variant};
use crate::nat::Kind;

fn fight(kinds: [Kind; 2], programs: [Program; 2], seed: u64) -> Arena {
    let mut arena = Arena::new(kinds, programs, seed);
    arena.run();
    for node in &arena.nodes {
        assert_eq!(node.budget.half_open(), 0);
        assert!(node.fight.as_ref().is_none_or(Fight::is_over), "stuck");
    }
    arena
}

#[test]
fn ours_against_everybody() {
    use Program::{Original, Ours};
    let keeps_ports = ["public", "preserve", "cone", "delta", "ad-pres"];
    let foreseen =
        ["public", "preserve", "cone", "delta", "ad-pres", "eim", "ei-seq", "ad-seq", "sym-seq", "sym-pres"];
    for (programs, names) in
        [([Ours, Ours], &foreseen[..]), ([Ours, Original], &keeps_ports), ([Original, Ours], &keeps_ports)]
    {
        let (mut usable, mut runs) = (0, 0);
        for seed in crate::seeds(6) {
            let kind = |name| *KINDS.iter().find(|kind| kind.name == name).expect("a kind");
            for a in names {
                for b in names {
                    let kinds = [variant(kind(*a), seed), variant(kind(*b), seed / 2)];
                    runs += 1;
                    let arena = fight(kinds, programs, seed << 8 | runs);
                    usable += u64::from(arena.usable());
                    let again = format!(
                        "{a} x {b}, SIM_SEED={seed}: {:?} {:?}",
                        arena.nodes[0].end, arena.nodes[1].end
                    );
                    assert!(arena.usable(), "{programs:?} {again}");
                }
            }
        }
        println!("{programs:?}: {usable} of {runs} usable");
    }
}

/// The challenged side begins six seconds after it has sent ACCEPT, whatever time it calls that; so nothing depends on the
/// challenger's clock, and the challenged side's has to be right enough for the server only (600 s).
#[test]
fn clocks_that_are_wrong() {
    let preserve = KINDS[1];
    for (challenger, challenged) in [
        (30.0, 0.0),
        (-30.0, 0.0),
        (86_400.0, 0.0),
        (-86_400.0, 0.0),
        (0.0, 30.0),
        (0.0, -30.0),
        (-300.0, 300.0),
    ] {
        for seed in crate::seeds(10) {
            let mut arena = Arena::new([preserve, preserve], [Program::Ours; 2], seed);
            (arena.nodes[0].off, arena.nodes[1].off) = (challenger, challenged);
            arena.run();
            let ends = (&arena.nodes[0].end, &arena.nodes[1].end);
            assert!(arena.usable(), "{challenger} {challenged} SIM_SEED={seed}: {ends:?}");
        }
    }
}

/// What our rule is for.
#[test]
fn originals_among_themselves_lose_some() {
    let kinds = [KINDS[1], KINDS[1]];
    let runs = (0..60).map(|seed| fight(kinds, [Program::Original; 2], seed).usable());
    let usable = runs.filter(|usable| *usable).count();
    println!("originals among themselves: {usable} of 60 usable");
    assert!(usable < 40, "the model has the original's fault");
}

#[test]
fn what_cannot_be_foreseen_is_said_at_once() {
    let random = *KINDS.last().expect("kinds");
    let arena = fight([random, KINDS[1]], [Program::Ours; 2], 1);
    assert!(matches!(arena.nodes[0].end, Some(Err(_))));
}
