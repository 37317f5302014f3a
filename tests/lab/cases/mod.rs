//! The cases. A new one is a function and a line in its file's list; a new file is a line in [`all`].

mod boxed;
pub(crate) mod catalogue;
mod changes;
mod connect;
mod doctor;
mod fight;
mod hostile;
mod kernel;
mod life;
mod line;
mod meeting;
mod nat;
pub(crate) mod portmap;
mod punch;
mod sessions;
mod situation;
mod table;
mod topologies;
mod upnp;

use crate::runner::Case;

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    let files = [
        table::cases(),
        topologies::cases(),
        kernel::cases(),
        boxed::cases(),
        line::cases(),
        life::cases(),
        upnp::cases(),
        nat::cases(),
        portmap::cases(),
        situation::cases(),
        changes::cases(),
        doctor::cases(),
        punch::cases(),
        connect::cases(),
        meeting::cases(),
        hostile::cases(),
        crate::matrix::tests::cases(),
        fight::cases(),
        sessions::cases(),
    ];
    files.into_iter().flatten().collect()
}
