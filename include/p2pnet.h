/* p2pnet.h - find other copies of your program on the internet and exchange lines of text with them.
 *
 * C99, C11, C23, C++11 and later. Generated from src/ffi/ by cbindgen: change it there.
 * Licence: MIT. Manual: README.md. The protocols: docs/.
 *
 * CONTRACT. It holds for every function below; the comments only add to it.
 *
 * Threads    The library never runs your code on a thread of its own. Callbacks run only inside p2p_poll(), on the thread
 *            that called it, one at a time, with no lock held. Any thread may call any function on a live net, but
 *            p2p_poll(), p2p_next_event() and p2p_next_events() have one caller at a time, all together (a second one gets
 *            P2P_ERR_BUSY), and a p2p_config belongs to one thread at a time.
 * Callbacks  may call everything but these three and p2p_wait() of the same net (P2P_ERR_REENTRANT).
 *            p2p_net_free() is legal: p2p_poll() then ends when the callback returns. They must return: no longjmp, no
 *            C++ exception. A callback given with a request runs at most once.
 * Free       p2p_net_free() comes last: when it has been called no other thread may be in, or enter, a call with that
 *            net. Stop the net, join your threads, then free.
 * Memory     What you pass in is copied before the call returns. An event in a callback dies when the callback returns.
 *            An event from p2p_next_event() is yours until p2p_event_free(), on any thread, also after p2p_net_free(). Those
 *            from p2p_next_events() die together, with the next call that takes events.
 * Errors     0 is success, negative is failure (p2p_result). Out parameters are then untouched, except err, and counts
 *            with P2P_ERR_TOO_SMALL or P2P_ERR_WOULD_BLOCK. A NULL you may not pass gives P2P_ERR_INVALID; freeing NULL is
 *            fine. There is no thread-local "last error": where a failure has a story, a p2p_error of yours is told it.
 *            A panic inside gives P2P_ERR_PANIC, and on the library's thread it ends the net (STOPPED); your program
 *            lives. Rust's report of it goes to stderr.
 * Ids        Connections and requests are 64-bit numbers from 1 that are never used twice in a net. A stale one gives
 *            P2P_ERR_NOT_FOUND, never somebody else's connection.
 * Dialect    A net speaks the secure dialect unless P2P_OPT_DIALECT says P2P_DIALECT_CLASSIC, which is PyP2P's, in clear text. Both
 *            ends have to speak the same. Secure: each node has a key, a new one at each start unless P2P_OPT_KEY or
 *            P2P_OPT_KEY_FILE gives it one, and meets the nodes of its network (P2P_OPT_NETWORK) only.
 * Lines      are never dropped. When you do not take events, we stop reading and TCP slows the peer; when the peer does
 *            not read, you get P2P_ERR_WOULD_BLOCK and later WRITABLE. Only LOG events may be dropped (and are counted).
 * Growth     Structs grow at the tail only; struct_size says how much is there. New kinds, codes and options may appear in
 *            any minor version: ignore what you do not know.
 * Process    After fork() the child may only exec. No environment variable is read (but RUST_BACKTRACE by a panic's report,
 *            http_proxy, all_proxy and no_proxy before UPnP is tried, and one of the runtime's by p2p_net_start(), without any
 *            effect: TOKIO_UNSTABLE_SHARDED_BLOCKING_QUEUE), no file is written (but the key file and in P2P_OPT_STATE_DIR, if
 *            you set them), no signal handler is installed; our threads block all signals.
 */

#ifndef P2PNET_H
#define P2PNET_H

#include <stddef.h>
#include <stdint.h>

/** The version of this header. p2p_version() tells that of the library. */
#define P2P_VERSION_MAJOR 0
#define P2P_VERSION_MINOR 1
#define P2P_VERSION_PATCH 0
/** As one number to compare. */
#define P2P_VERSION_NUMBER ((P2P_VERSION_MAJOR << 16) | (P2P_VERSION_MINOR << 8) | P2P_VERSION_PATCH)
/** Whether this header is at least version x.y.z, for #if. */
#define P2P_AT_LEAST(x, y, z) (P2P_VERSION_NUMBER >= (((x) << 16) | ((y) << 8) | (z)))
/** As a length: take strlen(). */
#define P2P_AUTO_LEN ((size_t)-1)

#if defined(_WIN32) && !defined(P2P_STATIC)
#define P2P_API __declspec(dllimport)
#else
#define P2P_API
#endif

/** Room for any "[ip%zone]:port" with its NUL. */
#define P2P_ADDR_LEN 64

/** Room for any "host:port" with its NUL. */
#define P2P_HOST_LEN 264

/** Room for the id of a connection, and its NUL. */
#define P2P_CON_ID_LEN 72

/** Addresses a p2p_unl_info has room for. */
#define P2P_UNL_CANDIDATES 8

/** What a call or a request came to. Zero is success, negative is failure; p2p_strerror() says it in words. */
enum p2p_result
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** Success. */
  P2P_OK = 0,
  /** An argument is not what the function takes: a NULL, a malformed address, a line with CR LF inside. */
  P2P_ERR_INVALID = -1,
  /** The library failed internally; your program lives. If it was the library's thread, the net is stopped (STOPPED). */
  P2P_ERR_PANIC = -2,
  /** The connection or the net is closed. */
  P2P_ERR_CLOSED = -3,
  /** Not possible in the net's present state: not started, started twice, no handler set. */
  P2P_ERR_STATE = -4,
  /** Another thread is in p2p_poll(), p2p_next_event() or p2p_next_events() of this net. */
  P2P_ERR_BUSY = -5,
  /** Called from inside a callback of this net, where it cannot work. */
  P2P_ERR_REENTRANT = -6,
  /** An unknown option, or something this net or this build does not do. */
  P2P_ERR_UNSUPPORTED = -7,
  /** No such connection or request, or not any more. */
  P2P_ERR_NOT_FOUND = -8,
  /** A number outside the option's range. */
  P2P_ERR_RANGE = -9,
  /** The connection's send buffer is full: try again after WRITABLE. */
  P2P_ERR_WOULD_BLOCK = -10,
  /** Longer than max_line: it will never fit. */
  P2P_ERR_TOO_LARGE = -11,
  /** Your buffer is too small; the size it needs was stored. */
  P2P_ERR_TOO_SMALL = -12,
  /** A limit of this net is reached: connections, requests. */
  P2P_ERR_LIMIT = -13,
  /** The address is this node's own: on a p2p net with any port, so that two nets on one machine need an address each. */
  P2P_ERR_SELF = -14,
  /** That peer is connected already, and this net takes one connection per address. */
  P2P_ERR_DUPLICATE = -15,
  /** It took too long. */
  P2P_ERR_TIMEOUT = -20,
  /** Your program cancelled it, or stopped the net. */
  P2P_ERR_CANCELED = -21,
  /** The other side refused the connection. */
  P2P_ERR_REFUSED = -22,
  /** The other side broke the connection. */
  P2P_ERR_RESET = -23,
  /** The other side broke the protocol. */
  P2P_ERR_PROTOCOL = -24,
  /** Every way to the peer failed. */
  P2P_ERR_NO_PATH = -25,
  /** No rendezvous server is configured, or none answered. */
  P2P_ERR_NO_SERVER = -26,
  /** The operating system said no; os_error holds its number. */
  P2P_ERR_IO = -27,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_result p2p_result;
#else
typedef int32_t p2p_result;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** What an event is about. Ignore kinds you do not know. */
enum p2p_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** The start is finished. */
  P2P_EVENT_READY = 1,
  /** The net has stopped; the last event. result is P2P_OK, or P2P_ERR_PANIC with the story in data. */
  P2P_EVENT_STOPPED = 2,
  /** What p2p_net_get_info() tells of this node's situation has changed: type, NAT, addresses. Not the counts. */
  P2P_EVENT_INFO = 3,
  /** conn is usable. request is the p2p_connect() it came from, or 0. */
  P2P_EVENT_OPENED = 4,
  /**
   * conn is gone; its last event. result and data say why: P2P_OK = you closed it, P2P_ERR_CLOSED = the peer did. Secure
   * dialect: code is how many lines and messages you sent were not acknowledged; P2P_OK only if all have arrived.
   */
  P2P_EVENT_CLOSED = 5,
  /** A line came in on conn: data, without its CR LF. */
  P2P_EVENT_LINE = 6,
  /** Bytes came in on conn (P2P_FRAMING_RAW). */
  P2P_EVENT_DATA = 7,
  /** conn takes data again after P2P_ERR_WOULD_BLOCK. */
  P2P_EVENT_WRITABLE = 8,
  /**
   * request has completed with result; data tells the story. p2p_connect(): conn is the connection.
   * p2p_net_bootstrap(): code is how many nodes the server named.
   */
  P2P_EVENT_DONE = 9,
  /**
   * Carry data to the node peer over your DHT (p2p_config_set_dht() without send), and hand it to p2p_dht_deliver() there.
   * request is the p2p_dht_put() it comes from, or a number of the net's own.
   */
  P2P_EVENT_DHT_SEND = 10,
  /** Something to tell whoever looks after the program: data, with its level in code. */
  P2P_EVENT_LOG = 11,
  /**
   * A message that another program has sent by p2p_dht_put() has come: data. peer is who is said to have sent it, "" if
   * that is not known; nobody has checked it.
   */
  P2P_EVENT_DHT_MESSAGE = 12,
  /**
   * The link that carries conn (secure dialect) has broken, or another one has taken its place: code is one of P2P_PATH_*,
   * data says it in words, peer is where it leads now. Nothing is to be done: conn and what you sent on it stay as they are.
   */
  P2P_EVENT_PATH = 13,
  /** A message came in on conn (secure dialect, P2P_FRAMING_LINES): data, sent by p2p_send(). It may be empty. */
  P2P_EVENT_MESSAGE = 14,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_kind p2p_kind;
#else
typedef int32_t p2p_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** How others reach a node; PyP2P's names. */
enum p2p_node_type
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** Not told, or not found out yet. */
  P2P_NODE_UNKNOWN = 0,
  /** Accepts connections from outside. */
  P2P_NODE_PASSIVE = 1,
  /** Only connects out. */
  P2P_NODE_ACTIVE = 2,
  /** Behind a NAT whose ports can be predicted: reachable by hole punching. */
  P2P_NODE_SIMULTANEOUS = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_node_type p2p_node_type;
#else
typedef int32_t p2p_node_type;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** The NAT in front of a node; PyP2P's names. */
enum p2p_nat
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** Not known. */
  P2P_NAT_UNKNOWN = 0,
  /** There is none. */
  P2P_NAT_NONE = 1,
  /** The external port is the internal one. */
  P2P_NAT_PRESERVING = 2,
  /** External ports follow one another at a constant distance. */
  P2P_NAT_DELTA = 3,
  /** One internal port keeps one external port towards all destinations. */
  P2P_NAT_REUSE = 4,
  /** External ports cannot be foreseen. */
  P2P_NAT_RANDOM = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_nat p2p_nat;
#else
typedef int32_t p2p_nat;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** Ways to open a port on the router, as bits. */
enum p2p_fwd
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** None. */
  P2P_FWD_NONE = 0,
  /** The router was set up by hand. */
  P2P_FWD_MANUAL = 1,
  /** UPnP IGD. */
  P2P_FWD_UPNP = 2,
  /** NAT-PMP (RFC 6886). */
  P2P_FWD_NATPMP = 4,
  /** PCP (RFC 6887). */
  P2P_FWD_PCP = 8,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_fwd p2p_fwd;
#else
typedef int32_t p2p_fwd;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** How long the NAT keeps one outside port for one local port (RFC 4787, section 4.1). */
enum p2p_mapping
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** Not known. */
  P2P_MAPPING_UNKNOWN = 0,
  /** For all destinations. */
  P2P_MAPPING_ENDPOINT_INDEPENDENT = 1,
  /** For one destination address. */
  P2P_MAPPING_ADDRESS_DEPENDENT = 2,
  /** For one destination address and port. */
  P2P_MAPPING_ADDRESS_AND_PORT_DEPENDENT = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_mapping p2p_mapping;
#else
typedef int32_t p2p_mapping;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** How the NAT chooses an outside port (RFC 4787, section 4.2). */
enum p2p_allocation
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** Not known. */
  P2P_ALLOCATION_UNKNOWN = 0,
  /** The local port. */
  P2P_ALLOCATION_PRESERVING = 1,
  /** The local port plus nat_delta. */
  P2P_ALLOCATION_DELTA = 2,
  /** The last one given plus nat_delta. */
  P2P_ALLOCATION_SEQUENTIAL = 3,
  /** No rule was found. */
  P2P_ALLOCATION_RANDOM = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_allocation p2p_allocation;
#else
typedef int32_t p2p_allocation;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** What becomes of a connection from outside that nobody here asked for. */
enum p2p_unsolicited
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** Not known. */
  P2P_UNSOLICITED_UNKNOWN = 0,
  /** Nothing comes back. */
  P2P_UNSOLICITED_DROPPED = 1,
  /** It is refused (a TCP RST). */
  P2P_UNSOLICITED_RESET = 2,
  /** An ICMP error comes back. */
  P2P_UNSOLICITED_UNREACHABLE = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_unsolicited p2p_unsolicited;
#else
typedef int32_t p2p_unsolicited;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** How a connection came to be. */
enum p2p_via
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** The peer connected to us. */
  P2P_VIA_ACCEPT = 1,
  /** We connected to the peer. */
  P2P_VIA_DIRECT = 2,
  /** One connected to the other inside the network that both are in. */
  P2P_VIA_LAN = 3,
  /** Both connected at the same moment, through the NATs between them. */
  P2P_VIA_PUNCH = 4,
  /** The peer connected to us because we had asked it to. */
  P2P_VIA_REVERSE = 5,
  /** By a relay, a server or a node that passes on what both send. It sees that they talk and how much, and can read nothing. */
  P2P_VIA_RELAY = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_via p2p_via;
#else
typedef int32_t p2p_via;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** What was last heard of the link that carries a connection (secure dialect). */
enum p2p_path
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** It is the one that the connection was opened with. */
  P2P_PATH_FIRST = 0,
  /** It has broken. Another one is being made; what you send waits. */
  P2P_PATH_LOST = 1,
  /** Another one has taken its place after it had broken. */
  P2P_PATH_RESUMED = 2,
  /** Another one has taken its place while it lived. */
  P2P_PATH_MOVED = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_path p2p_path;
#else
typedef int32_t p2p_path;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** Kinds of addresses in a locator. */
enum p2p_candidate_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** None. */
  P2P_CANDIDATE_NONE = 0,
  /** In the node's own network. */
  P2P_CANDIDATE_LAN = 1,
  /** As the internet sees the node. */
  P2P_CANDIDATE_WAN = 2,
  /** A port that the node's router passes on. */
  P2P_CANDIDATE_MAPPED = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_candidate_kind p2p_candidate_kind;
#else
typedef int32_t p2p_candidate_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** What a net is for. */
enum p2p_net_type
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** A flooding network: bootstraps and advertises. Classic dialect: one connection per address. */
  P2P_NET_P2P = 1,
  /**
   * For connections to chosen nodes: neither bootstraps nor advertises. Classic dialect: several connections per address,
   * and the nets at both ends have to be of this type.
   */
  P2P_NET_DIRECT = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_net_type p2p_net_type;
#else
typedef int32_t p2p_net_type;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** How a node speaks with others. A net speaks one dialect; nothing on the wire chooses between them. */
enum p2p_dialect
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** PyP2P's, byte for byte: plain lines, UNL version 2, nodes known by their address. */
  P2P_DIALECT_CLASSIC = 1,
  /**
   * The default. Nodes are known by a key, both ends of a link prove who they are, all of it is encrypted, connections
   * outlive their links, and locators are signed (UNL version 3).
   */
  P2P_DIALECT_SECURE = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_dialect p2p_dialect;
#else
typedef int32_t p2p_dialect;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** How received bytes become events. */
enum p2p_framing
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** Lines ended by CR LF: P2P_EVENT_LINE, p2p_send_line(). In the secure dialect also messages, p2p_send(). */
  P2P_FRAMING_LINES = 0,
  /** Whatever arrives, as it arrives: P2P_EVENT_DATA, p2p_send(). Both ends should have the same framing. */
  P2P_FRAMING_RAW = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_framing p2p_framing;
#else
typedef int32_t p2p_framing;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** How much is logged. */
enum p2p_log
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** Nothing. */
  P2P_LOG_OFF = 0,
  /** What keeps the net from working. */
  P2P_LOG_ERROR = 1,
  /** What somebody should look into. */
  P2P_LOG_WARN = 2,
  /** Milestones. */
  P2P_LOG_INFO = 3,
  /** Why things happen. */
  P2P_LOG_DEBUG = 4,
  /** Everything. */
  P2P_LOG_TRACE = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_log p2p_log;
#else
typedef int32_t p2p_log;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The options of p2p_config_set_int() (below 1000) and p2p_config_set_str() (from 1001). Times are in milliseconds,
 * sizes in bytes, switches 0 or 1. The default stands first.
 */
enum p2p_opt
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * P2P_NODE_UNKNOWN; how others reach this node. Unknown: found out at the start and when the network changes, and
   * the port is opened on the router where it can be. Another type is taken as told.
   */
  P2P_OPT_NODE_TYPE = 1,
  /** P2P_NET_P2P; what the net is for. */
  P2P_OPT_NET_TYPE = 2,
  /** P2P_NAT_UNKNOWN; the NAT in front of this node, if you know it. Unknown: measured at the rendezvous servers. */
  P2P_OPT_NAT_TYPE = 3,
  /** 0; port to listen on, 0 = any free one (p2p_net_get_info() tells which). */
  P2P_OPT_PASSIVE_PORT = 4,
  /**
   * 10; connections others may open to us. Further ones wait in the system's backlog; in the secure dialect they are told
   * that there is no room.
   */
  P2P_OPT_MAX_INBOUND = 5,
  /** 10; connections we open. */
  P2P_OPT_MAX_OUTBOUND = 6,
  /** 3; below so many connections the node bootstraps sooner and advertises again. */
  P2P_OPT_MIN_CONNECTED = 7,
  /** P2P_FWD_UPNP | P2P_FWD_NATPMP | P2P_FWD_PCP; port mapping protocols that may be tried, if the node type is unknown. */
  P2P_OPT_FORWARDING = 8,
  /** 1; may ask rendezvous servers for nodes. */
  P2P_OPT_BOOTSTRAP = 9,
  /** 0; 1 = a line that this net has seen before is not delivered again (for flooding networks). */
  P2P_OPT_DEDUP = 10,
  /** P2P_FRAMING_LINES; how bytes become events. */
  P2P_OPT_FRAMING = 11,
  /** 1048576 (16 to 16777216); longest line either way, CR LF not counted. A peer that sends a longer one is closed. */
  P2P_OPT_MAX_LINE = 12,
  /** 1048576; bytes waiting to be sent on one connection before P2P_ERR_WOULD_BLOCK. */
  P2P_OPT_SEND_BUFFER = 13,
  /** 1048576; received bytes of one connection you have not taken before we stop reading and TCP slows the peer. */
  P2P_OPT_RECV_BUFFER = 14,
  /**
   * 5000; one connection attempt, name look-up included. (To one of the addresses of a locator of version 3: 4000, unless this
   * is set to something else.)
   */
  P2P_OPT_CONNECT_TIMEOUT_MS = 15,
  /** P2P_LOG_WARN; what becomes a LOG event, or a line on the log descriptor. */
  P2P_OPT_LOG_LEVEL = 16,
  /** -1; descriptor for log lines instead of LOG events (2 = stderr). It stays yours and has to stay open. */
  P2P_OPT_LOG_FD = 17,
  /** 0; for tests: seeds every random choice, 0 = from the system. */
  P2P_OPT_SEED = 18,
  /** 1; may register at rendezvous servers. */
  P2P_OPT_ADVERTISE = 19,
  /** 1; may take part in hole punching. */
  P2P_OPT_SIMULTANEOUS = 20,
  /**
   * -1; connections per address: 0 = one, 1 = any number, -1 = any number, but one on p2p nets of the classic dialect. (In
   * the secure dialect there is one connection per node, whatever its address.)
   */
  P2P_OPT_DUPLICATE_IP = 21,
  /** 65536; lines remembered for P2P_OPT_DEDUP, the oldest are forgotten first. */
  P2P_OPT_DEDUP_ENTRIES = 22,
  /** 3600000; how long P2P_OPT_DEDUP remembers a line, 0 = until it is pushed out. */
  P2P_OPT_DEDUP_TTL_MS = 23,
  /** 1024; elements between our thread and yours. One element holds all lines of one socket read. */
  P2P_OPT_EVENT_QUEUE = 24,
  /** 1024; requests under way, or done and not taken by you, at one time. */
  P2P_OPT_MAX_REQUESTS = 25,
  /** 10000; for what comes before the first line of a link (the nonce of direct nets). */
  P2P_OPT_HANDSHAKE_TIMEOUT_MS = 26,
  /** 2000; one exchange with one rendezvous server, connecting included. */
  P2P_OPT_SERVER_TIMEOUT_MS = 27,
  /** 1000; how long a closing connection, and p2p_net_stop(), may still send what is queued. */
  P2P_OPT_CLOSE_TIMEOUT_MS = 28,
  /** 30000; quiet time after which TCP probes whether the peer still lives (whole seconds), 0 = never. */
  P2P_OPT_KEEPALIVE_MS = 29,
  /** 60000; a peer that acknowledges nothing for this long is closed (RFC 5482), 0 = the system's default. */
  P2P_OPT_DEAD_PEER_TIMEOUT_MS = 30,
  /** 1800000; time between two bootstraps while outbound connections are wanted. */
  P2P_OPT_BOOTSTRAP_INTERVAL_MS = 31,
  /** 43200000; time between two advertisements while under P2P_OPT_MIN_CONNECTED inbound. */
  P2P_OPT_ADVERTISE_INTERVAL_MS = 32,
  /** 5000; first pause before an early bootstrap while under P2P_OPT_MIN_CONNECTED; doubles each time. */
  P2P_OPT_RETRY_INTERVAL_MS = 33,
  /** 3000; READY comes at the latest then, whatever does not answer. The node works before it. */
  P2P_OPT_START_TIMEOUT_MS = 34,
  /** 3600000; for how long a port is asked of the router; renewed at half of it. */
  P2P_OPT_MAPPING_LEASE_MS = 35,
  /** 1200000; time between two looks from outside whether the mapped port is still open, 0 = none. */
  P2P_OPT_VERIFY_INTERVAL_MS = 36,
  /** 1; the system is asked to tell of changes of its network (Linux), as p2p_network_changed() does. */
  P2P_OPT_NETWORK_MONITOR = 37,
  /**
   * P2P_DIALECT_SECURE; how the node speaks with others, who have to speak the same. Nodes of PyP2P speak
   * P2P_DIALECT_CLASSIC.
   */
  P2P_OPT_DIALECT = 38,
  /**
   * 10000; for p2p_unl_connect(), all ways of getting through together. (Classic: 60 s where it waits for the peer to
   * come, as PyP2P does.)
   */
  P2P_OPT_UNL_CONNECT_TIMEOUT_MS = 39,
  /** 86400000; for how long a locator of version 3 holds. */
  P2P_OPT_UNL_LIFETIME_MS = 40,
  /** 256; attempts of hole punching open at one time, all peers together. */
  P2P_OPT_PUNCH_HALF_OPEN = 41,
  /** 1000; attempts of hole punching begun within any minute, all peers together. */
  P2P_OPT_PUNCH_PER_MINUTE = 42,
  /** 0; addresses of local networks (private, loopback) that a peer names are tried wherever this node is. For tests. */
  P2P_OPT_LOCAL_PEERS = 43,
  /**
   * 1; peers that no other way connects are connected by a relay (secure dialect): a server that passes on what it cannot
   * read. 0 = never, neither for us nor for those who call us.
   */
  P2P_OPT_RELAY = 44,
  /**
   * 30000; how long a connection of the secure dialect whose link has broken waits for another one, which is made by
   * itself. 0 = it ends with its link.
   */
  P2P_OPT_RESUME_GRACE_MS = 45,
  /**
   * 4194304 (from 65536); bytes of a connection of the secure dialect that are sent and not acknowledged, and kept to be
   * sent again. More are not sent: what you send waits in P2P_OPT_SEND_BUFFER.
   */
  P2P_OPT_RESEND_WINDOW = 46,
  /** 1048576; longest message either way (secure dialect). A peer that sends a longer one is closed. */
  P2P_OPT_MAX_MESSAGE = 47,
  /**
   * 10000 (from 3000); a link of the secure dialect on which nothing arrives for so long while an answer is due is given
   * up for another one.
   */
  P2P_OPT_LINK_TIMEOUT_MS = 48,
  /**
   * P2P_MAINLINE_PUBLISH | P2P_MAINLINE_ANNOUNCE | P2P_MAINLINE_LETTERS; what the net tells in BitTorrent's DHT, if a server of
   * kind P2P_SERVER_MAINLINE is added.
   */
  P2P_OPT_MAINLINE = 50,
  /** 2; letters for this node that may lie in BitTorrent's DHT at one time, 0 = it takes none. */
  P2P_OPT_MAINLINE_SLOTS = 51,
  /** 30000; time between two looks for such letters, each some 20 KB on the wire for a slot. */
  P2P_OPT_MAINLINE_POLL_MS = 52,
  /**
   * 0; so many pairs of nodes of its network that cannot reach each other are relayed by this node at one time (secure
   * dialect). It has to be one that can be reached itself. 0 = it relays for nobody. P2P_ERR_UNSUPPORTED by p2p_net_new() in
   * a build without it (p2p_features()).
   */
  P2P_OPT_RELAY_SESSIONS = 53,
  /** 8; connections of one address, or IPv6 /64 network, that this node relays or that wait for their other end. */
  P2P_OPT_RELAY_PER_ADDRESS = 54,
  /**
   * 262144; bytes per second that this node passes on for one pair, both ways together, in the long run. Four times as much
   * at once after a quiet time. 0 = no limit.
   */
  P2P_OPT_RELAY_RATE = 55,
  /** 1048576; the same for all pairs together, which take turns. 0 = no limit. */
  P2P_OPT_RELAY_RATE_IN_ALL = 56,
  /** 17179869184; after so many bytes this node cuts a pair off, which may then meet again. 0 = no limit. */
  P2P_OPT_RELAY_BYTES = 57,
  /** 600000 (from 1000); a pair for which nothing has got through this node for so long is cut off. */
  P2P_OPT_RELAY_IDLE_MS = 58,
  /**
   * 1; a thread that sleeps in p2p_wait() does the node's work meanwhile, so that an event need not wake another thread on
   * its way to your program. Only the node's own work: nothing of yours is called. 0 = the net's own thread does it
   * always; for threads with stacks of less than 128 KiB, or that have changed their network namespace (setns(2)).
   */
  P2P_OPT_LEASE = 59,
  /**
   * 0 (to 1000); microseconds for which p2p_wait() looks for events before it sleeps, as long as that pays: an answer that
   * comes meanwhile is there sooner, and the CPU is busy meanwhile. After vain tries it looks ever more seldom; it yields
   * to who else wants that CPU. 20 is a good value for answers that come at once. Needs P2P_OPT_LEASE.
   */
  P2P_OPT_SPIN_US = 60,
  /**
   * ""; address to listen on: "" = every IPv4 and IPv6 address, "0.0.0.0" = every IPv4, "::" = every IPv6. A
   * particular address is also the source of our own connections.
   */
  P2P_OPT_PASSIVE_BIND = 1001,
  /**
   * ""; network interface by name ("eth0", an alias label such as "eth0:2") or by one of its addresses: we listen
   * on it and connect from it. "" or "default" = the system's choice.
   */
  P2P_OPT_INTERFACE = 1002,
  /** ""; this node's address as the internet sees it, if you know better than we can find out. */
  P2P_OPT_WAN_IP = 1003,
  /** ""; the routers to ask for a port, by address, separated by commas; "" = found out. */
  P2P_OPT_GATEWAY = 1004,
  /**
   * ""; a directory in which the net notes what it has opened on routers, so that a program that crashed cleans up at
   * its next start. It is made if it is not there. "" = no file is written.
   */
  P2P_OPT_STATE_DIR = 1005,
  /**
   * ""; name of the network this node belongs to (secure dialect): nodes of others are turned away. "" = the one network
   * without a name, to which all programs belong that set none: give yours a name.
   */
  P2P_OPT_NETWORK = 1006,
  /**
   * ""; the node's secret key, 64 hexadecimal digits that nobody can guess (secure dialect). "" = that of the key
   * file, or a new one at each start.
   */
  P2P_OPT_KEY = 1007,
  /**
   * ""; a file with the node's secret key. It is made, for its owner only, if it is not there. "" = no file is written,
   * and the node is another one at its next start (unless P2P_OPT_KEY is set).
   */
  P2P_OPT_KEY_FILE = 1008,
  /**
   * ""; a secret that the nodes of the network share, 64 hexadecimal digits that nobody can guess (secure dialect).
   * Strangers are turned away before they cost anything, and cannot find out who this is.
   */
  P2P_OPT_NETWORK_KEY = 1009,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_opt p2p_opt;
#else
typedef int32_t p2p_opt;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** Kinds of servers for p2p_config_add_server(). */
enum p2p_server
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** A rendezvous server, "host:port": names nodes and lists this one. */
  P2P_SERVER_RENDEZVOUS = 1,
  /**
   * A server that tells over HTTP whether our port is open from outside: "host:port" (a p2p-rendezvous), or the URL of
   * a PyP2P script ("http://host/net.php"). Rendezvous servers of ours are asked by themselves.
   */
  P2P_SERVER_REACHABILITY = 2,
  /** An NTP server, "host" or "host:port" (123). None is asked unless you add it. */
  P2P_SERVER_NTP = 3,
  /**
   * A mailbox by which nodes leave messages for each other over HTTP: "host:port" (a p2p-rendezvous), or the URL of a PyP2P
   * script ("http://host/dht_msg.php"). P2P_ERR_UNSUPPORTED in a build without HTTP (p2p_features()).
   */
  P2P_SERVER_DHT = 4,
  /**
   * A node of BitTorrent's DHT to begin with, "host:port", or "public" for the well-known public ones. The net then takes part in
   * that DHT, as far as P2P_OPT_MAINLINE says (secure dialect). P2P_ERR_UNSUPPORTED in a build without it (p2p_features()).
   */
  P2P_SERVER_MAINLINE = 5,
  /**
   * A relay, "host:port" (a p2p-rendezvous, or a node of the network that relays, P2P_OPT_RELAY_SESSIONS), for peers that no
   * other way connects (secure dialect). Rendezvous servers that relay, and nodes that relay and have been peers of this one,
   * are used by themselves; one that neither node knows in this way has to be added at both.
   */
  P2P_SERVER_RELAY = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_server p2p_server;
#else
typedef int32_t p2p_server;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** Bits of P2P_OPT_MAINLINE: what a net tells in BitTorrent's DHT. It looks peers and nodes up there in any case. */
enum p2p_mainline
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** Its locator, under its key: whoever knows the key learns where it is, and when it is there. */
  P2P_MAINLINE_PUBLISH = 1,
  /** Its address, to all who know the network's name: if it can be reached, on a p2p net that may advertise. */
  P2P_MAINLINE_ANNOUNCE = 2,
  /** It has a mailbox for letters ("connect to me"), and leaves such letters for peers that it cannot reach. */
  P2P_MAINLINE_LETTERS = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_mainline p2p_mainline;
#else
typedef int32_t p2p_mainline;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** What p2p_unl_connect_classic() is to do otherwise than PyP2P does by default; bits. */
enum p2p_classic
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /** Nothing. */
  P2P_CLASSIC_DEFAULT = 0,
  /**
   * If both nodes could connect to the other, the one with the larger locator does, and the other waits for it. For
   * programs where both sides call at once and want one connection; they give the same nonce. (PyP2P: force_master=0.)
   */
  P2P_CLASSIC_NOT_MASTER = 1,
  /** Two nodes behind one address are not taken to reach each other inside. (PyP2P: hairpin=0.) */
  P2P_CLASSIC_NO_HAIRPIN = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum p2p_classic p2p_classic;
#else
typedef int32_t p2p_classic;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/** Options for p2p_net_new(). Not for several threads at once. Copied by p2p_net_new(): free or reuse it right after. */
typedef struct p2p_config p2p_config;

/** One node and its runtime thread. */
typedef struct p2p_net p2p_net;

/** The story of a failure, in memory of yours. Set struct_size to sizeof(p2p_error) before the call. */
typedef struct p2p_error {
  /** sizeof(p2p_error), set by you. */
  uint32_t struct_size;
  /** The function's result. */
  p2p_result code;
  /** The operating system's error number, 0 if none was involved. */
  int32_t os_error;
  /** What failed, on what, why, what to do: one English sentence in UTF-8, NUL-terminated. */
  char message[244];
} p2p_error;

/** The id of something that completes later: starts at 1, never used twice in a net. 0 = none. */
typedef uint64_t p2p_request;

/** A connection's id: starts at 1, never used twice in a net. 0 = none. */
typedef uint64_t p2p_conn;

/**
 * One event. The pointers live as long as the event does: in a callback until it returns, from p2p_next_event() until
 * p2p_event_free(), from p2p_next_events() until the next call that takes events.
 */
typedef struct p2p_event {
  /** What the library fills in; fields beyond it do not exist. For p2p_next_events() set by you, in the first of the array. */
  uint32_t struct_size;
  /** What it is about. */
  p2p_kind kind;
  /** The connection it is about, 0 = none. */
  p2p_conn conn;
  /** The request it is about, 0 = none. */
  p2p_request request;
  /** How that went: CLOSED, DONE, STOPPED; else P2P_OK. */
  p2p_result result;
  /** The operating system's error number that led to result, 0 if none. */
  int32_t os_error;
  /** A number whose meaning depends on kind; see there. */
  int32_t code;
  /** 0. */
  uint32_t reserved;
  /** The line, the bytes, or a text for people. Never NULL; a NUL follows that len does not count. */
  const char *data;
  /** Bytes at data. */
  size_t len;
  /** "ip:port" of conn where it was opened (p2p_conn_get_info() knows where it is now), or the name of a node in the DHT (40 hexadecimal digits); "" if none. Never NULL. */
  const char *peer;
  /** What p2p_conn_set_user() stored for conn, else NULL. */
  void *conn_user;
  /** When it happened: milliseconds of a monotonic clock that started with the net. */
  uint64_t time_ms;
} p2p_event;

/** Your function for events. It must return: no longjmp, no C++ exception. user is what you gave with it. */
typedef void (*p2p_event_fn)(p2p_net *net, const p2p_event *ev, void *user);

/** A net's situation. Set struct_size to sizeof(p2p_net_info) before the call. */
typedef struct p2p_net_info {
  /** sizeof(p2p_net_info), set by you. */
  uint32_t struct_size;
  /** How others reach this node, as configured or found out. */
  p2p_node_type node_type;
  /** The NAT in front of it. */
  p2p_nat nat;
  /** Whether it can be reached from outside by IPv4: 1 yes (a connection from outside has arrived), 0 no, -1 not known. */
  int32_t reachable;
  /** The port it listens on, 0 before p2p_net_start(). */
  uint32_t passive_port;
  /** Open connections that peers opened. */
  uint32_t inbound;
  /** Open connections that we opened. */
  uint32_t outbound;
  /** 0. */
  uint32_t reserved;
  /** The address our connections leave from, "" if not known. */
  char lan_ip[P2P_ADDR_LEN];
  /** Our address as the internet sees it, "" if not known. */
  char wan_ip[P2P_ADDR_LEN];
  /** How the port came to be open: one of P2P_FWD_*. */
  p2p_fwd forwarding;
  /** The port by which others reach us from outside, 0 = not known. */
  uint32_t external_port;
  /** How long the NAT keeps one outside port. */
  p2p_mapping mapping;
  /** How the NAT chooses an outside port. */
  p2p_allocation allocation;
  /** The constant of that choice: see P2P_ALLOCATION_DELTA and P2P_ALLOCATION_SEQUENTIAL. 0 otherwise. */
  int32_t nat_delta;
  /** What the NAT does with connections that nobody here asked for. */
  p2p_unsolicited unsolicited;
  /** Whether we can reach ourselves by our outside address: 1 yes, 0 no, -1 not known. */
  int32_t hairpin;
  /** Whether there is another NAT behind the first: 1 yes, 0 no, -1 not known. */
  int32_t double_nat;
  /** As reachable, by IPv6. */
  int32_t reachable_v6;
  /** Whether clock_offset_us holds something: 1 or 0. */
  int32_t clock_known;
  /** True time minus the system's clock in microseconds, as NTP servers told. */
  int64_t clock_offset_us;
  /** Our IPv6 address as the internet sees it, "" if not known. */
  char wan_ip6[P2P_ADDR_LEN];
} p2p_net_info;

/** Counters since p2p_net_new(). Set struct_size to sizeof(p2p_stats) before the call. */
typedef struct p2p_stats {
  /** sizeof(p2p_stats), set by you. */
  uint32_t struct_size;
  /** 0. */
  uint32_t reserved;
  /** Lines delivered to you. */
  uint64_t lines_in;
  /** Lines (or pieces, with raw framing) accepted from you. */
  uint64_t lines_out;
  /** Bytes received, framing included. */
  uint64_t bytes_in;
  /** Bytes sent, framing included. */
  uint64_t bytes_out;
  /** Lines not delivered because they were seen before (P2P_OPT_DEDUP). */
  uint64_t duplicates;
  /** Connections opened, both ways. */
  uint64_t opened;
  /** Connections closed. */
  uint64_t closed;
  /** Peers turned away by a rule. */
  uint64_t rejected;
  /** LOG events dropped because you did not take events fast enough. Nothing else is ever dropped. */
  uint64_t log_dropped;
  /** Elements waiting in the event queue now. */
  uint64_t events_queued;
} p2p_stats;

/** One of the lines of p2p_send_lines(). This struct does not grow. */
typedef struct p2p_line {
  /** The line, without its end. */
  const char *data;
  /** Bytes at data, or P2P_AUTO_LEN. */
  size_t len;
} p2p_line;

/** A connection's situation. Set struct_size to sizeof(p2p_conn_info) before the call. */
typedef struct p2p_conn_info {
  /** sizeof(p2p_conn_info), set by you. */
  uint32_t struct_size;
  /** How it came to be. */
  p2p_via via;
  /** 1 if the peer opened it, else 0. */
  int32_t inbound;
  /** 0. */
  uint32_t reserved;
  /** Bytes accepted for sending that the system has not taken yet. */
  uint64_t queued_bytes;
  /** Bytes received that you have not taken yet. */
  uint64_t unread_bytes;
  /** Bytes received, framing included. */
  uint64_t bytes_in;
  /** Bytes sent, framing included. */
  uint64_t bytes_out;
  /** Milliseconds since it was opened. */
  uint64_t age_ms;
  /** The peer, "ip:port". */
  char peer[P2P_ADDR_LEN];
  /**
   * What both ends call the connection: PyP2P's con_id, 64 hexadecimal digits. Direct nets of the classic dialect
   * only, else "".
   */
  char con_id[P2P_CON_ID_LEN];
  /** The peer's key, 43 letters, proved by the handshake (secure dialect); else "". */
  char peer_id[P2P_ADDR_LEN];
  /** Round trip to the peer's library in microseconds, 0 if not measured. Secure dialect only, as what follows. */
  uint64_t rtt_us;
  /** Bytes sent that the peer's library has not acknowledged. */
  uint64_t unacked_bytes;
  /** Bytes that had to be sent again because a link broke. */
  uint64_t resends;
  /** How often another link has taken the place of the one before. */
  uint64_t resumptions;
  /** What has become of the link that the connection was opened with. via and peer are of the present one. */
  p2p_path path;
  /** 0. */
  uint32_t reserved2;
  /** The relay by which it goes (P2P_VIA_RELAY), "host:port": a server, or a node of the network; "" if by none. */
  char relay[P2P_HOST_LEN];
} p2p_conn_info;

/** One address of a node. */
typedef struct p2p_candidate {
  /** What kind of address it is. */
  p2p_candidate_kind kind;
  /** "ip:port"; port 0 if nobody gets in there. */
  char address[P2P_ADDR_LEN];
} p2p_candidate;

/** What a locator says. Set struct_size to sizeof(p2p_unl_info) before the call. */
typedef struct p2p_unl_info {
  /** sizeof(p2p_unl_info), set by you. */
  uint32_t struct_size;
  /** 2 (PyP2P's format) or 3. */
  uint32_t version;
  /** How the node can be reached. */
  p2p_node_type node_type;
  /** The NAT in front of it. */
  p2p_nat nat;
  /** How its port came to be open. (PyP2P's "forwarded" is P2P_FWD_MANUAL.) */
  p2p_fwd forwarding;
  /** How long its NAT keeps an outside port (version 3). */
  p2p_mapping mapping;
  /** How its NAT chooses one (version 3). */
  p2p_allocation allocation;
  /** The constant of that (version 3). */
  int32_t nat_delta;
  /** Unix time in seconds from which on it is of no use; 0 = it says nothing of that. */
  int64_t expires;
  /** The node's key, 43 letters (version 3), or its DHT id, 40 hexadecimal digits (version 2); "" = none. */
  char id[P2P_ADDR_LEN];
  /** The network it is for, 32 hexadecimal digits (version 3); "" = the one without a name. */
  char network[P2P_ADDR_LEN];
  /** How many of candidates there are. */
  uint32_t candidate_count;
  /** 0. */
  uint32_t reserved;
  /** Its addresses, the best first; the rest is zero. */
  p2p_candidate candidates[P2P_UNL_CANDIDATES];
} p2p_unl_info;

/**
 * Carries msg (len bytes, a NUL behind them) to the node to over your DHT. Called inside p2p_poll() only, on its thread; must
 * not block. 0 if it was taken, else what went wrong: it becomes the result of the p2p_dht_put().
 */
typedef p2p_result (*p2p_dht_send_fn)(void *user, const char *to, const char *msg, size_t len);

/** A DHT of yours, for p2p_config_set_dht(). */
typedef struct p2p_dht {
  /** sizeof(p2p_dht), set by you. */
  uint32_t struct_size;
  /** This node's name in it, 40 hexadecimal digits. NULL = a random one (p2p_dht_get_id()). */
  const char *node_id;
  /** Carries messages. NULL = each becomes a P2P_EVENT_DHT_SEND instead. */
  p2p_dht_send_fn send;
  /** What send gets as user. */
  void *user;
} p2p_dht;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library that is loaded, as P2P_VERSION_NUMBER writes it: major << 16 | minor << 8 | patch. Compare
 * it with P2P_VERSION_NUMBER, the version of the header you were compiled with. Any thread.
 */
P2P_API
uint32_t p2p_version(void);

/** What a result means, a few English words. Static text, never NULL, also for numbers that mean nothing. Any thread. */
P2P_API const char *p2p_strerror(p2p_result code);

/**
 * What this build of the library can do: the P2P_FWD_* bits of the port mapping protocols that are built in, and 1 << 16
 * if it speaks HTTP: can ask servers whether its port is open (P2P_SERVER_REACHABILITY) and use mailboxes (P2P_SERVER_DHT); 1 << 17
 * if it can take part in BitTorrent's DHT (P2P_SERVER_MAINLINE); 1 << 18 if it can relay for its network
 * (P2P_OPT_RELAY_SESSIONS). Any thread.
 */
P2P_API
uint64_t p2p_features(void);

/** New options, all at their defaults. Free them with p2p_config_free(). NULL only if memory ran out. */
P2P_API p2p_config *p2p_config_new(void);

/** Frees options. NULL is fine. */
P2P_API void p2p_config_free(p2p_config *cfg);

/**
 * Sets an option that is a number. P2P_ERR_UNSUPPORTED: no such option, or it is a text. P2P_ERR_RANGE: err says what
 * was expected. err may be NULL.
 */
P2P_API p2p_result p2p_config_set_int(p2p_config *cfg, p2p_opt key, int64_t value, p2p_error *err);

/** Reads an option that is a number into *value. */
P2P_API
p2p_result p2p_config_get_int(const p2p_config *cfg,
                              p2p_opt key,
                              int64_t *value,
                              p2p_error *err);

/**
 * Sets an option that is a text. P2P_ERR_UNSUPPORTED: no such option, or it is a number. P2P_ERR_INVALID: value is not
 * what the option takes; err says what was expected. err may be NULL.
 */
P2P_API
p2p_result p2p_config_set_str(p2p_config *cfg,
                              p2p_opt key,
                              const char *value,
                              p2p_error *err);

/**
 * Adds a server, "host:port" (an IPv6 address in brackets) or what else P2P_SERVER_* says. Servers are used in the order
 * they were added: bootstrap asks one after the other, advertise tells all, the others are asked at once. The name is
 * looked up when it is used. err may be NULL.
 */
P2P_API
p2p_result p2p_config_add_server(p2p_config *cfg,
                                 p2p_server kind,
                                 const char *address,
                                 p2p_error *err);

/**
 * Lets a node in and be connected to (secure dialect): its key (id in p2p_unl_info, 43 letters) or a locator of it. Once one
 * has been named, all others are turned away. At most 65536. P2P_ERR_INVALID: it is neither. err may be NULL.
 */
P2P_API
p2p_result p2p_config_allow_peer(p2p_config *cfg,
                                 const char *who,
                                 p2p_error *err);

/**
 * Makes a net from options (NULL = all defaults) and stores it in *out. Opens no socket, starts no thread, sends
 * nothing. Free it with p2p_net_free(). err may be NULL.
 */
P2P_API p2p_result p2p_net_new(const p2p_config *cfg, p2p_net **out, p2p_error *err);

/**
 * Opens the listening sockets, now, and starts the runtime thread; P2P_EVENT_READY follows. P2P_ERR_IO: err names the
 * address and what to do. P2P_ERR_STATE: started before. After another failure it may be called again. err may be NULL.
 */
P2P_API
p2p_result p2p_net_start(p2p_net *net,
                         p2p_error *err);

/**
 * Asks the rendezvous servers for nodes and connects to them (OPENED for each), now and from then on whenever
 * connections are wanted, after a failure as well. P2P_EVENT_DONE tells how many nodes were named, in code: 0 if the
 * server knows none yet, P2P_ERR_NO_SERVER if no server answered. out may be NULL. err may be NULL.
 */
P2P_API p2p_result p2p_net_bootstrap(p2p_net *net, p2p_request *out, p2p_error *err);

/**
 * Has this node listed at the rendezvous servers, now and again when needed; taken off the list when inbound is full,
 * when others cannot reach it any more, and at p2p_net_stop(). Only a passive node can be listed: if the type is to be
 * found out, P2P_EVENT_DONE waits for that. DONE tells that a server has done it, P2P_ERR_STATE: the node is not passive,
 * or P2P_ERR_NO_SERVER; the net then tries again by itself. out may be NULL. err may be NULL.
 */
P2P_API
p2p_result p2p_net_advertise(p2p_net *net,
                             p2p_request *out,
                             p2p_error *err);

/**
 * Connects to "host:port" (an IPv6 address in brackets). P2P_EVENT_OPENED and then P2P_EVENT_DONE with the connection,
 * or DONE with what went wrong; DONE goes to cb with user, or with cb NULL to the function of p2p_on_event(). out may
 * be NULL. err may be NULL.
 */
P2P_API
p2p_result p2p_connect(p2p_net *net,
                       const char *host_port,
                       p2p_event_fn cb,
                       void *user,
                       p2p_request *out,
                       p2p_error *err);

/**
 * Gives a request up: it completes with P2P_ERR_CANCELED, unless it had completed before. P2P_ERR_NOT_FOUND: its DONE
 * was taken already, or it never was.
 */
P2P_API p2p_result p2p_cancel(p2p_net *net, p2p_request req);

/**
 * Says that the machine's network is another one now (Wi-Fi changed, VPN up, back from sleep): NAT, port mapping and
 * reachability are found out anew, P2P_EVENT_INFO tells of each change. On Linux the net notices most of this by itself
 * (P2P_OPT_NETWORK_MONITOR); programs on phones know it from their system. Connections are left alone. err may be NULL.
 */
P2P_API
p2p_result p2p_network_changed(p2p_net *net,
                               p2p_error *err);

/**
 * Begins to stop, and returns at once: requests are cancelled, connections send what is queued (at most
 * P2P_OPT_CLOSE_TIMEOUT_MS) and close, servers take us off their lists, routers close our port. P2P_EVENT_STOPPED is the last event. Calling it
 * again is fine. A stopped net cannot be started again.
 */
P2P_API
p2p_result p2p_net_stop(p2p_net *net);

/**
 * Stops the net if that has not been done, waits for its thread and frees it. The wait is bounded: twice
 * P2P_OPT_CLOSE_TIMEOUT_MS and a second, whatever hangs; then the thread is left to itself, holding nothing of yours
 * (P2P_ERR_TIMEOUT; the net is freed all the same). Events you have not taken are gone; those from p2p_next_event() stay
 * yours. NULL is fine. From inside a callback it is legal: p2p_poll() ends when that callback returns.
 */
P2P_API
p2p_result p2p_net_free(p2p_net *net);

/** Stores the net's situation in *info. */
P2P_API p2p_result p2p_net_get_info(p2p_net *net, p2p_net_info *info);

/** Stores the net's counters in *stats. */
P2P_API p2p_result p2p_net_get_stats(p2p_net *net, p2p_stats *stats);

/**
 * Writes the story behind the situation into buf, as JSON with a NUL: what p2p_net_get_info() tells, and every question
 * that was asked of routers and servers with its answer (docs/doctor.md has the schema). *need is the size it takes,
 * NUL included; P2P_ERR_TOO_SMALL if cap is less: nothing is written then. buf may be NULL if cap is 0.
 */
P2P_API
p2p_result p2p_net_report(p2p_net *net,
                          char *buf,
                          size_t cap,
                          size_t *need);

/**
 * Sets the function that p2p_poll() calls for events (NULL = none), and what it gets as user. DONE events of requests
 * with a callback of their own go there instead.
 */
P2P_API p2p_result p2p_on_event(p2p_net *net, p2p_event_fn fun, void *user);

/**
 * Calls your functions for up to max events (0 = all that are queued now), on this thread, and returns how many there
 * were. Never blocks. P2P_ERR_STATE: events wait and p2p_on_event() has set no function. P2P_ERR_BUSY: another thread
 * takes events. P2P_ERR_REENTRANT: called from inside a callback.
 */
P2P_API int32_t p2p_poll(p2p_net *net, uint32_t max);

/**
 * Takes the next event: 1 and *out, or 0 if there is none, or a negative code. It is yours until p2p_event_free(), on any
 * thread, also after p2p_net_free(). What came in on a connection (LINE, MESSAGE, DATA) fills P2P_OPT_RECV_BUFFER until
 * then, so that a program may keep what it has no time for, and only that peer is slowed. DONE events of requests with
 * a callback come here too, and the callback does not run. P2P_ERR_BUSY and P2P_ERR_REENTRANT as p2p_poll().
 */
P2P_API
int32_t p2p_next_event(p2p_net *net,
                       const p2p_event **out);

/** Frees an event from p2p_next_event(). NULL is fine. Not for events in callbacks. */
P2P_API void p2p_event_free(const p2p_event *ev);

/**
 * Fills an array of cap with the next events and returns how many there were, 0 if none wait. Nothing is copied:
 * data and peer of all of them stay until the next call of p2p_next_events(), p2p_next_event() or p2p_poll() of this net, on
 * whichever thread, or p2p_net_free(). What came in on connections counts in P2P_OPT_RECV_BUFFER until then, and p2p_wait()
 * and p2p_fd() say that events wait: take events until there are 0, and then wait. cap 0 gives back what the last call
 * gave, and takes nothing. Set struct_size of the first one to sizeof(p2p_event); so it is in each event filled in, and once is
 * enough. P2P_ERR_INVALID: it is not set. DONE events and errors otherwise as p2p_next_event(); p2p_event_free() is not
 * for these events.
 */
P2P_API
int32_t p2p_next_events(p2p_net *net,
                        p2p_event *events,
                        uint32_t cap);

/**
 * Sleeps until events wait (1), or timeout_ms has passed or p2p_wake() was called (0). timeout_ms 0 only looks, -1 waits
 * for ever. After 1 a poll may still find nothing: what came in held no event (line ends only, duplicates).
 * P2P_ERR_CLOSED: the net has stopped and you have taken every event. Several threads may wait at once, also while
 * another polls. P2P_ERR_REENTRANT: called from inside a callback. A signal does not end it: to stop at Ctrl-C wait for
 * short times and look at a flag of yours, or wait for p2p_fd() with ppoll() or signalfd().
 * While it sleeps, the calling thread does the node's own work (P2P_OPT_LEASE); nothing of yours is called. A stack of
 * 128 KiB is enough for that.
 */
P2P_API
int32_t p2p_wait(p2p_net *net,
                 int32_t timeout_ms);

/** Ends one p2p_wait(), the current one or else the next. Any thread; not from a signal handler. */
P2P_API p2p_result p2p_wake(p2p_net *net);

/**
 * Stores a file descriptor in *out that is readable while events wait, for your own poll, epoll or event loop. Level
 * triggered: it stays readable until you have taken them all, and for ever once the net has stopped. It is the net's:
 * never read, write or close it. The same one each time; made on the first call.
 */
P2P_API p2p_result p2p_fd(p2p_net *net, ptrdiff_t *out);

/**
 * Sends one line on a connection; CR LF is added. len in bytes, or P2P_AUTO_LEN. All or nothing: P2P_ERR_WOULD_BLOCK
 * means that nothing was taken and WRITABLE will follow. P2P_ERR_INVALID: empty, or CR LF inside (a CR or LF alone is
 * an ordinary character). P2P_ERR_TOO_LARGE: longer than P2P_OPT_MAX_LINE. PyP2P nodes take long lines too.
 */
P2P_API p2p_result p2p_send_line(p2p_net *net, p2p_conn conn, const char *line, size_t len);

/**
 * Sends count lines on a connection in their order, each as p2p_send_line() does, for less than as many calls cost. Stores in
 * *sent how many were taken, whatever the result is; sent may be NULL. P2P_OK: all. Else why the one behind these was
 * not: P2P_ERR_WOULD_BLOCK (WRITABLE follows: go on with that line then), P2P_ERR_INVALID, P2P_ERR_TOO_LARGE, ... Those before
 * it were taken, of those behind it none.
 */
P2P_API
p2p_result p2p_send_lines(p2p_net *net,
                          p2p_conn conn,
                          const p2p_line *lines,
                          size_t count,
                          size_t *sent);

/**
 * Secure dialect: sends a message on a connection, whole, of 0 to P2P_OPT_MAX_MESSAGE bytes (P2P_ERR_TOO_LARGE); it comes out
 * as one P2P_EVENT_MESSAGE, in order with lines. data may be NULL with len 0. With P2P_FRAMING_RAW, in either dialect: sends
 * bytes as they are. All or nothing: P2P_ERR_WOULD_BLOCK as p2p_send_line(). P2P_ERR_UNSUPPORTED: the net is a classic one,
 * and its framing is lines.
 */
P2P_API
p2p_result p2p_send(p2p_net *net,
                    p2p_conn conn,
                    const void *data,
                    size_t len);

/**
 * Sends one line to every open connection but except (0 = to all), and stores in *sent how many took it. sent may be
 * NULL. P2P_ERR_WOULD_BLOCK: some had no room and did not get it; each tells WRITABLE. With P2P_OPT_DEDUP the line
 * counts as seen, so that it is not delivered when the network brings it back.
 */
P2P_API
p2p_result p2p_broadcast_line(p2p_net *net,
                              const char *line,
                              size_t len,
                              p2p_conn except,
                              uint32_t *sent);

/**
 * Closes a connection once what is queued is sent (at most P2P_OPT_CLOSE_TIMEOUT_MS), in the secure dialect once the peer's
 * library has acknowledged it. Lines that had arrived are still delivered; P2P_EVENT_CLOSED is its last event.
 */
P2P_API
p2p_result p2p_conn_close(p2p_net *net,
                          p2p_conn conn);

/**
 * Stops reading from a connection (on = 1), or goes on (on = 0); for programs that keep what they have taken in queues of
 * their own, one per connection. TCP then slows that peer, and nobody else. What had been read still comes as events, at
 * most P2P_OPT_RECV_BUFFER of it. That the peer has left is noticed when reading goes on. p2p_conn_close() works as ever.
 */
P2P_API
p2p_result p2p_conn_pause(p2p_net *net,
                          p2p_conn conn,
                          int32_t on);

/**
 * Classic dialect: takes the socket of a connection over, to go on with a protocol of your own, once what you sent is
 * written. *fd is yours then, to be closed by you, and non-blocking; CLOSED is the connection's last event. What had been
 * read comes as events before CLOSED, but for the bytes of an unfinished line: they are stored in buf, *len tells how many.
 * With P2P_FRAMING_RAW there are none, and every byte of the peer is either in such an event or comes from *fd.
 * P2P_ERR_TOO_SMALL: *len is larger than cap; P2P_ERR_TIMEOUT: the peer does not take what you sent (waits for it at most
 * P2P_OPT_CLOSE_TIMEOUT_MS). The connection goes on then as it was. P2P_ERR_UNSUPPORTED: a net of the secure dialect, whose
 * socket would be of no use.
 */
P2P_API
p2p_result p2p_conn_take_fd(p2p_net *net,
                            p2p_conn conn,
                            int32_t *fd,
                            void *buf,
                            size_t cap,
                            size_t *len);

/**
 * Stores the ids of the open connections, oldest first, up to cap of them in ids, and in *count how many there are.
 * P2P_ERR_TOO_SMALL: there are more than cap; the first cap were stored. ids may be NULL with cap 0.
 */
P2P_API p2p_result p2p_conn_list(p2p_net *net, p2p_conn *ids, size_t cap, size_t *count);

/** Stores a connection's situation in *info. It works until you have taken its CLOSED event. */
P2P_API p2p_result p2p_conn_get_info(p2p_net *net, p2p_conn conn, p2p_conn_info *info);

/**
 * Stores a pointer of yours for a connection. Events of it carry it from then on (conn_user), the CLOSED event included:
 * free what it points at there, and take all events up to STOPPED before p2p_net_free(), which drops those you have not
 * taken.
 */
P2P_API
p2p_result p2p_conn_set_user(p2p_net *net,
                             p2p_conn conn,
                             void *user);

/** The pointer that p2p_conn_set_user() stored; NULL if none was, or there is no such connection. */
P2P_API void *p2p_conn_get_user(p2p_net *net, p2p_conn conn);

/**
 * Writes this node's locator into buf, with a NUL: version 2 in the classic dialect, 3 in the secure one. It changes with
 * the situation (P2P_EVENT_INFO); ask when you need it. *need is the size it takes, NUL included; P2P_ERR_TOO_SMALL if cap
 * is less: nothing is written then. P2P_ERR_STATE: the net is not started, or (version 2) our address from outside is
 * not known yet. buf may be NULL if cap is 0.
 */
P2P_API
p2p_result p2p_unl_get(p2p_net *net,
                       char *buf,
                       size_t cap,
                       size_t *need);

/**
 * As p2p_unl_get(), with some facts replaced: changes holds count texts "name=value". Names are PyP2P's (wan_ip, lan_ip,
 * node_id, version, node_type, nat_type, forwarding_type, listen_port), and for version 3 candidate ("mapped
 * 203.0.113.7:6881", as often as needed), server, network (32 hexadecimal digits) and expires. What you say is not
 * checked against the facts. P2P_ERR_INVALID: err names the change. err may be NULL.
 */
P2P_API
p2p_result p2p_unl_construct(p2p_net *net,
                             const char *const *changes,
                             size_t count,
                             char *buf,
                             size_t cap,
                             size_t *need,
                             p2p_error *err);

/**
 * Whether text is a locator that can be used: whole, signed by its key, not expired by this machine's clock.
 * P2P_ERR_INVALID: err says what is wrong with it. Needs no net. err may be NULL.
 */
P2P_API p2p_result p2p_unl_check(const char *unl, p2p_error *err);

/**
 * Reads a locator into *info, expired or not. P2P_ERR_INVALID: err says what is wrong with it. Needs no net. err may be
 * NULL.
 */
P2P_API
p2p_result p2p_unl_get_info(const char *unl,
                            p2p_unl_info *info,
                            p2p_error *err);

/**
 * Connects to the node with this locator, by whatever way works: a plain connection, one inside the local network, the
 * peer connecting to us, or hole punching. P2P_EVENT_OPENED and then P2P_EVENT_DONE with the connection, or DONE with what
 * went wrong; DONE goes to cb with user, exactly once, or with cb NULL to the function of p2p_on_event(). p2p_cancel()
 * gives it up. P2P_ERR_NO_PATH: every way failed, data says why, and p2p_explain() tells all of it. In the secure dialect
 * two nodes have one connection: if there is one already, DONE comes with that. out may be NULL. err may be NULL.
 */
P2P_API
p2p_result p2p_unl_connect(p2p_net *net,
                           const char *unl,
                           p2p_event_fn cb,
                           void *user,
                           p2p_request *out,
                           p2p_error *err);

/**
 * p2p_unl_connect() in the classic dialect, with PyP2P's choices. nonce: 64 hexadecimal digits, from which both ends make
 * the connection's id (con_id in p2p_conn_info); NULL for a random one, which only the peer learns; 64 zeros for PyP2P's
 * default, with which a connection is known by the peer's address alone. flags: P2P_CLASSIC_* bits. The rest as
 * p2p_unl_connect().
 */
P2P_API
p2p_result p2p_unl_connect_classic(p2p_net *net,
                                   const char *unl,
                                   const char *nonce,
                                   int32_t flags,
                                   p2p_event_fn cb,
                                   void *user,
                                   p2p_request *out,
                                   p2p_error *err);

/**
 * Writes the story of a p2p_unl_connect() into buf, as JSON with a NUL: the peer's addresses, what was tried, when, what
 * it met, and why it ended as it did (docs/explain.md has the schema). While it goes on, and for the last 64 that have
 * ended; else P2P_ERR_NOT_FOUND. *need is the size it takes, NUL included; P2P_ERR_TOO_SMALL if cap is less: nothing is
 * written then. buf may be NULL if cap is 0.
 */
P2P_API
p2p_result p2p_explain(p2p_net *net,
                       p2p_request req,
                       char *buf,
                       size_t cap,
                       size_t *need);

/**
 * Says that you carry messages between nodes yourself: what the net has to send is given to dht->send, or comes as
 * P2P_EVENT_DHT_SEND; what arrives for this node you hand to p2p_dht_deliver(). NULL takes that back. Everything is
 * copied. p2p_net_new() then refuses mailboxes (P2P_SERVER_DHT). With p2p_next_event() messages always come as events.
 * err may be NULL.
 */
P2P_API
p2p_result p2p_config_set_dht(p2p_config *cfg,
                              const p2p_dht *dht,
                              p2p_error *err);

/**
 * Stores this node's name for messages, 40 hexadecimal digits and a NUL, in buf. need (may be NULL) gets the bytes it
 * takes, also with P2P_ERR_TOO_SMALL. P2P_ERR_UNSUPPORTED: the net has no DHT.
 */
P2P_API p2p_result p2p_dht_get_id(p2p_net *net, char *buf, size_t cap, size_t *need);

/**
 * Sends msg (1 to 8000 bytes of UTF-8; P2P_AUTO_LEN) to the node to, 40 hexadecimal digits: there it is a
 * P2P_EVENT_DHT_MESSAGE. P2P_EVENT_DONE tells that it is with the mailbox or with your DHT, not that it has arrived: that only an
 * answer tells. P2P_ERR_TIMEOUT: no mailbox took it in half a minute; it may arrive all the same. P2P_ERR_UNSUPPORTED:
 * the net has no DHT. A mailbox shows messages to its owner and to nobody else, but in the clear on the way, and anybody may
 * send one. out may be NULL. err may be NULL.
 */
P2P_API
p2p_result p2p_dht_put(p2p_net *net,
                       const char *to,
                       const char *msg,
                       size_t len,
                       p2p_request *out,
                       p2p_error *err);

/**
 * Hands in a message for this node that came over your DHT (p2p_config_set_dht()): what send or P2P_EVENT_DHT_SEND gave to
 * the other side, once, in any order. from is its sender's name there, at most 128 bytes; "" or NULL if not known. Any
 * thread; never blocks. P2P_ERR_WOULD_BLOCK: 256 messages wait; poll, then try again. P2P_ERR_TOO_LARGE: more than 64 KiB.
 */
P2P_API
p2p_result p2p_dht_deliver(p2p_net *net,
                           const char *from,
                           const char *msg,
                           size_t len);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* P2PNET_H */
