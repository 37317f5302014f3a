//! One question put to a gateway by datagrams: when to send it, what to take for the answer, when to give up.
//!
//! Datagrams get lost and gateways sleep, so the question is sent again with doubling pauses. An answer
//! counts whichever sending it belongs to: a late one is as good as an early one. Datagrams that are no
//! answer change nothing; the last one is remembered, because "something answered, but wrongly" helps a
//! person more than "no answer".

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Question, Refusal, Stray, Verdict};

/// When a question is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The pause after the first sending; it doubles.
    pub first: Duration,
    /// No pause is longer.
    pub longest: Duration,
    /// Each pause is this many percent longer or shorter, at random.
    pub jitter: u8,
}

impl Schedule {
    /// RFC 6886 3.1: 250 ms, doubling (to 64 s at the ninth sending; our limits end it long before).
    pub const NATPMP: Schedule =
        Schedule { first: Duration::from_millis(250), longest: Duration::from_secs(64), jitter: 0 };

    /// RFC 6887 8.1.1, for a mapping that we have and need not wait for: 3 s, doubling, ±10 %.
    pub const PCP: Schedule =
        Schedule { first: Duration::from_secs(3), longest: Duration::from_secs(1024), jitter: 10 };

    /// PCP while somebody waits for the first mapping. The RFC's 3 s are meant for any PCP server; a home
    /// gateway is one hop away and gets its datagrams on the same port in NAT-PMP's rhythm anyway.
    pub const PCP_FIRST: Schedule =
        Schedule { first: Duration::from_millis(250), longest: Duration::from_secs(1024), jitter: 10 };
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send [`Exchange::datagram`], then ask again.
    Send,
    /// Wait for a datagram until then, then ask again.
    Wait(Instant),
    /// The limit is reached.
    GiveUp,
}

/// The state of one exchange.
#[derive(Debug)]
pub struct Exchange<Q> {
    question: Q,
    to: SocketAddr,
    schedule: Schedule,
    started: Instant,
    until: Instant,
    next: Instant,
    pause: Duration,
    sent: u32,
    strays: u32,
    last_stray: Option<Stray>,
    rng: fastrand::Rng,
}

impl<Q: Question> Exchange<Q> {
    /// An exchange that starts now and gives up after `limit`.
    pub fn new(
        question: Q,
        to: SocketAddr,
        schedule: Schedule,
        limit: Duration,
        now: Instant,
        rng: fastrand::Rng,
    ) -> Self {
        let pause = schedule.first;
        let until = now + limit.min(Duration::from_secs(3600));
        let (sent, strays) = (0, 0);
        Exchange {
            question,
            to,
            schedule,
            started: now,
            until,
            next: now,
            pause,
            sent,
            strays,
            last_stray: None,
            rng,
        }
    }

    /// What is sent, each time the same bytes.
    pub fn datagram(&self) -> Vec<u8> {
        self.question.encode()
    }

    /// What to do at `now`. [`Step::Send`] counts as sent.
    pub fn step(&mut self, now: Instant) -> Step {
        if now >= self.until {
            return Step::GiveUp;
        }
        if now < self.next {
            return Step::Wait(self.next.min(self.until));
        }
        self.sent += 1;
        let jitter = f64::from(self.schedule.jitter.min(50)) / 100.0;
        self.next = now + self.pause.mul_f64(1.0 + jitter * (2.0 * self.rng.f64() - 1.0));
        self.pause = (self.pause * 2).min(self.schedule.longest);
        Step::Send
    }

    /// Takes a datagram. `None`: it was no answer, go on.
    pub fn receive(&mut self, from: SocketAddr, datagram: &[u8]) -> Option<Result<Q::Answer, Refusal>> {
        // Not compared whole: flow label and scope of an IPv6 sender are the system's, not the sender's.
        let stray = if (from.ip(), from.port()) != (self.to.ip(), self.to.port()) {
            Stray::Sender(from)
        } else {
            match self.question.judge(datagram) {
                Verdict::Answer(answer) => return Some(Ok(answer)),
                Verdict::Refused(refusal) => return Some(Err(refusal)),
                Verdict::Stray(stray) => stray,
            }
        };
        self.strays = self.strays.saturating_add(1);
        self.last_stray = Some(stray);
        None
    }

    /// What was asked.
    pub const fn question(&self) -> &Q {
        &self.question
    }

    /// For a person: why there is no answer.
    pub fn report(&self, now: Instant) -> String {
        let seconds = now.saturating_duration_since(self.started).as_secs_f64();
        let plural = if self.sent == 1 { "" } else { "s" };
        let mut text = format!("no answer to {} datagram{plural} in {seconds:.1} s", self.sent);
        if let Some(stray) = self.last_stray {
            let _ = write!(text, "; {} ignored, the last one: {stray}", self.strays);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Transport, natpmp};
    use super::*;
    use proptest::prelude::*;

    const TO: &str = "192.168.1.1:5351";

    fn ask(schedule: Schedule, limit: Duration, now: Instant) -> Exchange<natpmp::Request> {
        let map = natpmp::Request::Map {
            transport: Transport::Tcp,
            internal_port: 1,
            external_port: 1,
            lifetime: 60,
        };
        Exchange::new(map, TO.parse().unwrap(), schedule, limit, now, fastrand::Rng::with_seed(1))
    }

    /// Runs to the end; when the datagrams went out.
    fn sendings(schedule: Schedule, limit: Duration) -> Vec<Duration> {
        let start = Instant::now();
        let (mut now, mut sent) = (start, Vec::new());
        let mut exchange = ask(schedule, limit, now);
        loop {
            match exchange.step(now) {
                Step::Send => sent.push(now - start),
                Step::Wait(until) => now = until,
                Step::GiveUp => return sent,
            }
        }
    }

    #[test]
    fn pauses_double_until_the_limit() {
        let ms = |ms: &[u64]| ms.iter().map(|ms| Duration::from_millis(*ms)).collect::<Vec<_>>();
        assert_eq!(sendings(Schedule::NATPMP, Duration::from_secs(2)), ms(&[0, 250, 750, 1750]));
        assert_eq!(sendings(Schedule::NATPMP, Duration::from_secs(128)).len(), 10);
        let renewals = sendings(Schedule::PCP, Duration::from_secs(30));
        assert_eq!(renewals.len(), 4, "at about 0, 3, 9 and 21 s: {renewals:?}");
    }

    #[test]
    fn an_answer_counts_whenever_it_comes() {
        let now = Instant::now();
        let mut exchange = ask(Schedule::NATPMP, Duration::from_secs(2), now);
        assert_eq!(exchange.step(now), Step::Send);
        assert_eq!(exchange.step(now + Duration::from_secs(1)), Step::Send);
        let answer = [0, 130, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 60];
        assert!(matches!(exchange.receive(TO.parse().unwrap(), &answer), Some(Ok(_))));
    }

    #[test]
    fn strays_are_ignored_and_told() {
        let now = Instant::now();
        let mut exchange = ask(Schedule::NATPMP, Duration::from_secs(1), now);
        exchange.step(now);
        let answer = [0, 130, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 60];
        assert!(exchange.receive("192.168.1.2:5351".parse().unwrap(), &answer).is_none());
        assert!(exchange.report(now).contains("sent by 192.168.1.2:5351"), "{}", exchange.report(now));
        assert!(exchange.receive("192.168.1.1:5350".parse().unwrap(), &answer).is_none());
        assert!(exchange.receive(TO.parse().unwrap(), &answer[..12]).is_none());
        let report = exchange.report(now + Duration::from_secs(1));
        assert_eq!(
            report,
            "no answer to 1 datagram in 1.0 s; 3 ignored, the last one: 12 bytes where at least 16 are needed"
        );
    }

    proptest! {
        #[test]
        fn it_always_ends_in_time_and_sends_few(
            limit_ms in 0u64..200_000, seed in any::<u64>(), first in 1u64..4000,
        ) {
            let start = Instant::now();
            let limit = Duration::from_millis(limit_ms);
            let schedule = Schedule { first: Duration::from_millis(first), ..Schedule::PCP };
            let mut exchange = ask(schedule, limit, start);
            exchange.rng = fastrand::Rng::with_seed(seed);
            let (mut now, mut sent) = (start, 0);
            loop {
                match exchange.step(now) {
                    Step::Send => sent += 1,
                    Step::Wait(until) => { prop_assert!(until > now && until <= start + limit); now = until; }
                    Step::GiveUp => break,
                }
            }
            prop_assert_eq!(now, start + limit);
            prop_assert!(sent <= 20);
            prop_assert_eq!(sent == 0, limit_ms == 0);
        }
    }
}
