use super::*;
use proptest::prelude::*;

fn from() -> SocketAddr {
    "192.168.1.1:1900".parse().unwrap()
}

fn ours() -> IpAddr {
    "192.168.1.5".parse().unwrap()
}

fn answer(location: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: {}\r\n{location}\r\n\r\n", TARGETS[0])
}

fn located(location: &str) -> Result<Location, Unfit> {
    read(answer(&format!("Location:{location}")).as_bytes(), from(), ours())
}

#[test]
fn a_search_is_as_upnp_wants_it() {
    let text = search(TARGETS[1], GROUP_V4.into());
    assert_eq!(
        text,
        "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n\
         ST: urn:schemas-upnp-org:device:InternetGatewayDevice:2\r\n\r\n"
    );
    assert!(search("x", GROUP_V6.into()).contains("HOST: [ff02::c]:1900\r\n"));
}

#[test]
fn a_routers_answer_is_read() {
    let found = located(" http://192.168.1.1:5000/rootDesc.xml").unwrap();
    assert_eq!(found.addr, "192.168.1.1:5000".parse().unwrap());
    assert_eq!(
        (found.path.as_str(), &*found.to_string()),
        ("/rootDesc.xml", "http://192.168.1.1:5000/rootDesc.xml")
    );
    assert_eq!(located("HTTP://192.168.1.1").unwrap().to_string(), "http://192.168.1.1:80/");
    assert_eq!(located("http://192.168.1.1?a=b").unwrap().path, "/?a=b");
    let bare = "HTTP/1.1 200 OK\nlocation: http://192.168.1.1:1/x\n";
    assert!(read(bare.as_bytes(), from(), ours()).is_ok(), "bare line feeds, no ST: real routers do that");
}

#[test]
fn a_link_local_location_gets_the_senders_scope() {
    let from = "[fe80::1%3]:1900".parse().unwrap();
    let ours = "2001:db8::5".parse().unwrap();
    let found = read(answer("LOCATION: http://[fe80::1]:5000/d").as_bytes(), from, ours).unwrap();
    assert_eq!(found.addr, "[fe80::1%3]:5000".parse().unwrap());
    assert_eq!(found.to_string(), "http://[fe80::1]:5000/d");
    assert_eq!(parse_url("http://fe80::1/", from), None);
}

#[test]
fn an_ipv6_router_may_name_its_global_address() {
    let (from, ours) = ("[fe80::1%3]:1900".parse().unwrap(), "2001:db8::5".parse().unwrap());
    let say = |location: &str| read(answer(location).as_bytes(), from, ours);
    assert_eq!(say("LOCATION: http://[2001:db8::1]:80/d").unwrap().addr, "[2001:db8::1]:80".parse().unwrap());
    assert_eq!(say("LOCATION: http://[2001:db8:0:1::1]:80/d"), Err(Unfit::Elsewhere), "another network");
    assert_eq!(say("LOCATION: http://[2001:db8::5]:80/d"), Err(Unfit::Elsewhere), "ourselves");
    assert_eq!(say("LOCATION: http://192.168.1.1:80/d"), Err(Unfit::Elsewhere));
}

#[test]
fn tricks_are_refused() {
    for location in [
        "https://192.168.1.1/",
        "http://router.lan/",
        "http://192.168.1.1:0/",
        "http://192.168.1.1:70000/",
        "http://a@192.168.1.1/",
        "http://192.168.1.1\\@10.0.0.1/",
        "http://192.168.1.1/#x",
        "file:///etc/passwd",
        "http://192.168.1.1/a b",
        "http://192.168.1.1/\u{e9}",
        "http:/192.168.1.1/",
        "http://[192.168.1.1]/",
        "",
        "http://3232235777/",
        "http://0xc0.168.1.1/",
        "http://192.168.1/",
    ] {
        assert_eq!(located(location), Err(Unfit::BadLocation), "{location}");
    }
    assert_eq!(located("http://192.168.1.2:5000/d"), Err(Unfit::Elsewhere));
    assert_eq!(located("http://127.0.0.1:631/"), Err(Unfit::Elsewhere));
}

#[test]
fn other_answers_are_not_ours() {
    let say = |text: &str| read(text.as_bytes(), from(), ours());
    assert_eq!(say(""), Err(Unfit::NotOk));
    assert_eq!(say("NOTIFY * HTTP/1.1\r\nLOCATION: http://192.168.1.1/\r\n\r\n"), Err(Unfit::NotOk));
    assert_eq!(say("HTTP/1.1 404 No\r\nLOCATION: http://192.168.1.1/\r\n\r\n"), Err(Unfit::NotOk));
    let printer = "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:Printer:1\r\n\
        LOCATION: http://192.168.1.1/\r\n\r\n";
    assert_eq!(say(printer), Err(Unfit::Target));
    assert_eq!(say("HTTP/1.1 200 OK\r\n\r\nLOCATION: http://192.168.1.1/"), Err(Unfit::NoLocation));
    let two = answer("LOCATION: http://192.168.1.1/\r\nLocation: http://192.168.1.1/");
    assert_eq!(say(&two), Err(Unfit::NoLocation));
    assert_eq!(read(&[0xff; 9], from(), ours()), Err(Unfit::NotText));
    assert_eq!(read(&[b'a'; LONGEST + 1], from(), ours()), Err(Unfit::NotText));
}

proptest! {
    #[test]
    fn whatever_is_taken_is_the_senders_and_reads_the_same_again(
        scheme in "(http://)?",
        host in "192\\.168\\.1\\.1|\\[fe80::1\\]|[a-z0-9.@:\\[\\]]{0,12}",
        rest in "(:[0-9]{0,6})?[/?]?[ -~]{0,20}",
    ) {
        let url = scheme + &host + &rest;
        if let Ok(found) = located(&url) {
            prop_assert_eq!(found.addr.ip(), from().ip());
            prop_assert!(found.path.starts_with('/') && found.path.bytes().all(|b| b.is_ascii_graphic()));
            prop_assert_eq!(parse_url(&found.to_string(), from()), Some(found));
        }
    }

    #[test]
    fn random_bytes_do_no_harm(datagram in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&datagram, from(), ours());
    }
}
