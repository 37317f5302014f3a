//! Going to a relay: connects to the server, names the token, and waits until the other one is there.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::signal::Ways;
use super::stream::write_all;
use crate::error::{Code, Error, Result};
use crate::os::sock::{self, KeepAlive};
use crate::proto::rdv_msg::{RelayProof, RelayToken};
use crate::proto::relay::{Client, request};

/// By then a relay has said its first word, or it is none: whoever hangs there has no time left for another one.
const FIRST_WORD: Duration = Duration::from_secs(3);

/// What a node wants of a relay.
pub(crate) struct Meeting {
    /// `host:port`
    pub(crate) server: String,
    /// Whether only the peer has named it.
    pub(crate) guest: bool,
    pub(crate) token: RelayToken,
    /// For a relay that may be a node of the network.
    pub(crate) proof: Option<RelayProof>,
    /// For connecting, and not more than [`FIRST_WORD`] for that and the relay's first word. For the wait behind that the relay
    /// has a limit, and whoever waits for us.
    pub(crate) limit: Duration,
    pub(crate) keep_alive: KeepAlive,
}

/// A connection on which the relay has said GO, and the relay's address. The next byte is the peer's.
pub(crate) async fn meet(meeting: Meeting, ways: Ways) -> Result<(TcpStream, SocketAddr)> {
    let Meeting { server, guest, token, proof, limit, keep_alive } = meeting;
    let most = limit.min(FIRST_WORD);
    let late = |_| {
        let ms = most.as_millis();
        Error::new(Code::Timeout, format!("no answer within {ms} ms"))
    };
    let text = request(token, proof);
    let asking = async {
        let (stream, at) = ways.dial(&server, guest).await?;
        sock::prepare(&stream, keep_alive).map_err(|e| Error::io("preparing the connection", &e))?;
        ask(&stream, text.as_bytes()).await.map_err(|e| lost(&server, &e))?;
        Ok::<_, Error>((stream, at))
    };
    let (stream, at) = timeout(most, asking).await.map_err(late)??;
    let mut client = Client::default();
    loop {
        let mut there = [0; 512];
        let n = stream.peek(&mut there).await.map_err(|e| lost(&server, &e))?;
        if n == 0 {
            return Err(Error::new(Code::Closed, format!("the relay {server} closed the connection")));
        }
        let there = there.get_mut(..n).unwrap_or_default();
        let (take, go) = client
            .read(there)
            .map_err(|why| Error::new(Code::NoPath, format!("the relay {server}: {why}")))?;
        take_exactly(&stream, there.get_mut(..take).unwrap_or_default()).map_err(|e| lost(&server, &e))?;
        if go.is_some() {
            return Ok((stream, at));
        }
    }
}

fn lost(server: &str, e: &std::io::Error) -> Error {
    Error::io(format_args!("asking the relay {server}"), e)
}

/// Says the line, and waits until there is something in return.
async fn ask(stream: &TcpStream, line: &[u8]) -> std::io::Result<()> {
    write_all(stream, line).await?;
    stream.peek(&mut [0]).await.map(|_| ())
}

/// Takes what was looked at from the connection: it is there already.
fn take_exactly(stream: &TcpStream, mut bytes: &mut [u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_read(bytes)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => bytes = bytes.get_mut(n..).unwrap_or_default(),
        }
    }
    Ok(())
}
