//! BitTorrent's Mainline DHT as a node uses it: a place for its signed locator, a way to find nodes of its network, and a
//! mailbox for those who cannot reach it otherwise. `docs/mainline.md` has the formats and what they are worth.
//!
//! ```text
//!   publish, announce, resolve, find, send ──▶ Mainline ──▶ Query (get, put, peers, announce) ──▶ the DHT
//!        located, found, message, done    ◀──          ◀── item · peers · finished           ◀──
//! ```
//!
//! | file | for |
//! |---|---|
//! | `item` | what the DHT stores (BEP 44), signed |
//! | `names` | under which keys, salts and info hashes |
//! | `mailbox` | where a node takes letters: what it publishes about that |
//! | `letter` | a sealed message |
//! | `inbox` | what is done with what lies in a mailbox: once each, bounded |
//! | `publication` | when something is written again |
//! | `find` | addresses of nodes, gathered from answers of strangers |
//! | `post` | one message on its way out |
//! | `engine`, `duties`, `errands` | all of it as one state machine |
//! | `settings` | what goes in and out of it |

mod duties;
mod engine;
mod errands;
mod find;
mod inbox;
mod item;
mod letter;
mod mailbox;
mod names;
mod post;
mod publication;
mod settings;
#[cfg(test)]
mod tests;

pub use engine::Mainline;
pub use inbox::{Inbox, Judged};
pub use item::{Item, MAX_SALT, MAX_VALUE, signable};
pub use letter::{Letter, MAX_MESSAGE, OVERHEAD, SealError, Token, open, seal};
pub use mailbox::{MAILBOX_LEN, MAX_SLOTS, Mailbox};
pub use names::{INFO_HASH_LEN, InfoHash, locator_salt, mailbox_salt, members_hash, nodes_hash};
pub use settings::{Fault, Happening, Job, MayVisit, Output, Query, QueryError, Random, Settings, Time};
