//! A rendezvous server that lets everybody in, says of every message that it was heard, and passes on what it likes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use p2pnet::proto::identity::PublicKey;
use p2pnet::proto::rdv_msg::signal::{message_bytes, message_text};
use p2pnet::proto::rdv_msg::{Request, SignalReply, SignalRequest};

/// A message, as it says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passing {
    pub from: PublicKey,
    pub to: PublicKey,
    pub bytes: Vec<u8>,
}

/// What becomes of a message; the second argument are those before.
pub type Deed = Box<dyn FnMut(Passing, &[Passing]) -> Vec<Passing> + Send>;

struct State {
    deed: Deed,
    /// All that was to be passed on.
    seen: Vec<Passing>,
    /// Who is here, and the number of its last message.
    nodes: BTreeMap<PublicKey, (TcpStream, u64)>,
}

/// See the module. Its threads end with the test.
#[derive(Clone)]
pub struct Evil {
    pub at: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Evil {
    pub fn start(deed: impl FnMut(Passing, &[Passing]) -> Vec<Passing> + Send + 'static) -> Evil {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let state = State { deed: Box::new(deed), seen: Vec::new(), nodes: BTreeMap::new() };
        let evil = Evil { at: listener.local_addr().unwrap(), state: Arc::new(Mutex::new(state)) };
        let serving = evil.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (evil, stream) = (serving.clone(), stream.unwrap());
                std::thread::spawn(move || evil.serve(stream));
            }
        });
        evil
    }

    /// From now on it does something else.
    pub fn instead(&self, deed: impl FnMut(Passing, &[Passing]) -> Vec<Passing> + Send + 'static) {
        self.state.lock().unwrap().deed = Box::new(deed);
    }

    /// What it has been told so far.
    pub fn seen(&self) -> Vec<Passing> {
        self.state.lock().unwrap().seen.clone()
    }

    /// Says something to a node.
    pub fn pass(&self, passing: &Passing) {
        self.state.lock().unwrap().pass(passing);
    }

    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut out = stream.try_clone().ok()?;
        let mut node = None;
        for line in BufReader::new(stream).lines() {
            let line = line.ok()?;
            let Some(Request::Signal(request)) = Request::parse(&line) else { continue };
            match request {
                SignalRequest::Enter { id, .. } => {
                    node = Some(id);
                    say(&mut out, &SignalReply::Nonce { nonce: Box::new([7; 32]), mark: String::new() })?;
                }
                SignalRequest::Prove { .. } => {
                    let mut state = self.state.lock().unwrap();
                    state.nodes.insert(node?, (out.try_clone().ok()?, 0));
                    write!(out, "ENTERED idle=60 size=2048\r\n").ok()?;
                }
                SignalRequest::Echo { token } => {
                    say(&mut out, &SignalReply::Echo { token: token.to_owned() })?
                }
                SignalRequest::Tell { tag, to, message } => {
                    let mut state = self.state.lock().unwrap();
                    say(&mut out, &SignalReply::Told { tag })?;
                    say(&mut out, &SignalReply::Heard { tag })?;
                    let bytes = message_bytes(message)?;
                    state.told(Passing { from: node?, to, bytes });
                }
                SignalRequest::Heard { .. } | SignalRequest::Leave => {}
            }
        }
        None
    }
}

impl State {
    fn told(&mut self, passing: Passing) {
        let out = (self.deed)(passing.clone(), &self.seen);
        self.seen.push(passing);
        out.iter().for_each(|passing| self.pass(passing));
    }

    fn pass(&mut self, passing: &Passing) {
        let Some((stream, count)) = self.nodes.get_mut(&passing.to) else { return };
        *count += 1;
        let message = message_text(&passing.bytes).to_string();
        // One that has gone has gone.
        let _ = say(stream, &SignalReply::Message { number: *count, from: passing.from, message });
    }
}

fn say(out: &mut TcpStream, reply: &SignalReply) -> Option<()> {
    out.write_all(format!("{reply}\r\n").as_bytes()).ok()
}
