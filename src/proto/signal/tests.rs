//! Each rule of the node's side on its own, with a server played by hand. Both sides for real: `tests/sim_signal`.

mod messages;
mod servers;
mod world;

use super::*;
use proptest::prelude::*;
use world::{World, at, key};

#[test]
fn leaving_says_so_and_is_the_end() {
    let mut w = World::new(&["a:1", "b:1"]);
    w.enter("a:1", 1);
    w.tell(5, &["a:1"]);
    w.heard("a:1");
    w.node.leave(w.now);
    w.look();
    assert_eq!(w.heard("a:1"), ["LEAVE", "QUIT"]);
    assert_eq!(w.hung_up.len(), 2, "also the one that was being dialled");
    assert_eq!(w.outcomes(), [(5, Outcome::Lost)]);
    assert_eq!(w.node.poll_timeout(), None);
    w.dialled();
    w.pass(100_000);
    w.node.network_changed(w.now);
    w.look();
    assert!(w.dialled().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Whatever servers say and however connections end: it never has more of them than it may, every message is reported
    /// once, and there is always something later to wait for.
    #[test]
    fn any_server_is_survived(
        ops in prop::collection::vec((0..12u8, 0..6usize, 0..24usize, 0..9000u64), 0..200),
    ) {
        let mut w = World::with(&["a:1", "b:1", "c:1"], |s| (s.guests, s.queue) = (2, 5));
        let lines = [
            "NONCE CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk", "ENTERED server=x idle=9", "ENTERED server=y", "ECHO 1",
            "ECHO 2", "REPLACED", "LEFT", "REMOTE TCP 5", "REFUSED TIME", "REFUSED LINE", "REFUSED RATE tag=1", "rubbish",
        ];
        let servers = ["a:1", "b:1", "c:1", "x:1", "y:1", "z:1"];
        let (mut tag, mut open) = (0u64, std::collections::BTreeSet::new());
        for (op, a, b, ms) in ops {
            let link = LinkId(w.node.next_link.saturating_sub(a as u64 + 1));
            match op {
                0 | 1 => w.node.dialled(w.now, link, Ok(at((b % 3) as u8))),
                2 if b < 8 => w.node.dialled(w.now, link, Err("no".into())),
                3 if b < 8 => w.node.closed(w.now, link, "reset"),
                4..=6 => w.node.line(w.now, link, lines[b % lines.len()].as_bytes()),
                7 => {
                    let word = ["TOLD", "HEARD", "UNHEARD", "ABSENT"][b % 4];
                    w.node.line(w.now, link, format!("{word} {}", tag.saturating_sub(b as u64 / 4)).as_bytes());
                }
                8 => w.node.line(w.now, link, format!("MESSAGE {b} {} Zg", key(3)).as_bytes()),
                9 => {
                    let via = [servers[a].to_owned(), servers[b % 6].to_owned()];
                    if w.node.tell(w.now, tag + 1, key(2), &via, b"f").is_ok() {
                        tag += 1;
                        open.insert(tag);
                    }
                }
                10 if b == 0 => w.node.network_changed(w.now),
                _ => w.pass(ms),
            }
            w.look();
            for (tag, _) in w.outcomes() {
                prop_assert!(open.remove(&tag), "{tag} was reported before");
            }
            prop_assert!(w.node.links.len() <= 2 + 2 && w.node.letters.len() == open.len());
            let channels = w.node.servers.values().filter(|server| server.channel.is_some()).count();
            prop_assert_eq!(channels, w.node.links.len());
        }
        w.node.leave(w.now);
        w.look();
        for (tag, _) in w.outcomes() {
            prop_assert!(open.remove(&tag));
        }
        prop_assert!(open.is_empty() && w.node.links.is_empty());
    }
}
