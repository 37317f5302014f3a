//! `up`: brings a topology of the catalogue up and runs a program in one of its hosts.

use std::net::IpAddr;
use std::process::{Command, ExitCode};

use p2pnet::server::Server;

use crate::Result;
use crate::cases::catalogue;
use crate::network::Network;

/// What to bring up and what to run where.
pub(crate) struct Request {
    topology: String,
    host: String,
    program: Vec<String>,
}

/// Prints the topologies.
pub(crate) fn list() {
    println!("\ntopologies for `up`, with their hosts:");
    for (name, what, lab) in catalogue::all() {
        let homes = lab.homes.iter();
        let hosts = homes.flat_map(|h| (1..=h.hosts).map(|k| crate::topology::host_name(&h.name, k)));
        println!("{name:36} {what}: {}, s", hosts.collect::<Vec<_>>().join(", "));
    }
}

impl Request {
    pub(crate) fn parse(arguments: &[String]) -> Result<Request> {
        match arguments {
            [topology, host, dashes, program @ ..] if dashes == "--" && !program.is_empty() => {
                let (topology, host, program) = (topology.clone(), host.clone(), program.to_vec());
                Ok(Request { topology, host, program })
            }
            _ => Err("expected: up TOPOLOGY HOST -- PROGRAM [ARGUMENT...]".into()),
        }
    }

    /// Runs the program and gives its exit status; when it ends, everything goes.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let found = catalogue::all().into_iter().find(|(name, ..)| *name == self.topology);
        let (_, _, lab) = found.ok_or_else(|| format!("no topology {:?}; see list", self.topology))?;
        let network = lab.plain_names().build()?;
        if !network.hosts().iter().any(|h| h.name() == self.host) {
            let names: Vec<_> = network.hosts().iter().map(|h| h.name()).collect();
            return Err(format!("no host {:?}; there are {}", self.host, names.join(", ")).into());
        }
        // Somebody to talk to: the rendezvous server, on both addresses.
        let server = network.server().enter(|| Server::spawn(network.rendezvous()))?;
        eprintln!("lab: {} is up after {:.0?}", self.topology, network.bring_up);
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]).envs(environment(&network));
        let status = network.host(&self.host).spawn(&mut command)?.0.wait()?;
        server.stop();
        Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
    }
}

/// What the program may want to know: LAB_SERVERS, and for each home LAB_GATEWAY_A, LAB_WAN_A.
fn environment(network: &Network) -> Vec<(String, String)> {
    let join = |ips: Vec<IpAddr>| ips.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ");
    let mut all = vec![("LAB_SERVERS".to_owned(), join(network.server_addresses()))];
    for home in network.homes().filter(|h| h.ipv4) {
        let name = home.name.to_uppercase();
        all.push((format!("LAB_WAN_{name}"), network.wan(&home.name).to_string()));
        if home.hosts > 0 {
            all.push((format!("LAB_GATEWAY_{name}"), network.gateway(&home.name).to_string()));
        }
    }
    all
}
