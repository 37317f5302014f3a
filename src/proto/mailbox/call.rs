//! What a mailbox is asked, as path and query of a URL: in the words of PyP2P's script, or by our server's own paths.

use std::time::Duration;

use super::settings::Settings;
use crate::proto::dht_id::NodeId;

/// How long our server is to wait for a message before it answers with none.
const WAIT: Duration = Duration::from_secs(30);
/// For its answer to come after that.
const MARGIN: Duration = Duration::from_secs(10);

/// In whose words a server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Style {
    /// PyP2P's script at this path. Messages are removed when they are given out.
    Script(String),
    /// Our server's paths. Messages are removed when they are acknowledged.
    Clean,
}

/// What a server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Let me have a mailbox.
    Register,
    /// I am still here.
    Alive,
    /// May I test others?
    Mutex,
    /// Who else is there?
    Neighbours,
    /// Leave a message.
    Put {
        /// For whom.
        to: NodeId,
        /// The message in digits.
        digits: String,
    },
    /// What has come for me? Waits until something has.
    List {
        /// Everything up to this number has arrived ([`Style::Clean`]).
        ack: Option<u64>,
    },
}

impl Call {
    /// For how long an answer is waited for.
    pub(super) fn limit(&self, style: &Style, settings: &Settings) -> Duration {
        match (self, style) {
            (Call::List { .. }, Style::Clean) => WAIT + MARGIN,
            // It waits as long as it likes. A connection that is dead is noticed by the system.
            (Call::List { .. }, Style::Script(_)) => settings.long_poll,
            _ => settings.answer,
        }
    }

    /// Path and query.
    pub fn path(&self, style: &Style, settings: &Settings) -> String {
        let (word, clean) = match self {
            Call::Register => ("register", "register"),
            Call::Alive => ("last_alive", "alive"),
            Call::Mutex => ("get_mutex", "mutex"),
            Call::Neighbours => ("find_neighbours", "neighbours"),
            Call::Put { .. } => ("put", "put"),
            Call::List { .. } => ("list", "list"),
        };
        let mut path = match style {
            Style::Script(script) => format!("{script}?call={word}&node_id="),
            Style::Clean => format!("/v1/mailbox/{clean}?node_id="),
        };
        path += &settings.id.to_string();
        let mut add = |name: &str, value: &str| {
            path.push('&');
            path += name;
            path.push('=');
            encode(&mut path, value);
        };
        add("password", &settings.password);
        match self {
            Call::Alive | Call::Mutex => {}
            Call::Register => {
                add("port", &settings.port.to_string());
                add("network_id", &settings.network);
            }
            Call::Neighbours => add("network_id", &settings.network),
            Call::Put { to, digits } => {
                add("dest_node_id", &to.to_string());
                add("msg", digits);
                add("list_pop", "1");
            }
            Call::List { ack } => {
                add("list_pop", "1");
                if *style == Style::Clean {
                    add("wait", &WAIT.as_secs().to_string());
                    if let Some(ack) = ack {
                        add("ack", &ack.to_string());
                    }
                }
            }
        }
        path
    }
}

/// Percent-encoding (RFC 3986, section 2).
fn encode(to: &mut String, value: &str) {
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => to.push(char::from(byte)),
            _ => *to += &format!("%{byte:02X}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_styles() {
        let mut settings = Settings::new(NodeId([0x41; 20]), "pa ss&", [0; 32], vec![]);
        settings.port = 7;
        let (id, script) = ("41".repeat(20), Style::Script("/p2p/dht_msg.php".into()));
        let at = |call: &Call, style: &Style| call.path(style, &settings);
        assert_eq!(
            at(&Call::Register, &script),
            format!(
                "/p2p/dht_msg.php?call=register&node_id={id}&password=pa%20ss%26&port=7&network_id=default"
            )
        );
        let put = Call::Put { to: NodeId([1; 20]), digits: "a131".into() };
        assert_eq!(
            at(&put, &Style::Clean),
            format!(
                "/v1/mailbox/put?node_id={id}&password=pa%20ss%26&dest_node_id={}&msg=a131&list_pop=1",
                "01".repeat(20)
            )
        );
        let list = Call::List { ack: Some(9) };
        assert!(at(&list, &Style::Clean).ends_with("&list_pop=1&wait=30&ack=9"));
        assert!(at(&list, &script).ends_with("&list_pop=1"));
        assert!(at(&Call::Mutex, &Style::Clean).starts_with("/v1/mailbox/mutex?node_id=4141"));
    }
}
