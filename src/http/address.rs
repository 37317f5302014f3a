//! Where a server is asked: `host:port` for our own paths, or the URL of a script.

use crate::config::text::split_host_port;
use crate::error::{Code, Error, Result};

/// The longest address of a server.
const MAX: usize = 512;

/// A server that speaks HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// `host:port` as it stands in the URL, an IPv6 address in brackets.
    authority: String,
    /// The path of a script; `None` for our paths.
    script: Option<String>,
}

impl Address {
    /// Takes `host:port`, or `http://host[:port]/path/SCRIPT`; a URL without a path is a server with our paths. `script` is
    /// a script's name for messages.
    ///
    /// # Errors
    /// [`Code::Invalid`] with what was expected; [`Code::Unsupported`] for `https`.
    pub(crate) fn parse(text: &str, script: &str) -> Result<Address> {
        let wrong = |why: &str| {
            let shown: String = text.chars().take(80).collect();
            let message =
                format!("\"{shown}\" {why}; expected host:port or http://host[:port]/path/{script}");
            Err(Error::new(Code::Invalid, message))
        };
        if text.len() > MAX {
            return wrong("is too long");
        }
        let scheme = text.get(..7).filter(|s| s.eq_ignore_ascii_case("http://"));
        let Some(rest) = scheme.and_then(|_| text.get(7..)) else {
            if text.get(..8).is_some_and(|s| s.eq_ignore_ascii_case("https://")) {
                let message = format!("\"{text}\": TLS is not built in; expected http://");
                return Err(Error::new(Code::Unsupported, message));
            }
            if text.contains("://") || text.contains('/') {
                return wrong("is no http:// address");
            }
            return Ok(Address { authority: authority(text)?, script: None });
        };
        let (at, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // What RFC 3986, section 3.3, allows in a path.
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:@".contains(&b);
        if !path.bytes().all(fits) {
            return wrong("has a path that does not fit into a URL");
        }
        // A port may be left out of a URL; the last colon of [::1] is none.
        let has_port = at.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let authority = authority(&if has_port { at.to_owned() } else { format!("{at}:80") })?;
        Ok(Address { authority, script: Some(path.to_owned()).filter(|p| p.len() > 1) })
    }

    /// Where it is, for a look-up.
    pub(crate) fn host_port(&self) -> &str {
        &self.authority
    }

    /// The path of the script; `None` stands for our paths.
    pub(crate) fn script(&self) -> Option<&str> {
        self.script.as_deref()
    }

    /// The URL of a path with a query.
    pub(crate) fn url(&self, path_and_query: &str) -> String {
        format!("http://{}{path_and_query}", self.authority)
    }
}

/// Checks `host:port`; the host goes into a URL and a header as it is.
fn authority(text: &str) -> Result<String> {
    let (host, port) = split_host_port(text)?;
    let is_v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
    if !is_v6 && !host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
        let message = format!("\"{text}\" has no host name that fits into a URL; expected host:port");
        return Err(Error::new(Code::Invalid, message));
    }
    Ok(if is_v6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}
