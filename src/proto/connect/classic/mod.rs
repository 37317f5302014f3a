//! PyP2P 0.8.3's `unl.connect`: reaching a node by its UNL of version 2. Who connects to whom is as there; what it
//! takes is not.
//!
//! ```text
//!   connect ──▶ decide: dial? wait? punch? ──▶ Dial, Fight ──▶ opened ──▶ the request is done
//!                          │ wait: Put REVERSE_CONNECT                      ▲
//!                          └──────────── an inbound connection with our nonce
//!   message ──▶ reverse: REVERSE_CONNECT of others ──▶ Dial, Fight ──▶ opened ──▶ Put REVERSE_QUERY ──▶ ORIGIN
//! ```
//!
//! | | PyP2P 0.8.3 | here |
//! |---|---|---|
//! | a connection waited for | looked for each second | found when it opens |
//! | passive to simultaneous | waits 60 s, then punches | asks, punches soon after, waits meanwhile |
//! | a punch that failed | is over | is tried again while there is time |
//! | neither can be reached; unreadable UNL | no callback at all | fails at once, with the reason |
//! | the nonce | zeros unless the program gives one | random unless the program gives one |
//! | REVERSE_ORIGIN of a node whose UNL has a `+` | never matches | is understood, and written so that it matches |
//!
//! [`Classic`] is the machine for all requests of a node: `(now, input) -> outputs`. [`decide`] is the table, [`target`]
//! says who may be dialled, [`reverse`] what is done at a stranger's word and what is not.

pub mod decide;
mod machine;
mod matching;
mod request;
pub mod reverse;
mod served;
pub mod target;
#[cfg(test)]
mod tests;
mod types;

pub use machine::Classic;
pub use types::{AttemptId, Claim, Failure, Limits, Link, Options, Output, Us};
