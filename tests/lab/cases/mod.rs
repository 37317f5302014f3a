//! The cases. A new one is a function and a line in its file's list; a new file is a line in [`all`].

pub(crate) mod catalogue;
mod kernel;
mod nat;
mod topologies;
mod upnp;

use crate::runner::Case;

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    [kernel::cases(), nat::cases(), topologies::cases(), upnp::cases()].into_iter().flatten().collect()
}
