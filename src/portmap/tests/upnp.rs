//! UPnP against a router that does what the script says.

use super::http::{Line, Router};
use super::*;

/// A wish for UPnP on this router, whose threads may have to wait for the CPU.
pub(super) fn ask(router: &Router) -> Wish {
    Wish { limit: Duration::from_secs(30), ..ask_in_haste(router) }
}

/// The same with a limit that is to be met.
pub(super) fn ask_in_haste(router: &Router) -> Wish {
    wish(FWD_UPNP, &[router.ip], router.ports)
}

/// A line that another host has.
pub(super) fn foreign(external: u16) -> Line {
    Line { external, client: "192.168.7.7".into(), internal: 80, description: "camera".into(), lease: 0 }
}

#[test]
fn it_maps_and_takes_it_down_again() {
    in_real_time(async {
        let router = Router::start();
        let mut rig = Rig::start(ask(&router));
        let mapped = rig.mapped().await;
        assert_eq!((mapped.protocol, mapped.external_port), (Protocol::Upnp, 4020));
        assert_eq!(mapped.external_ip, Some([11, 0, 0, 1].into()));
        assert_eq!(mapped.lease, Duration::from_secs(3600));
        let [line] = &router.table()[..] else { panic!() };
        assert_eq!((line.client.as_str(), line.internal), (&*host(router.ip).to_string(), 4020));
        assert_eq!(line.description, "p2pnettest", "graphic characters only");
        rig.stop().await;
        router.comes_to(&[]).await;
    });
}

#[test]
fn leases_fall_back_from_an_hour_to_for_ever_to_a_week() {
    in_real_time(async {
        let router = Router::start();
        router.script(|s| s.refuse = |_, lease| (lease != 0).then_some(725));
        let mut rig = Rig::start(ask(&router));
        assert_eq!(rig.mapped().await.lease, Duration::ZERO);
        assert_eq!(router.asked("add"), ["add 4020 3600", "add 4020 0"]);
        rig.stop().await;
    });
    in_real_time(async {
        let router = Router::start();
        router.script(|s| {
            s.refuse = |_, lease| match lease {
                3600 => Some(725),
                0 => Some(402),
                _ => None,
            }
        });
        let mut rig = Rig::start(ask(&router));
        assert_eq!(rig.mapped().await.lease, Duration::from_secs(604_800));
        assert_eq!(router.asked("add"), ["add 4020 3600", "add 4020 0", "add 4020 604800"]);
        rig.stop().await;
        router.comes_to(&[]).await;
    });
}

#[test]
fn another_hosts_mapping_is_left_alone_and_another_port_taken() {
    for lists in [true, false] {
        in_real_time(async move {
            let router = Router::start();
            router.script(|s| (s.table, s.lists) = (vec![foreign(4020)], lists));
            let mut rig = Rig::start(ask(&router));
            let mapped = rig.mapped().await;
            assert!(mapped.external_port != 4020 && mapped.external_port >= 1024, "{mapped:?}");
            let asked_for_it = router.asked("add").contains(&"add 4020 3600".into());
            assert_eq!(asked_for_it, !lists, "what is known to be taken is not even asked for");
            rig.stop().await;
            router.comes_to(&[foreign(4020)]).await;
        });
    }
}

#[test]
fn a_router_that_overwrites_is_not_given_the_chance() {
    in_real_time(async {
        let router = Router::start();
        // It would take any port from anybody, as some do; only the look at the table keeps us from it.
        router.script(|s| s.table = vec![foreign(4020)]);
        let mut rig = Rig::start(ask(&router));
        rig.mapped().await;
        assert!(!router.asked("add").iter().any(|a| a.starts_with("add 4020 ")));
        rig.stop().await;
    });
}

#[test]
fn a_mapping_that_somebody_else_made_for_us_is_used_and_never_changed() {
    in_real_time(async {
        let router = Router::start();
        let theirs = Line {
            external: 5000,
            client: host(router.ip).to_string(),
            internal: 4020,
            description: "by hand".into(),
            lease: 0,
        };
        router.script(|s| s.table = vec![theirs.clone()]);
        let mut rig = Rig::start(ask(&router));
        assert_eq!(rig.mapped().await.external_port, 5000);
        rig.stop().await;
        router.comes_to(&[theirs]).await;
        assert_eq!(router.asked("add").len() + router.asked("delete").len(), 0);
    });
}

#[test]
fn what_another_host_has_got_meanwhile_is_not_removed() {
    in_real_time(async {
        let router = Router::start();
        let mut rig = Rig::start(ask(&router));
        rig.mapped().await;
        // The router was restarted and another host was faster.
        router.script(|s| s.table = vec![foreign(4020)]);
        rig.stop().await;
        router.comes_to(&[foreign(4020)]).await;
        assert_eq!(router.asked("delete"), Vec::<String>::new());
    });
}

#[test]
fn a_refusal_is_told() {
    for (code, says) in [(606, "606"), (402, "402"), (724, "724"), (501, "501"), (999, "999")] {
        in_real_time(async move {
            let router = Router::start();
            router.script(|s| {
                s.refuse = match code {
                    606 => |_, _| Some(606),
                    402 => |_, _| Some(402),
                    724 => |_, _| Some(724),
                    501 => |_, _| Some(501),
                    _ => |_, _| Some(999),
                }
            });
            let mut rig = Rig::start(ask(&router));
            let why = rig.failed().await;
            assert!(why.contains(says), "{why}");
            rig.stop().await;
        });
    }
}

#[test]
fn a_search_that_is_lost_is_repeated() {
    in_real_time(async {
        let router = Router::start();
        router.script(|s| s.deaf = 3);
        let mut rig = Rig::start(ask(&router));
        rig.mapped().await;
        rig.stop().await;
    });
}

#[test]
fn a_silent_network_is_given_up() {
    in_real_time(async {
        let router = Router::start();
        router.script(|s| s.deaf = usize::MAX);
        let mut rig = Rig::start(ask_in_haste(&router));
        let why = rig.failed().await;
        assert!(why.contains("no UPnP router answered within 2."), "{why}");
        rig.stop().await;
    });
}

#[test]
fn a_mapping_that_comes_too_late_is_undone() {
    in_real_time(async {
        let router = Router::start();
        router.script(|s| s.slow_add = Duration::from_secs(4));
        let mut rig = Rig::start(ask_in_haste(&router));
        let why = rig.failed().await;
        assert!(why.contains("nothing came of it"), "{why}");
        router.until("made all the same", |s| s.asked.iter().any(|a| a.starts_with("add"))).await;
        router.until("undone", |s| s.table.is_empty()).await;
        rig.stop().await;
    });
}

#[test]
fn a_dead_mapping_is_removed_and_made_again() {
    in_real_time(async {
        let router = Router::start();
        let mut rig = Rig::start(ask(&router));
        let first = rig.mapped().await;
        rig.order(Order::Dead { pinhole: false });
        assert_eq!(rig.mapped().await, first);
        let changes: Vec<_> = router.script(|s| {
            s.asked.iter().filter(|a| a.starts_with("add") || a.starts_with("delete")).cloned().collect()
        });
        assert_eq!(changes, ["add 4020 3600", "delete 4020", "add 4020 3600"]);
        rig.stop().await;
    });
}

#[test]
fn a_renewal_finds_a_router_that_listens_elsewhere_now() {
    in_real_time(async {
        let router = Router::start();
        let wish = ask(&router);
        let gateways = wish.gateways.clone();
        let mut rig = Rig::start(wish);
        rig.mapped().await;
        // The same address and SSDP port, another port for HTTP, an empty table: restarted.
        let (ip, ssdp) = (router.ip, router.ports.ssdp);
        drop(router);
        let router = restarted(ip, ssdp).await;
        rig.order(Order::Gateways(gateways));
        router.until("mapped again", |s| !s.table.is_empty()).await;
        rig.stop().await;
        router.comes_to(&[]).await;
    });
}

/// A router on the SSDP port of one that was just dropped, as soon as that is free.
async fn restarted(ip: IpAddr, ssdp: u16) -> Router {
    loop {
        if std::net::UdpSocket::bind((ip, ssdp)).is_ok() {
            return Router::on(ip, ssdp);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn another_address_outside_is_told_at_the_renewal() {
    in_real_time(async {
        let router = Router::start();
        let wish = ask(&router);
        let gateways = wish.gateways.clone();
        let mut rig = Rig::start(wish);
        rig.mapped().await;
        router.script(|s| s.external_ip = "11.0.0.2");
        rig.order(Order::Gateways(gateways));
        assert_eq!(rig.moved().await.external_ip, Some([11, 0, 0, 2].into()));
        rig.stop().await;
    });
}

#[test]
fn a_port_that_another_host_has_at_the_renewal_is_lost_and_replaced() {
    in_real_time(async {
        let router = Router::start();
        let wish = ask(&router);
        let gateways = wish.gateways.clone();
        let mut rig = Rig::start(wish);
        rig.mapped().await;
        router.script(|s| s.table = vec![foreign(4020)]);
        rig.order(Order::Gateways(gateways));
        assert!(rig.lost().await.contains("another host has the port"));
        assert_ne!(rig.mapped().await.external_port, 4020);
        rig.stop().await;
        router.comes_to(&[foreign(4020)]).await;
    });
}

#[test]
fn a_crash_is_cleaned_up_by_the_journal() {
    in_real_time(async {
        let dir = std::env::temp_dir().join(format!("p2pnet-crash-{:x}", fastrand::u64(..)));
        let router = Router::start();
        // For ever: nothing but the journal would ever remove it.
        router.script(|s| s.refuse = |_, lease| (lease != 0).then_some(725));
        let wish = Wish { state_dir: Some(dir.clone()), ..ask(&router) };
        let mut rig = Rig::start(wish.clone());
        rig.mapped().await;
        rig.task.abort();
        let _ = rig.task.await;
        assert_eq!(router.table().len(), 1);
        // Another host has mapped something since: it stays.
        router.script(|s| s.table.push(foreign(80)));
        let mut rig = Rig::start(Wish { port: 4021, ..wish });
        rig.mapped().await;
        router.until("cleaned up", |s| s.table.iter().map(|line| line.external).eq([80, 4021])).await;
        rig.stop().await;
        router.comes_to(&[foreign(80)]).await;
        std::fs::remove_dir_all(dir).unwrap();
    });
}

#[test]
fn after_a_crash_only_what_the_table_shows_as_ours_is_removed() {
    in_real_time(async {
        let dir = std::env::temp_dir().join(format!("p2pnet-crash-{:x}", fastrand::u64(..)));
        let router = Router::start();
        let wish = Wish { state_dir: Some(dir.clone()), ..ask(&router) };
        let mut rig = Rig::start(wish.clone());
        rig.mapped().await;
        rig.task.abort();
        let _ = rig.task.await;
        // Another host has the port since, and the router does not show its table any more.
        router.script(|s| (s.table, s.lists) = (vec![foreign(4020)], false));
        let mut rig = Rig::start(Wish { port: 4021, ..wish });
        rig.mapped().await;
        assert!(router.asked("delete").is_empty());
        rig.stop().await;
        router.comes_to(&[foreign(4020)]).await;
        std::fs::remove_dir_all(dir).unwrap();
    });
}
