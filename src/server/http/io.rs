//! The stream under an HTTP connection: gives up on a client that does not read, and knows when an answer has left.
//!
//! Messages that are removed when given out are only leased to the answer that carries them. When all bytes of the
//! answer are with the kernel the messages are removed; when the connection ends before that, they can be listed again.
//! HTTP offers no more: an answer that is lost after it left us is lost. The clean calls have acknowledgements for this.

use crate::server::store::Post;
use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// The messages in answers that are on their way, for one connection. Dropping the last clone gives them back.
#[derive(Clone)]
pub(super) struct Leases(Arc<Inner>);

struct Inner {
    post: Arc<Post>,
    out: Mutex<Vec<(String, Vec<u64>)>>,
}

impl Leases {
    pub(super) fn new(post: Arc<Post>) -> Leases {
        Leases(Arc::new(Inner { post, out: Mutex::new(Vec::new()) }))
    }

    /// The answer that is about to be written carries these messages of `node`.
    pub(super) fn add(&self, node: &str, messages: Vec<u64>) {
        self.0.out.lock().push((node.to_owned(), messages));
    }

    /// All answers so far have left.
    fn confirm(&self) {
        let out = std::mem::take(&mut *self.0.out.lock());
        for (node, ids) in out {
            self.0.post.remove(&node, |message| ids.contains(&message.id));
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for (node, ids) in self.out.get_mut().drain(..) {
            self.post.release(&node, &ids);
        }
    }
}

/// A TCP stream with a limit on how long a write may stall.
pub(super) struct Io {
    stream: TcpStream,
    leases: Leases,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Io {
    pub(super) fn new(stream: TcpStream, leases: Leases, patience: Duration) -> Io {
        Io { stream, leases, patience, stalled: None }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let deadline = Instant::now() + self.patience;
        let sleep = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        match sleep.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes when its own buffer is empty: what was answered is with the kernel.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.leases.confirm();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
