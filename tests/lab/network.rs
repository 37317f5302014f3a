//! A running lab: what `plan` says, brought up, and how cases get at it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use p2pnet::server::ServerConfig;

use crate::host::{Addresses, Host, Settings};
use crate::natbox::translate::Translator;
use crate::natbox::wire::Wire;
use crate::plan::{Link, NET, Plan, SERVER, SERVER4, SERVER6, WirePlan, at4};
use crate::runner::skip;
use crate::topology::{Home, Lab, Nat, Running};
use crate::upnpd::Daemon;
use crate::{Result, kernel_nat, sys, world};

/// A lab that is up; it goes down when dropped.
pub(crate) struct Network {
    /// The lines with our thread in them, by the router whose they are.
    wires: Vec<(String, Wire)>,
    hosts: Vec<Host>,
    homes: Vec<Running>,
    ipv6: bool,
    /// How long bringing it up took.
    pub(crate) bring_up: Duration,
}

/// Where [`Network::rendezvous`] listens; its second port is the next.
pub(crate) const RENDEZVOUS_PORT: u16 = 8000;
/// Where it speaks HTTP.
pub(crate) const HTTP_PORT: u16 = 8080;

static LABS: AtomicUsize = AtomicUsize::new(0);
static BRING_UPS: Mutex<Vec<(f64, String)>> = Mutex::new(Vec::new());

/// How many milliseconds each lab of this process so far took to bring up, and what it was.
pub(crate) fn bring_ups() -> Vec<(f64, String)> {
    BRING_UPS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Network {
    pub(crate) fn build(lab: &Lab) -> Result<Network> {
        let begun = Instant::now();
        let plan = Plan::of(lab)?;
        let (process, number) = (std::process::id(), LABS.fetch_add(1, Ordering::Relaxed));
        let label =
            |name: &str| if lab.plain_names { name.into() } else { format!("{process}-{number}-{name}") };

        let hosts = plan.nodes.iter().map(|node| {
            let settings = Settings { forwards: node.forwards, ipv6: lab.has_ipv6() };
            let host = Host::create(&node.name, &label(&node.name), &settings)?;
            host.set_addresses(node.addresses);
            Ok(host)
        });
        let hosts = hosts.collect::<Result<Vec<Host>>>()?;
        let find = |name: &str| find(&hosts, name);

        let mut cables = String::new();
        let mut wires = Vec::new();
        for Link { at: (a, a_name), to: (b, b_name), wire } in &plan.links {
            if let Some(WirePlan { line, nat }) = wire {
                let device = |host: &Host, name: &str| host.enter(|| sys::tun(name));
                let (inside, outside) = (device(find(a)?, a_name)?, device(find(b)?, b_name)?);
                let nat = nat.as_ref().map(|(nat, wan, answer)| Translator::new(nat, *wan, *answer));
                wires.push((a.clone(), Wire::start(inside, outside, *line, nat)?));
                continue;
            }
            let (a, b) = (find(a)?.label(), find(b)?.label());
            cables += &format!("link add {a_name} netns {a} type veth peer name {b_name} netns {b}\n");
        }
        find(NET)?.feed("ip", &["-batch", "-"], &cables)?;

        let together = |step: &(dyn Fn(&Node, &Host) -> Result + Sync)| -> Result {
            thread::scope(|scope| {
                let mut threads = Vec::new();
                for node in &plan.nodes {
                    let host = find(&node.name)?;
                    threads.push(scope.spawn(move || step(node, host)));
                }
                let joined = threads.into_iter().map(|t| t.join());
                joined.into_iter().try_for_each(|end| end.unwrap_or_else(|_| Err("a thread panicked".into())))
            })
        };
        together(&|node, host| {
            host.feed("ip", &["-batch", "-"], &node.ip)?;
            if !node.nft.is_empty() {
                load_rules(host, &node.nft)?;
            }
            Ok(())
        })?;
        together(&|_, host| host.wait_for_links())?;
        // An interface is called up a moment before it is; the kernel does both under the lock that this needs too.
        find(NET)?.run("ip", &["link", "set", "lo", "up"])?;

        let homes = lab.homes.iter().map(|home| {
            let members = plan.members(&home.name).map(|name| find(name).cloned());
            let router = find(&plan.router(&home.name))?.clone();
            let inside = plan.inside(&home.name);
            let upnpd = home.upnpd.as_ref().map(|options| Daemon::start(&router, options, &inside));
            Ok(Running {
                plan: home.clone(),
                router,
                hosts: members.collect::<Result<Vec<Host>>>()?,
                wan4: plan.wan4(&home.name),
                upnpd: upnpd.transpose()?.map(Mutex::new),
            })
        });
        let homes = homes.collect::<Result<Vec<Running>>>()?;
        let network = Network { hosts, homes, ipv6: lab.has_ipv6(), wires, bring_up: begun.elapsed() };
        BRING_UPS
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((network.bring_up.as_secs_f64() * 1e3, plan.summary.clone()));
        Ok(network)
    }

    /// A host by its name: `a`, `a2`, the routers `ra`, `rb`, the server `s`, the internet's router `net`.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn host(&self, name: &str) -> Host {
        find(&self.hosts, name).unwrap_or_else(|e| panic!("{e}")).clone()
    }

    /// Every host there is.
    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// A home or carrier by its name.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn home(&self, name: &str) -> &Running {
        let found = self.homes.iter().find(|h| h.plan.name == name);
        found.unwrap_or_else(|| panic!("no home {name}"))
    }

    /// The plan of every home.
    pub(crate) fn homes(&self) -> impl Iterator<Item = &Home> {
        self.homes.iter().map(|h| &h.plan)
    }

    /// The router of a home or carrier.
    ///
    /// # Panics
    /// If there is no such home.
    pub(crate) fn router(&self, home: &str) -> Host {
        self.home(home).router.clone()
    }

    /// The router's address in the LAN: the hosts' gateway.
    ///
    /// # Panics
    /// If there is no such home or it has no IPv4.
    pub(crate) fn gateway(&self, home: &str) -> Ipv4Addr {
        self.home(home).router.ip4()
    }

    /// The address the home has outside: the router's, in the carrier's network if it is behind one.
    ///
    /// # Panics
    /// If there is no such home or it has no IPv4.
    pub(crate) fn wan(&self, home: &str) -> Ipv4Addr {
        self.home(home).wan4.unwrap_or_else(|| panic!("home {home} has no IPv4"))
    }

    /// Gives the home another address outside (a kernel NAT's alone), as after a new connection to the provider:
    /// translations and miniupnpd's mappings are gone. Gives the new address; [`Network::wan`] tells it from now on.
    pub(crate) fn change_wan(&mut self, home: &str) -> Result<Ipv4Addr> {
        let old = self.wan(home);
        let new = at4(old, old.octets()[3] + 1);
        let here = self.homes.iter_mut().find(|h| h.plan.name == home).ok_or("no such home")?;
        if !matches!(here.plan.nat, Nat::Kernel(_)) {
            return Err("only a NAT of the kernel can change its address".into());
        }
        let commands = format!(
            "addr del {old}/24 dev wan\naddr add {new}/24 dev wan\nroute replace default via {}\n",
            at4(old, 1)
        );
        here.router.feed("ip", &["-batch", "-"], &commands)?;
        let rules = kernel_nat::ruleset(&here.plan, Some(new));
        here.router.feed(
            "nft",
            &["-f", "-"],
            &format!("delete table inet {}\n{rules}", kernel_nat::TABLE),
        )?;
        if world::installed("conntrack") {
            here.router.run("conntrack", &["-F"])?;
        }
        here.wan4 = Some(new);
        Ok(new)
    }

    /// The home's router forgets whom it has let out, as when it was switched off and on: a box its mappings, a NAT of the kernel
    /// its connections, and it takes up none in their middle. Where one is to (as Linux does by itself), `loose`.
    pub(crate) fn forget_nat(&self, home: &str, loose: bool) -> Result {
        let router = self.router(home);
        if let Nat::Boxed(_) = self.home(home).plan.nat {
            let wire = self.wires.iter().find(|(name, _)| name == router.name());
            return wire.ok_or("that home has no box")?.1.forget();
        }
        if !world::installed("conntrack") {
            return skip("conntrack is not installed");
        }
        let loose = if loose { "1" } else { "0" };
        router.enter(|| std::fs::write("/proc/sys/net/netfilter/nf_conntrack_tcp_loose", loose))?;
        router.run("conntrack", &["-F"]).map(drop)
    }

    /// Another cable to a host, from a home that is not its own: `name` is the interface in the host. It has an address there, and
    /// no route by it yet; gives the gateway.
    pub(crate) fn plug_in(&self, host: &str, home: &str, name: &str) -> Result<Ipv4Addr> {
        let (host, router) = (self.host(host), self.router(home));
        let (own, gateway) = (Ipv4Addr::new(192, 168, 240, 77), Ipv4Addr::new(192, 168, 240, 1));
        let cable = format!(
            "link add guest netns {} type veth peer name {name} netns {}\n",
            router.label(),
            host.label()
        );
        find(&self.hosts, NET)?.feed("ip", &["-batch", "-"], &cable)?;
        let up =
            |device: &str, ip: Ipv4Addr| format!("link set {device} up\naddr add {ip}/24 dev {device}\n");
        router.feed("ip", &["-batch", "-"], &up("guest", gateway))?;
        host.feed("ip", &["-batch", "-"], &up(name, own))?;
        router.wait_for_links()?;
        host.wait_for_links()?;
        Ok(gateway)
    }

    /// The address under which the internet sees the home's first host.
    ///
    /// # Panics
    /// If there is no such home or it has no IPv4.
    pub(crate) fn public(&self, home: &str) -> Ipv4Addr {
        let here = self.home(home);
        match &here.plan.behind {
            _ if here.plan.nat.is_transparent() => here.hosts.first().unwrap_or(&here.router).ip4(),
            Some(outer) => self.wan(outer),
            None => self.wan(home),
        }
    }

    /// miniupnpd on the home's router, locked while it is looked at.
    ///
    /// # Panics
    /// If there is no such home or it has none.
    pub(crate) fn upnpd(&self, home: &str) -> MutexGuard<'_, Daemon> {
        let daemon = self.home(home).upnpd.as_ref().unwrap_or_else(|| panic!("home {home} has no miniupnpd"));
        daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server host, which has [`SERVER4`] and, where there is IPv6, [`SERVER6`].
    pub(crate) fn server(&self) -> Host {
        self.host(SERVER)
    }

    /// An address of the server: first or second (0, 1), with this port.
    pub(crate) fn server4(&self, which: usize, port: u16) -> SocketAddr {
        (SERVER4[which], port).into()
    }

    /// An IPv6 address of the server: first or second (0, 1), with this port.
    pub(crate) fn server6(&self, which: usize, port: u16) -> SocketAddr {
        (SERVER6[which], port).into()
    }

    /// All addresses of the server.
    pub(crate) fn server_addresses(&self) -> Vec<IpAddr> {
        let v6: &[Ipv6Addr] = if self.ipv6 { &SERVER6 } else { &[] };
        SERVER4.into_iter().map(IpAddr::from).chain(v6.iter().copied().map(IpAddr::from)).collect()
    }

    /// The configuration of a rendezvous server on all addresses of the server host:
    /// `net.server().enter(|| Server::spawn(net.rendezvous()))`.
    pub(crate) fn rendezvous(&self) -> ServerConfig {
        let on = |port: u16| self.server_addresses().into_iter().map(|ip| (ip, port).into()).collect();
        ServerConfig { listen: on(RENDEZVOUS_PORT), http: on(HTTP_PORT), ..ServerConfig::default() }
    }
}

fn find<'a>(hosts: &'a [Host], name: &str) -> Result<&'a Host> {
    let found = hosts.iter().find(|h| h.name() == name);
    found.ok_or_else(|| format!("no host {name} in this lab").into())
}

fn load_rules(router: &Host, rules: &str) -> Result {
    match router.feed("nft", &["-f", "-"], rules) {
        // Maps of thousands of ports exceed the socket buffer, which only the machine's own root can enlarge.
        Err(e) if e.to_string().contains("Message too long") => {
            skip("this NAT's rules need the machine's root")
        }
        other => other.map(drop),
    }
}

/// What [`Plan`] knows of a host before there is one.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) forwards: bool,
    pub(crate) addresses: Addresses,
    /// Commands for `ip -batch`.
    pub(crate) ip: String,
    /// Rules for `nft -f`.
    pub(crate) nft: String,
}
