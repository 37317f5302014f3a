//! A home's line: packets between two TUN devices, delayed, lost, translated. One thread.
//!
//! The delay is outside of the translation, as in a home: what goes out is translated at once and travels then; what
//! comes in travels first and meets the mappings as they are on its arrival.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::natbox::translate::{Exit, Translator};
use crate::{Result, sys};

/// What happens on the way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// One way.
    pub(crate) delay: Duration,
    /// Of a hundred packets, in each direction.
    pub(crate) loss_percent: f64,
}

/// A running wire; it ends when dropped.
pub(crate) struct Wire {
    /// A byte: forget; its end: stop.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    /// Starts the thread between a home's side and the internet's.
    pub(crate) fn start(home: File, internet: File, line: Line, nat: Option<Translator>) -> Result<Wire> {
        let (stop, stopped) = UnixStream::pair()?;
        let engine = Engine {
            home,
            internet,
            stopped,
            line,
            nat,
            out: VecDeque::new(),
            back: VecDeque::new(),
            random: fastrand::Rng::new(),
            begun: Instant::now(),
        };
        let thread = thread::Builder::new().name("wire".into()).spawn(move || engine.run())?;
        Ok(Wire { stop: Some(stop), thread: Some(thread) })
    }

    /// Its box forgets all mappings, as if it were switched off and on. (A line without one does nothing.)
    pub(crate) fn forget(&self) -> Result {
        let mut order = self.stop.as_ref().ok_or("it has ended")?;
        Ok(order.write_all(&[1])?)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // The thread sees its end of the pair being closed.
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A packet under way and when it arrives. As the delay is the same for all, they arrive in order.
type Travelling = VecDeque<(Instant, Vec<u8>)>;

struct Engine {
    home: File,
    internet: File,
    stopped: UnixStream,
    line: Line,
    nat: Option<Translator>,
    out: Travelling,
    back: Travelling,
    random: fastrand::Rng,
    begun: Instant,
}

impl Engine {
    fn run(mut self) {
        let mut buffer = vec![0; 65_536];
        loop {
            while let Some(packet) = read(&self.home, &mut buffer) {
                self.leaves_home(packet);
            }
            while let Some(packet) = read(&self.internet, &mut buffer) {
                send_off(&mut self.back, packet, &self.line, &mut self.random);
            }
            let now = Instant::now();
            while let Some(packet) = arrived(&mut self.out, now) {
                // A full queue loses packets, as a line does.
                let _ = (&self.internet).write(&packet);
            }
            while let Some(packet) = arrived(&mut self.back, now) {
                self.reaches_home(packet);
            }
            let first =
                [&self.out, &self.back].into_iter().filter_map(|q| q.front()).map(|(due, _)| *due).min();
            let wait = first.map(|due| due.saturating_duration_since(Instant::now()));
            let files = [self.home.as_fd(), self.internet.as_fd(), self.stopped.as_fd()];
            match sys::wait_readable(files, wait) {
                Ok([_, _, false]) => {}
                Ok(_) if matches!((&self.stopped).read(&mut [0]), Ok(1..)) => {
                    self.nat.iter_mut().for_each(Translator::forget);
                }
                Ok(_) | Err(_) => return,
            }
        }
    }

    fn leaves_home(&mut self, packet: Vec<u8>) {
        let exit = match &mut self.nat {
            None => Some(Exit::Outside(packet)),
            Some(nat) => nat.outward(self.begun.elapsed(), packet),
        };
        self.leave(exit);
    }

    fn reaches_home(&mut self, packet: Vec<u8>) {
        let exit = match &mut self.nat {
            None => Some(Exit::Inside(packet)),
            Some(nat) => nat.inward(self.begun.elapsed(), packet),
        };
        self.leave(exit);
    }

    fn leave(&mut self, exit: Option<Exit>) {
        match exit {
            Some(Exit::Outside(packet)) => send_off(&mut self.out, packet, &self.line, &mut self.random),
            Some(Exit::Inside(packet)) => {
                let _ = (&self.home).write(&packet);
            }
            None => {}
        }
    }
}

fn read(mut from: &File, buffer: &mut [u8]) -> Option<Vec<u8>> {
    let length = from.read(buffer).ok()?;
    buffer.get(..length).map(<[u8]>::to_vec)
}

fn send_off(to: &mut Travelling, packet: Vec<u8>, line: &Line, random: &mut fastrand::Rng) {
    if random.f64() * 100.0 >= line.loss_percent {
        to.push_back((Instant::now() + line.delay, packet));
    }
}

fn arrived(from: &mut Travelling, now: Instant) -> Option<Vec<u8>> {
    let is_due = from.front().is_some_and(|(due, _)| *due <= now);
    if is_due { from.pop_front().map(|(_, packet)| packet) } else { None }
}
