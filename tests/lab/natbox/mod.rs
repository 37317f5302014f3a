//! The userspace NAT.

/// What it does.
#[derive(Clone, Debug)]
pub(crate) struct NatBox {}

impl std::fmt::Display for NatBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("box")
    }
}
