//! Calls that were heard, by their tokens. A caller repeats its call for a little while; a server can repeat it whenever it likes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::types::Token;
use crate::proto::identity::PublicKey;

/// For how long a call may be repeated: three times by its maker, some seconds apart, and each may be ten seconds on its way.
const REPEATED: Duration = Duration::from_secs(40);
/// Calls that are remembered. At the rate at which calls are listened to ([`super::limits`]) these are those of four minutes at
/// least; without a flood, of very much longer.
const MOST: usize = 1024;

#[derive(Debug)]
struct Heard {
    peer: PublicKey,
    token: Token,
    since: Instant,
    /// The caller has said that it does not want it any more.
    withdrawn: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tokens(VecDeque<Heard>);

impl Tokens {
    /// Whether a call is new, or one that may be repeated still. From now on it is known.
    pub(super) fn is_fresh(&mut self, now: Instant, peer: PublicKey, token: Token) -> bool {
        if let Some(heard) = self.find(peer, token) {
            return !heard.withdrawn && now.saturating_duration_since(heard.since) < REPEATED;
        }
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back(Heard { peer, token, since: now, withdrawn: false });
        true
    }

    /// The caller does not want it any more: it will not be fresh again.
    pub(super) fn withdraw(&mut self, peer: PublicKey, token: Token) {
        if let Some(heard) = self.find(peer, token) {
            heard.withdrawn = true;
        }
    }

    /// The latest ones are those that are asked for most.
    fn find(&mut self, peer: PublicKey, token: Token) -> Option<&mut Heard> {
        self.0.iter_mut().rev().find(|heard| heard.token == token && heard.peer == peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PublicKey = PublicKey([1; 32]);

    #[test]
    fn a_call_may_be_repeated_for_a_while_and_never_again() {
        let (mut tokens, start) = (Tokens::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert!(tokens.is_fresh(start, PEER, [7; 16]));
        assert!(tokens.is_fresh(start + second * 39, PEER, [7; 16]));
        assert!(!tokens.is_fresh(start + second * 40, PEER, [7; 16]));
        assert!(!tokens.is_fresh(start + second * 86_400, PEER, [7; 16]));
        assert!(tokens.is_fresh(start + second * 86_400, PublicKey([2; 32]), [7; 16]), "another's");
        tokens.withdraw(PEER, [9; 16]);
        assert!(tokens.is_fresh(start, PEER, [8; 16]));
        tokens.withdraw(PEER, [8; 16]);
        assert!(!tokens.is_fresh(start, PEER, [8; 16]), "called off");
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let (mut tokens, start) = (Tokens::default(), Instant::now());
        let later = start + Duration::from_secs(100);
        let token = |n: usize| (n as u128 + 1).to_be_bytes();
        assert!((0..MOST).all(|n| tokens.is_fresh(start, PEER, token(n))));
        assert!((0..MOST).all(|n| !tokens.is_fresh(later, PEER, token(n))));
        assert!(tokens.is_fresh(later, PEER, token(MOST)));
        assert_eq!(tokens.0.len(), MOST);
        assert!(!tokens.is_fresh(later, PEER, token(1)));
        assert!(tokens.is_fresh(later, PEER, token(0)), "forgotten");
    }
}
