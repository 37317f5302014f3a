//! Routers and neighbours that mean harm: UPnP's answers are the largest and freest of all.

use std::net::TcpListener;

use super::http::{Router, Trick};
use super::upnp::{ask, ask_in_haste, foreign};
use super::*;

#[test]
fn hostile_descriptions_end_within_the_limit() {
    let bomb = {
        let mut text = String::from("<?xml version=\"1.0\"?><!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\">");
        for (n, name) in ('b'..='k').enumerate() {
            let before = char::from(b'a' + n as u8);
            text += &format!("<!ENTITY {name} \"{}\">", format!("&{before};").repeat(10));
        }
        text + "]><root><device>&k;</device></root>"
    };
    let deep = format!("<root>{}{}</root>", "<device>".repeat(100_000), "</device>".repeat(100_000));
    let tricks = [
        Trick::Body(bomb),
        Trick::Body(deep),
        Trick::Body("\u{0}\u{1}no xml".into()),
        Trick::Body(String::new()),
        Trick::Endless,
        Trick::Drip,
        Trick::Silence,
    ];
    for trick in tricks {
        in_real_time(async move {
            let router = Router::start();
            router.script(|s| s.description = Some(trick.clone()));
            let mut rig = Rig::start(ask_in_haste(&router));
            let why = rig.failed().await;
            assert!(why.contains("description") || why.contains("nothing came of it"), "{trick:?}: {why}");
            // A thread that still hangs holds nothing up.
            assert!(rig.stop().await < Duration::from_secs(20));
            assert_eq!(router.table(), []);
        });
    }
}

/// A place that nobody is to visit.
struct Bait {
    listener: TcpListener,
}

impl Bait {
    fn new() -> Bait {
        let listener = TcpListener::bind((own_address(), 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Bait { listener }
    }

    fn place(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    fn was_visited(&self) -> bool {
        self.listener.accept().is_ok()
    }
}

#[test]
fn no_other_machine_is_visited_whatever_the_router_says() {
    in_real_time(async {
        let (router, bait) = (Router::start(), Bait::new());
        router.script(|s| s.location = format!("http://{}/desc.xml", bait.place()));
        // Once more if the router was too slow to say anything.
        let mut why = String::new();
        while !why.contains("its LOCATION is another machine") {
            assert!(why.is_empty() || why.contains("no UPnP router answered"), "{why}");
            let mut rig = Rig::start(ask_in_haste(&router));
            why = rig.failed().await;
            assert!(!bait.was_visited());
            rig.stop().await;
        }
    });
    for form in ["http://{}/ctl", "//{}/ctl", "http://{}\\@x/ctl", "https://{}/ctl", "http:{}/ctl"] {
        in_real_time(async move {
            let (router, bait) = (Router::start(), Bait::new());
            router.script(|s| s.control = form.replace("{}", &bait.place()));
            let mut rig = Rig::start(ask_in_haste(&router));
            rig.failed().await;
            assert!(!bait.was_visited(), "{form}");
            rig.stop().await;
        });
    }
    in_real_time(async {
        let (router, bait) = (Router::start(), Bait::new());
        router.script(|s| s.description = Some(Trick::Redirect(format!("http://{}/desc.xml", bait.place()))));
        let mut rig = Rig::start(ask_in_haste(&router));
        rig.failed().await;
        assert!(!bait.was_visited());
        rig.stop().await;
    });
}

#[test]
fn a_long_table_is_read_only_so_far() {
    in_real_time(async {
        let router = Router::start();
        router.script(|s| s.table = (10_000..20_000).map(foreign).collect());
        let mut rig = Rig::start(ask(&router));
        rig.mapped().await;
        assert!(router.asked("list").len() <= 64);
        rig.stop().await;
    });
}

#[test]
fn another_device_that_answers_first_is_not_taken_for_the_gateway() {
    in_real_time(async {
        let (router, bait) = (Router::start(), Bait::new());
        // It has a description to offer, at its own address.
        let intruder = std::net::UdpSocket::bind(bait.listener.local_addr().unwrap()).unwrap();
        router.script(|s| s.intruder = Some(intruder));
        let mut rig = Rig::start(ask(&router));
        assert_eq!(rig.mapped().await.gateway, router.ip);
        assert!(!bait.was_visited());
        rig.stop().await;
    });
    in_real_time(async {
        let (router, bait) = (Router::start(), Bait::new());
        let intruder = std::net::UdpSocket::bind(bait.listener.local_addr().unwrap()).unwrap();
        router.script(|s| (s.intruder, s.deaf) = (Some(intruder), usize::MAX));
        let mut rig = Rig::start(ask_in_haste(&router));
        let why = rig.failed().await;
        assert!(why.contains("which is not our gateway"), "{why}");
        assert!(!bait.was_visited());
        rig.stop().await;
    });
}
