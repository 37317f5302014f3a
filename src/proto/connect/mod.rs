//! Connecting by locator: the ladder of what may get through, climbed as a race.
//!
//! [`Connector`] is the secure dialect's: one for a node, for all its peers. It decides whom to dial, call and punch, which
//! of the connections between two nodes is kept, and why a request failed. The I/O around it does what
//! [`Connector::poll_output`] says, in that order, and reports by [`Connector::handle`] what came of it:
//!
//! ```text
//!              connect · cancel · set_own                                      Done · Open · Close
//!   program ────────────────────────────▶ ┌───────────┐ ───────────────────────────────────────▶ program
//!                                         │ Connector │
//!   sockets ── Connected · DialFailed ──▶ │           │ ── Dial · Greet · Answer · Choose ─────▶ sockets, handshake
//!              Came · Met · Verdict       │           │
//!              Chosen · Closed            │           │ ── Tell ───────────────────────────────▶ proto::signal
//!   signal ─── Told · Outcome · Message ▶ │           │ ── Punch · PunchMessage · PunchCancel ─▶ punch::Session
//!   punch ──── PunchSend · Punched ─────▶ │           │ ── LookUp, Tell by "mainline" ─────────▶ BitTorrent's DHT
//!   DHT ────── Located · Searched ──────▶ └───────────┘
//! ```
//!
//! # What the I/O does
//!
//! * **Names.** [`ConnId`]s are the connector's: it names what it dials; for everything else (accepted sockets, winners of
//!   punches, sockets that the node dialled by itself) take one from [`Connector::next_conn`].
//! * **Dialling.** On [`Output::Dial`] connect; answer with [`Input::Connected`] or [`Input::DialFailed`]. On
//!   [`Output::Greet`] begin the handshake as connector, towards that key, with that token and `chosen`. When it knows the
//!   peer (the reply is in) say [`Input::Met`], and give the handshake what [`Output::Answer`] says.
//! * **Accepting.** Run the handshake as acceptor; when it knows the peer say [`Input::Came`], and give it what
//!   [`Output::Answer`] says (or turn the peer away, if [`Output::Close`] comes instead). When the peer's third message is in
//!   and it was not live before, say [`Input::Verdict`], also if the connection is open by then (if it cannot be told any more, the
//!   connector manages without). A socket that ends earlier than `Came` is nobody's business here.
//! * **Afterwards.** [`Input::Chosen`] for a CHOOSE that arrives, [`Output::Choose`] to send one. [`Output::Open`]: the
//!   connection is the program's from now on. [`Input::Closed`] once for each connection that ends by itself, or by the
//!   program, at whatever time after it was named; not for one that [`Output::Close`] has ended.
//! * **Relays.** On [`Output::Relay`] connect to that server, or node of the network, and say `RELAY` with the token
//!   ([`crate::proto::relay`]); when it
//!   says GO, [`Input::Relayed`], and if it is the peer's idea run the handshake as acceptor and say `Came`; or
//!   [`Input::DialFailed`]. What comes behind GO is the peer's. The node's locator is to name the relays of
//!   [`Connector::take_volunteers`].
//! * **Time.** The connector has all time limits. Give [`Input::Wake`] at [`Connector::deadline`].
//! * **Signalling.** [`Output::Tell`] is [`super::signal::Signalling::tell`], whose errors come back as
//!   [`super::signal::Outcome::NotTaken`]. Tags are the connector's. `Happening::Told`, `Done` and `Message` are fed to it.
//! * **BitTorrent's DHT**, if [`Settings::mainline`] says that there is one. [`Output::LookUp`] asks where a peer is:
//!   [`Input::Located`] for each answer, then one [`Input::Searched`]. A message to be told by [`MAINLINE`] is a letter that is
//!   left there, and [`Input::Searched`] says whether it lies there; those that come have [`MAINLINE`] for their server.
//! * **Punching.** [`Output::Punch`] begins a session. What the session wants to send comes here by [`Input::PunchSend`],
//!   what the peer says to it by [`Output::PunchMessage`]. It ends with one [`Input::Punched`], also after
//!   [`Output::PunchCancel`]. A winner is handed over behind the session's last frame: the initiator gets
//!   [`Output::Greet`] for it, the responder runs the handshake as acceptor and says `Came`.
//!
//! * **Sessions.** A connection of the program's outlives its links ([`super::session`]). When one begins with a link that was
//!   opened, or ends: [`Connector::set_session`]. When its link breaks: [`Input::Closed`], then [`Connector::recover`].
//!   [`Output::Close`] of an open link with [`Closing::Replaced`]: the session goes over to the next [`Output::Open`], and the
//!   old link is to be kept until that carries it.
//!
//! Everything that concerns something the connector does not know (any more) is ignored; a connection that it does not want
//! is answered with [`Output::Close`].
//!
//! # The parts
//!
//! | file | for |
//! |---|---|
//! | `types` | what goes in and comes out |
//! | `settings` | the numbers; what the node knows of itself |
//! | `connector` | finds the pair that an input concerns |
//! | `core` | what all pairs share: names, limits, outputs |
//! | `pair`, `link`, `links` | everything between us and one peer; one connection of it; all of them |
//! | `recover` | another link for a session whose link has broken |
//! | `better` | a direct connection in place of a relayed one |
//! | `race`, `patience` | which connection of several is kept; how long each is waited for |
//! | `attempt` | requests of the program, from begin to end |
//! | [`rungs`], `dial` | which addresses may be dialled, and when; dialling them |
//! | `call`, `answer` | calling the peer; being called |
//! | `relay` | the last way: a meeting at a server that passes on what both send |
//! | `volunteers` | nodes of the network that do the same |
//! | `search` | looking for the peer in BitTorrent's DHT, leaving a letter there |
//! | `punching`, `aim` | when a punch begins, and whose it is; at which address |
//! | `limits` | how much strangers can make us do |
//! | [`message`] | what two nodes say to each other by the signalling |
//! | [`sealed`], [`seals`] | the same as servers see it: sealed; what is remembered for that |
//! | `tokens` | calls that were heard, so that an old one is not taken for a new one |
//! | [`report`], `tale`, `why` | the story of each request; while it is told; the reason of a failure |
//! | [`classic`] | another machine: PyP2P's way, by UNLs of version 2 |
//!
//! `docs/connect.md` draws the ladder and the race, and says how each message is limited.

mod aim;
mod answer;
mod attempt;
mod better;
mod call;
pub mod classic;
mod connector;
mod core;
mod dial;
mod json;
mod limits;
mod link;
mod links;
pub mod message;
mod pair;
mod patience;
mod punching;
mod race;
mod recover;
mod relay;
pub mod report;
pub mod rungs;
pub mod sealed;
pub mod seals;
mod search;
mod settings;
mod tale;
mod tokens;
mod types;
mod volunteers;
mod why;

#[cfg(test)]
mod tests;

pub use connector::Connector;
pub use seals::Seals;
pub use search::MAINLINE;
pub use settings::{Own, Settings};
pub use types::{Begin, Closing, ConnId, Input, Output, PunchId, Token};
