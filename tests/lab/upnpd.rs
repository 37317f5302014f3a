//! miniupnpd on a home's router.

/// Which protocols it speaks.
#[derive(Clone, Debug)]
pub(crate) struct Upnpd {}

impl Upnpd {
    pub(crate) fn protocol_filter(&self) -> String {
        String::new()
    }
}
