//! Ways to nodes that lead over a distributed hash table.

#[cfg(feature = "mainline")]
pub(crate) mod mainline;
