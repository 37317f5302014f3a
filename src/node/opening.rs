//! What comes before the first line of a connection of the classic dialect. ([`super::greet`] is the secure dialect's.)

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::conn::Conn;
use super::mismatch;
use super::shared::Shared;
use super::stream;
use crate::config::NetType;
use crate::error::{Code, Error};
use crate::event::Via;
use crate::proto::conn_id::Nonce;
use crate::proto::handshake::sent_by_secure;
use crate::proto::link::{Opening, Role};

/// Takes a fresh TCP connection through the classic dialect's opening. `nonce` is what a connector on a direct net sends.
pub(crate) async fn open(
    shared: &Arc<Shared>,
    id: u64,
    via: Via,
    peer: SocketAddr,
    stream: TcpStream,
    nonce: Nonce,
) -> Result<Arc<Conn>, Error> {
    let config = &shared.config;
    let role = if via == Via::Accept { Role::Acceptor } else { Role::Connector };
    let mut opening = Opening::classic(config.net_type == NetType::Direct, role, nonce);
    let shake = async {
        stream::write_all(&stream, opening.hello()).await?;
        let mut buf = [0; 256];
        while !opening.is_open() {
            let room = opening.wants().min(buf.len());
            let n = stream::read_some(&stream, &mut buf[..room]).await?;
            opening.input(&buf[..n]);
        }
        Ok(())
    };
    let failed = match timeout(config.handshake_timeout, shake).await {
        Ok(Ok(())) => {
            let mut conn = Conn::new(id, via, peer, stream, config);
            conn.set_nonce(opening.nonce());
            return Ok(Arc::new(conn));
        }
        Ok(Err(e)) => Error::io(format_args!("opening the link with {peer}"), &e),
        Err(_) => {
            let ms = config.handshake_timeout.as_millis();
            let message = format!("{peer} sent no complete nonce within {ms} ms (handshake_timeout_ms)");
            Error::new(Code::Timeout, message)
        }
    };
    Err(if sent_by_secure(opening.begun()) { mismatch::told(shared, failed) } else { failed })
}
