//! Compiles peer.c, once for all processes of the lab.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::{Result, world};

/// What a program that links the static library needs besides (`rustc --print native-static-libs`).
const SYSTEM: [&str; 7] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"];
const WARNINGS: [&str; 3] = ["-Wall", "-Wextra", "-Werror"];

/// Why there can be no peer here, if so.
pub(crate) fn obstacle() -> Option<String> {
    (!world::installed("cc")).then(|| "the peers are a C program: no cc installed".to_owned())
}

/// The compiled program.
pub(crate) fn program() -> Result<&'static Path> {
    static MADE: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let made = MADE.get_or_init(|| make().map_err(|e| format!("compiling peer.c: {e}")));
    Ok(made.as_ref().map_err(String::clone)?)
}

fn make() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let this = std::env::current_exe()?;
    let beside = this.parent().ok_or("this program is nowhere")?;
    let library = beside.join("libp2pnet.a");
    let sources = ["peer.c", "stream.c", "clock.c"].map(|name| root.join("tests/lab/peer").join(name));
    let header = root.join("include/p2pnet.h");
    let folder = beside.join("lab-peer");
    fs::create_dir_all(&folder)?;
    let made = folder.join("peer");
    // Several processes of the lab may want it at once; the lock goes with the file.
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    let age = |path: &Path| fs::metadata(path).and_then(|m| m.modified());
    let parts = sources.iter().map(PathBuf::as_path).chain([library.as_path(), &header]);
    let newest = parts.map(age).try_fold(std::time::UNIX_EPOCH, |a, b| b.map(|b| a.max(b)))?;
    if age(&made).is_ok_and(|made| made > newest) {
        return Ok(made);
    }
    let mut command = Command::new("cc");
    command.args(["-std=gnu11", "-O1", "-g"]).args(WARNINGS).arg("-I").arg(root.join("include"));
    // Beside it and then in its place: what is half done is not to be taken for new next time.
    let half = folder.join("peer.half");
    let output = command.args(&sources).arg("-o").arg(&half).arg(&library).args(SYSTEM).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    fs::rename(&half, &made)?;
    Ok(made)
}
