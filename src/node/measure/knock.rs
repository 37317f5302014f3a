//! Is our port open? Servers outside are asked to knock, and the listener tells what arrived.

use std::net::{IpAddr, SocketAddr};

use crate::error::Result;
use crate::proto::situation::Knock;

/// What a knock came to.
pub(crate) struct Knocked {
    pub(crate) knock: Knock,
    /// A sentence for people, without the port.
    pub(crate) text: String,
}

#[cfg(feature = "reach")]
mod with_servers {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::node::resolve::Resolver;
    use crate::proto::nat::behaviour::Unsolicited;
    use crate::proto::reach::Answer;
    use crate::reach::Asker;
    use crate::reach::backs::{ConnectBacks, Proof};

    /// A server may take a second to be sure that nothing answers, plus the ways there and back.
    const LIMIT: Duration = Duration::from_millis(2500);

    /// Has servers knock. One for all the node's questions.
    #[derive(Clone)]
    pub(crate) struct Knocker {
        asker: Asker,
        backs: Arc<ConnectBacks>,
    }

    impl Knocker {
        pub(crate) fn new(resolver: Resolver) -> Knocker {
            let backs = Arc::new(ConnectBacks::default());
            Knocker { asker: Asker::new(resolver, Arc::clone(&backs)), backs }
        }

        /// The listener has taken a connection. Whether somebody was asked to knock at this time.
        pub(crate) fn arrived(&self, from: SocketAddr) -> bool {
            self.backs.record(from);
            self.backs.is_watched()
        }

        /// Asks whether connections to `port` of our outside address arrive here.
        pub(crate) async fn knock(
            &self,
            servers: &[String],
            port: u16,
            source: Option<IpAddr>,
        ) -> Result<Knocked> {
            let verdict = self.asker.check(servers, port, source, LIMIT).await?;
            let server = &verdict.server;
            let (knock, text) = match verdict.answer {
                Answer::Open => {
                    let by = if verdict.proof == Some(Proof::Server) { "its" } else { "a" };
                    (Knock::Open, format!("open: {server} was asked, and {by} connection arrived"))
                }
                Answer::Refused => (Knock::Closed(Unsolicited::Reset), format!("{server} was refused")),
                Answer::Silent => (Knock::Closed(Unsolicited::Dropped), format!("{server} got no answer")),
                Answer::Unreachable => {
                    (Knock::Closed(Unsolicited::Unreachable), format!("{server} was told there is no way"))
                }
                Answer::Unknown => {
                    (Knock::Closed(Unsolicited::Unknown), format!("{server} could not connect"))
                }
                Answer::Unconfirmed => (
                    Knock::Unknown,
                    format!("{server} says it is open, but nothing arrived here: not counted as open"),
                ),
            };
            Ok(Knocked { knock, text })
        }
    }
}

#[cfg(feature = "reach")]
pub(crate) use with_servers::Knocker;

/// Nobody is asked in this build.
#[cfg(not(feature = "reach"))]
#[derive(Clone)]
pub(crate) struct Knocker;

#[cfg(not(feature = "reach"))]
impl Knocker {
    pub(crate) fn new(_: crate::node::resolve::Resolver) -> Knocker {
        Knocker
    }

    pub(crate) fn arrived(&self, _: SocketAddr) -> bool {
        false
    }

    pub(crate) async fn knock(&self, _: &[String], _: u16, _: Option<IpAddr>) -> Result<Knocked> {
        let why = "this build of the library cannot ask over HTTP (feature reach)";
        Err(crate::error::Error::new(crate::error::Code::Unsupported, why))
    }
}
