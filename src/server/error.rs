//! Why a server could not start.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a server could not start. The text says what to do.
#[derive(Debug)]
pub enum StartError {
    /// A port could not be listened on.
    Listen {
        /// Which.
        addr: SocketAddr,
        /// What it is for.
        purpose: &'static str,
        /// The option that changes it.
        flag: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The mailbox file could not be opened.
    Store {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is no address to listen on.
    NoAddress,
    /// The server's own thread could not be started.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen { addr, purpose, flag, source } => {
                write!(f, "cannot listen on {addr} ({purpose}): {source}. ")?;
                match source.kind() {
                    io::ErrorKind::AddrInUse => write!(
                        f,
                        "Another program, perhaps another copy of this server, has port {}: stop it, or choose \
                         another port with {flag}",
                        addr.port()
                    ),
                    io::ErrorKind::AddrNotAvailable => {
                        write!(f, "This machine has no address {}: choose one it has with {flag}", addr.ip())
                    }
                    io::ErrorKind::PermissionDenied => write!(
                        f,
                        "Ports below 1024 need a privilege (CAP_NET_BIND_SERVICE): grant it, or choose another port \
                         with {flag}"
                    ),
                    _ => write!(f, "Choose another address with {flag}"),
                }
            }
            StartError::Store { path, reason } => {
                write!(
                    f,
                    "cannot use {} as mailbox file: {reason}. Choose another with --store",
                    path.display()
                )
            }
            StartError::NoAddress => f.write_str("no address to listen on"),
            StartError::Thread(source) => write!(f, "cannot start the server's thread: {source}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Listen { source, .. } | StartError::Thread(source) => Some(source),
            StartError::Store { .. } | StartError::NoAddress => None,
        }
    }
}
