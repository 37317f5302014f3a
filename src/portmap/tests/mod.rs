//! The whole of port mapping against routers on loopback, good ones and bad ones.
//!
//! With PCP and NAT-PMP the clock stands still and jumps to the next timer, so hours pass in no time and no
//! result depends on how fast the machine is. UPnP uses threads and real time; there tests wait for
//! conditions.

mod answers;
mod datagram;
#[cfg(feature = "upnp")]
mod hostile;
#[cfg(feature = "upnp")]
mod http;
mod life;
mod model;
#[cfg(feature = "upnp")]
mod soap;
mod unheard;
#[cfg(feature = "upnp")]
mod upnp;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::*;

/// When nothing has come after this long, it never will; with a stopped clock it passes at once.
const HUNG: Duration = Duration::from_secs(24 * 3600);

/// Runs a test whose clock jumps from timer to timer.
fn with_stopped_clock(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test);
}

/// Runs a test in real time.
fn in_real_time(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let watched = async { tokio::time::timeout(Duration::from_secs(60), test).await.expect("hung") };
    runtime.unwrap().block_on(watched);
}

/// An address of 127/8 that no other test has.
fn own_address() -> IpAddr {
    Ipv4Addr::new(127, fastrand::u8(1..=254), fastrand::u8(..), fastrand::u8(2..=250)).into()
}

/// A wish for TCP port 4020 with these protocols on these gateways, which all listen on `ports`.
fn wish(protocols: u32, gateways: &[IpAddr], ports: Ports) -> Wish {
    let gateways = gateways.iter().map(|ip| Gateway { ip: *ip, scope: 0, local: host(*ip) }).collect();
    Wish {
        port: 4020,
        transport: Transport::Tcp,
        protocols,
        lease: Duration::from_secs(3600),
        gateways,
        description: "p2pnet test".into(),
        state_dir: None,
        limit: Duration::from_secs(3),
        ports,
    }
}

/// Our address on the network of a gateway.
fn host(gateway: IpAddr) -> IpAddr {
    match gateway {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4) + 1).into(),
        v6 => v6,
    }
}

/// A running [`run`].
struct Rig {
    orders: UnboundedSender<Order>,
    happenings: UnboundedReceiver<Happening>,
    /// What was passed over: attempts and notes.
    attempts: Vec<Attempt>,
    notes: Vec<String>,
    task: JoinHandle<()>,
}

impl Rig {
    fn start(wish: Wish) -> Rig {
        let (orders, taken) = unbounded_channel();
        let (teller, happenings) = unbounded_channel();
        let task = tokio::spawn(run(wish, taken, move |happening| drop(teller.send(happening))));
        Rig { orders, happenings, attempts: Vec::new(), notes: Vec::new(), task }
    }

    /// The next thing that is no attempt and no note.
    async fn next(&mut self) -> Happening {
        loop {
            let next = tokio::time::timeout(HUNG, self.happenings.recv()).await;
            match next.expect("hung").expect("it ended") {
                Happening::Tried(attempt) => self.attempts.push(attempt),
                Happening::Note(note) => self.notes.push(note),
                other => return other,
            }
        }
    }

    async fn mapped(&mut self) -> Mapped {
        match self.next().await {
            Happening::Mapped(mapped) => mapped,
            other => panic!("{other:?}; {:?} {:?}", self.attempts, self.notes),
        }
    }

    async fn moved(&mut self) -> Mapped {
        match self.next().await {
            Happening::Moved(mapped) => mapped,
            other => panic!("{other:?}"),
        }
    }

    /// Why every way failed, for people.
    async fn failed(&mut self) -> String {
        match self.next().await {
            Happening::Failed { attempts } => {
                attempts.iter().map(|attempt| format!("{attempt}\n")).collect::<String>()
            }
            other => panic!("{other:?}"),
        }
    }

    async fn lost(&mut self) -> String {
        match self.next().await {
            Happening::Lost { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    fn order(&self, order: Order) {
        self.orders.send(order).unwrap();
    }

    /// Stops it; it says that it did, as the last thing, and ends. How long it took, by the test's clock.
    async fn stop(mut self) -> Duration {
        let started = tokio::time::Instant::now();
        self.order(Order::Remove);
        assert!(matches!(self.next().await, Happening::Removed));
        let took = started.elapsed();
        self.task.await.unwrap();
        assert!(self.happenings.recv().await.is_none(), "nothing comes after the end");
        took
    }
}
