//! The numbers a punch goes by. The defaults are for the internet; each can be changed.

use std::time::Duration;

/// The numbers.
#[derive(Clone, Debug)]
pub struct Options {
    /// Local ports in a round, if each keeps one outside port. One would do; a second helps when the first is
    /// taken.
    pub ports: usize,
    /// How many next ports of a row are told to the peer, and how many local ports are used where a NAT keeps
    /// its promise for the first destination only. Grows by itself with each round.
    pub window: usize,
    /// Rounds in an attempt, each with fresh ports.
    pub rounds: u8,
    /// Local ports opened when ours cannot be foreseen.
    pub spray_sockets: usize,
    /// Ports guessed when the peer's cannot be foreseen.
    pub spray_guesses: usize,
    /// Between two attempts of one round, so that routers and queues are not hit by all at once.
    pub pace: Duration,
    /// How long a round is given before the next begins, besides four round trips and [`Options::grace`]. What comes of
    /// it later is welcome: its sockets stay open meanwhile (not a spray's).
    pub round: Duration,
    /// How long sockets are held after the last round was fired: a SYN that was lost is repeated after a second, and
    /// those of the rounds before have been repeated meanwhile.
    pub hold: Duration,
    /// And a little longer: connections often come just after a limit.
    pub grace: Duration,
    /// A peer that says nothing for so long while its word is awaited is gone.
    pub silence: Duration,
    /// How long asking a server for an outside port may take.
    pub ask: Duration,
    /// How long the talk over a new connection may take, besides four round trips.
    pub hello: Duration,
    /// How often one attempt is repeated after a refusal.
    pub tries: u32,
    /// An attempt ends after this, whatever state it is in.
    pub limit: Duration,
    /// Whether addresses of local networks may be aimed at, for tests and for nets that live in one.
    pub allow_inside: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            ports: 2,
            window: 6,
            rounds: 3,
            spray_sockets: 256,
            spray_guesses: 320,
            pace: Duration::from_micros(100),
            round: Duration::from_millis(50),
            hold: Duration::from_millis(1300),
            grace: Duration::from_millis(200),
            silence: Duration::from_secs(4),
            ask: Duration::from_millis(1500),
            hello: Duration::from_secs(2),
            tries: 64,
            limit: Duration::from_secs(20),
            allow_inside: false,
        }
    }
}
