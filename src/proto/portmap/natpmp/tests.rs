use super::*;
use proptest::prelude::*;

const MAP: Request =
    Request::Map { transport: Transport::Tcp, internal_port: 4020, external_port: 4020, lifetime: 3600 };

/// The success a gateway sends to [`MAP`].
fn mapped(external: u16, lifetime: u32) -> Vec<u8> {
    let mut out = vec![0, 130, 0, 0, 0, 0, 0, 9];
    out.extend(4020u16.to_be_bytes());
    out.extend(external.to_be_bytes());
    out.extend(lifetime.to_be_bytes());
    out
}

#[test]
fn requests_are_as_in_the_rfc() {
    assert_eq!(Request::ExternalAddress.encode(), [0, 0]);
    assert_eq!(MAP.encode(), [0, 2, 0, 0, 0x0f, 0xb4, 0x0f, 0xb4, 0, 0, 0x0e, 0x10]);
    assert_eq!(Request::unmap(Transport::Udp, 1).encode(), [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_success_is_taken() {
    let want = Answer::Mapped { epoch: 9, external_port: 4021, lifetime: 60 };
    assert_eq!(MAP.judge(&mapped(4021, 60)), Verdict::Answer(want));
    let address = [0, 128, 0, 0, 0, 0, 0, 9, 11, 0, 0, 1];
    let want = Answer::ExternalAddress { epoch: 9, ip: Ipv4Addr::new(11, 0, 0, 1) };
    assert_eq!(Request::ExternalAddress.judge(&address), Verdict::Answer(want));
}

#[test]
fn what_real_gateways_get_wrong_is_no_answer() {
    let stray = |datagram: &[u8]| match MAP.judge(datagram) {
        Verdict::Stray(stray) => stray,
        other => panic!("{other:?}"),
    };
    assert_eq!(stray(&[]), Stray::Length { has: 0, needs: 8 });
    assert_eq!(stray(&[0, 130]), Stray::Length { has: 2, needs: 8 });
    assert_eq!(stray(&mapped(4020, 60)[..12]), Stray::Length { has: 12, needs: 16 });
    let mut udp = mapped(4020, 60);
    udp[1] = 129;
    assert_eq!(stray(&udp), Stray::Opcode(129));
    let mut other_port = mapped(4020, 60);
    other_port[9] ^= 1;
    assert_eq!(stray(&other_port), Stray::Port(4021));
    assert_eq!(stray(&mapped(4020, 0)), Stray::Empty("a lifetime"));
    assert_eq!(stray(&mapped(0, 60)), Stray::Empty("a port"));
    assert_eq!(stray(&MAP.encode()), Stray::Request);
    assert_eq!(stray(&[3, 130, 0, 1, 0, 0, 0, 0]), Stray::Version(3));
    let nowhere = [0, 128, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0];
    assert_eq!(Request::ExternalAddress.judge(&nowhere), Verdict::Stray(Stray::Empty("an address")));
}

#[test]
fn a_late_success_does_not_pass_for_a_removal() {
    let unmap = Request::unmap(Transport::Tcp, 4020);
    assert_eq!(unmap.judge(&mapped(4020, 60)), Verdict::Stray(Stray::Empty("the removal")));
    let done = Answer::Mapped { epoch: 9, external_port: 0, lifetime: 0 };
    assert_eq!(unmap.judge(&mapped(0, 0)), Verdict::Answer(done));
}

#[test]
fn refusals_have_their_names_and_need_no_body() {
    for (code, name) in
        [(2, "not authorized"), (3, "network failure"), (4, "out of resources"), (77, "unknown")]
    {
        let Verdict::Refused(refusal) = MAP.judge(&[0, 130, 0, code, 0, 0, 1, 0]) else { panic!("{code}") };
        assert_eq!((refusal.code, refusal.name, refusal.epoch), (code.into(), name, Some(256)));
    }
}

#[test]
fn a_gateway_that_speaks_pcp_only_says_so() {
    let mut pcp = vec![0; 24];
    (pcp[0], pcp[1], pcp[3]) = (2, 0x82, 1);
    let Verdict::Refused(refusal) = MAP.judge(&pcp) else { panic!() };
    assert_eq!(refusal.speaks, Some(2));
    assert_eq!(MAP.judge(&pcp[..8]), Verdict::Stray(Stray::Version(2)));
}

proptest! {
    #[test]
    fn only_what_fits_the_question_is_an_answer(
        datagram in proptest::collection::vec(any::<u8>(), 0..40),
        fit in any::<[bool; 4]>(),
    ) {
        let mut datagram = datagram;
        // Push random bytes towards an answer, else nothing would ever be one.
        for ((at, byte), fit) in [(0, 0), (1, 130), (2, 0), (3, 0)].into_iter().zip(fit) {
            if let (Some(slot), true) = (datagram.get_mut(at), fit) { *slot = byte; }
        }
        if let (Some(port), true) = (datagram.get_mut(8..10), fit[0]) {
            port.copy_from_slice(&4020u16.to_be_bytes());
        }
        if let Verdict::Answer(Answer::Mapped { external_port, lifetime, .. }) = MAP.judge(&datagram) {
            prop_assert!(datagram.len() >= 16 && external_port != 0 && lifetime != 0);
            prop_assert_eq!(&datagram[..4], &[0, 130, 0, 0]);
            prop_assert_eq!(&datagram[8..10], &4020u16.to_be_bytes());
        }
        let _ = Request::ExternalAddress.judge(&datagram);
    }

    #[test]
    fn every_answer_a_gateway_can_give_is_understood(
        external in 1u16.., lifetime in 1u32.., extra in 0usize..8,
    ) {
        let mut datagram = mapped(external, lifetime);
        datagram.resize(16 + extra, 0);
        let want = Answer::Mapped { epoch: 9, external_port: external, lifetime };
        prop_assert_eq!(MAP.judge(&datagram), Verdict::Answer(want));
    }
}
