//! Punches between two places of one process, with a signalling in memory that takes as long as one chooses.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{HUNG, on_runtime, reach};
use crate::error::Result;
use crate::node::punch::{Begin, Inbox, Ways, run};
use crate::proto::punch::{Budget, Failure, Message, Options, RoundReport, Setup, Side, Technique, Token};

/// What the programs say to each other over the connection.
const LINE: &[u8] = b"Sup Bob.\r\n";
/// Messages that may be on their way.
const ON_THE_WAY: usize = 64;

/// A message on its way: when it arrives, its bytes.
type Letter = (Instant, Vec<u8>);

/// One end of a signalling.
pub struct Signalling {
    delay: Duration,
    out: mpsc::UnboundedSender<Letter>,
    come: mpsc::UnboundedReceiver<Letter>,
}

/// The two ends of a signalling that takes `delay` from one to the other.
pub fn signalling(delay: Duration) -> (Signalling, Signalling) {
    let ((to_b, from_a), (to_a, from_b)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    (Signalling { delay, out: to_b, come: from_b }, Signalling { delay, out: to_a, come: from_a })
}

/// One side of a punch.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whether it begins.
    pub initiator: bool,
    /// Its NAT.
    pub ours: Side,
    /// The other side's outside address.
    pub peer_ip: IpAddr,
    /// Servers to ask for outside ports.
    pub servers: Vec<String>,
    /// The address to come from.
    pub bind: Option<IpAddr>,
    /// Addresses of the machine, which are never aimed at.
    pub own: Vec<IpAddr>,
    /// The numbers.
    pub options: Options,
    /// What it may use.
    pub budget: Budget,
}

/// How a punch ended for one side.
#[derive(Debug)]
pub struct Outcome {
    /// The peer's address, or why there is none.
    pub peer: std::result::Result<SocketAddr, Failure>,
    /// When that was known.
    pub ended: Instant,
    /// When a line of the other side had come over the connection, after ours had left.
    pub usable: Option<Instant>,
    /// How it was tried.
    pub technique: Option<Technique>,
    /// Round by round.
    pub reports: Vec<RoundReport>,
    /// The signalling's round trip, as measured.
    pub rtt: Option<Duration>,
    /// Errors of the operating system, and how often.
    pub errors: Vec<(i32, u32)>,
    /// What of the budget was not given back.
    pub kept: usize,
}

/// Runs one side of a punch on this thread, in this thread's network, and exchanges a line over what comes of it.
///
/// # Errors
/// [`crate::Code::Io`] if there can be no runtime.
///
/// # Panics
/// If it takes a minute: it hangs.
pub fn punch(plan: Plan, signalling: Signalling) -> Result<Outcome> {
    on_runtime(async { timeout(HUNG, side(plan, signalling)).await.expect("hung") })
}

async fn side(plan: Plan, signalling: Signalling) -> Outcome {
    let budget = Arc::new(Mutex::new(plan.budget));
    let ways = Ways { reach: reach(plan.bind, HUNG), servers: plan.servers, budget: Arc::clone(&budget) };
    let Plan { ours, peer_ip, own, options, .. } = plan;
    let setup = Setup { ours, peer_ip, own, options, seed: fastrand::u64(..) };
    let Signalling { delay, out, mut come } = signalling;
    let begin = if plan.initiator {
        Begin::Initiate { token: Token(fastrand::u128(..).to_be_bytes()), setup }
    } else {
        loop {
            let message = arrival(&mut come).await;
            // Whatever comes before the offer has no punch to belong to.
            match message {
                Some(offer) if offer.body.name() == "offer" => break Begin::Respond { offer, setup },
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    };
    let (tell, inbox) = mpsc::channel(ON_THE_WAY);
    let postman = tokio::spawn(async move {
        while let Some(message) = arrival(&mut come).await {
            if tell.send(Inbox::Message(message)).await.is_err() {
                break;
            }
        }
        // The other side may end first.
        std::future::pending::<()>().await;
    });
    let punched = run(begin, ways, inbox, move |message| {
        // Nobody is there any more: then nobody reads it.
        let _ = out.send((Instant::now() + delay, message.encode()));
    })
    .await;
    postman.abort();
    let ended = Instant::now();
    let (peer, usable) = match punched.outcome {
        Ok((stream, peer)) => (Ok(peer), exchange(&stream).await.is_ok().then(Instant::now)),
        Err(failure) => (Err(failure), None),
    };
    let kept = budget.lock().half_open();
    Outcome {
        peer,
        ended,
        usable,
        technique: punched.technique,
        reports: punched.reports,
        rtt: punched.rtt,
        errors: punched.errors.into_iter().collect(),
        kept,
    }
}

async fn arrival(come: &mut mpsc::UnboundedReceiver<Letter>) -> Option<Message> {
    let (at, bytes) = come.recv().await?;
    tokio::time::sleep_until(at.into()).await;
    Message::decode(&bytes).ok()
}

/// Says a line and reads one; neither more nor less may come.
async fn exchange(stream: &TcpStream) -> io::Result<()> {
    stream.writable().await?;
    // A fresh connection has room for it.
    if stream.try_write(LINE)? < LINE.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    let (mut line, mut filled) = ([0; LINE.len()], 0);
    while filled < line.len() {
        stream.readable().await?;
        match stream.try_read(line.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
    if line == LINE { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}
