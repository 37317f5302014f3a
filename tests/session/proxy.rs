//! A proxy between two nodes that resets, swallows and refuses.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the proxy does with a connection.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Mood {
    /// Carries, and resets both ends after so many bytes.
    Until(u64),
    /// Carries so many bytes, and then nothing.
    Hush(u64),
    /// Takes connections and closes them at once.
    Refuse,
}

/// Between the nodes.
pub struct Proxy {
    pub at: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    target: Mutex<SocketAddr>,
    mood: Mutex<Box<dyn FnMut() -> Mood + Send>>,
    live: Mutex<Vec<Carried>>,
    made: AtomicUsize,
}

struct Carried {
    client: TcpStream,
    server: TcpStream,
    /// 1: what comes is thrown away.
    deaf: Arc<AtomicU64>,
}

impl Proxy {
    pub fn before(target: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            target: Mutex::new(target),
            mood: Mutex::new(Box::new(|| Mood::Until(u64::MAX))),
            live: Mutex::default(),
            made: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&inner);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let mood = shared.mood.lock().unwrap()();
                let (Mood::Until(limit) | Mood::Hush(limit)) = mood else { continue };
                let hush = matches!(mood, Mood::Hush(_));
                let Ok(server) = TcpStream::connect(*shared.target.lock().unwrap()) else { continue };
                shared.made.fetch_add(1, SeqCst);
                let deaf = Arc::new(AtomicU64::new(0));
                let left = Arc::new(AtomicU64::new(limit));
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let (left, deaf) = (Arc::clone(&left), Arc::clone(&deaf));
                    std::thread::spawn(move || carry(from, to, &left, &deaf, hush));
                }
                shared.live.lock().unwrap().push(Carried { client, server, deaf });
            }
        });
        Proxy { at, inner }
    }

    /// From now on it leads there.
    pub fn lead_to(&self, target: SocketAddr) {
        *self.inner.target.lock().unwrap() = target;
    }

    pub fn mood(&self, mood: impl FnMut() -> Mood + Send + 'static) {
        *self.inner.mood.lock().unwrap() = Box::new(mood);
    }

    /// Resets what it carries.
    pub fn cut(&self) {
        for carried in self.inner.live.lock().unwrap().drain(..) {
            reset(&carried.client);
            reset(&carried.server);
        }
    }

    /// Resets the end of the node that has connected; the other one hears nothing.
    pub fn cut_client(&self) {
        for carried in self.inner.live.lock().unwrap().iter() {
            carried.deaf.store(1, SeqCst);
            reset(&carried.client);
        }
    }

    /// From now on what it carries goes nowhere.
    pub fn swallow(&self) {
        self.inner.live.lock().unwrap().iter().for_each(|carried| carried.deaf.store(1, SeqCst));
    }

    pub fn connections(&self) -> usize {
        self.inner.made.load(SeqCst)
    }
}

fn reset(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
    let _ = stream.shutdown(Shutdown::Both);
}

fn carry(mut from: TcpStream, mut to: TcpStream, left: &AtomicU64, deaf: &AtomicU64, hush: bool) {
    let mut buf = vec![0; 16 << 10];
    while let Ok(n @ 1..) = from.read(&mut buf) {
        if deaf.load(SeqCst) == 1 {
            continue;
        }
        let before = left.fetch_update(SeqCst, SeqCst, |left| Some(left.saturating_sub(n as u64))).unwrap();
        let n = n.min(usize::try_from(before).unwrap_or(usize::MAX));
        if to.write_all(&buf[..n]).is_err() {
            break;
        }
        if before <= n as u64 {
            if !hush {
                break;
            }
            deaf.store(1, SeqCst);
        }
    }
    if deaf.load(SeqCst) == 1 {
        return;
    }
    reset(&from);
    reset(&to);
}
