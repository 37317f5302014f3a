//! What the actor wants to know about the node's situation, asked of those who know.
//!
//! This is the seam between the decisions ([`crate::proto::situation`], carried out by `actor::situation`) and the I/O: each
//! function here asks one question and puts the answer into the words of the decisions, with a sentence for people.

mod clock;
mod knock;
mod nat;
mod network;
mod places;
mod port;

pub(crate) use clock::{clock, offset_us};
pub(crate) use knock::{Knocked, Knocker};
pub(crate) use nat::{Probed, hairpin, nat};
pub(crate) use network::watch_network;
pub(crate) use places::Places;
pub(crate) use port::{News, PROTOCOLS, Wish, gateways, keep_mapped, news};
