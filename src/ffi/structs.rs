//! The structs of the C ABI. They grow at the tail only; struct_size says how much the caller knows.

use std::ffi::{c_char, c_void};

use super::situation::*;
use super::types::*;

/// Room for any "[ip%zone]:port" with its NUL.
pub const P2P_ADDR_LEN: usize = 64;

/// Room for any "host:port" with its NUL.
pub const P2P_HOST_LEN: usize = 264;

/// Room for the id of a connection, and its NUL.
pub const P2P_CON_ID_LEN: usize = 72;

/// The story of a failure, in memory of yours. Set struct_size to sizeof(p2p_error) before the call.
#[repr(C)]
pub struct p2p_error {
    /// sizeof(p2p_error), set by you.
    pub struct_size: u32,
    /// The function's result.
    pub code: p2p_result,
    /// The operating system's error number, 0 if none was involved.
    pub os_error: i32,
    /// What failed, on what, why, what to do: one English sentence in UTF-8, NUL-terminated.
    pub message: [c_char; 244],
}

/// One of the lines of p2p_send_lines(). This struct does not grow.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct p2p_line {
    /// The line, without its end.
    pub data: *const c_char,
    /// Bytes at data, or P2P_AUTO_LEN.
    pub len: usize,
}

/// One event. The pointers live as long as the event does: in a callback until it returns, from p2p_next_event() until
/// p2p_event_free(), from p2p_next_events() until the next call that takes events.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct p2p_event {
    /// What the library fills in; fields beyond it do not exist. For p2p_next_events() set by you, in the first of the array.
    pub struct_size: u32,
    /// What it is about.
    pub kind: p2p_kind,
    /// The connection it is about, 0 = none.
    pub conn: p2p_conn,
    /// The request it is about, 0 = none.
    pub request: p2p_request,
    /// How that went: CLOSED, DONE, STOPPED; else P2P_OK.
    pub result: p2p_result,
    /// The operating system's error number that led to result, 0 if none.
    pub os_error: i32,
    /// A number whose meaning depends on kind; see there.
    pub code: i32,
    /// 0.
    pub reserved: u32,
    /// The line, the bytes, or a text for people. Never NULL; a NUL follows that len does not count.
    pub data: *const c_char,
    /// Bytes at data.
    pub len: usize,
    /// "ip:port" of conn where it was opened (p2p_conn_get_info() knows where it is now), or the name of a node in the DHT (40 hexadecimal digits); "" if none. Never NULL.
    pub peer: *const c_char,
    /// What p2p_conn_set_user() stored for conn, else NULL.
    pub conn_user: *mut c_void,
    /// When it happened: milliseconds of a monotonic clock that started with the net.
    pub time_ms: u64,
}

/// A net's situation. Set struct_size to sizeof(p2p_net_info) before the call.
#[repr(C)]
pub struct p2p_net_info {
    /// sizeof(p2p_net_info), set by you.
    pub struct_size: u32,
    /// How others reach this node, as configured or found out.
    pub node_type: p2p_node_type,
    /// The NAT in front of it.
    pub nat: p2p_nat,
    /// Whether it can be reached from outside by IPv4: 1 yes (a connection from outside has arrived), 0 no, -1 not known.
    pub reachable: i32,
    /// The port it listens on, 0 before p2p_net_start().
    pub passive_port: u32,
    /// Open connections that peers opened.
    pub inbound: u32,
    /// Open connections that we opened.
    pub outbound: u32,
    /// 0.
    pub reserved: u32,
    /// The address our connections leave from, "" if not known.
    pub lan_ip: [c_char; P2P_ADDR_LEN],
    /// Our address as the internet sees it, "" if not known.
    pub wan_ip: [c_char; P2P_ADDR_LEN],
    /// How the port came to be open: one of P2P_FWD_*.
    pub forwarding: p2p_fwd,
    /// The port by which others reach us from outside, 0 = not known.
    pub external_port: u32,
    /// How long the NAT keeps one outside port.
    pub mapping: p2p_mapping,
    /// How the NAT chooses an outside port.
    pub allocation: p2p_allocation,
    /// The constant of that choice: see P2P_ALLOCATION_DELTA and P2P_ALLOCATION_SEQUENTIAL. 0 otherwise.
    pub nat_delta: i32,
    /// What the NAT does with connections that nobody here asked for.
    pub unsolicited: p2p_unsolicited,
    /// Whether we can reach ourselves by our outside address: 1 yes, 0 no, -1 not known.
    pub hairpin: i32,
    /// Whether there is another NAT behind the first: 1 yes, 0 no, -1 not known.
    pub double_nat: i32,
    /// As reachable, by IPv6.
    pub reachable_v6: i32,
    /// Whether clock_offset_us holds something: 1 or 0.
    pub clock_known: i32,
    /// True time minus the system's clock in microseconds, as NTP servers told.
    pub clock_offset_us: i64,
    /// Our IPv6 address as the internet sees it, "" if not known.
    pub wan_ip6: [c_char; P2P_ADDR_LEN],
}

/// A connection's situation. Set struct_size to sizeof(p2p_conn_info) before the call.
#[repr(C)]
pub struct p2p_conn_info {
    /// sizeof(p2p_conn_info), set by you.
    pub struct_size: u32,
    /// How it came to be.
    pub via: p2p_via,
    /// 1 if the peer opened it, else 0.
    pub inbound: i32,
    /// 0.
    pub reserved: u32,
    /// Bytes accepted for sending that the system has not taken yet.
    pub queued_bytes: u64,
    /// Bytes received that you have not taken yet.
    pub unread_bytes: u64,
    /// Bytes received, framing included.
    pub bytes_in: u64,
    /// Bytes sent, framing included.
    pub bytes_out: u64,
    /// Milliseconds since it was opened.
    pub age_ms: u64,
    /// The peer, "ip:port".
    pub peer: [c_char; P2P_ADDR_LEN],
    /// What both ends call the connection: PyP2P's con_id, 64 hexadecimal digits. Direct nets of the classic dialect
    /// only, else "".
    pub con_id: [c_char; P2P_CON_ID_LEN],
    /// The peer's key, 43 letters, proved by the handshake (secure dialect); else "".
    pub peer_id: [c_char; P2P_ADDR_LEN],
    /// Round trip to the peer's library in microseconds, 0 if not measured. Secure dialect only, as what follows.
    pub rtt_us: u64,
    /// Bytes sent that the peer's library has not acknowledged.
    pub unacked_bytes: u64,
    /// Bytes that had to be sent again because a link broke.
    pub resends: u64,
    /// How often another link has taken the place of the one before.
    pub resumptions: u64,
    /// What has become of the link that the connection was opened with. via and peer are of the present one.
    pub path: p2p_path,
    /// 0.
    pub reserved2: u32,
    /// The relay by which it goes (P2P_VIA_RELAY), "host:port": a server, or a node of the network; "" if by none.
    pub relay: [c_char; P2P_HOST_LEN],
}

/// Counters since p2p_net_new(). Set struct_size to sizeof(p2p_stats) before the call.
#[repr(C)]
pub struct p2p_stats {
    /// sizeof(p2p_stats), set by you.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Lines delivered to you.
    pub lines_in: u64,
    /// Lines (or pieces, with raw framing) accepted from you.
    pub lines_out: u64,
    /// Bytes received, framing included.
    pub bytes_in: u64,
    /// Bytes sent, framing included.
    pub bytes_out: u64,
    /// Lines not delivered because they were seen before (P2P_OPT_DEDUP).
    pub duplicates: u64,
    /// Connections opened, both ways.
    pub opened: u64,
    /// Connections closed.
    pub closed: u64,
    /// Peers turned away by a rule.
    pub rejected: u64,
    /// LOG events dropped because you did not take events fast enough. Nothing else is ever dropped.
    pub log_dropped: u64,
    /// Elements waiting in the event queue now.
    pub events_queued: u64,
}

/// Your function for events. It must return: no longjmp, no C++ exception. user is what you gave with it.
pub type p2p_event_fn =
    Option<unsafe extern "C" fn(net: *mut super::net::p2p_net, ev: *const p2p_event, user: *mut c_void)>;
