//! Connecting by locator: the ladder of what may get through, climbed as a race.
//!
//! * [`report`] is the story of each request, for `p2p_explain`.

mod json;
pub mod report;
