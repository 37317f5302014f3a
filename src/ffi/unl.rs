//! Universal node locators: one's own, reading others', connecting by them, and what became of that.

use std::ffi::{c_char, c_void};
use std::time::{SystemTime, UNIX_EPOCH};

use super::guard::{copy_out, fill, guard, hand_out, report, store, text};
use super::net::{Callback, inner, inner_or_story, p2p_net};
use super::situation::*;
use super::structs::*;
use super::types::*;
use crate::error::{Code, Error};
use crate::proto::unl::{CandidateKind, Check, ForwardingType, Info, NodeType, Overrides};

/// Addresses a p2p_unl_info has room for.
pub const P2P_UNL_CANDIDATES: usize = 8;

/// Kinds of addresses in a locator.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_candidate_kind {
    /// None.
    P2P_CANDIDATE_NONE = 0,
    /// In the node's own network.
    P2P_CANDIDATE_LAN = 1,
    /// As the internet sees the node.
    P2P_CANDIDATE_WAN = 2,
    /// A port that the node's router passes on.
    P2P_CANDIDATE_MAPPED = 3,
}

/// One address of a node.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct p2p_candidate {
    /// What kind of address it is.
    pub kind: p2p_candidate_kind,
    /// "ip:port"; port 0 if nobody gets in there.
    pub address: [c_char; P2P_ADDR_LEN],
}

/// What a locator says. Set struct_size to sizeof(p2p_unl_info) before the call.
#[repr(C)]
pub struct p2p_unl_info {
    /// sizeof(p2p_unl_info), set by you.
    pub struct_size: u32,
    /// 2 (PyP2P's format) or 3.
    pub version: u32,
    /// How the node can be reached.
    pub node_type: p2p_node_type,
    /// The NAT in front of it.
    pub nat: p2p_nat,
    /// How its port came to be open. (PyP2P's "forwarded" is P2P_FWD_MANUAL.)
    pub forwarding: p2p_fwd,
    /// How long its NAT keeps an outside port (version 3).
    pub mapping: p2p_mapping,
    /// How its NAT chooses one (version 3).
    pub allocation: p2p_allocation,
    /// The constant of that (version 3).
    pub nat_delta: i32,
    /// Unix time in seconds from which on it is of no use; 0 = it says nothing of that.
    pub expires: i64,
    /// The node's key, 43 letters (version 3), or its DHT id, 40 hexadecimal digits (version 2); "" = none.
    pub id: [c_char; P2P_ADDR_LEN],
    /// The network it is for, 32 hexadecimal digits (version 3); "" = the one without a name.
    pub network: [c_char; P2P_ADDR_LEN],
    /// How many of candidates there are.
    pub candidate_count: u32,
    /// 0.
    pub reserved: u32,
    /// Its addresses, the best first; the rest is zero.
    pub candidates: [p2p_candidate; P2P_UNL_CANDIDATES],
}

/// Writes this node's locator into buf, with a NUL: version 2 in the classic dialect, 3 in the secure one. It changes with
/// the situation (P2P_EVENT_INFO); ask when you need it. *need is the size it takes, NUL included; P2P_ERR_TOO_SMALL if cap
/// is less: nothing is written then. P2P_ERR_STATE: the net is not started, or (version 2) our address from outside is
/// not known yet. buf may be NULL if cap is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_unl_get(
    net: *mut p2p_net,
    buf: *mut c_char,
    cap: usize,
    need: *mut usize,
) -> p2p_result {
    guard(|| {
        // SAFETY: the caller's duties, passed on.
        let done = unsafe { inner(net) }
            .and_then(|i| i.net.unl().map_err(|e| e.code))
            .and_then(|unl| unsafe { hand_out(&unl, buf, cap, need) });
        done.into()
    })
}

/// As p2p_unl_get(), with some facts replaced: changes holds count texts "name=value". Names are PyP2P's (wan_ip, lan_ip,
/// node_id, version, node_type, nat_type, forwarding_type, listen_port), and for version 3 candidate ("mapped
/// 203.0.113.7:6881", as often as needed), server, network (32 hexadecimal digits) and expires. What you say is not
/// checked against the facts. P2P_ERR_INVALID: err names the change. err may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_unl_construct(
    net: *mut p2p_net,
    changes: *const *const c_char,
    count: usize,
    buf: *mut c_char,
    cap: usize,
    need: *mut usize,
    err: *mut p2p_error,
) -> p2p_result {
    let construct = || {
        // SAFETY: the caller's duty, passed on.
        let inner = unsafe { inner_or_story(net) }?;
        if changes.is_null() && count > 0 || count > MAX_CHANGES {
            let message =
                format!("changes is NULL, or count over {MAX_CHANGES}; expected texts \"name=value\"");
            return Err(Error::new(Code::Invalid, message));
        }
        let mut overrides = Overrides::default();
        for i in 0..count {
            // SAFETY: there are count pointers to texts, by contract.
            let change = unsafe { text(changes.add(i).read(), "a change")? };
            let (name, value) = change.split_once('=').ok_or_else(|| {
                Error::new(Code::Invalid, format!("\"{change}\" is no change; expected \"name=value\""))
            })?;
            overrides.set(name, value).map_err(|e| Error::new(Code::Invalid, e.to_string()))?;
        }
        let unl = inner.net.unl_with(&overrides)?;
        // SAFETY: the caller's duties, passed on.
        unsafe { hand_out(&unl, buf, cap, need) }
            .map_err(|code| Error::new(code, "buf is too small, or need is NULL"))
    };
    // SAFETY: the caller's duty, passed on.
    guard(|| unsafe { report(err, construct()) })
}

/// Far more changes than there are names.
const MAX_CHANGES: usize = 64;

/// Whether text is a locator that can be used: whole, signed by its key, not expired by this machine's clock.
/// P2P_ERR_INVALID: err says what is wrong with it. Needs no net. err may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_unl_check(unl: *const c_char, err: *mut p2p_error) -> p2p_result {
    let check = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        // SAFETY: the caller's duty, passed on.
        let unl = unsafe { text(unl, "unl")? };
        Info::check(unl, &Check::at(now)).map_err(|e| Error::new(Code::Invalid, e.to_string()))
    };
    // SAFETY: the caller's duty, passed on.
    guard(|| unsafe { report(err, check()) })
}

/// Reads a locator into *info, expired or not. P2P_ERR_INVALID: err says what is wrong with it. Needs no net. err may be
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_unl_get_info(
    unl: *const c_char,
    info: *mut p2p_unl_info,
    err: *mut p2p_error,
) -> p2p_result {
    let read = || {
        // SAFETY: the caller's duty, passed on.
        let unl = unsafe { text(unl, "unl")? };
        let read = Info::parse(unl).map_err(|e| Error::new(Code::Invalid, e.to_string()))?;
        // SAFETY: the caller's duty, passed on.
        unsafe { copy_out(info, &for_c(&read)) }
            .map_err(|code| Error::new(code, "info is NULL, or its struct_size is not set"))
    };
    // SAFETY: the caller's duty, passed on.
    guard(|| unsafe { report(err, read()) })
}

fn for_c(read: &Info) -> p2p_unl_info {
    let none = p2p_candidate { kind: p2p_candidate_kind::P2P_CANDIDATE_NONE, address: [0; P2P_ADDR_LEN] };
    let mut out = p2p_unl_info {
        struct_size: 0,
        version: read.version.into(),
        node_type: read.node_type.into(),
        nat: read.nat.nat_type.into(),
        forwarding: read.forwarding.into(),
        mapping: read.nat.mapping.into(),
        allocation: read.nat.allocation.into(),
        nat_delta: read.nat.delta,
        expires: read.expires.map_or(0, |at| i64::try_from(at).unwrap_or(i64::MAX)),
        id: [0; P2P_ADDR_LEN],
        network: [0; P2P_ADDR_LEN],
        candidate_count: 0,
        reserved: 0,
        candidates: [none; P2P_UNL_CANDIDATES],
    };
    let hex = |id: [u8; 20]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let id = read.identity.map(|key| key.to_string()).or(read.node_id.map(hex));
    fill(&mut out.id, &id.unwrap_or_default());
    fill(&mut out.network, &read.network.map(|network| network.to_string()).unwrap_or_default());
    for (to, from) in out.candidates.iter_mut().zip(&read.candidates) {
        to.kind = from.kind.into();
        fill(&mut to.address, &std::net::SocketAddr::new(from.ip, from.port).to_string());
        out.candidate_count += 1;
    }
    out
}

impl From<CandidateKind> for p2p_candidate_kind {
    fn from(kind: CandidateKind) -> p2p_candidate_kind {
        match kind {
            CandidateKind::Lan => p2p_candidate_kind::P2P_CANDIDATE_LAN,
            CandidateKind::Wan => p2p_candidate_kind::P2P_CANDIDATE_WAN,
            CandidateKind::Mapped => p2p_candidate_kind::P2P_CANDIDATE_MAPPED,
        }
    }
}

impl From<Option<NodeType>> for p2p_node_type {
    fn from(node_type: Option<NodeType>) -> p2p_node_type {
        match node_type {
            None => p2p_node_type::P2P_NODE_UNKNOWN,
            Some(NodeType::Passive) => p2p_node_type::P2P_NODE_PASSIVE,
            Some(NodeType::Active) => p2p_node_type::P2P_NODE_ACTIVE,
            Some(NodeType::Simultaneous) => p2p_node_type::P2P_NODE_SIMULTANEOUS,
        }
    }
}

impl From<ForwardingType> for p2p_fwd {
    fn from(forwarding: ForwardingType) -> p2p_fwd {
        match forwarding {
            ForwardingType::None => p2p_fwd::P2P_FWD_NONE,
            ForwardingType::Manual | ForwardingType::Forwarded => p2p_fwd::P2P_FWD_MANUAL,
            ForwardingType::Upnp => p2p_fwd::P2P_FWD_UPNP,
            ForwardingType::NatPmp => p2p_fwd::P2P_FWD_NATPMP,
            ForwardingType::Pcp => p2p_fwd::P2P_FWD_PCP,
        }
    }
}

/// Connects to the node with this locator, by whatever way works: a plain connection, one inside the local network, the
/// peer connecting to us, or hole punching. P2P_EVENT_OPENED and then P2P_EVENT_DONE with the connection, or DONE with what
/// went wrong; DONE goes to cb with user, exactly once, or with cb NULL to the function of p2p_on_event(). p2p_cancel()
/// gives it up. P2P_ERR_NO_PATH: every way failed, data says why, and p2p_explain() tells all of it. In the secure dialect
/// two nodes have one connection: if there is one already, DONE comes with that. out may be NULL. err may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_unl_connect(
    net: *mut p2p_net,
    unl: *const c_char,
    cb: p2p_event_fn,
    user: *mut c_void,
    out: *mut p2p_request,
    err: *mut p2p_error,
) -> p2p_result {
    let connect = || {
        // SAFETY: the caller's duties, passed on.
        let (inner, unl) = unsafe { (inner_or_story(net)?, text(unl, "unl")?) };
        // Held across the request: its DONE may be polled by another thread before we are back here.
        let mut waiting = inner.waiting.lock();
        let id = inner.net.unl_connect(unl)?;
        if let Some(function) = cb {
            waiting.insert(id, Callback { function, user });
        }
        // SAFETY: the caller's duty, passed on.
        unsafe { store(out, id) };
        Ok(())
    };
    // SAFETY: the caller's duty, passed on.
    guard(|| unsafe { report(err, connect()) })
}

/// Writes the story of a p2p_unl_connect() into buf, as JSON with a NUL: the peer's addresses, what was tried, when, what
/// it met, and why it ended as it did (docs/explain.md has the schema). While it goes on, and for the last 64 that have
/// ended; else P2P_ERR_NOT_FOUND. *need is the size it takes, NUL included; P2P_ERR_TOO_SMALL if cap is less: nothing is
/// written then. buf may be NULL if cap is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_explain(
    net: *mut p2p_net,
    req: p2p_request,
    buf: *mut c_char,
    cap: usize,
    need: *mut usize,
) -> p2p_result {
    guard(|| {
        // SAFETY: the caller's duties, passed on.
        let done = unsafe { inner(net) }
            .and_then(|i| i.net.explain(req))
            .and_then(|story| unsafe { hand_out(&story.to_json(), buf, cap, need) });
        done.into()
    })
}
