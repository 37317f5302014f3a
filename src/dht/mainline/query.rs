//! One query each: asks the crate, and reports what comes.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use futures_lite::StreamExt;
use mainline::async_dht::AsyncDht;
use mainline::errors::{ConcurrencyError, PutMutableError};
use mainline::{Id, MutableItem};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::node::Running;
use crate::proto::identity::PublicKey;
use crate::proto::mainline::{Item, Job, Query, QueryError};

/// Longest time of one query. They take 2 to 6 s; this is for those that somebody keeps alive by ever closer nodes.
const LIMIT: Duration = Duration::from_secs(15);

/// What a query tells.
#[derive(Debug)]
pub(super) enum Report {
    Item(Job, Box<Item>),
    Peers(Job, Vec<SocketAddrV4>),
    Done(Job, Result<(), QueryError>),
    Outside(Ipv4Addr),
    /// The crate's thread runs, or why not.
    Start(Result<Box<Running>, String>),
}

/// Asks. It panics if the crate's thread has died; whoever watches that thread knows by then.
pub(super) async fn ask(dht: AsyncDht, job: Job, query: Query, report: mpsc::Sender<Report>) {
    let outcome = match query {
        Query::Get { key, salt } => {
            let salt = Some(&salt[..]).filter(|salt| !salt.is_empty());
            let items = dht.get_mutable(key.as_bytes(), salt, None);
            forward(items, &report, |item| Report::Item(job, Box::new(ours(&item)))).await
        }
        Query::Peers { hash } => {
            forward(dht.get_peers(Id::from(hash)), &report, |addrs| Report::Peers(job, addrs)).await
        }
        Query::Put { item } => put(&dht, &item).await,
        Query::Announce { hash, port } => {
            let announced = timeout(LIMIT, dht.announce_peer(Id::from(hash), Some(port))).await;
            match announced {
                Ok(done) => done.map(drop).map_err(|e| QueryError::Failed(e.to_string())),
                Err(_) => Err(late()),
            }
        }
    };
    if let Ok(info) = timeout(LIMIT, dht.info()).await
        && let Some(at) = info.public_address()
    {
        let _ = report.send(Report::Outside(*at.ip())).await;
    }
    // Nobody reads reports any more only when the whole task has ended.
    let _ = report.send(Report::Done(job, outcome)).await;
}

async fn forward<T>(
    mut found: impl futures_lite::Stream<Item = T> + Unpin,
    report: &mpsc::Sender<Report>,
    make: impl Fn(T) -> Report,
) -> Result<(), QueryError> {
    let all = async {
        while let Some(it) = found.next().await {
            if report.send(make(it)).await.is_err() {
                break;
            }
        }
    };
    // What came in time counts.
    let _ = timeout(LIMIT, all).await;
    Ok(())
}

async fn put(dht: &AsyncDht, item: &Item) -> Result<(), QueryError> {
    let salt = Some(&item.salt[..]).filter(|salt| !salt.is_empty());
    let theirs = MutableItem::new_signed_unchecked(item.key.0, item.signature, &item.value, item.seq, salt);
    match timeout(LIMIT, dht.put_mutable(theirs, None)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(PutMutableError::Concurrency(ConcurrencyError::NotMostRecent))) => Err(QueryError::Older),
        Ok(Err(e)) => Err(QueryError::Failed(e.to_string())),
        Err(_) => Err(late()),
    }
}

fn late() -> QueryError {
    QueryError::Failed("it did not answer in time".to_owned())
}

fn ours(item: &MutableItem) -> Item {
    Item {
        key: PublicKey(*item.key()),
        salt: item.salt().unwrap_or_default().to_vec(),
        seq: item.seq(),
        value: item.value().to_vec(),
        signature: *item.signature(),
    }
}
