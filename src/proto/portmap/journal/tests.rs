use super::*;
use proptest::prelude::*;

fn entry(key: Key) -> Entry {
    Entry {
        owner: "17-3f".into(),
        transport: Transport::Tcp,
        gateway: "192.168.1.1".parse().unwrap(),
        scope: 0,
        internal: "192.168.1.5:4020".parse().unwrap(),
        external_port: 4021,
        expires: 1_767_225_600,
        key,
    }
}

fn control() -> Control {
    let at = parse_url("http://192.168.1.1:5000/ctl/IPConn", "192.168.1.1:0".parse().unwrap()).unwrap();
    Control { at, service: "urn:schemas-upnp-org:service:WANIPConnection:1".into() }
}

fn all() -> Vec<Entry> {
    vec![
        entry(Key::Pcp(*b"twelve bytes")),
        entry(Key::NatPmp),
        entry(Key::Upnp(control())),
        Entry {
            gateway: "fe80::1".parse().unwrap(),
            scope: 3,
            internal: "[2001:db8::5]:4020".parse().unwrap(),
            ..entry(Key::Pinhole(
                Control {
                    at: parse_url("http://[fe80::1]:5000/ctl", "[fe80::1%3]:0".parse().unwrap()).unwrap(),
                    ..control()
                },
                17,
            ))
        },
    ]
}

#[test]
fn what_is_written_is_read_again() {
    assert_eq!(parse(print(&all()).as_bytes()), all());
    assert!(print(&all()).starts_with("p2pnet port mappings 1\nby=pcp owner=17-3f transport=tcp "));
}

#[test]
fn a_torn_file_keeps_its_whole_lines() {
    let text = print(&all());
    let torn = &text.as_bytes()[..text.len() - 30];
    assert_eq!(parse(torn), all()[..3]);
}

#[test]
fn garbage_between_the_lines_is_skipped() {
    let mut text = b"\xff\xfe\n\0\0\0\nby=pcp\nby=natpmp by=natpmp\n".to_vec();
    text.extend([b'x'; 5000]);
    text.push(b'\n');
    text.extend(print(&all()[1..2]).bytes());
    text.extend(b"by=teleport owner=1 transport=tcp\r\n");
    assert_eq!(parse(&text), all()[1..2]);
}

#[test]
fn unknown_keys_are_for_later_versions() {
    let text = print(&all()[1..2]).replace("by=natpmp", "colour=red by=natpmp");
    assert_eq!(parse(text.as_bytes()), all()[1..2]);
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let mut bad = entry(Key::NatPmp);
    bad.owner = "two words".into();
    assert_eq!(print(&[bad, entry(Key::NatPmp)]), print(&[entry(Key::NatPmp)]));
}

#[test]
fn the_file_stays_small() {
    let many = vec![entry(Key::Upnp(control())); 1000];
    let text = print(&many);
    assert!(text.len() <= LONGEST_FILE);
    assert_eq!(parse(text.as_bytes()).len(), MOST);
    assert_eq!(parse(text.repeat(20).as_bytes()).len(), MOST);
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let key = prop_oneof![
        any::<[u8; 12]>().prop_map(Key::Pcp),
        Just(Key::NatPmp),
        ("[!-~]{0,20}", 1u16..).prop_map(|(path, port)| {
            let path = path.replace(['\\', '@', '#', '"', '<', '>'], "_");
            let at = Location { addr: ([192, 168, 1, 1], port).into(), path: format!("/{path}") };
            Key::Upnp(Control { at, service: control().service })
        }),
    ];
    ("[a-z0-9-]{1,64}", any::<bool>(), 1u16.., any::<u16>(), any::<u64>(), key).prop_map(
        |(owner, tcp, port, external_port, expires, key)| Entry {
            owner,
            transport: if tcp { Transport::Tcp } else { Transport::Udp },
            internal: ([192, 168, 1, 5], port).into(),
            external_port,
            expires,
            ..entry(key)
        },
    )
}

proptest! {
    #[test]
    fn any_list_survives(entries in proptest::collection::vec(any_entry(), 0..20)) {
        prop_assert_eq!(parse(print(&entries).as_bytes()), entries);
    }

    #[test]
    fn a_damaged_file_gives_what_is_whole(
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let mut text = print(&all()).into_bytes();
        for (at, byte) in flips { let at = at.index(text.len()); text[at] = byte; }
        let read = parse(&text);
        prop_assert_eq!(parse(print(&read).as_bytes()), read);
    }

    #[test]
    fn random_text_does_no_harm(
        text in "[ -~\n=]{0,400}", bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        parse(text.as_bytes());
        parse(&bytes);
    }
}
