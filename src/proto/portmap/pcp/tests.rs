use super::*;
use proptest::prelude::*;

fn map() -> Map {
    Map {
        client: "192.168.1.5".parse().unwrap(),
        nonce: *b"twelve bytes",
        transport: Transport::Tcp,
        internal_port: 4020,
        external_port: 4020,
        external_ip: None,
        lifetime: 3600,
    }
}

/// What a gateway answers to [`map`].
fn answer(result: u8, lifetime: u32, external_port: u16, external_ip: &str) -> Vec<u8> {
    let mut out = vec![2, 0x81, 0, result];
    out.extend(lifetime.to_be_bytes());
    out.extend(7u32.to_be_bytes());
    out.resize(24, 0);
    out.extend(b"twelve bytes");
    out.extend([6, 0, 0, 0]);
    out.extend(4020u16.to_be_bytes());
    out.extend(external_port.to_be_bytes());
    out.extend(to_sixteen(external_ip.parse().unwrap()));
    out
}

fn stray(datagram: &[u8]) -> Stray {
    match map().judge(datagram) {
        Verdict::Stray(stray) => stray,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_is_as_in_the_rfc() {
    let sent = map().encode();
    assert_eq!(sent.len(), 60);
    assert_eq!(sent[..8], [2, 1, 0, 0, 0, 0, 0x0e, 0x10]);
    assert_eq!(sent[8..24], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 1, 5]);
    assert_eq!(&sent[24..36], b"twelve bytes");
    assert_eq!(sent[36..44], [6, 0, 0, 0, 0x0f, 0xb4, 0x0f, 0xb4]);
    assert_eq!(sent[44..], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]);
    let six = Map { client: "2001:db8::5".parse().unwrap(), ..map() }.encode();
    assert_eq!(six[44..], [0; 16], "no address in particular, in IPv6");
    let announce = Announce { client: "192.168.1.5".parse().unwrap() }.encode();
    assert_eq!((announce.len(), announce[1]), (24, 0));
}

#[test]
fn a_success_is_taken() {
    let want =
        Mapped { epoch: 7, external_port: 4021, external_ip: "11.0.0.1".parse().unwrap(), lifetime: 120 };
    assert_eq!(map().judge(&answer(0, 120, 4021, "11.0.0.1")), Verdict::Answer(want));
    let six = Mapped { external_ip: "2001:db8::5".parse().unwrap(), ..want };
    assert_eq!(map().judge(&answer(0, 120, 4021, "2001:db8::5")), Verdict::Answer(six));
}

#[test]
fn options_after_the_answer_do_not_matter() {
    let mut with_option = answer(0, 120, 4021, "11.0.0.1");
    with_option.extend([2, 0, 0, 0]);
    assert!(matches!(map().judge(&with_option), Verdict::Answer(_)));
    with_option.push(0);
    assert_eq!(stray(&with_option), Stray::Misshapen(65));
}

#[test]
fn what_does_not_fit_is_no_answer() {
    let good = answer(0, 120, 4021, "11.0.0.1");
    let with = |at: usize, byte: u8| {
        let mut changed = good.clone();
        changed[at] = byte;
        changed
    };
    assert_eq!(stray(&[2, 0x81]), Stray::Length { has: 2, needs: 24 });
    assert_eq!(stray(&good[..12]), Stray::Length { has: 12, needs: 24 });
    assert_eq!(stray(&good[..24]), Stray::Length { has: 24, needs: 60 });
    assert_eq!(stray(&with(0, 1)), Stray::Version(1));
    assert_eq!(stray(&with(1, 0x01)), Stray::Request);
    assert_eq!(stray(&with(1, 0x80)), Stray::Opcode(0));
    assert_eq!(stray(&with(24, 0)), Stray::Nonce);
    assert_eq!(stray(&with(36, 17)), Stray::Transport(17));
    assert_eq!(stray(&with(41, 0)), Stray::Port(0x0f00));
    assert_eq!(stray(&answer(0, 0, 4021, "11.0.0.1")), Stray::Empty("a lifetime"));
    assert_eq!(stray(&answer(0, 9, 0, "11.0.0.1")), Stray::Empty("a port"));
    assert_eq!(stray(&answer(0, 9, 1, "0.0.0.0")), Stray::Empty("an address"));
    assert_eq!(stray(&vec![2; 1104]), Stray::Request);
    let mut long = good.clone();
    long.resize(1104, 0);
    assert_eq!(stray(&long), Stray::Misshapen(1104));
    assert_eq!(stray(&map().encode()), Stray::Request, "our own request, sent back");
}

#[test]
fn refusals_have_their_names_and_how_long_they_hold() {
    let Verdict::Refused(no) = map().judge(&answer(8, 30, 0, "0.0.0.0")) else { panic!() };
    assert_eq!((no.name, no.wait, no.speaks), ("NO_RESOURCES", Some(Duration::from_secs(30)), None));
    let Verdict::Refused(no) = map().judge(&answer(2, 30, 0, "0.0.0.0")[..24]) else { panic!() };
    assert_eq!(no.name, "NOT_AUTHORIZED", "a refusal need not repeat the request");
    let mut forged = answer(2, 30, 0, "0.0.0.0");
    forged[25] ^= 1;
    assert_eq!(stray(&forged), Stray::Nonce, "but if it does, it has to be ours");
}

#[test]
fn other_versions_are_told() {
    // A NAT-PMP gateway: 8 bytes, with the operation it saw or with 128.
    for op in [0x80, 0x81] {
        let Verdict::Refused(no) = map().judge(&[0, op, 0, 1, 0, 0, 0, 5]) else { panic!() };
        assert_eq!((no.speaks, no.epoch), (Some(0), Some(5)));
    }
    // A gateway of a draft of PCP.
    let mut draft = vec![0; 24];
    (draft[0], draft[1], draft[3]) = (1, 0x81, 1);
    let Verdict::Refused(no) = map().judge(&draft) else { panic!() };
    assert_eq!(no.speaks, Some(1));
    assert_eq!(stray(&[0, 129, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]), Stray::Version(0));
}

#[test]
fn a_late_success_does_not_pass_for_a_removal() {
    let unmap = map().unmap();
    assert_eq!(unmap.judge(&answer(0, 9, 1, "11.0.0.1")), Verdict::Stray(Stray::Empty("the removal")));
    assert!(matches!(unmap.judge(&answer(0, 0, 0, "0.0.0.0")), Verdict::Answer(_)));
}

#[test]
fn an_announcement_gives_the_clock() {
    let announce = Announce { client: "192.168.1.5".parse().unwrap() };
    let mut datagram = answer(0, 0, 0, "0.0.0.0");
    datagram.truncate(24);
    datagram[1] = 0x80;
    assert_eq!(announce.judge(&datagram), Verdict::Answer(7));
    datagram[3] = 4;
    assert!(matches!(announce.judge(&datagram), Verdict::Refused(_)));
}

proptest! {
    #[test]
    fn only_what_fits_the_question_is_an_answer(
        flips in proptest::collection::vec((0usize..60, any::<u8>()), 0..3), len in 0usize..64,
    ) {
        let mut datagram = answer(0, 120, 4021, "11.0.0.1");
        for (at, byte) in flips { datagram[at] = byte; }
        datagram.resize(len, 0);
        if let Verdict::Answer(got) = map().judge(&datagram) {
            prop_assert!(datagram.len() >= 60 && got.lifetime > 0 && got.external_port > 0);
            prop_assert!(!got.external_ip.is_unspecified());
            prop_assert_eq!((datagram[0], datagram[1], datagram[3], datagram[36]), (2, 0x81, 0, 6));
            prop_assert_eq!(&datagram[24..36], b"twelve bytes");
            prop_assert_eq!(&datagram[40..42], &4020u16.to_be_bytes());
        }
    }

    #[test]
    fn random_bytes_do_no_harm(datagram in proptest::collection::vec(any::<u8>(), 0..1200)) {
        let _ = map().judge(&datagram);
        let _ = Announce { client: Ipv4Addr::LOCALHOST.into() }.judge(&datagram);
    }

    #[test]
    fn addresses_survive_the_wire(v4 in any::<u32>(), v6 in any::<u128>()) {
        let v4 = IpAddr::V4(v4.into());
        prop_assert_eq!(from_sixteen(&to_sixteen(v4)), Some(v4));
        let v6 = IpAddr::V6(v6.into());
        prop_assert_eq!(from_sixteen(&to_sixteen(v6)), Some(v6.to_canonical()));
    }
}
