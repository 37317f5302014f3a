//! Connecting by locator: the ladder of what may get through, climbed as a race.
//!
//! * [`classic`] is PyP2P's way, by UNLs of version 2.
//! * [`report`] is the story of each request, for `p2p_explain`.

pub mod classic;
mod json;
pub mod report;
