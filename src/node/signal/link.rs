//! One connection to one server: dials, cuts what comes into lines, writes what it is given.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{FAREWELL, Ways};
use crate::os::sock::{self, KeepAlive};
use crate::proto::line::LineScan;
use crate::proto::rdv_msg::MAX_LINE;
use crate::proto::signal::LinkId;

/// The server's ECHO finds dead connections; what the kernel does beside it is for the case that nobody asks.
const KEEP_ALIVE: KeepAlive = KeepAlive { idle: Duration::from_secs(60), dead: Duration::from_secs(60) };

/// What a connection tells.
#[derive(Debug)]
pub(in crate::node) enum Report {
    Connected(SocketAddr),
    Failed(String),
    /// One or more complete lines with their ends.
    Lines(Vec<u8>),
    Closed(String),
}

/// What it has been woken for.
enum Ready {
    Text(String),
    HungUp,
    Read,
    Write,
}

/// Serves one connection until either side ends it. It is hung up by dropping the other end of `texts`; what was given
/// before is still written.
pub(in crate::node) async fn connect(
    link: LinkId,
    server: String,
    guest: bool,
    ways: Ways,
    mut texts: mpsc::Receiver<String>,
    report: mpsc::Sender<(LinkId, Report)>,
) {
    let dialled = {
        let mut dialling = std::pin::pin!(ways.dial(&server, guest));
        poll_fn(|cx| {
            // Nothing is written before we are connected, so this is the order to hang up.
            if let Poll::Ready(None) = texts.poll_recv(cx) {
                return Poll::Ready(None);
            }
            dialling.as_mut().poll(cx).map(Some)
        })
        .await
    };
    // Nobody reads reports any more only when the whole task has ended.
    match dialled {
        None => {}
        Some(Err(e)) => drop(report.send((link, Report::Failed(e.message.into_owned()))).await),
        Some(Ok((stream, at))) => {
            // Best effort: without these options the connection still works.
            let _ = sock::prepare(&stream, KEEP_ALIVE);
            if report.send((link, Report::Connected(at))).await.is_ok()
                && let Err(why) = serve(link, &stream, &mut texts, &report).await
            {
                let _ = report.send((link, Report::Closed(why))).await;
            }
        }
    }
}

/// Reads and writes until it is hung up (`Ok`) or the connection ends.
async fn serve(
    link: LinkId,
    stream: &TcpStream,
    texts: &mut mpsc::Receiver<String>,
    report: &mpsc::Sender<(LinkId, Report)>,
) -> Result<(), String> {
    let (mut out, mut input, mut scan) = (Vec::new(), Vec::new(), LineScan::new());
    loop {
        match ready(stream, texts, !out.is_empty()).await {
            Ready::Text(text) => out.extend_from_slice(text.as_bytes()),
            Ready::HungUp => {
                let _ = timeout(FAREWELL, flush(stream, &mut out)).await;
                return Ok(());
            }
            Ready::Write => write(stream, &mut out).map_err(|e| e.to_string())?,
            Ready::Read => {
                if read(stream, &mut input)? == 0 {
                    return Err("the server closed the connection".to_owned());
                }
                if let Some(end) = scan.feed(&input) {
                    let rest = input.split_off(end);
                    let run = std::mem::replace(&mut input, rest);
                    if report.send((link, Report::Lines(run))).await.is_err() {
                        return Ok(());
                    }
                }
                if input.len() > MAX_LINE + 1 {
                    return Err("the server sent an over-long line".to_owned());
                }
            }
        }
    }
}

async fn ready(stream: &TcpStream, texts: &mut mpsc::Receiver<String>, writing: bool) -> Ready {
    poll_fn(|cx: &mut Context<'_>| {
        match texts.poll_recv(cx) {
            Poll::Ready(Some(text)) => return Poll::Ready(Ready::Text(text)),
            Poll::Ready(None) => return Poll::Ready(Ready::HungUp),
            Poll::Pending => {}
        }
        // An error shows when it is read or written.
        if writing && stream.poll_write_ready(cx).is_ready() {
            return Poll::Ready(Ready::Write);
        }
        stream.poll_read_ready(cx).map(|_| Ready::Read)
    })
    .await
}

/// Reads once; 0 is the end. A false alarm counts as something.
fn read(stream: &TcpStream, input: &mut Vec<u8>) -> Result<usize, String> {
    let mut buf = [0; 4096];
    match stream.try_read(&mut buf) {
        Ok(n) => {
            input.extend_from_slice(buf.get(..n).unwrap_or_default());
            Ok(n)
        }
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(1),
        Err(e) => Err(e.to_string()),
    }
}

fn write(stream: &TcpStream, out: &mut Vec<u8>) -> io::Result<()> {
    match stream.try_write(out) {
        Ok(n) => {
            out.drain(..n);
            Ok(())
        }
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(e) => Err(e),
    }
}

async fn flush(stream: &TcpStream, out: &mut Vec<u8>) -> io::Result<()> {
    while !out.is_empty() {
        stream.writable().await?;
        write(stream, out)?;
    }
    Ok(())
}
