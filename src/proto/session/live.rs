//! Whether the peer is still at the other end of a link, and how far away it is.
//!
//! Nothing is said while there is traffic. When an answer is owed and nothing at all has come for a while, or nothing has
//! happened for long, the peer is asked (PING). No answer, nor anything else, in time: the link is given up, and another
//! one made. A link that nobody reads from, because the program takes nothing, is not judged; and who does not read says
//! once a second that he is there.

use std::time::{Duration, Instant};

/// Who does not read says so this often.
pub const PAUSED: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Live {
    heard: Instant,
    /// Since when a question is to be asked. (What is to be sent may have to wait for ever.)
    wanted: Option<Instant>,
    /// The question that is open, and since when.
    asked: Option<(u32, Instant)>,
    number: u32,
    /// Who does not read: when he says next that he is there.
    paused: Option<Instant>,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Well,
    /// Say something, so that the peer hears us.
    Speak,
    /// The peer is gone, or the way to it.
    Silent,
}

/// The times.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// How long an answer may take.
    pub silence: Duration,
    /// How long nothing may happen before the peer is asked.
    pub idle: Option<Duration>,
}

impl Live {
    /// A link that has just come about. The first question is for the distance.
    pub fn new(now: Instant) -> Live {
        Live { heard: now, wanted: Some(now), asked: None, number: 0, paused: None }
    }

    /// Something has come.
    #[inline]
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// The question that is to be asked now, if one is.
    pub fn question(&mut self, now: Instant) -> Option<u32> {
        self.wanted.take()?;
        self.number = self.number.wrapping_add(1);
        self.asked = Some((self.number, now));
        Some(self.number)
    }

    /// Whether a question waits to be asked.
    pub fn wants_to_ask(&self) -> bool {
        self.wanted.is_some()
    }

    /// Asks as soon as that can be.
    pub fn ask(&mut self, now: Instant) {
        if self.asked.is_none() {
            self.wanted.get_or_insert(now);
        }
    }

    /// An answer has come; how long it took, if it is the one to the question.
    pub fn answer(&mut self, now: Instant, number: u32) -> Option<Duration> {
        let (_, since) = self.asked.filter(|(asked, _)| *asked == number)?;
        self.asked = None;
        Some(now.saturating_duration_since(since))
    }

    /// What time says. `owed`: something of ours is not acknowledged. `reading`: the link is being read.
    pub fn judge(&mut self, now: Instant, owed: bool, reading: bool, times: Times) -> Verdict {
        if !reading {
            // What was not read cannot have been heard.
            self.heard = now;
            let due = *self.paused.get_or_insert(now);
            if due <= now {
                self.paused = Some(now + PAUSED);
                return Verdict::Speak;
            }
            return Verdict::Well;
        }
        self.paused = None;
        match self.deadline(owed, true, times) {
            Some(at) if at <= now => {}
            _ => return Verdict::Well,
        }
        if self.asked.is_some() || self.wanted.is_some() {
            return Verdict::Silent;
        }
        self.wanted = Some(now);
        Verdict::Speak
    }

    /// When [`Live::judge`] has something to say.
    pub fn deadline(&self, owed: bool, reading: bool, times: Times) -> Option<Instant> {
        if !reading {
            return Some(self.paused.unwrap_or(self.heard));
        }
        if let Some(since) = self.asked.map(|(_, since)| since).or(self.wanted) {
            return Some(since.max(self.heard) + times.silence);
        }
        let idle = if owed { Some(times.silence / 3) } else { times.idle };
        idle.map(|idle| self.heard + idle)
    }
}
