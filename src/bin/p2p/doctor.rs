//! `p2p doctor`: starts a node, shows each answer as it comes, and ends with a page or with JSON.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use p2pnet::config::{Config, NetType, ServerKind};
use p2pnet::event::{Kind, LogLevel};
use p2pnet::{Error, Net};

use crate::page::{self, Paint};

/// After READY the slower questions (hairpin, clock) get this long.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// What to ask, and whom.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rendezvous server, HOST:PORT: shows which NAT this is. Several are better than one.
    #[arg(short, long = "server", value_name = "HOST:PORT")]
    servers: Vec<String>,
    /// Server that knocks on our port: HOST:PORT of its HTTP, or the URL of a net.php. A p2p-rendezvous tells its own.
    #[arg(short, long = "reach", value_name = "HOST:PORT|URL")]
    reach: Vec<String>,
    /// NTP server: shows how wrong the clock is.
    #[arg(short, long = "ntp", value_name = "HOST[:PORT]")]
    ntp: Vec<String>,
    /// Port to open and have knocked on; 0 = any.
    #[arg(short, long, default_value_t = 0)]
    port: u16,
    /// Network interface, by name or address.
    #[arg(short, long, default_value = "")]
    interface: String,
    /// Routers to ask for the port, by address, separated by commas; found out if not given.
    #[arg(short, long, default_value = "")]
    gateway: String,
    /// Do not ask routers for the port.
    #[arg(long)]
    no_mapping: bool,
    /// Longest time to wait for the answers, in seconds.
    #[arg(long, default_value_t = 6.0, value_parser = seconds)]
    timeout: f64,
    /// One JSON object instead of a page, without progress.
    #[arg(long)]
    json: bool,
    /// Say everything that happens, on standard error.
    #[arg(short, long)]
    verbose: bool,
}

pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(s) if (0.1..=600.0).contains(&s) => Ok(s),
        _ => Err("expected seconds between 0.1 and 600".into()),
    }
}

impl Options {
    fn config(&self) -> Result<Config, Error> {
        let mut c = Config { net_type: NetType::Direct, passive_port: self.port, ..Config::default() };
        for (kind, servers) in [
            (ServerKind::Rendezvous, &self.servers),
            (ServerKind::Reachability, &self.reach),
            (ServerKind::Ntp, &self.ntp),
        ] {
            servers.iter().try_for_each(|at| c.add_server(kind, at))?;
        }
        c.set_str(1002, &self.interface)?;
        c.set_str(1004, &self.gateway)?;
        if self.no_mapping {
            c.forwarding = 0;
        }
        c.start_timeout = Duration::from_secs_f64(self.timeout);
        if self.verbose {
            c.log_level = LogLevel::Debug;
            c.log_fd = 2;
        }
        Ok(c)
    }
}

/// Runs it. The exit status is 0 if others can reach this machine, 1 if not or if nobody could tell.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let paint = Paint::new(std::io::stdout().is_terminal());
    let net = Net::new(options.config()?)?;
    net.start()?;
    if !options.json {
        println!("Asking {} ...", page::whom(options.servers.len(), options.reach.len(), options.ntp.len()));
    }
    let (mut shown, mut until) = (0, Instant::now() + Duration::from_secs_f64(options.timeout) + AFTERWARDS);
    let mut ready = false;
    loop {
        // New steps come with or without an event: look ten times a second.
        let _ = net.wait(Some(Duration::from_millis(100)));
        while let Ok(Some(event)) = net.next_event() {
            if event.kind == Kind::Ready {
                ready = true;
                until = until.min(Instant::now() + AFTERWARDS);
            }
        }
        let report = net.report();
        if !options.json {
            for step in report.steps.iter().skip(shown) {
                println!("  {}", page::step(step, &paint));
            }
            let _ = std::io::stdout().flush();
        }
        shown = report.steps.len();
        if Instant::now() >= until || ready && page::is_complete(&report, !options.ntp.is_empty()) {
            break;
        }
    }
    let report = net.report();
    net.stop();
    if options.json {
        println!("{}", report.to_json());
    } else {
        print!("{}", page::page(&report, &paint));
    }
    net.join();
    let reached = report.info.reachable == Some(true) || report.info.reachable_v6 == Some(true);
    Ok(if reached { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
