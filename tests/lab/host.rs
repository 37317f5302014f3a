//! A host: a network namespace, and a mount namespace so that /sys and /proc/net tell of that network.
//!
//! A thread of this process enters it ([`Host::enter`]), so the library itself runs in it; programs run in it too.

use std::fs::{self, File};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::probe::HUNG;
use crate::{Result, sys};

/// A host. Cheap to clone; the namespaces live as long as one clone, thread or program is in them.
#[derive(Clone)]
pub(crate) struct Host(Arc<Inner>);

struct Inner {
    name: String,
    label: String,
    net: File,
    mounts: File,
    addresses: OnceLock<Addresses>,
    /// Dropping it lets the keeper go.
    _keeper: mpsc::Sender<()>,
}

/// The addresses of a host; of a router those on the LAN side.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Addresses {
    pub(crate) v4: Option<Ipv4Addr>,
    pub(crate) v6: Option<Ipv6Addr>,
}

impl Host {
    /// Makes the namespaces; `name` is how cases call it, `label` how `ip netns` does.
    pub(crate) fn create(name: &str, label: &str, settings: &Settings) -> Result<Host> {
        let (keeper, kept) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let (label_there, settings) = (label.to_owned(), *settings);
        thread::Builder::new().name(format!("keeper of {label}")).spawn(move || {
            let made = keep(&label_there, &settings);
            let good = made.is_ok();
            // The receiver is gone only if the creator panicked.
            let _ = tell.send(made.map_err(|e| e.to_string()));
            if good {
                let _ = kept.recv();
            }
        })?;
        let (net, mounts) = told.recv()?.map_err(|e| format!("host {name}: {e}"))?;
        let inner = Inner {
            name: name.into(),
            label: label.into(),
            net,
            mounts,
            addresses: OnceLock::new(),
            _keeper: keeper,
        };
        Ok(Host(Arc::new(inner)))
    }

    pub(crate) fn set_addresses(&self, addresses: Addresses) {
        let _ = self.0.addresses.set(addresses);
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// How `ip netns` calls it.
    pub(crate) fn label(&self) -> &str {
        &self.0.label
    }

    /// Its IPv4 address (of a router: on the LAN side).
    ///
    /// # Panics
    /// If it has none.
    pub(crate) fn ip4(&self) -> Ipv4Addr {
        self.addresses().v4.unwrap_or_else(|| panic!("{} has no IPv4 address", self.name()))
    }

    /// Its global IPv6 address (of a router: on the LAN side).
    ///
    /// # Panics
    /// If it has none.
    pub(crate) fn ip6(&self) -> Ipv6Addr {
        self.addresses().v6.unwrap_or_else(|| panic!("{} has no IPv6 address", self.name()))
    }

    /// Its IPv4 address, or the IPv6 address of a host that has no other.
    pub(crate) fn ip(&self) -> IpAddr {
        self.addresses().v4.map_or_else(|| self.ip6().into(), IpAddr::from)
    }

    fn addresses(&self) -> Addresses {
        self.0.addresses.get().copied().unwrap_or_default()
    }

    /// Runs the code in this host, on a thread of its own; threads that it starts are in this host as well, those that
    /// exist already are not.
    ///
    /// # Panics
    /// If the code does.
    pub(crate) fn enter<T: Send>(&self, code: impl FnOnce() -> T + Send) -> T {
        let name = format!("{}@{}", thread::current().name().unwrap_or("?"), self.name());
        let here = || {
            sys::enter(&self.0.net, &self.0.mounts)
                .unwrap_or_else(|e| panic!("entering host {}: {e}", self.name()));
            code()
        };
        thread::scope(|scope| {
            let thread = thread::Builder::new().name(name).spawn_scoped(scope, here);
            match thread.expect("a thread can be started").join() {
                Ok(value) => value,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Waits until every interface is up and has its addresses. The kernel sets a cable's far end, and an IPv6
    /// address, to work in the background, and until then throws away what is sent there.
    pub(crate) fn wait_for_links(&self) -> Result {
        let down = || -> std::io::Result<bool> {
            for interface in fs::read_dir("/sys/class/net")? {
                let state = fs::read_to_string(interface?.path().join("operstate"))?;
                // A TUN or the loopback device has no other state than unknown.
                if !matches!(state.trim(), "up" | "unknown") {
                    return Ok(true);
                }
            }
            let addresses = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
            let flags = addresses.lines().filter_map(|line| line.split_whitespace().nth(4));
            // IFA_F_TENTATIVE
            Ok(flags.filter_map(|f| u32::from_str_radix(f, 16).ok()).any(|flags| flags & 0x40 != 0))
        };
        let waited = self.enter(|| {
            let begun = Instant::now();
            while down()? {
                if begun.elapsed() > HUNG {
                    return Err(std::io::Error::other("an interface does not come up"));
                }
                thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        });
        Ok(waited.map_err(|e| format!("{}: {e}", self.name()))?)
    }

    /// Starts a program in this host. It is killed when the returned [`Program`] is dropped.
    pub(crate) fn spawn(&self, command: &mut Command) -> Result<Program> {
        // A child is born where the thread is that starts it.
        let child = self.enter(|| command.spawn());
        let child = child.map_err(|e| format!("{command:?} in {}: {e}", self.name()))?;
        Ok(Program(child))
    }

    /// Runs a program in this host to its end and gives what it wrote.
    pub(crate) fn output(&self, program: &str, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        Ok(self.enter(|| command.output()).map_err(|e| format!("{command:?} in {}: {e}", self.name()))?)
    }

    /// Runs a program in this host to its end and gives its standard output; an error if it fails.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let output = self.output(program, arguments)?;
        finished(&format!("{program} {} in {}", arguments.join(" "), self.name()), &output)
    }

    /// Runs a program in this host with this input; an error if it fails.
    pub(crate) fn feed(&self, program: &str, arguments: &[&str], input: &str) -> Result<String> {
        let what = format!("{program} {} in {}", arguments.join(" "), self.name());
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = self.enter(|| {
            let mut child = command.spawn()?;
            // A program that ends before it has read everything has its reasons in its output.
            let _ = child.stdin.take().map(|mut pipe| pipe.write_all(input.as_bytes()));
            child.wait_with_output()
        });
        finished(&what, &output.map_err(|e| format!("{what}: {e}"))?)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let path = format!("/run/netns/{}", self.label);
        let _ = sys::unmount(&path);
        let _ = fs::remove_file(path);
    }
}

/// The standard output of a program that ended well.
fn finished(what: &str, output: &Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: String = said.lines().filter(|l| !l.trim().is_empty()).take(3).collect::<Vec<_>>().join("; ");
    Err(format!("{what}: {}, {}", output.status, said.chars().take(300).collect::<String>()).into())
}

/// A program in a host; killed when dropped.
pub(crate) struct Program(pub(crate) Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a namespace is like from its first moment on.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) forwards: bool,
    pub(crate) ipv6: bool,
}

/// Moves the calling thread, which is to be the keeper, into new namespaces and sets them up.
fn keep(label: &str, settings: &Settings) -> Result<(File, File)> {
    sys::new_net_namespace()?;
    let named = PathBuf::from("/run/netns").join(label);
    File::create(&named)?;
    sys::bind_mount("/proc/thread-self/ns/net", &named.to_string_lossy())?;
    sys::new_mount_namespace()?;
    // A sysfs shows the network namespace of the one who mounted it, /proc/net that of a process's first thread:
    // so the keeper, which stays, lends its own view to all who enter.
    sys::mount_new("sysfs", "/sys")?;
    let own = fs::read_link("/proc/thread-self")?;
    sys::bind_mount(&format!("/proc/{}/net", own.display()), "/proc/self/net")?;
    for file in ["resolv.conf", "hosts"] {
        // Where there is none, or a link that leads nowhere, nothing needs to be hidden.
        let _ = sys::bind_mount(&format!("/run/lab/{file}"), &format!("/etc/{file}"));
    }
    apply(settings)?;
    Ok((File::open("/proc/thread-self/ns/net")?, File::open("/proc/thread-self/ns/mnt")?))
}

fn apply(settings: &Settings) -> Result {
    let set = |path: &str, value: &str| {
        fs::write(format!("/proc/sys/net/{path}"), value).map_err(|e| format!("setting {path}: {e}"))
    };
    for which in ["all", "default"] {
        for (name, value) in [("rp_filter", "0"), ("send_redirects", "0"), ("accept_redirects", "0")] {
            set(&format!("ipv4/conf/{which}/{name}"), value)?;
        }
    }
    set("ipv4/icmp_ratelimit", "0")?;
    set("ipv4/ip_forward", if settings.forwards { "1" } else { "0" })?;
    if fs::exists("/proc/sys/net/bridge")? {
        for family in ["iptables", "ip6tables", "arptables"] {
            set(&format!("bridge/bridge-nf-call-{family}"), "0")?;
        }
    }
    if !fs::exists("/proc/sys/net/ipv6")? {
        return if settings.ipv6 { Err("this kernel has no IPv6".into()) } else { Ok(()) };
    }
    for which in ["all", "default"] {
        // Addresses are given by hand, and at once: nothing is announced, nothing is tried out first.
        for name in ["accept_dad", "accept_ra", "autoconf", "router_solicitations", "accept_redirects"] {
            set(&format!("ipv6/conf/{which}/{name}"), "0")?;
        }
        set(&format!("ipv6/conf/{which}/disable_ipv6"), if settings.ipv6 { "0" } else { "1" })?;
        set(&format!("ipv6/conf/{which}/forwarding"), if settings.forwards { "1" } else { "0" })?;
    }
    Ok(())
}
