//! Every topology of the catalogue comes up, and every host of it reaches the server in every way it should.

use crate::Result;
use crate::cases::catalogue;
use crate::probe::{self, observe};
use crate::runner::{Case, Notes};
use crate::topology::Lab;

pub(crate) fn cases() -> Vec<Case> {
    let mut all: Vec<Case> = Vec::new();
    for (name, what, lab) in catalogue::all() {
        all.push(Case::new(format!("topology::{name}"), what, move |notes| reaches(&lab, notes)));
    }
    all
}

fn reaches(lab: &Lab, notes: &Notes) -> Result {
    let net = lab.clone().build()?;
    notes.note("up_ms", net.bring_up.as_millis() as u64);
    let server = net.server();
    for home in net.homes() {
        for host in &net.home(&home.name).hosts {
            for which in 0..2 {
                if home.ipv4 {
                    let listener = probe::listen(&server, net.server4(which, 7001))?;
                    let from = observe(host, 0, &listener)?.from.ip();
                    let outside = if home.nat.is_transparent() { host.ip4() } else { net.public(&home.name) };
                    assert_eq!(from, outside, "{} over IPv4", host.name());
                }
                if home.ipv6 {
                    let listener = probe::listen(&server, net.server6(which, 7001))?;
                    let from = observe(host, 0, &listener)?.from.ip();
                    assert_eq!(from, host.ip6(), "{} over IPv6", host.name());
                }
            }
        }
    }
    Ok(())
}
