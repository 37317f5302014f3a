//! What must hold when everything has had the time to arrive.

use p2pnet::proto::session::SessionId;

use super::World;
use crate::side::Why;

impl World {
    pub(super) fn check(&mut self) {
        let [a, b] = &self.sides;
        let (x, y) = (a.held.as_ref().expect("no session"), b.held.as_ref().expect("no session"));
        assert_eq!(x.session.id(), y.session.id(), "two sessions");
        assert!(x.link.is_some() && x.link == y.link, "{:?} and {:?}", x.link, y.link);
        for (held, side) in [(x, 0), (y, 1)] {
            assert!(held.unsettled().bytes == 0, "{side} has not got rid of {:?}", held.unsettled());
            self.counts.resumptions += held.session.resumptions();
        }
        for side in 0..2 {
            self.counts.resumptions += self.sides[side].resumptions;
            for ((id, life), story) in &self.sides[side].stories {
                self.compare(side, *id, *life);
                let Some((why, unsettled)) = story.end else { continue };
                let count = match why {
                    Why::Closed => &mut self.counts.closed,
                    Why::ClosedByPeer { missing: 0 } => &mut self.counts.closed_by_peer,
                    Why::ClosedByPeer { .. } => &mut self.counts.closed_early,
                    Why::Anew => &mut self.counts.anew,
                    Why::Grace => &mut self.counts.grace,
                    Why::TooLate => &mut self.counts.too_late,
                    Why::Restart => continue,
                };
                *count += 1;
                self.counts.unsettled += u64::from(unsettled.lines > 0);
            }
        }
    }

    /// What one has sent in a session, and what the other got of it.
    pub(super) fn compare(&self, side: usize, id: SessionId, life: u64) {
        let ours = &self.sides[side].stories[&(id, life)];
        let theirs = self.sides[1 - side].stories.iter().filter(|((other, _), _)| *other == id);
        let theirs: Vec<_> = theirs.map(|(_, story)| story).collect();
        let got = match theirs[..] {
            [] => &[][..],
            [one] => &one.got[..],
            _ => panic!("a session of two lives"),
        };
        assert!(ours.sent.starts_with(got), "lost, repeated, or out of order");
        let missing = (ours.sent.len() - got.len()) as u64;
        match ours.end {
            None => assert_eq!(missing, 0),
            Some((why, unsettled)) => {
                assert!(missing <= unsettled.lines, "{missing} are missing, {unsettled:?} told: {why:?}");
                assert!((unsettled.lines == 0) == (unsettled.bytes == 0));
                // An orderly end is one at which everything had arrived.
                assert!(why != Why::Closed || unsettled.bytes == 0, "{unsettled:?}");
            }
        }
    }
}
