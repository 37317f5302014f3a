//! The list of our mappings that survives a crash: a small text file, one mapping a line.
//!
//! ```text
//! p2pnet port mappings 1
//! by=pcp owner=17-3f transport=tcp gateway=192.168.1.1 scope=0 internal=192.168.1.5:4020 external=4020 …
//!    … expires=1767225600 nonce=00112233445566778899aabb
//! ```
//!
//! Reading is tolerant: a line that is not understood is skipped, unknown keys are ignored, and there are
//! limits, because a file may be cut short by a crash or changed by somebody. What is read is only ever used
//! to ask the router for the removal of a mapping to *our* address and port, so a wrong line does no more
//! harm than a useless question.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::ssdp::{Location, parse_url};
use super::{Protocol, Transport, pcp::Nonce};

/// The first line.
const HEAD: &str = "p2pnet port mappings 1";

/// No longer file is read; what lies behind is lost.
pub const LONGEST_FILE: usize = 64 * 1024;

/// Longer lines are skipped.
const LONGEST_LINE: usize = 1024;

/// More mappings than this are not kept.
pub const MOST: usize = 128;

/// One mapping of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which running node it belongs to: letters, digits and `-`, at most 64.
    pub owner: String,
    /// What is forwarded.
    pub transport: Transport,
    /// The gateway.
    pub gateway: IpAddr,
    /// Its scope, for a link-local IPv6 address.
    pub scope: u32,
    /// Where it forwards to.
    pub internal: SocketAddr,
    /// The port outside.
    pub external_port: u16,
    /// When it ends by itself, in seconds since 1970; 0 never.
    pub expires: u64,
    /// What its removal needs.
    pub key: Key,
}

/// What the removal of a mapping needs, by protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// The nonce.
    Pcp(Nonce),
    /// Nothing.
    NatPmp,
    /// Where the service is controlled and what it is called.
    Upnp(Control),
    /// The same, and the number of the hole in the IPv6 firewall.
    Pinhole(Control, u16),
}

/// A UPnP service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Where it takes orders.
    pub at: Location,
    /// Its type, like `urn:schemas-upnp-org:service:WANIPConnection:1`.
    pub service: String,
}

impl Entry {
    /// The protocol it was made with.
    pub const fn protocol(&self) -> Protocol {
        match self.key {
            Key::Pcp(_) => Protocol::Pcp,
            Key::NatPmp => Protocol::NatPmp,
            Key::Upnp(_) | Key::Pinhole(..) => Protocol::Upnp,
        }
    }
}

/// Whether a string can stand in the file as an owner.
pub fn is_owner(owner: &str) -> bool {
    (1..=64).contains(&owner.len()) && owner.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_service(service: &str) -> bool {
    (1..=200).contains(&service.len())
        && service.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'.' | b'_'))
}

/// The file's text. Entries that could not be read again (a control URL with a space, a bad owner) are left
/// out.
pub fn print(entries: &[Entry]) -> String {
    let mut text = format!("{HEAD}\n");
    for entry in entries.iter().take(MOST) {
        let line = print_line(entry);
        if parse_line(&line).as_ref() == Some(entry) && text.len() + line.len() < LONGEST_FILE {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

fn print_line(entry: &Entry) -> String {
    let by = match &entry.key {
        Key::Pcp(_) => "pcp",
        Key::NatPmp => "natpmp",
        Key::Upnp(_) => "upnp",
        Key::Pinhole(..) => "pinhole",
    };
    let mut line = format!(
        "by={by} owner={} transport={} gateway={} scope={} internal={} external={} expires={}",
        entry.owner,
        entry.transport.name(),
        entry.gateway,
        entry.scope,
        entry.internal,
        entry.external_port,
        entry.expires
    );
    match &entry.key {
        Key::Pcp(nonce) => {
            line.push_str(" nonce=");
            for byte in nonce {
                let _ = write!(line, "{byte:02x}");
            }
        }
        Key::NatPmp => {}
        Key::Upnp(control) | Key::Pinhole(control, _) => {
            let _ = write!(line, " service={} control={}", control.service, control.at);
        }
    }
    if let Key::Pinhole(_, id) = entry.key {
        let _ = write!(line, " id={id}");
    }
    line
}

/// Reads a file: every line that makes sense, up to [`MOST`].
pub fn parse(text: &[u8]) -> Vec<Entry> {
    let text = text.get(..LONGEST_FILE).unwrap_or(text);
    let lines = text.split(|byte| *byte == b'\n');
    let lines =
        lines.filter(|line| line.len() <= LONGEST_LINE).filter_map(|line| std::str::from_utf8(line).ok());
    lines.filter_map(parse_line).take(MOST).collect()
}

fn parse_line(line: &str) -> Option<Entry> {
    // A line written by one system and read by another.
    let line = line.trim_end_matches('\r');
    let mut fields = line.split(' ').filter_map(|field| field.split_once('='));
    let mut seen = [None::<&str>; KEYS.len()];
    for (key, value) in fields.by_ref() {
        if let Some(at) = KEYS.iter().position(|known| *known == key)
            && let Some(slot) = seen.get_mut(at)
            && slot.replace(value).is_some()
        {
            return None;
        }
    }
    let [by, owner, transport, gateway, scope, internal, external, expires, nonce, service, control, id] =
        seen;
    let gateway: IpAddr = gateway?.parse().ok()?;
    let scope = scope?.parse().ok()?;
    let key = match by? {
        "pcp" => Key::Pcp(parse_nonce(nonce?)?),
        "natpmp" => Key::NatPmp,
        "upnp" => Key::Upnp(parse_control(service?, control?, gateway, scope)?),
        "pinhole" => Key::Pinhole(parse_control(service?, control?, gateway, scope)?, id?.parse().ok()?),
        _ => return None,
    };
    let entry = Entry {
        owner: owner.filter(|owner| is_owner(owner))?.to_owned(),
        transport: match transport? {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            _ => return None,
        },
        gateway,
        scope,
        internal: internal?.parse().ok()?,
        external_port: external?.parse().ok()?,
        expires: expires?.parse().ok()?,
        key,
    };
    (entry.internal.is_ipv4() == gateway.is_ipv4() && entry.internal.port() != 0).then_some(entry)
}

/// In the order in which [`parse_line`] takes them apart.
const KEYS: [&str; 12] = [
    "by",
    "owner",
    "transport",
    "gateway",
    "scope",
    "internal",
    "external",
    "expires",
    "nonce",
    "service",
    "control",
    "id",
];

fn parse_nonce(text: &str) -> Option<Nonce> {
    let mut nonce = Nonce::default();
    if text.len() != 2 * nonce.len() || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in nonce.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(nonce)
}

fn parse_control(service: &str, url: &str, gateway: IpAddr, scope: u32) -> Option<Control> {
    let sender = match gateway {
        IpAddr::V4(v4) => (v4, 0).into(),
        IpAddr::V6(v6) => std::net::SocketAddrV6::new(v6, 0, 0, scope).into(),
    };
    let at = parse_url(url, sender)?;
    is_service(service).then_some(Control { at, service: service.to_owned() })
}

#[cfg(test)]
mod tests;
