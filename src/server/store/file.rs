//! The mailbox's file: its tables, the thread that writes it, and reading it at the start.

use super::{Change, Post, Write};
use crate::server::log::{Level, Log};
use crate::server::mailbox::{Mailbox, Message, Node};
use crossbeam_channel::Receiver;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::net::IpAddr;
use std::path::Path;

/// Most changes in one transaction.
const BATCH: usize = 4_096;

/// Secret, address, port, network, last alive.
type NodeRow = (&'static [u8], &'static str, u16, &'static str, u64);
/// Receiver, text, whether it is removed when given out, expiry.
type MessageRow = (&'static str, &'static str, bool, u64);

const NODES: TableDefinition<&str, NodeRow> = TableDefinition::new("nodes-1");
const MESSAGES: TableDefinition<u64, MessageRow> = TableDefinition::new("messages-1");

/// The thread of the file: batches until it is told to stop.
pub(super) fn write_all(database: &Database, writes: &Receiver<Write>, post: &Post, log: &Log) {
    let mut stopping = false;
    while !stopping {
        let Ok(first) = writes.recv() else { return };
        let batch: Vec<Write> = std::iter::once(first).chain(writes.try_iter().take(BATCH - 1)).collect();
        stopping = batch.iter().any(|write| write.done.is_none());
        let written = commit(database, &batch);
        if let Err(error) = &written {
            log.line(Level::Error, "store-failed", |field| field("error", error));
        }
        for Write { change, done } in batch {
            if let Change::Put(message) = change {
                let dest = message.dest.clone();
                post.with(|mailbox| match written {
                    Ok(()) => mailbox.deliver(message),
                    Err(_) => mailbox.give_up(&message),
                });
                post.wake(&dest);
            }
            if let Some(done) = done {
                // Nobody listens if the client has gone.
                let _ = done.send(written.is_ok());
            }
        }
    }
}

fn commit(database: &Database, batch: &[Write]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut nodes = transaction.open_table(NODES)?;
        let mut messages = transaction.open_table(MESSAGES)?;
        for write in batch {
            match &write.change {
                Change::Node(id, node) => {
                    let ip = node.ip.to_string();
                    let row =
                        (&node.secret[..], ip.as_str(), node.port, node.network.as_str(), node.last_alive);
                    nodes.insert(id.as_str(), row)?;
                }
                Change::Put(message) => {
                    let row = (message.dest.as_str(), &*message.text, message.pop, message.expiry);
                    messages.insert(message.id, row)?;
                }
                Change::Remove(ids) => {
                    for id in ids {
                        messages.remove(id)?;
                    }
                }
                Change::Forget(ids) => {
                    for id in ids {
                        nodes.remove(id.as_str())?;
                    }
                }
            }
        }
    }
    // Durable when this returns: redb's default is to wait for the disk.
    transaction.commit()?;
    Ok(())
}

/// Opens or makes the file and fills the mailbox from it.
pub(super) fn load(path: &Path, mailbox: &mut Mailbox) -> Result<Database, redb::Error> {
    let database = Database::create(path)?;
    let transaction = database.begin_write()?;
    transaction.open_table(NODES)?;
    transaction.open_table(MESSAGES)?;
    transaction.commit()?;
    let transaction = database.begin_read()?;
    for row in transaction.open_table(NODES)?.iter()? {
        let (id, value) = row?;
        let (secret, ip, port, network, last_alive) = value.value();
        // A row that makes no sense is left out rather than keeping the server from starting.
        let (Ok(secret), Ok(ip)) = (secret.try_into(), ip.parse::<IpAddr>()) else { continue };
        mailbox.insert_node(id.value(), Node { secret, ip, port, network: network.to_owned(), last_alive });
    }
    for row in transaction.open_table(MESSAGES)?.iter()? {
        let (id, value) = row?;
        let (dest, text, pop, expiry) = value.value();
        mailbox.insert_message(Message {
            id: id.value(),
            dest: dest.to_owned(),
            text: text.into(),
            pop,
            expiry,
        });
    }
    Ok(database)
}
