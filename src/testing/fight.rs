//! The classic fight between two places of one process, arranged by a real rendezvous server.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::punch::exchange;
use super::{HUNG, on_runtime, reach};
use crate::error::{Error, Result};
use crate::node::punch::{BeginFight, Fought, Ways, run_fight};
use crate::proto::punch::fight::FightSetup;
use crate::proto::punch::{Budget, FRAME_LEN, Failure, Side};
use crate::proto::rdv_msg::{Reply, Request};

/// What the challenger's connections begin with.
const NONCE: [u8; FRAME_LEN] = [b'a'; FRAME_LEN];

/// One side of a fight.
#[derive(Clone, Debug)]
pub struct FightPlan {
    /// Its NAT.
    pub ours: Side,
    /// The other side's outside address.
    pub peer_ip: IpAddr,
    /// Addresses of the machine.
    pub own: Vec<IpAddr>,
    /// The rendezvous server.
    pub server: SocketAddr,
}

/// How a fight ended for one side.
#[derive(Debug)]
pub struct FightOutcome {
    /// The other side's address, or why there is none.
    pub peer: std::result::Result<SocketAddr, Failure>,
    /// When a line of the other side had come over the connection.
    pub usable: Option<Instant>,
    /// What of the budget was not given back.
    pub kept: usize,
}

/// Challenges the other side and fights, on this thread, in this thread's network.
///
/// # Errors
/// [`crate::Code::Io`] if there can be no runtime.
///
/// # Panics
/// If it takes a minute: it hangs.
pub fn challenge(plan: FightPlan) -> Result<FightOutcome> {
    let begin = BeginFight::Challenge { server: plan.server.to_string(), nonce: NONCE };
    on_runtime(async { timeout(HUNG, fight(begin, plan, |_| ())).await.expect("hung") })
}

/// Registers with the server, says so by `registered`, waits for a challenge and takes it.
///
/// # Errors
/// [`crate::Code::Io`] if the server cannot be reached, or there can be no runtime.
///
/// # Panics
/// If it takes a minute: it hangs.
pub fn be_challenged(plan: FightPlan, registered: impl FnOnce()) -> Result<FightOutcome> {
    let work = async {
        let channel = TcpStream::connect(plan.server).await?;
        say(&channel, &Request::SimultaneousReady { port: 0, max_inbound: 0 }.to_string()).await?;
        // The first has no answer; when the second has one, the first has been heard.
        say(&channel, &Request::SourceTcp { local_port: None }.to_string()).await?;
        while !matches!(reply(&channel).await?, Some(Reply::RemoteTcp(_))) {}
        registered();
        let ports = loop {
            if let Some(Reply::Challenge { predictions, .. }) = reply(&channel).await? {
                break predictions;
            }
        };
        let channel = Arc::new(channel);
        let begin = BeginFight::Accept { ports };
        Ok(fight(begin, plan, move |line| {
            // A fresh channel has room for a line.
            let _ = channel.try_write(format!("{line}\r\n").as_bytes());
        })
        .await)
    };
    let done = on_runtime(async { timeout(HUNG, work).await.expect("hung") })?;
    done.map_err(|e: io::Error| Error::io("talking to the server", &e))
}

async fn fight(begin: BeginFight, plan: FightPlan, line: impl FnMut(String)) -> FightOutcome {
    let FightPlan { ours, peer_ip, own, server } = plan;
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let clock = (Instant::now(), unix.as_secs_f64());
    let setup = FightSetup { ours, peer_ip, own, allow_inside: false, clock, seed: fastrand::u64(..) };
    let budget = Arc::new(Mutex::new(Budget::default()));
    let servers = vec![server.to_string()];
    let ways = Ways { reach: reach(None, HUNG), servers, budget: Arc::clone(&budget) };
    let challenged = matches!(begin, BeginFight::Accept { .. });
    let (_tell, inbox) = mpsc::channel(1);
    let Fought { outcome, nonce, .. } = run_fight(begin, setup, ways, inbox, line).await;
    let kept = budget.lock().half_open();
    let (peer, usable) = match outcome {
        Ok((stream, peer)) => {
            let right = !challenged || nonce.as_deref() == Some(&NONCE);
            let usable = right && exchange(&stream).await.is_ok();
            (Ok(peer), usable.then(Instant::now))
        }
        Err(failure) => (Err(failure), None),
    };
    FightOutcome { peer, usable, kept }
}

async fn say(stream: &TcpStream, line: &str) -> io::Result<()> {
    stream.writable().await?;
    stream.try_write(format!("{line}\r\n").as_bytes()).map(drop)
}

/// The next line, if it is a reply.
async fn reply(stream: &TcpStream) -> io::Result<Option<Reply>> {
    let mut line = String::new();
    while !line.ends_with("\r\n") {
        stream.readable().await?;
        let mut octet = [0];
        match stream.try_read(&mut octet) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => line.push(octet[0].into()),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
    Ok(Reply::parse(line.trim_end()))
}
