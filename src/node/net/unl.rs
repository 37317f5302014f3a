//! The handle's side of locators: one's own, and connecting by another's.

use super::Net;
use crate::config::Dialect;
use crate::error::{Code, Error, Result};
use crate::node::actor::Command;
use crate::node::locator;
use crate::proto::connect::classic::Options;
use crate::proto::connect::report::Story;
use crate::proto::unl::{Check, Info, Overrides};

impl Net {
    /// This node's locator as of now: what another node needs to connect to it. It changes with the situation.
    ///
    /// # Errors
    /// [`Code::State`] before the start, and (version 2) while our address from outside is not known.
    pub fn unl(&self) -> Result<String> {
        self.unl_with(&Overrides::default())
    }

    /// This node's locator with some of its facts replaced.
    ///
    /// # Errors
    /// As [`Net::unl`]; [`Code::Invalid`] for an override that the version has no field for, or that cannot be.
    pub fn unl_with(&self, overrides: &Overrides) -> Result<String> {
        self.running()?;
        locator::locator(&self.shared, overrides)
    }

    /// Connects to the node with this locator by whatever way works; DONE tells the outcome, OPENED comes before it.
    ///
    /// # Errors
    /// [`Code::Invalid`] for text that is no locator, or one of another dialect or network; [`Code::State`],
    /// [`Code::Closed`], [`Code::Limit`]; [`Code::Unsupported`] on a p2p net of the classic dialect.
    pub fn unl_connect(&self, unl: &str) -> Result<u64> {
        self.may_connect_by(unl)?;
        self.request(|request| Command::UnlConnect { request, unl: unl.to_owned() })
    }

    /// The same in the classic dialect, with PyP2P's choices.
    ///
    /// # Errors
    /// As [`Net::unl_connect`]; [`Code::Unsupported`] in the secure dialect.
    pub fn unl_connect_classic(&self, unl: &str, options: Options) -> Result<u64> {
        if self.shared.config.dialect != Dialect::Classic {
            let message = "nonces and masters are the classic dialect's, and this net speaks the secure one";
            return Err(Error::new(Code::Unsupported, message));
        }
        self.may_connect_by(unl)?;
        self.request(|request| Command::ClassicConnect {
            request,
            unl: unl.to_owned(),
            options: Box::new(options),
        })
    }

    /// Whether this net connects by such a locator.
    fn may_connect_by(&self, unl: &str) -> Result<()> {
        let config = &self.shared.config;
        // Not against the time: a clock may be wrong, and who answers for the key is who was meant, however old the
        // locator is. If nobody does, its age is part of the story.
        let check = Check::at(0).network(config.network);
        let info = Info::check(unl, &check).map_err(|e| Error::new(Code::Invalid, e.to_string()))?;
        match (config.dialect, info.version) {
            (Dialect::Secure, 3) => {}
            (Dialect::Classic, version) if version != 3 => {
                if config.net_type != crate::config::NetType::Direct {
                    let message =
                        "connecting by locator in the classic dialect needs a direct net (P2P_OPT_NET_TYPE)";
                    return Err(Error::new(Code::Unsupported, message));
                }
            }
            (dialect, version) => {
                let message = format!(
                    "that is a locator of version {version}, and this net speaks the {} dialect (P2P_OPT_DIALECT)",
                    if dialect == Dialect::Secure { "secure" } else { "classic" }
                );
                return Err(Error::new(Code::Invalid, message));
            }
        }
        Ok(())
    }

    /// What was tried for a request of [`Net::unl_connect`], under way or among the last that have ended.
    ///
    /// # Errors
    /// [`Code::NotFound`] if there is no such request, or it has been forgotten.
    pub fn explain(&self, request: u64) -> std::result::Result<Story, Code> {
        self.shared.stories.lock().get(request).cloned().ok_or(Code::NotFound)
    }
}
