//! The router's table: what is in it, adding to it, removing from it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use igd_next::{AddPortError, Gateway, PinholeError, RemovePortError, RequestError};

use super::{Claim, Held, Job, Made, inside, made, pinhole_lease, search};
use crate::portmap::one_line;
use crate::portmap::way::Trouble;
use crate::proto::portmap::Transport;
use crate::proto::portmap::ladder::{Ladder, No};

/// Entries of a table that are read; each costs a request.
const MOST_ENTRIES: u32 = 64;

/// How long the table is read before a mapping is made, and before one is removed.
const LOOK: Duration = Duration::from_millis(300);

/// What a table says about a port of ours, outside.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    Nobody,
    /// Our address and our internal port.
    Us {
        description: String,
    },
    Other,
}

/// What was read of a table.
struct Table {
    entries: Vec<Entry>,
}

struct Entry {
    external_port: u16,
    ours: bool,
    description: String,
}

impl Table {
    /// Reads entries until the end, the limit, or something that is no answer. Routers that do not list their
    /// table (or list only a part) just tell us less.
    fn read(
        router: &Gateway,
        transport: Transport,
        internal: SocketAddr,
        wanted: &dyn Fn() -> bool,
    ) -> Table {
        let until = Instant::now() + LOOK;
        let mut entries = Vec::new();
        for index in 0..MOST_ENTRIES {
            if !wanted() || Instant::now() >= until {
                break;
            }
            let Ok(entry) = router.get_generic_port_mapping_entry(index) else { break };
            if entry.protocol != super::igd_protocol(transport) {
                continue;
            }
            let ours = entry.internal_client.trim().parse() == Ok(internal.ip())
                && entry.internal_port == internal.port();
            let description = entry.port_mapping_description;
            entries.push(Entry { external_port: entry.external_port, ours, description });
        }
        Table { entries }
    }

    fn owner(&self, external_port: u16) -> Owner {
        let mut of_port = self.entries.iter().filter(|entry| entry.external_port == external_port);
        match of_port.next() {
            None => Owner::Nobody,
            Some(entry) if entry.ours => Owner::Us { description: entry.description.clone() },
            Some(_) => Owner::Other,
        }
    }

    /// Ports that are not ours.
    fn taken(&self) -> impl Iterator<Item = u16> {
        self.entries.iter().filter(|entry| !entry.ours).map(|entry| entry.external_port)
    }

    /// A mapping to our port that somebody else made, under any external port. What another protocol of the
    /// same router made (miniupnpd names it so) has an end that the table does not tell: that is no mapping
    /// to rely on.
    fn made_for_us(&self, ours: &str) -> Option<u16> {
        let marks = [ours, "NAT-PMP", "PCP"];
        let foreign =
            |entry: &&Entry| entry.ours && !marks.iter().any(|mark| entry.description.starts_with(mark));
        self.entries.iter().find(foreign).map(|entry| entry.external_port)
    }
}

/// The first word of our descriptions, by which our own earlier mappings are known.
fn mark(description: &str) -> &str {
    description.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or(description)
}

/// Asks for the port, down the ladder.
pub(super) fn add(
    job: &Job,
    router: Gateway,
    before: Option<Made>,
    wanted: &dyn Fn() -> bool,
) -> Result<(Held, Made), String> {
    let table = Table::read(&router, job.transport, job.internal, wanted);
    let external_ip = external_ip(&router);
    let mark = mark(&job.description);
    if before.is_none()
        && !mark.is_empty()
        && let Some(external_port) = table.made_for_us(mark)
    {
        let made = Made { external_ip, external_port, lease: 0 };
        return Ok((Held::Port { gateway: router, lease: 0, claim: Claim::Borrowed }, made));
    }
    let port = before.map_or(job.internal.port(), |before| before.external_port);
    let lease = before.map_or(job.lease, |before| before.lease);
    let mut ladder = Ladder::new(job.internal.port(), port, lease, table.taken(), fastrand::Rng::new());
    let mut ask = ladder.ask();
    loop {
        if job.time_is_up(wanted) {
            return Err("the router was too slow".into());
        }
        let (port, internal) = (ask.external_port, job.internal);
        match router.add_port(job.protocol(), port, internal, ask.lease, &job.description) {
            Ok(()) => {
                let held = Held::Port { gateway: router, lease: ask.lease, claim: Claim::Ours };
                return Ok((held, made(ask, external_ip)));
            }
            Err(e) => ask = ladder.refused(&why_not(e))?,
        }
    }
}

/// igd-next's errors as the ladder's.
fn why_not(error: AddPortError) -> No {
    match error {
        AddPortError::PortInUse => No::Taken,
        AddPortError::SamePortValuesRequired => No::SamePort,
        AddPortError::OnlyPermanentLeasesSupported => No::OnlyPermanent,
        AddPortError::ActionNotAuthorized => {
            No::Other("refused: it does not let us change its mappings (606)".into())
        }
        AddPortError::RequestError(RequestError::ErrorCode(402, _)) => No::InvalidArguments,
        AddPortError::RequestError(RequestError::ErrorCode(501, _)) => No::Failed,
        AddPortError::RequestError(RequestError::ErrorCode(729, _)) => No::Taken,
        other => No::Other(one_line(&other.to_string())),
    }
}

/// The router's address outside, if it knows one.
pub(super) fn external_ip(router: &Gateway) -> Option<IpAddr> {
    router.get_external_ip().ok().filter(|ip| !ip.is_unspecified())
}

/// Opens a hole in the IPv6 firewall.
pub(super) fn open(job: &Job, firewall: igd_next::Ipv6FirewallGateway) -> Result<(Held, Made), String> {
    let (internal, lease) = (inside(job.internal)?, pinhole_lease(job.lease));
    let id = firewall.add_pinhole(job.protocol(), internal, lease).map_err(|e| one_line(&e.to_string()))?;
    let made = Made { external_ip: Some((*internal.ip()).into()), external_port: internal.port(), lease };
    Ok((Held::Pinhole { firewall, id, lease }, made))
}

/// Renews a mapping or a hole.
pub(super) fn renew(
    job: &Job,
    held: Held,
    before: Made,
    wanted: &dyn Fn() -> bool,
) -> Result<(Held, Made), Trouble> {
    let gone = |why: &str| Trouble { why: why.into(), gone: true };
    let later = |why: String| Trouble { why, gone: false };
    match held {
        Held::Port { gateway, lease, claim } => {
            let table = Table::read(&gateway, job.transport, job.internal, wanted);
            let external_ip = external_ip(&gateway).or(before.external_ip);
            let port = before.external_port;
            match (table.owner(port), claim == Claim::Borrowed) {
                (Owner::Other, _) => return Err(gone("another host has the port now")),
                (Owner::Us { .. }, true) => {
                    return Ok((Held::Port { gateway, lease, claim }, Made { external_ip, ..before }));
                }
                (Owner::Nobody, true) => return Err(gone("whoever made the mapping has removed it")),
                (_, false) => {}
            }
            match gateway.add_port(job.protocol(), port, job.internal, lease, &job.description) {
                Ok(()) => {
                    let made = Made { external_ip, lease, ..before };
                    Ok((Held::Port { gateway, lease, claim }, made))
                }
                // No answer, or not from a router: perhaps it was restarted and lives on another port now.
                Err(AddPortError::RequestError(
                    RequestError::AttoHttpError(_)
                    | RequestError::IoError(_)
                    | RequestError::InvalidResponse(_),
                )) => match search::find(job, wanted).map_err(later)? {
                    search::Found::Router(router) => {
                        add(job, *router, Some(Made { lease, ..before }), wanted).map_err(later)
                    }
                    search::Found::Firewall(_) => Err(gone("the router is another one now")),
                },
                Err(e) => Err(gone(&one_line(&e.to_string()))),
            }
        }
        Held::Pinhole { firewall, id, lease } => match firewall.update_pinhole(id, lease) {
            Ok(()) => Ok((Held::Pinhole { firewall, id, lease }, Made { lease, ..before })),
            Err(PinholeError::RequestError(
                e @ (RequestError::AttoHttpError(_) | RequestError::IoError(_)),
            )) => Err(later(one_line(&e.to_string()))),
            Err(e) => Err(gone(&one_line(&e.to_string()))),
        },
    }
}

/// Removes a mapping, unless the table says that the port is another host's by now.
pub(super) fn remove(
    held: &Held,
    transport: Transport,
    internal: SocketAddr,
    external_port: u16,
) -> Result<(), String> {
    match held {
        Held::Port { claim: Claim::Borrowed, .. } => Ok(()),
        Held::Port { gateway, claim, .. } => {
            let table = Table::read(gateway, transport, internal, &|| true);
            match (table.owner(external_port), claim) {
                (Owner::Us { .. }, _) | (Owner::Nobody, Claim::Ours) => {}
                _ => return Ok(()),
            }
            match gateway.remove_port(super::igd_protocol(transport), external_port) {
                Ok(()) | Err(RemovePortError::NoSuchPortMapping) => Ok(()),
                Err(e) => Err(one_line(&e.to_string())),
            }
        }
        Held::Pinhole { firewall, id, .. } => match firewall.remove_pinhole(*id) {
            Ok(()) | Err(PinholeError::NoSuchEntry) => Ok(()),
            Err(e) => Err(one_line(&e.to_string())),
        },
    }
}

/// The arguments of the one action that a removal needs, for a router whose description is not at hand.
pub(super) fn removal_schema() -> HashMap<String, Vec<String>> {
    let arguments = ["NewRemoteHost", "NewExternalPort", "NewProtocol"].map(str::to_owned).to_vec();
    HashMap::from([("DeletePortMapping".to_owned(), arguments)])
}
