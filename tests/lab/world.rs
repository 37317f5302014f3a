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

use crate::plan::SERVER4;
use crate::{Result, sys};

/// Tells the copy of this process that it is the one inside.
const INSIDE: &str = "P2PNET_LAB_INSIDE";

/// Runs what comes next in new namespaces; `--kill-child` ties the inside to the life of the outside.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    // Who is not root can be it in a user namespace, where that is allowed.
    command.args(if sys::is_root() { &[][..] } else { &["--map-root-user"] });
    command.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command
}

/// Why there can be no lab here, if so.
pub(crate) fn obstacle() -> Option<String> {
    let missing = |program: &&str| !installed(program);
    let missing: Vec<_> = ["unshare", "ip", "nft"].into_iter().filter(missing).collect();
    if !missing.is_empty() {
        return Some(format!("the NAT lab needs {}: not installed", missing.join(", ")));
    }
    // Not every root may do all this (in a container, say), and some who are not root may.
    let refusal = match unshare().arg("true").output() {
        Ok(done) if done.status.success() => String::new(),
        Ok(done) => String::from_utf8_lossy(&done.stderr).trim().replace('\n', "; "),
        Err(e) => e.to_string(),
    };
    let tun = std::fs::File::options().read(true).write(true).open("/dev/net/tun");
    let obstacle = match tun {
        Ok(_) if refusal.is_empty() => return None,
        Err(e) if refusal.is_empty() => format!("/dev/net/tun: {e}"),
        _ => refusal,
    };
    let root = if sys::is_root() { "" } else { "root, for " };
    Some(format!("the NAT lab needs {root}namespaces and TUN devices of its own ({obstacle})"))
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
    let mut command = unshare();
    command.arg(this).args(arguments).env(INSIDE, "1");
    Err(format!("cannot run unshare: {}", command.exec()).into())
}

/// Prepares the world from within.
pub(crate) fn settle() -> Result {
    sys::end_on_signals();
    sys::mount_new("tmpfs", "/run").map_err(|e| format!("a private /run: {e}"))?;
    sys::share_mounts("/run").map_err(|e| format!("sharing /run: {e}"))?;
    std::fs::create_dir_all("/run/netns")?;
    std::fs::create_dir_all("/run/lab")?;
    // What hosts see as these files: names are asked of the server host, where a case may have an answer to them.
    std::fs::write(
        "/run/lab/resolv.conf",
        format!("nameserver {}\noptions timeout:1 attempts:1\n", SERVER4[0]),
    )?;
    std::fs::write(
        "/run/lab/hosts",
        format!("127.0.0.1 localhost\n::1 localhost\n{} server.lab\n", SERVER4[0]),
    )?;
    Ok(())
}
