//! Keeps the mailbox: in memory, or in memory and in a file that survives a crash.
//!
//! A thread of its own owns the file. It takes whatever waits to be written, commits it as one transaction, and only
//! then says so, so that many puts share one flush to disk and none is acknowledged before it is safe.

mod file;

use super::StartError;
use super::config::MailboxLimits;
use super::config::StoreConfig;
use super::log::{Level, Log};
use super::mailbox::{Mailbox, Message, Node, Refused};
use crossbeam_channel::{Sender, TrySendError, bounded};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, oneshot};

/// Changes that may wait for the disk; more are refused.
const QUEUE: usize = 16_384;

/// A change of the file.
enum Change {
    Node(String, Node),
    Put(Message),
    Remove(Vec<u64>),
    Forget(Vec<String>),
}

/// A change and who wants to know that it is safe.
struct Write {
    change: Change,
    done: Option<oneshot::Sender<bool>>,
}

/// The mailbox and those who wait for messages. Shared by all HTTP requests.
pub(super) struct Post {
    mailbox: Mutex<Mailbox>,
    file: Option<Sender<Write>>,
    waiting: Mutex<HashMap<String, Waiters>>,
}

struct Waiters {
    arrived: Arc<Notify>,
    count: usize,
}

/// Owns the file's thread.
pub(super) struct Store {
    post: Arc<Post>,
    thread: Option<(Sender<Write>, thread::JoinHandle<()>)>,
}

/// Unix time in whole seconds.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Store {
    pub(super) fn open(
        config: &StoreConfig,
        limits: MailboxLimits,
        seed: u64,
        log: Log,
    ) -> Result<Store, StartError> {
        let mut mailbox = Mailbox::new(limits, seed);
        let waiting = Mutex::new(HashMap::new());
        let StoreConfig::File(path) = config else {
            let post = Post { mailbox: Mutex::new(mailbox), file: None, waiting };
            return Ok(Store { post: Arc::new(post), thread: None });
        };
        let database = file::load(path, &mut mailbox)
            .map_err(|error| StartError::Store { path: path.clone(), reason: error.to_string() })?;
        let (nodes, messages, _) = mailbox.size();
        log.line(Level::Info, "store-opened", |field| {
            field("path", &path.display());
            field("nodes", &nodes);
            field("messages", &messages);
        });
        let (sender, receiver) = bounded(QUEUE);
        let post = Arc::new(Post { mailbox: Mutex::new(mailbox), file: Some(sender.clone()), waiting });
        let for_thread = post.clone();
        let thread = thread::Builder::new()
            .name("p2p-store".to_owned())
            .spawn(move || file::write_all(&database, &receiver, &for_thread, &log))
            .map_err(StartError::Thread)?;
        Ok(Store { post, thread: Some((sender, thread)) })
    }

    pub(super) fn mailbox(&self) -> Arc<Post> {
        self.post.clone()
    }

    /// Writes what is still waiting and closes the file.
    pub(super) fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some((sender, thread)) = self.thread.take() {
            // An empty write without anybody to tell is the word to stop.
            let stop = Write { change: Change::Remove(Vec::new()), done: None };
            if sender.send(stop).is_ok() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.end();
    }
}

impl Post {
    /// Looks at or changes the tables.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Mailbox) -> T) -> T {
        act(&mut self.mailbox.lock())
    }

    /// Registers a node; completes when that is safe. `Ok(true)`: the id was known.
    pub(super) async fn register(&self, id: &str, node: Node) -> Result<bool, Refused> {
        let (known, done) = {
            let mut mailbox = self.mailbox.lock();
            let (known, store) = mailbox.register(id, node)?;
            let Some(node) = store else { return Ok(true) };
            (known, self.write(Change::Node(id.to_owned(), node))?)
        };
        if finished(done).await { Ok(known) } else { Err(Refused::Full("the node cannot be stored")) }
    }

    /// Notes that a node is alive. Not worth waiting for the disk.
    pub(super) fn alive(&self, id: &str) {
        let mut mailbox = self.mailbox.lock();
        if let Some(node) = mailbox.alive(unix_now(), id) {
            let _ = self.write(Change::Node(id.to_owned(), node));
        }
    }

    /// Leaves a message; completes when it is safe.
    pub(super) async fn put(&self, dest: &str, text: &str, pop: bool) -> Result<(), Refused> {
        let done = {
            // Numbers are given and queued under one lock, so that messages arrive in the order of their numbers.
            let mut mailbox = self.mailbox.lock();
            let message = mailbox.reserve(unix_now(), dest, text, pop)?;
            if self.file.is_some() {
                match self.write(Change::Put(message.clone())) {
                    Ok(done) => done,
                    Err(refused) => {
                        mailbox.give_up(&message);
                        return Err(refused);
                    }
                }
            } else {
                mailbox.deliver(message);
                drop(mailbox);
                self.wake(dest);
                None
            }
        };
        if finished(done).await { Ok(()) } else { Err(Refused::Full("the message cannot be stored")) }
    }

    /// Removes messages of `id` that were delivered.
    pub(super) fn remove(&self, id: &str, which: impl Fn(&Message) -> bool) {
        let mut mailbox = self.mailbox.lock();
        let removed = mailbox.remove(id, which);
        if !removed.is_empty() {
            let _ = self.write(Change::Remove(removed));
        }
    }

    /// Messages of an answer that did not arrive can be listed again.
    pub(super) fn release(&self, id: &str, messages: &[u64]) {
        self.with(|mailbox| mailbox.release(id, messages));
        self.wake(id);
    }

    /// Forgets what is old.
    pub(super) fn expire(&self) {
        let mut mailbox = self.mailbox.lock();
        let (nodes, messages) = mailbox.expire(unix_now());
        if !nodes.is_empty() {
            let _ = self.write(Change::Forget(nodes));
        }
        if !messages.is_empty() {
            let _ = self.write(Change::Remove(messages));
        }
    }

    /// Joins those who wait for messages to `id`, unless there are `most` already.
    pub(super) fn wait(self: &Arc<Self>, id: &str, most: usize) -> Option<Waiter> {
        let mut waiting = self.waiting.lock();
        let waiters = waiting
            .entry(id.to_owned())
            .or_insert_with(|| Waiters { arrived: Arc::new(Notify::new()), count: 0 });
        // With `most` 0 this entry would stay; a limit of 0 is treated as 1.
        if waiters.count >= most.max(1) {
            return None;
        }
        waiters.count += 1;
        Some(Waiter { post: self.clone(), id: id.to_owned(), arrived: waiters.arrived.clone() })
    }

    fn wake(&self, id: &str) {
        if let Some(waiters) = self.waiting.lock().get(id) {
            waiters.arrived.notify_waiters();
        }
    }

    fn write(&self, change: Change) -> Result<Option<oneshot::Receiver<bool>>, Refused> {
        let Some(file) = &self.file else { return Ok(None) };
        let (tell, done) = oneshot::channel();
        match file.try_send(Write { change, done: Some(tell) }) {
            Ok(()) => Ok(Some(done)),
            Err(TrySendError::Full(_)) => Err(Refused::Full("the disk is too slow")),
            Err(TrySendError::Disconnected(_)) => Err(Refused::Full("the server is stopping")),
        }
    }
}

async fn finished(done: Option<oneshot::Receiver<bool>>) -> bool {
    match done {
        Some(done) => done.await.unwrap_or(false),
        None => true,
    }
}

/// Somebody waiting for messages.
pub(super) struct Waiter {
    post: Arc<Post>,
    id: String,
    arrived: Arc<Notify>,
}

impl Waiter {
    /// Fires at each arrival after this call.
    pub(super) fn arrived(&self) -> &Notify {
        &self.arrived
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut waiting = self.post.waiting.lock();
        if let Some(waiters) = waiting.get_mut(&self.id) {
            waiters.count -= 1;
            if waiters.count == 0 {
                waiting.remove(&self.id);
            }
        }
    }
}
