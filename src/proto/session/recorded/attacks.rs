//! He changes each byte, cuts at each byte, leaves out, repeats, swaps and reflects each message and frame, mixes in those of another
//! talk, plays it all again. What the one who hears it takes for true is then what came before, and nothing else.

use super::*;

/// Who has said that his machine has AES does not believe the talk of one that has not, nor the other way round. (Who hears the
/// peer's word before his own is said takes it for a peer without AES, and as both draw the same numbers here as they did then, it is
/// one.)
#[test]
fn a_talk_by_the_other_cipher_is_not_believed() {
    let start = Instant::now();
    for (ik, side) in [(true, 0), (false, 1)] {
        let talks = [true, false].map(|aes| record(start, How { ik, aes }, 7));
        for aes in [true, false] {
            let (own, other) = (&talks[usize::from(!aes)], &talks[usize::from(aes)]);
            let hear = |record| play(start, (side, How { ik, aes }, 7), record, |_, unit| unit.to_vec());
            assert_eq!(hear(own).got, all_items(1 - side));
            let end = hear(other);
            assert!(end.broken.is_some() && end.session.is_none() && end.got.is_empty());
        }
    }
}

/// The recording is good: whoever plays it unchanged is believed to the end.
#[test]
fn unchanged_it_is_all_believed() {
    for scene in scenes() {
        let (got, _, _, closed) = scene.play(|_, unit| unit.to_vec()).facts();
        assert_eq!(got, all_items(1 - scene.who.0));
        assert_eq!(closed.is_some(), scene.who.0 == 1);
        // In any pieces.
        let mut end = End::new(scene.who.0, scene.who.1, scene.who.2);
        for (step, units) in scene.record.iter().enumerate() {
            let now = at(scene.start, step);
            if step % 2 == scene.who.0 {
                end.act(step);
                assert_eq!(end.speak(now), units.concat(), "the same again");
            } else {
                units.concat().iter().for_each(|byte| end.feed(now, &[*byte]));
            }
        }
        assert!(end.facts() == *scene.before.last().unwrap());
    }
}

/// Each byte: one bit of it, a different one from byte to byte; `RECORDED_BITS=8` all of them.
#[test]
fn whatever_bit_is_changed_nothing_behind_it_is_believed() {
    let bits = std::env::var("RECORDED_BITS").ok().and_then(|bits| bits.parse().ok()).unwrap_or(1);
    let mut changed = 0;
    for scene in scenes() {
        let mut place = 0;
        for (number, unit) in scene.comes.iter().enumerate() {
            for byte in 0..unit.len() {
                place += 1;
                for bit in 0..bits {
                    let end = scene.play(|n, unit| {
                        let mut unit = unit.to_vec();
                        if n == number {
                            unit[byte] ^= 1 << ((place + bit) % 8);
                        }
                        unit
                    });
                    scene.believes_what_came_before(number, &end, &format!("byte {byte} of {number}"));
                    // What is longer than it was may be waited for.
                    assert!(end.broken.is_some() || !end.rest.is_empty() || end.handshake.is_some());
                    changed += 1;
                }
            }
        }
    }
    assert!(changed > 1500 * bits, "{changed}");
}

/// What is cut off says nothing: neither what was begun, nor that this is the end.
#[test]
fn wherever_it_is_cut_what_came_before_is_believed() {
    for scene in scenes() {
        let (side, how, seed) = scene.who;
        let (mut end, mut number) = (End::new(side, how, seed), 0);
        for (step, units) in scene.record.iter().enumerate() {
            let now = at(scene.start, step);
            if step % 2 == side {
                end.act(step);
                end.speak(now);
                continue;
            }
            for unit in units {
                for (len, byte) in unit.iter().enumerate() {
                    scene.believes_what_came_before(number, &end, &format!("{len} bytes of {number}"));
                    end.feed(now, &[*byte]);
                    assert_eq!(end.broken, None);
                }
                number += 1;
            }
        }
        assert_eq!(number, scene.comes.len());
    }
}

#[test]
fn what_is_left_out_repeated_or_moved_is_the_end() {
    for scene in scenes() {
        let count = scene.comes.len();
        for number in 0..count {
            let left_out = |n: usize, unit: &[u8]| if n == number { Vec::new() } else { unit.to_vec() };
            let end = scene.play(left_out);
            scene.believes_what_came_before(number, &end, &format!("{number} left out"));
            for earlier in 0..number {
                let again = &scene.comes[earlier];
                let repeated = |n: usize, unit: &[u8]| match n == number {
                    true => [again, unit].concat(),
                    false => unit.to_vec(),
                };
                let end = scene.play(repeated);
                scene.believes_what_came_before(number, &end, &format!("{earlier} again before {number}"));
                assert!(end.broken.is_some());
            }
            if number + 1 < count {
                let swapped = |n: usize, unit: &[u8]| match n {
                    n if n == number => scene.comes[number + 1].clone(),
                    n if n == number + 1 => scene.comes[number].clone(),
                    _ => unit.to_vec(),
                };
                let end = scene.play(swapped);
                scene.believes_what_came_before(number, &end, &format!("{number} and the next swapped"));
                assert!(end.broken.is_some());
            }
        }
    }
}

/// In the place of each message and frame, each of the same talk's other direction, and the same one of another talk of the two.
#[test]
fn what_is_of_another_direction_or_another_talk_is_the_end() {
    for scene in scenes() {
        let (side, how, _) = scene.who;
        let other = record(scene.start, how, 9);
        let other = other.iter().enumerate().filter(|(step, _)| step % 2 != side);
        let other: Vec<&Vec<u8>> = other.flat_map(|(_, units)| units).collect();
        assert_eq!(other.len(), scene.comes.len());
        for (number, other) in other.into_iter().enumerate() {
            for foreign in scene.says.iter().chain([other]) {
                let mixed = |n: usize, unit: &[u8]| if n == number { foreign.clone() } else { unit.to_vec() };
                let end = scene.play(mixed);
                scene.believes_what_came_before(number, &end, &format!("a foreign one for {number}"));
                assert!(end.broken.is_some() || !end.rest.is_empty() || end.handshake.is_some());
            }
        }
    }
}

/// All of it, to one that did not say what was said then: each has drawn other keys for this link.
#[test]
fn played_again_or_back_it_is_not_believed() {
    for scene in scenes() {
        let (side, how, _) = scene.who;
        let end = play(scene.start, (side, how, 9), &scene.record, |_, unit| unit.to_vec());
        assert!(end.broken.is_some() && end.session.is_none() && end.got.is_empty());
        // Its own words, to itself; and to the other one, which has said something else.
        for hearer in BOTH {
            let mut end = End::new(hearer, how, 9);
            end.feed(scene.start, &scene.says.concat());
            assert!(end.session.is_none() && end.got.is_empty(), "{:?}", end.broken);
            assert!(end.broken.is_some());
        }
    }
}

/// Each byte of each direction is the last one that gets through. On the next link everything arrives, once.
#[test]
fn wherever_a_link_is_cut_the_session_goes_on_with_the_next_one() {
    let start = Instant::now();
    let mut resumed = 0;
    for (how, way) in HOW.into_iter().flat_map(|how| BOTH.map(|way| (how, way))) {
        let all: usize = record(start, how, 7).iter().skip(way).step_by(2).flatten().map(Vec::len).sum();
        // The handshake with a known key at each byte, the other one at some: behind it they are the same.
        for last in (0..all).step_by(if how.ik { 1 } else { 5 }) {
            let mut ends = BOTH.map(|side| End::new(side, how, 7));
            let (mut left, mut cut) = (last, false);
            let mut now = start;
            for step in 0..STEPS {
                now = at(start, step);
                let side = step % 2;
                ends[side].act(step);
                let mut said = ends[side].speak(now);
                if cut {
                    continue;
                }
                if side == way {
                    cut = said.len() > left;
                    said.truncate(left);
                    left -= said.len();
                }
                ends[1 - side].feed(now, &said);
                if cut && ends.iter().any(|end| end.session.is_none()) {
                    break;
                }
            }
            // Where it had not begun at both, it begins anew, and who held it is told so: `tests/sim_session`.
            if ends.iter().any(|end| end.session.is_none()) {
                assert!(ends.iter().all(|end| end.got.is_empty()));
                continue;
            }
            // What the end was on the last step may have been the last word.
            if ends[1].closed.is_none() {
                ends.iter_mut().for_each(|end| end.shake(how, 11));
                for turn in 0..12 {
                    let said = ends[turn % 2].speak(now);
                    ends[1 - turn % 2].feed(now, &said);
                }
                resumed += 1;
            }
            for (side, end) in ends.iter().enumerate() {
                assert_eq!(end.broken, None, "{how:?} {way} {last}");
                assert_eq!(end.got, all_items(1 - side), "{how:?} {way} {last}");
            }
            assert_eq!((ends[0].closed, ends[1].closed), (None, Some(0)), "{how:?} {way} {last}");
        }
    }
    assert!(resumed > 300, "{resumed}");
}
