//! The cases. A new one is a function and a line in its file's list; a new file is a line in [`all`].

mod boxed;
pub(crate) mod catalogue;
mod kernel;
mod life;
mod line;
mod nat;
mod table;
mod topologies;
mod upnp;

use crate::runner::Case;

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    let parts = [
        table::cases,
        topologies::cases,
        kernel::cases,
        boxed::cases,
        line::cases,
        upnp::cases,
        life::cases,
        nat::cases,
    ];
    parts.into_iter().flat_map(|part: fn() -> Vec<Case>| part()).collect()
}
