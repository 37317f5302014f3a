//! miniupnpd on a home's router: UPnP IGD, NAT-PMP and PCP, together or each alone, on the kernel's NATs.
//!
//! It writes its mappings to chains that `kernel_nat` has prepared; [`Daemon::mappings`] reads them from there.

use std::fs::{self, File};
use std::net::SocketAddrV4;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::host::{Host, Program};
use crate::kernel_nat::TABLE;
use crate::probe::HUNG;
use crate::{Result, sys, world};

const PORT: u16 = 5351;
const SSDP_PORT: u16 = 1900;
/// Where it speaks HTTP.
const HTTP_PORT: u16 = 5000;

/// Which protocols it speaks, and how.
#[derive(Clone, Debug)]
pub(crate) struct Upnpd {
    upnp: bool,
    natpmp: bool,
    pcp: bool,
    min_lifetime: u32,
    secure: bool,
    lines: Vec<String>,
}

impl Upnpd {
    /// All three protocols; leases of 2 s to a day; clients map for themselves alone.
    pub(crate) fn all() -> Upnpd {
        Upnpd { upnp: true, natpmp: true, pcp: true, min_lifetime: 2, secure: true, lines: Vec::new() }
    }

    /// UPnP IGD alone.
    pub(crate) fn upnp() -> Upnpd {
        Upnpd { natpmp: false, pcp: false, ..Upnpd::all() }
    }

    /// NAT-PMP alone; datagrams of PCP are lost.
    pub(crate) fn natpmp() -> Upnpd {
        Upnpd { upnp: false, pcp: false, ..Upnpd::all() }
    }

    /// PCP alone; datagrams of NAT-PMP are lost.
    pub(crate) fn pcp() -> Upnpd {
        Upnpd { upnp: false, natpmp: false, ..Upnpd::all() }
    }

    /// The shortest lease it grants, in seconds.
    pub(crate) fn min_lifetime(mut self, seconds: u32) -> Upnpd {
        self.min_lifetime = seconds;
        self
    }

    /// Lets clients map ports to other hosts.
    pub(crate) fn insecure(mut self) -> Upnpd {
        self.secure = false;
        self
    }

    /// Another line of miniupnpd.conf, such as `force_igd_desc_v1=yes`.
    pub(crate) fn line(mut self, line: &str) -> Upnpd {
        self.lines.push(line.into());
        self
    }

    /// miniupnpd has one switch for NAT-PMP and PCP: the rules that make it speak one of them.
    pub(crate) fn protocol_filter(&self) -> String {
        let version = match (self.natpmp, self.pcp) {
            (true, false) => 2,
            (false, true) => 0,
            _ => return String::new(),
        };
        // The first byte behind the UDP header is the version.
        format!(
            "chain portmap {{ type filter hook input priority filter - 1; policy accept;\n\
             iifname != wan udp dport {PORT} @th,64,8 {version} counter drop\n}}\n"
        )
    }

    fn configuration(&self, inside: &[String], folder: &str) -> String {
        let yes = |on: bool| if on { "yes" } else { "no" };
        let mut text = format!(
            "ext_ifname=wan\nhttp_port={HTTP_PORT}\nenable_upnp={}\nenable_natpmp={}\nsecure_mode={}\n\
             min_lifetime={}\nmax_lifetime=86400\nsystem_uptime=no\nlease_file={folder}/leases\n\
             upnp_table_name={TABLE}\nupnp_nat_table_name={TABLE}\nupnp_forward_chain=miniupnpd\n\
             upnp_nat_chain=prerouting_miniupnpd\nupnp_nat_postrouting_chain=postrouting_miniupnpd\n\
             uuid=00000000-0000-4000-8000-000000000001\n",
            yes(self.upnp),
            yes(self.natpmp || self.pcp),
            yes(self.secure),
            self.min_lifetime
        );
        for line in inside.iter().map(|name| format!("listening_ip={name}")).chain(self.lines.iter().cloned())
        {
            text += &line;
            text.push('\n');
        }
        text
    }
}

/// A mapping that miniupnpd has made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mapping {
    pub(crate) tcp: bool,
    pub(crate) external: u16,
    pub(crate) to: SocketAddrV4,
}

/// miniupnpd on a router.
pub(crate) struct Daemon {
    router: Host,
    options: Upnpd,
    folder: String,
    program: Option<Program>,
}

impl Daemon {
    /// Starts it and waits until it can be asked. `inside` are the router's interfaces towards its clients.
    pub(crate) fn start(router: &Host, options: &Upnpd, inside: &[String]) -> Result<Daemon> {
        if !world::installed("miniupnpd") {
            return crate::runner::skip("miniupnpd is not installed");
        }
        let folder = format!("/run/lab/{}", router.label());
        fs::create_dir_all(&folder)?;
        fs::write(format!("{folder}/conf"), options.configuration(inside, &folder))?;
        let mut daemon = Daemon { router: router.clone(), options: options.clone(), folder, program: None };
        daemon.start_again()?;
        Ok(daemon)
    }

    /// Ends it as a signal to stop does. What it has mapped stays.
    pub(crate) fn stop(&mut self) -> Result {
        if let Some(mut program) = self.program.take() {
            // A signal that comes just before it goes to sleep is noticed at the next one.
            while program.0.try_wait()?.is_none() {
                sys::terminate(&program.0)?;
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }

    /// Starts it after [`Daemon::stop`]; it counts its epoch from zero.
    pub(crate) fn start_again(&mut self) -> Result {
        let log = File::options().create(true).append(true).open(format!("{}/log", self.folder))?;
        let mut command = Command::new("miniupnpd");
        // -d: stay, and tell standard error. Each start has a pid file of its own, as it removes it late.
        let pid_file = format!("{}/pid-{}", self.folder, fastrand::u32(..));
        command.args(["-d", "-f", &format!("{}/conf", self.folder), "-P", &pid_file]);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut program = self.router.spawn(&mut command)?;
        let begun = Instant::now();
        while !self.router.enter(|| self.is_ready())? {
            if let Some(status) = program.0.try_wait()? {
                return Err(format!("miniupnpd ended, {status}: {}", self.log()).into());
            }
            if begun.elapsed() > HUNG {
                return Err(format!("miniupnpd does not get ready: {}", self.log()).into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.program = Some(program);
        Ok(())
    }

    /// What a power cut does: mappings, connections and epoch are gone.
    pub(crate) fn reboot(&mut self) -> Result {
        self.program = None;
        self.forget()?;
        // It makes the mappings of this file anew.
        let _ = fs::remove_file(format!("{}/leases", self.folder));
        if world::installed("conntrack") {
            self.router.run("conntrack", &["-F"])?;
        }
        self.start_again()
    }

    /// Deletes every mapping behind its back.
    pub(crate) fn forget(&self) -> Result {
        for chain in ["miniupnpd", "prerouting_miniupnpd", "postrouting_miniupnpd"] {
            self.router.run("nft", &["flush", "chain", "inet", TABLE, chain])?;
        }
        Ok(())
    }

    /// The IPv4 mappings there are.
    pub(crate) fn mappings(&self) -> Result<Vec<Mapping>> {
        let rules = self.router.run("nft", &["list", "chain", "inet", TABLE, "prerouting_miniupnpd"])?;
        Ok(rules.lines().filter_map(mapping).collect())
    }

    /// Waits until it has no mapping any more. It has been asked to remove them; a stop gives it a second for that,
    /// and where the machine has much to do it may need longer.
    pub(crate) fn until_closed(&self) -> Result {
        let begun = Instant::now();
        loop {
            let left = self.mappings()?;
            if left.is_empty() {
                return Ok(());
            }
            if begun.elapsed() > HUNG {
                return Err(format!("still open after the stop: {left:?}\n{}", self.log()).into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The rules that let in IPv6, as nft writes them.
    pub(crate) fn pinholes(&self) -> Result<Vec<String>> {
        let rules = self.router.run("nft", &["-nn", "list", "chain", "inet", TABLE, "miniupnpd"])?;
        // A destination of 128 bits at its place in the IPv6 header.
        Ok(rules.lines().filter(|l| l.contains("@nh,192,128")).map(|l| l.trim().to_owned()).collect())
    }

    /// How many datagrams of the protocol it must not speak were thrown away.
    pub(crate) fn thrown_away(&self) -> Result<u32> {
        let rules = self.router.run("nft", &["list", "chain", "inet", TABLE, "portmap"])?;
        let after = rules.split_once("counter packets ").and_then(|(_, rest)| rest.split_whitespace().next());
        Ok(after.ok_or("no counter")?.parse()?)
    }

    /// Everything it has said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(format!("{}/log", self.folder)).unwrap_or_default()
    }

    /// Whether it has opened everything it will listen on. In the router.
    fn is_ready(&self) -> Result<bool> {
        let (udp, tcp) = (sockets("udp")?, sockets("tcp")?);
        // It joins the group 239.255.255.250 after it has bound the socket.
        let joined = fs::read_to_string("/proc/net/igmp")?.contains("FAFFFFEF");
        let upnp = udp.contains(&SSDP_PORT) && tcp.contains(&HTTP_PORT) && joined;
        let others = udp.contains(&PORT);
        Ok((upnp || !self.options.upnp) && (others || !(self.options.natpmp || self.options.pcp)))
    }
}

/// The local ports of this host's sockets of a protocol.
fn sockets(protocol: &str) -> Result<Vec<u16>> {
    let mut ports = Vec::new();
    for table in [protocol.to_owned(), format!("{protocol}6")] {
        let text = fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
        let local = text.lines().filter_map(|line| line.split_whitespace().nth(1)?.rsplit_once(':'));
        ports.extend(local.filter_map(|(_, port)| u16::from_str_radix(port, 16).ok()));
    }
    Ok(ports)
}

/// Understands a rule like `iif "wan" @nh,72,8 0x6 th dport 4001 dnat ip to 192.168.1.10:4000`.
fn mapping(rule: &str) -> Option<Mapping> {
    let words: Vec<&str> = rule.split_whitespace().collect();
    let after = |word: &str| words.get(words.iter().position(|w| *w == word)? + 1).copied();
    let tcp = match after("@nh,72,8").or(after("l4proto"))? {
        "0x6" | "6" | "tcp" => true,
        "0x11" | "17" | "udp" => false,
        _ => return None,
    };
    Some(Mapping { tcp, external: after("dport")?.parse().ok()?, to: after("to")?.parse().ok()? })
}
