use super::*;
use proptest::prelude::*;

fn outputs(channel: &mut Channel) -> Vec<Output> {
    std::iter::from_fn(|| channel.poll_output()).filter(|o| !matches!(o, Output::Note(_))).collect()
}

fn names(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("server{n}:8000")).collect()
}

const READY: &str = "SIMULTANEOUS READY 0 0\r\nSOURCE TCP\r\n";

/// A channel whose only server is up, as link 1.
fn up(now: Instant) -> Channel {
    let mut channel = Channel::new(now, &names(1), 7);
    assert_eq!(outputs(&mut channel), [Output::Dial { link: 1, server: "server1:8000".into() }]);
    channel.dialled(now, 1, Ok(()));
    assert_eq!(outputs(&mut channel), [Output::Write { link: 1, text: READY.into() }]);
    channel.line(now, 1, b"REMOTE TCP 5000");
    channel
}

#[test]
fn registers_and_renews() {
    let now = Instant::now();
    let mut channel = up(now);
    assert_eq!(channel.poll_timeout(), Some(now + RENEW));
    channel.on_timeout(now + RENEW);
    assert_eq!(outputs(&mut channel), [Output::Write { link: 1, text: READY.into() }]);
    assert_eq!(channel.up(), 1);
}

#[test]
fn a_silent_server_is_given_up_and_tried_again() {
    let now = Instant::now();
    let mut channel = up(now);
    channel.on_timeout(now + RENEW);
    outputs(&mut channel);
    let late = now + RENEW + ANSWER;
    assert_eq!(channel.poll_timeout(), Some(late));
    channel.on_timeout(late);
    assert_eq!(outputs(&mut channel), [Output::HangUp { link: 1 }]);
    let again = channel.poll_timeout().unwrap();
    assert!(again > late && again <= late + PAUSES.0 * 3 / 2);
    channel.on_timeout(again);
    assert_eq!(outputs(&mut channel), [Output::Dial { link: 2, server: "server1:8000".into() }]);
}

#[test]
fn pauses_double_and_end_when_it_answers() {
    let mut now = Instant::now();
    let mut channel = Channel::new(now, &names(1), 7);
    let mut link = 1;
    let mut longest = Duration::ZERO;
    for _ in 0..12 {
        outputs(&mut channel);
        channel.dialled(now, link, Err("refused"));
        let next = channel.poll_timeout().unwrap();
        assert!(next - now <= PAUSES.1 * 3 / 2);
        (longest, now, link) = (longest.max(next - now), next, link + 1);
        channel.on_timeout(now);
    }
    assert!(longest >= PAUSES.1 / 2);
    channel.dialled(now, link, Ok(()));
    channel.line(now, link, b"REMOTE TCP 1");
    channel.closed(now, link, "gone");
    assert!(channel.poll_timeout().unwrap() <= now + PAUSES.0 * 3 / 2);
}

#[test]
fn reconnects_when_told_but_not_all_the_time() {
    let now = Instant::now();
    let mut channel = up(now);
    channel.line(now, 1, b"RECONNECT");
    let dial = Output::Dial { link: 2, server: "server1:8000".into() };
    assert_eq!(outputs(&mut channel), [Output::HangUp { link: 1 }, dial]);
    channel.dialled(now, 2, Ok(()));
    outputs(&mut channel);
    channel.line(now, 1, b"RECONNECT");
    channel.line(now, 2, b"RECONNECT");
    assert_eq!(outputs(&mut channel), []);
}

#[test]
fn challenges_are_told_once_and_asked_for_after_a_fight() {
    let now = Instant::now();
    let mut channel = up(now);
    let ip: IpAddr = [100, 64, 1, 2].into();
    for _ in 0..3 {
        channel.line(now, 1, b"CHALLENGE 100.64.1.2 4000 4001 TCP");
    }
    channel.line(now, 1, b"CHALLENGE 100.64.1.3 4000 4001 UDP");
    channel.line(now, 9, b"CHALLENGE 100.64.1.4 4000 4001 TCP");
    let challenged = Output::Challenged { link: 1, ip, ports: vec![4000, 4001] };
    assert_eq!(outputs(&mut channel), [challenged]);
    channel.free(now, ip, true);
    assert_eq!(channel.poll_timeout(), Some(now + crate::proto::punch::fight::BETWEEN_FIGHTS));
}

#[test]
fn a_changed_network_makes_all_connections_anew() {
    let now = Instant::now();
    let mut channel = Channel::new(now, &names(6), 7);
    assert_eq!(outputs(&mut channel).len(), MOST_SERVERS);
    channel.dialled(now, 1, Ok(()));
    outputs(&mut channel);
    channel.network_changed(now);
    let what = outputs(&mut channel);
    assert_eq!(what.iter().filter(|o| matches!(o, Output::HangUp { .. })).count(), MOST_SERVERS);
    assert_eq!(what.iter().filter(|o| matches!(o, Output::Dial { .. })).count(), MOST_SERVERS);
}

proptest! {
    /// Whatever servers say and however connections fare: one connection to a server at the most, nothing is written on
    /// one that does not stand, and there is always something to wait for.
    #[test]
    fn any_servers(seed: u64, steps in prop::collection::vec((0..9u8, 0..20u64, 0..30_000u64), 1..200)) {
        let mut now = Instant::now();
        let mut channel = Channel::new(now, &names(3), seed);
        let (mut open, mut standing) = (Vec::new(), Vec::new());
        for (what, pick, ms) in steps {
            while let Some(output) = channel.poll_output() {
                match output {
                    Output::Dial { link, .. } => open.push(link),
                    Output::Write { link, .. } | Output::Challenged { link, .. } => {
                        prop_assert!(standing.contains(&link));
                    }
                    Output::HangUp { link } => {
                        open.retain(|l| *l != link);
                        standing.retain(|l| *l != link);
                    }
                    Output::Note(_) => {}
                }
            }
            prop_assert!(open.len() <= 3);
            prop_assert!(channel.up() <= standing.len());
            let link = open.get(pick as usize % open.len().max(1)).copied().unwrap_or(pick);
            match what {
                0 if open.contains(&link) && !standing.contains(&link) => {
                    standing.push(link);
                    channel.dialled(now, link, Ok(()));
                }
                1 if open.contains(&link) => {
                    open.retain(|l| *l != link);
                    standing.retain(|l| *l != link);
                    channel.closed(now, link, "gone");
                }
                2 => channel.line(now, link, b"RECONNECT"),
                3 => channel.line(now, link, format!("CHALLENGE 100.64.0.{} {} TCP", pick, 1 + ms).as_bytes()),
                4 => channel.line(now, link, b"REMOTE TCP 7"),
                5 => channel.free(now, [100, 64, 0, pick as u8].into(), ms % 2 == 0),
                6 => channel.network_changed(now),
                _ => {
                    now += Duration::from_millis(ms);
                    channel.on_timeout(now);
                }
            }
            prop_assert!(channel.poll_timeout().is_some());
        }
    }
}
