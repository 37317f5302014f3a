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
//!   punch ──── PunchSend · Punched ─────▶ └───────────┘
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
//!   and it was not live before, say [`Input::Verdict`]. A socket that ends earlier than `Came` is nobody's business here.
//! * **Afterwards.** [`Input::Chosen`] for a CHOOSE that arrives, [`Output::Choose`] to send one. [`Output::Open`]: the
//!   connection is the program's from now on. [`Input::Closed`] once for each connection that ends by itself, or by the
//!   program, at whatever time after it was named; not for one that [`Output::Close`] has ended.
//! * **Time.** The connector has all time limits. Give [`Input::Wake`] at [`Connector::deadline`].
//! * **Signalling.** [`Output::Tell`] is [`super::signal::Signalling::tell`], whose errors come back as
//!   [`super::signal::Outcome::NotTaken`]. Tags are the connector's. `Happening::Told`, `Done` and `Message` are fed to it.
//! * **Punching.** [`Output::Punch`] begins a session. What the session wants to send comes here by [`Input::PunchSend`],
//!   what the peer says to it by [`Output::PunchMessage`]. It ends with one [`Input::Punched`], also after
//!   [`Output::PunchCancel`]. A winner is handed over behind the session's last frame: the initiator gets
//!   [`Output::Greet`] for it, the responder runs the handshake as acceptor and says `Came`.
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
//! | [`rungs`] | which addresses may be dialled, and when |
//! | [`message`] | what two nodes say to each other by the signalling |
//! | [`report`] | the story of each request, for `p2p_explain` |
//!
//! `docs/connect.md` draws the ladder and the race, and says how each message is limited.

mod json;
pub mod message;
pub mod report;
pub mod rungs;
mod settings;
mod types;

pub use settings::{Own, Settings};
pub use types::{Begin, Closing, ConnId, Input, Output, PunchId, Token};
