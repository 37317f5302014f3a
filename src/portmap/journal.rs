//! The journal file: what we have mapped, so that after a crash the next start takes it down again.
//!
//! In the state directory lie `portmap.journal`, the list of [`crate::proto::portmap::journal`];
//! `portmap.lock`, held while the list is changed; and for each running node `portmap-OWNER.alive`, held as
//! long as the node lives. The system drops that hold when a process dies, whatever it died of, so "dead"
//! never means "its number was given to another process", and nodes in other containers that share the
//! directory are seen as alive.
//!
//! The list is replaced, never changed in place: a crash leaves the old one or the new one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::timeout;

use super::threads::Threads;
use super::way::unix_seconds;
use crate::proto::portmap::journal::{Entry, Key, LONGEST_FILE, is_owner, parse, print};

/// A file system that takes longer is not waited for.
#[cfg(not(test))]
const LIMIT: Duration = Duration::from_secs(1);
/// What tests look at behind that is to be there, however slow the disk is.
#[cfg(test)]
const LIMIT: Duration = Duration::from_secs(60);

/// How long another node may hold the list.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Entries that have ended are kept this much longer: the clock that wrote them may have been wrong.
const GRACE: u64 = 600;

/// The journal of one node; without a directory it does nothing.
#[derive(Clone)]
pub(super) struct Journal {
    dir: Option<Arc<PathBuf>>,
    owner: Arc<str>,
    /// Held as long as this node lives.
    alive: Arc<Mutex<Option<File>>>,
    /// What went wrong, for the log.
    trouble: Arc<Mutex<Option<String>>>,
}

impl Journal {
    pub(super) fn new(dir: Option<PathBuf>) -> Journal {
        let owner = format!("{}-{:x}-{:08x}", std::process::id(), unix_seconds(), fastrand::u32(..));
        let (alive, trouble) = Default::default();
        Journal { dir: dir.map(Arc::new), owner: owner.into(), alive, trouble }
    }

    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    /// What went wrong since the last time it was asked.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().take()
    }

    /// The entries of nodes that are dead.
    pub(super) async fn left_behind(&self, threads: &Threads) -> Vec<Entry> {
        self.work(threads, |journal, dir| {
            let _lock = lock(dir)?;
            let entries = read(dir)?;
            let live = without_ended(&entries);
            if live.len() != entries.len() {
                write(dir, &live)?;
            }
            let dead =
                live.into_iter().filter(|entry| *entry.owner != *journal.owner && is_dead(dir, &entry.owner));
            Ok(dead.collect())
        })
        .await
        .unwrap_or_default()
    }

    /// Adds a mapping, in place of an older note about the same.
    pub(super) async fn add(&self, threads: &Threads, entry: Entry) {
        self.work(threads, move |journal, dir| {
            journal.show_life(dir)?;
            change(dir, |entries| {
                entries.retain(|other| !same(other, &entry));
                entries.insert(0, entry);
            })
        })
        .await;
    }

    /// Strikes a mapping out.
    pub(super) async fn strike(&self, threads: &Threads, entry: Entry) {
        self.work(threads, move |_, dir| change(dir, |entries| entries.retain(|other| !same(other, &entry))))
            .await;
    }

    /// Strikes out entries of the dead, as they stand in the file.
    pub(super) async fn strike_dead(&self, threads: &Threads, dead: Vec<Entry>) {
        self.work(threads, move |_, dir| {
            change(dir, |entries| entries.retain(|other| !dead.contains(other)))?;
            for entry in &dead {
                let path = alive_path(dir, &entry.owner);
                if is_dead(dir, &entry.owner) {
                    let _ = fs::remove_file(path);
                }
            }
            Ok(())
        })
        .await;
    }

    /// The node ends: its sign of life goes, unless something of it is still in the list.
    pub(super) async fn close(&self, threads: &Threads) {
        self.work(threads, |journal, dir| {
            let _lock = lock(dir)?;
            if journal.alive.lock().take().is_some()
                && !read(dir)?.iter().any(|entry| *entry.owner == *journal.owner)
            {
                let _ = fs::remove_file(alive_path(dir, &journal.owner));
            }
            Ok(())
        })
        .await;
    }

    /// Does something with the directory on a thread, within the limit.
    async fn work<T: Send + 'static>(
        &self,
        threads: &Threads,
        work: impl FnOnce(&Journal, &Path) -> io::Result<T> + Send + 'static,
    ) -> Option<T> {
        let dir = Arc::clone(self.dir.as_ref()?);
        let journal = self.clone();
        let done = threads.file(move || {
            let done = fs::create_dir_all(&*dir).and_then(|()| work(&journal, &dir));
            done.map_err(|e| format!("the journal of port mappings in {}: {e}", dir.display()))
        });
        match timeout(LIMIT, done).await {
            Ok(Some(Ok(value))) => return Some(value),
            Ok(Some(Err(why))) => *self.trouble.lock() = Some(why),
            Ok(None) => *self.trouble.lock() = Some("no thread for the journal of port mappings".into()),
            Err(_) => *self.trouble.lock() = Some("the journal of port mappings takes too long".into()),
        }
        None
    }

    /// Takes hold of this node's sign of life, once.
    fn show_life(&self, dir: &Path) -> io::Result<()> {
        let mut alive = self.alive.lock();
        if alive.is_none() {
            let file = open(&alive_path(dir, &self.owner))?;
            file.try_lock().map_err(io::Error::from)?;
            *alive = Some(file);
        }
        Ok(())
    }
}

/// Whether two entries are one mapping, however often it was renewed.
fn same(one: &Entry, other: &Entry) -> bool {
    let place = |e: &Entry| (e.transport, e.gateway, e.scope, e.internal);
    let port = one.external_port == other.external_port;
    let key = match (&one.key, &other.key) {
        // To PCP and NAT-PMP the external port is not what a mapping is known by.
        (Key::Pcp(one), Key::Pcp(other)) => one == other,
        (Key::NatPmp, Key::NatPmp) => true,
        (Key::Upnp(_), Key::Upnp(_)) => port,
        (Key::Pinhole(_, one), Key::Pinhole(_, other)) => one == other,
        _ => false,
    };
    one.owner == other.owner && place(one) == place(other) && key
}

/// An entry without an end stays until its mapping has been removed.
fn without_ended(entries: &[Entry]) -> Vec<Entry> {
    let now = unix_seconds();
    entries.iter().filter(|e| e.expires == 0 || e.expires.saturating_add(GRACE) > now).cloned().collect()
}

fn alive_path(dir: &Path, owner: &str) -> PathBuf {
    dir.join(format!("portmap-{owner}.alive"))
}

/// Whether nobody holds an owner's sign of life. If the file system knows no locks, nobody is taken for dead.
fn is_dead(dir: &Path, owner: &str) -> bool {
    if !is_owner(owner) {
        return false;
    }
    match File::open(alive_path(dir, owner)) {
        Ok(file) => file.try_lock().is_ok(),
        Err(e) => e.kind() == io::ErrorKind::NotFound,
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    private(&mut options);
    options.open(path)
}

/// Nonces are what others need to change our mappings: the files are for us alone.
fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

/// Takes the lock of the list, waiting a bounded time. Runs on a thread of its own, which may sleep.
fn lock(dir: &Path) -> io::Result<File> {
    let file = open(&dir.join("portmap.lock"))?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(e)) => return Err(e),
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "another node holds its lock"))
}

fn list_path(dir: &Path) -> PathBuf {
    dir.join("portmap.journal")
}

fn read(dir: &Path) -> io::Result<Vec<Entry>> {
    let file = match File::open(list_path(dir)) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut text = Vec::new();
    file.take(LONGEST_FILE as u64).read_to_end(&mut text)?;
    Ok(parse(&text))
}

fn write(dir: &Path, entries: &[Entry]) -> io::Result<()> {
    let path = list_path(dir);
    if entries.is_empty() {
        return match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        };
    }
    let new = dir.join("portmap.journal.new");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    private(&mut options);
    let mut file = options.open(&new)?;
    file.write_all(print(entries).as_bytes())?;
    // The contents before the name, or a power cut may leave an empty file under it.
    file.sync_data()?;
    fs::rename(new, path)
}

fn change(dir: &Path, change: impl FnOnce(&mut Vec<Entry>)) -> io::Result<()> {
    let _lock = lock(dir)?;
    let before = read(dir)?;
    let mut entries = before.clone();
    change(&mut entries);
    if entries != before { write(dir, &entries) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
