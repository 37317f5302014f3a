//! Time servers of every kind on loopback.

use super::*;
use std::collections::BTreeSet;
use std::net::UdpSocket as Socket;

/// The limit of what is to end by itself long before.
const AMPLE: Duration = Duration::from_secs(30);
/// The limit of what is to run into it.
const SHORT: Duration = Duration::from_millis(400);
const DAY: i64 = 86_400_000_000;

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let watchdog = async { tokio::time::timeout(Duration::from_secs(60), work).await.expect("hung") };
    runtime.block_on(watchdog)
}

fn ask(servers: &[String], need: usize, limit: Duration) -> Result<Synced> {
    run(sync(&Resolver::new(), servers, None, need, limit))
}

/// A server on loopback; `serve` gets each question and where it came from.
fn server(mut serve: impl FnMut(&Socket, &[u8], SocketAddr) + Send + 'static) -> String {
    let socket = Socket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((n, from)) = socket.recv_from(&mut buffer) {
            serve(&socket, &buffer[..n], from);
        }
    });
    at
}

/// What a server with this clock answers to a question.
fn good(question: &[u8], ahead_us: i64) -> [u8; ntp::PACKET] {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64 + ahead_us;
    let mut p = [0; ntp::PACKET];
    (p[0], p[1], p[3]) = (4 << 3 | 4, 2, -20i8 as u8);
    p[24..32].copy_from_slice(&question[40..48]);
    p[32..40].copy_from_slice(&ntp::timestamp(now).to_be_bytes());
    p[40..48].copy_from_slice(&ntp::timestamp(now).to_be_bytes());
    p
}

/// A server whose clock is ahead of this machine's.
fn honest(ahead_us: i64) -> String {
    server(move |socket, question, from| {
        socket.send_to(&good(question, ahead_us), from).unwrap();
    })
}

/// A server that changes a good answer.
fn spoiled(spoil: impl Fn(&mut Vec<u8>) + Send + 'static) -> String {
    server(move |socket, question, from| {
        let mut answer = good(question, 0).to_vec();
        spoil(&mut answer);
        socket.send_to(&answer, from).unwrap();
    })
}

fn silent() -> String {
    server(|_, _, _| {})
}

/// Loopback takes microseconds; a test machine may be busy for much longer, and then it is told how unsure the time is.
fn is_about(got: i64, expected: i64, agreement: &Agreement) -> bool {
    (got - expected).abs() < 1_000_000 + agreement.error_us
}

#[test]
fn three_that_agree() {
    let ahead = 5_000_000;
    let begun = Instant::now();
    // All three have to, so that none is left out for being slow.
    let synced = ask(&[honest(ahead), honest(ahead), honest(ahead)], 3, AMPLE).unwrap();
    println!("three servers on loopback took {:?}: {:?}", begun.elapsed(), synced.agreement);
    let agreement = &synced.agreement;
    assert!(agreement.reliable && is_about(agreement.offset_us, ahead, agreement), "{synced:?}");
    assert_eq!((synced.agreement.answered, synced.failed.len()), (3, 0));
    let clock = synced.clock.unwrap();
    let system = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64;
    let (before, told, after) = (system(), clock.now_ntp(Instant::now()), system());
    assert!(before + ahead - told < 1_000_000 + agreement.error_us, "{agreement:?}");
    assert!(told - (after + ahead) < 1_000_000 + agreement.error_us, "{agreement:?}");
    assert!(is_about(agreement.estimate().skew_us, -ahead, agreement));
}

#[test]
fn a_liar_among_three_moves_nothing() {
    let synced = ask(&[honest(DAY), honest(0), honest(0)], 2, AMPLE).unwrap();
    let agreement = &synced.agreement;
    assert!(agreement.reliable && is_about(agreement.offset_us, 0, agreement), "{synced:?}");
    assert!(synced.agreement.servers == 2 && synced.agreement.answered >= 2, "{synced:?}");
}

#[test]
fn liars_that_are_as_many_leave_no_time() {
    let synced = ask(&[honest(DAY), honest(0)], 1, AMPLE).unwrap();
    assert_eq!((synced.agreement.reliable, synced.clock), (false, None));
    assert_eq!(synced.agreement.answered, 2);
}

#[test]
fn a_silent_server_holds_nothing_up() {
    let begun = Instant::now();
    let synced = ask(&[silent(), honest(0), honest(0)], 2, AMPLE).unwrap();
    assert!(synced.agreement.reliable && begun.elapsed() < AMPLE);
    assert!(synced.failed.len() == 1 && synced.failed[0].contains("no answer within"), "{synced:?}");
}

#[test]
fn a_late_answer_says_how_unsure_it_is() {
    let late = server(|socket, question, from| {
        let answer = good(question, 0);
        std::thread::sleep(Duration::from_millis(50));
        socket.send_to(&answer, from).unwrap();
    });
    let synced = ask(&[late], 1, AMPLE).unwrap();
    let agreement = synced.agreement;
    // Half the delay: the answer was made at its beginning, not in its middle.
    assert!(agreement.error_us >= 25_000, "{agreement:?}");
    assert!(agreement.offset_us.abs() <= agreement.error_us, "{agreement:?}");
}

#[test]
fn lost_packets_are_made_up_for() {
    let mut count = 0;
    let lossy = server(move |socket, question, from| {
        count += 1;
        if count > 3 {
            socket.send_to(&good(question, 0), from).unwrap();
        }
    });
    let synced = ask(&[lossy], 1, AMPLE).unwrap();
    assert_eq!(synced.agreement.samples, SAMPLES);
}

/// Asks `bad` alone: there is no time, and the error says `told`. Beside two good ones it does no harm.
fn is_refused(bad: impl Fn() -> String, told: &str) {
    let mut limit = SHORT;
    loop {
        let e = ask(&[bad()], 1, limit).unwrap_err();
        assert_eq!(e.code, Code::NoServer);
        if e.message.contains(told) {
            break;
        }
        // One that did not get the CPU has not answered at all.
        assert!(e.message.contains("no answer within") && limit < AMPLE, "{told}: {e}");
        limit *= 2;
    }
    let synced = ask(&[bad(), honest(0), honest(0)], 2, AMPLE).unwrap();
    assert!(synced.agreement.servers == 2 && synced.agreement.answered == 2, "{synced:?}");
    assert!(is_about(synced.agreement.offset_us, 0, &synced.agreement) && synced.failed.len() == 1);
}

#[test]
fn servers_of_no_use() {
    is_refused(silent, "no answer within");
    is_refused(|| spoiled(|a| a.truncate(47)), "no answer to the question");
    is_refused(|| spoiled(|a| a.fill(0xff)), "no answer to the question");
    is_refused(|| spoiled(|a| a[31] ^= 1), "no answer to the question");
    is_refused(|| spoiled(|a| a[0] |= 0xc0), "has no time itself");
    is_refused(|| spoiled(|a| a[8] = 9), "too far");
    is_refused(|| spoiled(|a| a[40..44].fill(0xff)), "contradicts itself");
    let nobody = || {
        // Bound and dropped: nobody else takes a port at random that soon, and if, it is silent.
        Socket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
    };
    is_refused(nobody, "127.0.0.1");
}

#[test]
fn a_kiss_of_death_ends_the_asking() {
    // A server that does not get the CPU for two seconds has all questions before it has said a word: then once more.
    let begun = Instant::now();
    while questions_to_who_says_deny() == SCHEDULE.len() {
        assert!(begun.elapsed() < 4 * AMPLE, "it is asked on each time");
    }
}

/// How often somebody is asked who answers so.
fn questions_to_who_says_deny() -> usize {
    let (tx, rx) = std::sync::mpsc::channel();
    let kiss = server(move |socket, question, from| {
        tx.send(()).unwrap();
        let mut answer = good(question, 0);
        answer[1] = 0;
        answer[12..16].copy_from_slice(b"DENY");
        socket.send_to(&answer, from).unwrap();
    });
    let e = ask(&[kiss], 1, AMPLE).unwrap_err();
    assert!(e.message.contains("kiss code DENY"), "{e}");
    // On a slow machine a second question may have been on its way.
    rx.try_iter().count()
}

#[test]
fn a_repeated_answer_counts_once_and_a_strangers_never() {
    let twice = server(|socket, question, from| {
        let answer = good(question, 0);
        socket.send_to(&answer, from).unwrap();
        socket.send_to(&answer, from).unwrap();
        let stranger = Socket::bind("127.0.0.1:0").unwrap();
        stranger.send_to(&good(question, DAY), from).unwrap();
    });
    let synced = ask(&[twice], 1, AMPLE).unwrap();
    assert_eq!(synced.agreement.samples, SAMPLES);
    assert!(is_about(synced.agreement.offset_us, 0, &synced.agreement));
    assert!(synced.agreement.spread_us == 0);
}

#[test]
fn every_question_has_a_cookie_of_its_own_and_no_time() {
    let (tx, rx) = std::sync::mpsc::channel();
    let watching = || {
        let tx = tx.clone();
        server(move |socket, question, from| {
            tx.send(question.to_vec()).unwrap();
            socket.send_to(&good(question, 0), from).unwrap();
        })
    };
    let servers = [watching(), watching()];
    ask(&servers, 2, AMPLE).unwrap();
    ask(&servers, 2, AMPLE).unwrap();
    let mut cookies = BTreeSet::new();
    for question in rx.try_iter() {
        assert_eq!((question.len(), question[0]), (ntp::PACKET, 0x23));
        assert!(question[1..40].iter().all(|b| *b == 0));
        assert!(cookies.insert(question[40..].to_vec()), "a cookie twice");
    }
    assert!(cookies.len() >= 4 * SAMPLES);
}

#[test]
fn names_that_are_one_server_have_one_vote() {
    let liar = honest(DAY);
    let synced = ask(&[liar.clone(), liar.clone(), liar, honest(0)], 1, AMPLE).unwrap();
    assert_eq!((synced.agreement.answered, synced.agreement.reliable), (2, false));
    assert!(synced.failed.iter().all(|f| f.contains("same as another")), "{synced:?}");
}

#[test]
fn nobody_to_ask() {
    let e = ask(&[], 1, AMPLE).unwrap_err();
    assert!(e.code == Code::NoServer && e.message.contains("there is none"), "{e}");
    let e = ask(&["a b".to_owned()], 1, AMPLE).unwrap_err();
    assert!(e.message.contains("expected host:port"), "{e}");
    let six = Some(IpAddr::from(Ipv6Addr::LOCALHOST));
    let e = run(sync(&Resolver::new(), &[honest(0)], six, 1, AMPLE)).unwrap_err();
    assert!(e.message.contains("has no IPv6 address"), "{e}");
}

#[test]
fn questions_leave_from_the_address_given() {
    let (tx, rx) = std::sync::mpsc::channel();
    let at = server(move |socket, question, from| {
        tx.send(from.ip()).unwrap();
        socket.send_to(&good(question, 0), from).unwrap();
    });
    let source = "127.0.0.77".parse().unwrap();
    run(sync(&Resolver::new(), &[at], Some(source), 1, AMPLE)).unwrap();
    assert_eq!(rx.try_iter().collect::<BTreeSet<_>>(), BTreeSet::from([source]));
}

#[test]
fn ports() {
    for (name, expected) in [
        ("time.example", "time.example:123"),
        ("time.example:1123", "time.example:1123"),
        ("192.0.2.1", "192.0.2.1:123"),
        ("2001:db8::1", "[2001:db8::1]:123"),
        ("[2001:db8::1]", "[2001:db8::1]:123"),
        ("[2001:db8::1]:5", "[2001:db8::1]:5"),
    ] {
        assert_eq!(with_port(name), expected);
    }
}
