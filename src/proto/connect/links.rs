//! The connections with one peer: one as a rule, a few while it is being decided which is kept.

use super::link::Link;
use super::types::ConnId;

/// Connections by name, in that order. A tree would have room for eleven from the first on, and one peer of thousands has one.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<(ConnId, Box<Link>)>);

impl Links {
    fn place(&self, conn: ConnId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&conn, |(name, _)| *name)
    }

    pub(super) fn insert(&mut self, conn: ConnId, link: Link) {
        let link = (conn, Box::new(link));
        match self.place(conn) {
            Ok(i) => self.0[i] = link,
            Err(i) => {
                self.0.reserve_exact(1);
                self.0.insert(i, link);
            }
        }
    }

    pub(super) fn remove(&mut self, conn: ConnId) -> Option<Link> {
        let (_, link) = self.0.remove(self.place(conn).ok()?);
        self.0.shrink_to_fit();
        Some(*link)
    }

    pub(super) fn get(&self, conn: &ConnId) -> Option<&Link> {
        self.0.get(self.place(*conn).ok()?).map(|(_, link)| &**link)
    }

    pub(super) fn get_mut(&mut self, conn: &ConnId) -> Option<&mut Link> {
        let place = self.place(*conn).ok()?;
        self.0.get_mut(place).map(|(_, link)| &mut **link)
    }

    pub(super) fn contains_key(&self, conn: &ConnId) -> bool {
        self.place(*conn).is_ok()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&ConnId, &Link)> {
        self.0.iter().map(|(conn, link)| (conn, &**link))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Link> {
        self.iter().map(|(_, link)| link)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.0.iter_mut().map(|(_, link)| &mut **link)
    }

    /// The first of which that is so.
    pub(super) fn find(&self, wanted: impl Fn(&Link) -> bool) -> Option<ConnId> {
        self.iter().find(|(_, link)| wanted(link)).map(|(conn, _)| *conn)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Instant;

    use proptest::prelude::*;

    use super::super::report::Technique;
    use super::*;

    proptest! {
        /// It does what a map does.
        #[test]
        fn as_a_map(steps in prop::collection::vec((any::<bool>(), 0..20u64), 0..60)) {
            let (mut links, mut map) = (Links::default(), BTreeMap::new());
            for (port, (insert, conn)) in steps.into_iter().enumerate() {
                let (conn, port) = (ConnId(conn), port as u16);
                if insert {
                    let at = ([127, 0, 0, 1], port).into();
                    links.insert(conn, Link::new(Instant::now(), at, Technique::Lan));
                    map.insert(conn, port);
                } else {
                    let removed = links.remove(conn).map(|link| link.at.port());
                    prop_assert_eq!(removed, map.remove(&conn));
                }
                prop_assert_eq!(links.get(&conn).map(|link| link.at.port()), map.get(&conn).copied());
                prop_assert_eq!(links.contains_key(&conn), map.contains_key(&conn));
                let found: Vec<_> = links.iter().map(|(conn, link)| (*conn, link.at.port())).collect();
                prop_assert_eq!(found, map.iter().map(|(conn, port)| (*conn, *port)).collect::<Vec<_>>());
                prop_assert_eq!((links.len(), links.is_empty()), (map.len(), map.is_empty()));
            }
        }
    }
}
