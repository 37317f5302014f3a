//! A peer that speaks the other dialect: nothing on the wire chooses between the two, so all that can be done is to say so, at
//! both ends.
//!
//! A secure node cannot know what it hears instead of a handshake, or why it hears nothing. A classic one knows the greeting of a
//! secure one, and the last word that such a node has for somebody who does not greet
//! ([`crate::proto::handshake::sent_by_secure`]).

use std::sync::atomic::Ordering::Relaxed;

use super::log::log;
use super::shared::Shared;
use crate::config::Dialect;
use crate::error::Error;

/// `e`, with which a connection ended, and what is behind it.
pub(super) fn explained(shared: &Shared, e: Error) -> Error {
    let what = match shared.config.dialect {
        Dialect::Secure => "perhaps the peer speaks the classic dialect, this net speaks the secure one",
        Dialect::Classic => "the peer speaks the secure dialect, this net speaks the classic one",
    };
    let message = format!("{}; {what}: P2P_OPT_DIALECT has to be the same at both ends", e.message);
    Error { message: message.into(), ..e }
}

/// The same of a connection that the program has not seen. The first time in a net's life it is told by a warning, as no request
/// may end with it: a net that finds none but peers of the other dialect would stay alone without a word.
pub(super) fn told(shared: &Shared, e: Error) -> Error {
    let e = explained(shared, e);
    if !shared.met_other_dialect.swap(true, Relaxed) {
        log!(shared, Warn, "{e} (said once; of further ones at level debug)");
    }
    e
}
