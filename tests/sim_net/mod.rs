//! A network in virtual time: hosts with as much of TCP as matters here, NATs and firewalls in front of them, the way between,
//! and a clock that jumps from event to event. Shared by the simulators of punches and of whole connections.

pub mod kinds;
pub mod nat;
pub mod net;
pub mod packet;
pub mod tcp;
