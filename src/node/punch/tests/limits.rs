//! What is limited, and what is given back.

use std::task::Poll;

use super::*;
use crate::proto::punch::{ConnId, SlotId};

#[test]
fn a_budget_that_is_used_up() {
    block_on(async {
        let [a, b, _] = addresses();
        let first = Running::start(initiate(setup(preserving(a), b, hasty())), {
            let empty = Arc::new(Mutex::new(Budget::new(0, 0)));
            Ways { budget: empty, ..ways(a, &[]) }
        });
        let none = Arc::new(Mutex::new(Budget::new(0, 0)));
        let for_b = Ways { budget: none, ..ways(b, &[]) };
        let punched = carry(first, setup(preserving(b), a, hasty()), for_b, async |_, _| ()).await;
        assert!(punched.iter().all(|p| p.reports.iter().all(|round| round.flows == 0)));
        assert_eq!(punched[0].outcome.as_ref().unwrap_err().reason, Reason::Budget);
    });
}

#[test]
fn dropped_half_way() {
    block_on(async {
        let [a, b, _] = addresses();
        // Silent: it takes connections and says nothing.
        let there = tokio::net::TcpListener::bind(SocketAddr::new(b, 0)).await.unwrap();
        let port = there.local_addr().unwrap().port();
        let mut running = Running::start(initiate(setup(preserving(a), b, inside())), ways(a, &[]));
        let ours = loop {
            let message = running.said.recv().await.unwrap();
            let body = match message.body {
                Body::Offer(_) => Body::Answer(preserving(b), vec![port, port - 1]),
                Body::Ping(number) => Body::Pong(number),
                Body::Go(ports, _) => break ports[0],
                _ => continue,
            };
            running.hear(Message { body, ..message }).await;
        };
        let (met, _) = there.accept().await.unwrap();
        running.task.abort();
        assert!(running.task.await.unwrap_err().is_cancelled());
        assert_eq!(running.budget.lock().half_open(), 0);
        assert!(read(&met, usize::MAX).await.len() <= 2 * FRAME_LEN, "and then the end");
        let again = TcpStream::connect(SocketAddr::new(a, ours)).await;
        assert!(again.is_err(), "nobody listens any more");
    });
}

/// One budget for two punches: while the first holds all of it the second has to wait, and then gets it.
#[test]
fn one_budget_for_all() {
    block_on(async {
        let [a, b, _] = addresses();
        let shared = Arc::new(Mutex::new(Budget::new(2, 1000)));
        let for_a = || Ways { budget: Arc::clone(&shared), ..ways(a, &[]) };
        let mut pairs = Vec::new();
        for _ in 0..2 {
            let first = Running::start(initiate(setup(preserving(a), b, inside())), for_a());
            let other = setup(preserving(b), a, inside());
            let mut pair = Box::pin(carry_alone(first, other, ways(b, &[])));
            // Both are under way before either has ended.
            let begun = std::future::poll_fn(|cx| Poll::Ready(pair.as_mut().poll(cx).is_pending())).await;
            assert!(begun);
            pairs.push(tokio::spawn(pair));
        }
        for pair in pairs {
            talk(pair.await.unwrap()).await;
        }
        assert_eq!(shared.lock().half_open(), 0);
    });
}

/// However many attempts are due at once, other work of the thread has its turn in between.
#[test]
fn others_have_their_turn() {
    const COUNT: u16 = 300;
    block_on(async {
        let [a, b, _] = addresses();
        let reach = ways(a, &[]).reach;
        let mut sockets = Sockets::new(reach, Vec::new(), b, Look::Frames);
        let now = Instant::now();
        for n in 0..COUNT {
            let (slot, conn) = (SlotId(n), ConnId(n.into()));
            assert!(sockets.bind(slot, 0, false).is_some());
            sockets.connect(conn, slot, SocketAddr::new(b, 9), now, false);
        }
        let (_tell, inbox) = mpsc::channel::<()>(1);
        let mut steps = Steps::new(inbox);
        let turns = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let counted = Arc::clone(&turns);
        let other = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        let mut refused = 0;
        while refused < COUNT {
            if let Step::Event(Event::Failed(_, Answer::Refused)) = steps.next(&mut sockets, None).await {
                refused += 1;
            }
        }
        other.abort();
        assert!(turns.load(std::sync::atomic::Ordering::Relaxed) >= u32::from(COUNT / 16));
    });
}

/// [`carry`], of which the budget belongs to others as well.
async fn carry_alone(a: Running, b: Setup, b_ways: Ways) -> [Punched; 2] {
    let a = Running { budget: Arc::default(), ..a };
    carry(a, b, b_ways, async |_, _| ()).await
}

/// Set in the process that has few descriptors.
#[cfg(target_os = "linux")]
const FEW: &str = "P2PNET_TEST_FEW_DESCRIPTORS";

/// In a process of its own, as others need descriptors, too.
#[test]
#[cfg(target_os = "linux")]
fn no_descriptors_left() {
    if std::env::var_os(FEW).is_none() {
        let name = "node::punch::tests::limits::no_descriptors_left";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let done = child.args(["--exact", name, "--nocapture"]).env(FEW, "1").output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    block_on(async {
        let [a, b, _] = addresses();
        let options = || Options { spray_sockets: 200, spray_guesses: 50, ..hasty() };
        for left in [0, 1, 3, 20, 60] {
            let _few = crate::os::limits::leave_open_files(left);
            let [one, other] = punch_each_other([blind(a), preserving(b)], [options(), options()], &[]).await;
            // With some it may work. In any case it ends, and says why.
            assert!(one.errors.contains_key(&libc::EMFILE) || other.errors.contains_key(&libc::EMFILE));
            assert!(left > 1 || other.outcome.unwrap_err().reason == Reason::NoLocalPort);
        }
    });
}
