//! The private world in which a lab runs: a copy of this process in namespaces of its own.
//!
//! ```text
//!   cargo test ─▶ lab ─ becomes ─▶ unshare ─ starts ─▶ lab again: process 1 of new mount, net and PID namespaces
//!                                                        └─ threads and programs in the hosts' network namespaces
//! ```
//!
//! Nothing of the machine's network exists in there, names cannot collide with another lab's, and there is no clean-up
//! to forget: when the outer process dies, however it dies, the kernel kills process 1, with it every process of
//! the PID namespace, and with the last process go the mounts, the network namespaces and all devices in them.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::{Result, sys};

/// Tells the copy of this process that it is the one inside.
const INSIDE: &str = "P2PNET_LAB_INSIDE";

/// Why there can be no lab here, if so.
pub(crate) fn obstacle() -> Option<String> {
    if !sys::is_root() {
        return Some("the NAT lab needs root, for network namespaces".into());
    }
    let missing = |program: &&str| !installed(program);
    let missing: Vec<_> = ["unshare", "ip", "nft"].into_iter().filter(missing).collect();
    (!missing.is_empty()).then(|| format!("the NAT lab needs {}: not installed", missing.join(", ")))
}

/// Whether this program can be found.
pub(crate) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).exists())
}

/// Whether this process is the one inside. (Programs started from there inherit the variable, but not the number.)
pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some() && std::process::id() == 1
}

/// Becomes the outer process of a private world, with this program and these arguments inside. Returns only to fail.
pub(crate) fn create(arguments: &[String]) -> Result<std::convert::Infallible> {
    let this = std::env::current_exe()?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command.arg(this).args(arguments).env(INSIDE, "1");
    Err(format!("cannot run unshare: {}", command.exec()).into())
}

/// Prepares the world from within.
pub(crate) fn settle() -> Result {
    sys::end_on_signals();
    sys::mount_new("tmpfs", "/run").map_err(|e| format!("a private /run: {e}"))?;
    sys::share_mounts("/run").map_err(|e| format!("sharing /run: {e}"))?;
    std::fs::create_dir_all("/run/netns")?;
    Ok(())
}
