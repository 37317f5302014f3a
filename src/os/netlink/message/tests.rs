use super::*;
use proptest::prelude::*;

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut all = ((value.len() + 4) as u16).to_ne_bytes().to_vec();
    all.extend(kind.to_ne_bytes());
    all.extend(value);
    all.resize(align(all.len()), 0);
    all
}

fn message(kind: u16, head: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    let body = [head.to_vec(), attributes.concat()].concat();
    let mut all = ((body.len() + 16) as u32).to_ne_bytes().to_vec();
    all.extend(kind.to_ne_bytes());
    all.extend([0; 10]);
    all.extend(body);
    all
}

fn link(kind: u16, flags: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut head = vec![0, 0, 0, 0];
    head.extend([3u32, flags, 0].iter().flat_map(|n| n.to_ne_bytes()));
    message(kind, &head, attributes)
}

fn address(kind: u16, flags: u8, lifetime: u8) -> Vec<u8> {
    let head = [&[2, 24, flags, 0][..], &3u32.to_ne_bytes()].concat();
    let cache = attribute(6, &[lifetime; 16]);
    message(kind, &head, &[attribute(IFA_ADDRESS, &[192, 0, 2, 1]), cache])
}

fn route(kind: u16, table: u8, gateway: u8) -> Vec<u8> {
    let head = [2, 0, 0, 0, table, 3, 0, 1, 0, 0, 0, 0];
    message(kind, &head, &[attribute(RTA_GATEWAY, &[192, 0, 2, gateway]), attribute(RTA_OIF, &[3, 0, 0, 0])])
}

#[test]
fn links() {
    let mut known = Known::default();
    let up = attribute(IFLA_OPERSTATE, &[6]);
    assert!(known.takes(&link(libc::RTM_NEWLINK, 0x1_0043, std::slice::from_ref(&up))));
    assert!(!known.takes(&link(libc::RTM_NEWLINK, 0x1_1143, std::slice::from_ref(&up))), "promiscuous");
    let scan = [up.clone(), attribute(IFLA_WIRELESS, &[0; 8])];
    assert!(!known.takes(&link(libc::RTM_NEWLINK, 0x43, &scan)), "a wireless event");
    assert!(known.takes(&link(libc::RTM_NEWLINK, 0x3, &[attribute(IFLA_OPERSTATE, &[2])])), "carrier lost");
    assert!(known.takes(&link(libc::RTM_DELLINK, 0x3, &[up])));
}

#[test]
fn addresses() {
    let mut known = Known::default();
    assert!(known.takes(&address(libc::RTM_NEWADDR, 0xc0, 9)), "tentative");
    assert!(known.takes(&address(libc::RTM_NEWADDR, 0x80, 9)), "usable");
    assert!(!known.takes(&address(libc::RTM_NEWADDR, 0x80, 8)), "another lifetime");
    assert!(known.takes(&address(libc::RTM_NEWADDR, 0xa0, 8)), "deprecated");
    assert!(known.takes(&address(libc::RTM_DELADDR, 0xa0, 8)));
    assert!(known.takes(&address(libc::RTM_NEWADDR, 0x80, 9)), "there again");
}

#[test]
fn routes() {
    let mut known = Known::default();
    assert!(known.takes(&route(libc::RTM_NEWROUTE, 254, 1)));
    assert!(!known.takes(&route(libc::RTM_NEWROUTE, 254, 1)), "replaced by itself");
    assert!(known.takes(&route(libc::RTM_NEWROUTE, 254, 2)));
    assert!(!known.takes(&route(libc::RTM_NEWROUTE, 255, 3)), "the machine's own");
    assert!(known.takes(&route(libc::RTM_DELROUTE, 254, 1)));
}

#[test]
fn what_is_not_of_interest() {
    let mut known = Known::default();
    assert!(!known.takes(&message(libc::RTM_NEWNEIGH, &[2; 12], &[])));
    assert!(!known.takes(&message(libc::NLMSG_DONE as u16, &[0; 4], &[])));
    assert!(known.takes(&message(libc::NLMSG_OVERRUN as u16, &[], &[])));
    let both = [message(libc::RTM_NEWNEIGH, &[2; 12], &[]), route(libc::RTM_NEWROUTE, 254, 1)].concat();
    assert!(known.takes(&both));
    let mut cut = route(libc::RTM_NEWROUTE, 254, 9);
    cut.truncate(cut.len() - 1);
    assert!(!known.takes(&cut), "cut off");
    assert!(!known.takes(&[0; 64]), "messages of no length");
}

proptest! {
    #[test]
    fn any_bytes(datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..8)) {
        let mut known = Known::default();
        for datagram in datagrams {
            known.takes(&datagram);
        }
    }

    /// Messages in form, whatever is in them: what was said twice in a row is news once at the most.
    #[test]
    fn repetition_is_no_news(kind in 16u16..30, body in prop::collection::vec(0u8..20, 0..60)) {
        let new = [libc::RTM_NEWLINK, libc::RTM_NEWADDR, libc::RTM_NEWROUTE].contains(&kind);
        let mut known = Known::default();
        let datagram = message(kind, &body, &[]);
        known.takes(&datagram);
        prop_assert!(!new || !known.takes(&datagram));
    }

    #[test]
    fn what_is_known_is_bounded(count in MOST..MOST + 50) {
        let mut known = Known::default();
        for n in 0..count as u32 {
            known.is_news((Thing::Link(n), Some(0)));
        }
        prop_assert!(known.things.len() <= MOST);
    }
}
