//! Ordered maps and sets for small tables: sorted vectors, with the methods of `BTreeMap` and `BTreeSet` that are needed here.
//!
//! Each type of key and value costs some hundred bytes of code, where a tree costs eight thousand; the library has dozens of them, and
//! most hold a handful of entries. Looking up takes as many steps as in a tree. Adding and removing moves what lies behind: for tables
//! of at most some hundred entries, or of small entries added at the end (numbers given in order). What strangers or many connections
//! can make large stays a tree.

use std::borrow::Borrow;
use std::fmt;

type Iter<'a, K, V, Item> = std::iter::Map<std::slice::Iter<'a, (K, V)>, fn(&'a (K, V)) -> Item>;
type IterMut<'a, K, V, Item> = std::iter::Map<std::slice::IterMut<'a, (K, V)>, fn(&'a mut (K, V)) -> Item>;

/// An ordered map of few entries.
#[derive(Clone, PartialEq, Eq)]
pub struct SmallMap<K, V>(Vec<(K, V)>);

impl<K, V> Default for SmallMap<K, V> {
    fn default() -> SmallMap<K, V> {
        SmallMap::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SmallMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K, V> SmallMap<K, V> {
    pub(crate) const fn new() -> SmallMap<K, V> {
        SmallMap(Vec::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn iter(&self) -> Iter<'_, K, V, (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub(crate) fn iter_mut(&mut self) -> IterMut<'_, K, V, (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    pub(crate) fn keys(&self) -> Iter<'_, K, V, &K> {
        self.0.iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> Iter<'_, K, V, &V> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> IterMut<'_, K, V, &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    pub(crate) fn into_values(self) -> impl DoubleEndedIterator<Item = V> + ExactSizeIterator {
        self.0.into_iter().map(|(_, value)| value)
    }

    /// The entry with the least key.
    pub(crate) fn first_key_value(&self) -> Option<(&K, &V)> {
        self.0.first().map(|(key, value)| (key, value))
    }

    /// Takes the entry with the least key.
    pub(crate) fn pop_first(&mut self) -> Option<(K, V)> {
        if self.0.is_empty() { None } else { Some(self.0.remove(0)) }
    }

    /// Keeps the entries that `keep` says yes to, asked in the order of their keys.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_mut(|(key, value)| keep(key, value));
    }
}

impl<K: Ord, V> SmallMap<K, V> {
    /// Where `key` is, or would be.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        // Numbers are given in order: what is added is mostly the greatest.
        match self.0.last() {
            Some((last, _)) if last.borrow() < key => Err(self.0.len()),
            _ => self.0.binary_search_by(|(other, _)| other.borrow().cmp(key)),
        }
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(self.find(key).ok()?).map(|(_, value)| value)
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    pub(crate) fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Puts `value` there; gives back what was there before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(at) => self.0.get_mut(at).map(|(_, old)| std::mem::replace(old, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        Some(self.0.remove(at).1)
    }

    /// What is there; what `make` makes, if nothing was.
    pub(crate) fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let at = match self.find(&key) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (key, make()));
                at
            }
        };
        &mut self.0[at].1
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SmallMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> SmallMap<K, V> {
        let mut small = SmallMap::new();
        small.extend(entries);
        small
    }
}

impl<K: Ord, V> Extend<(K, V)> for SmallMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        entries.into_iter().for_each(|(key, value)| drop(self.insert(key, value)));
    }
}

impl<K, V> IntoIterator for SmallMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a SmallMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V, (&'a K, &'a V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, K, V> IntoIterator for &'a mut SmallMap<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = IterMut<'a, K, V, (&'a K, &'a mut V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

/// An ordered set of few things.
#[derive(Clone, PartialEq, Eq)]
pub struct SmallSet<T>(SmallMap<T, ()>);

impl<T> Default for SmallSet<T> {
    fn default() -> SmallSet<T> {
        SmallSet::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for SmallSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<T> SmallSet<T> {
    pub(crate) const fn new() -> SmallSet<T> {
        SmallSet(SmallMap::new())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> Iter<'_, T, (), &T> {
        self.0.keys()
    }
}

impl<T: Ord> SmallSet<T> {
    pub(crate) fn contains<Q: Ord + ?Sized>(&self, thing: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.contains_key(thing)
    }

    /// Whether it was not there before.
    pub(crate) fn insert(&mut self, thing: T) -> bool {
        self.0.insert(thing, ()).is_none()
    }

    /// Whether it was there.
    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, thing: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.remove(thing).is_some()
    }
}

impl<T: Ord> FromIterator<T> for SmallSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(things: I) -> SmallSet<T> {
        let mut set = SmallSet::new();
        set.extend(things);
        set
    }
}

impl<T: Ord> Extend<T> for SmallSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, things: I) {
        things.into_iter().for_each(|thing| {
            self.insert(thing);
        });
    }
}

impl<T> IntoIterator for SmallSet<T> {
    type Item = T;
    type IntoIter = std::iter::Map<std::vec::IntoIter<(T, ())>, fn((T, ())) -> T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.0.into_iter().map(|(thing, ())| thing)
    }
}

impl<'a, T> IntoIterator for &'a SmallSet<T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T, (), &'a T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Sorts few things; equal ones stay in their order. In place of [`slice::sort`], which is ten thousand bytes of code for each type.
pub(crate) fn sort<T: Ord>(things: &mut [T]) {
    sort_with(things, |a, b| a < b);
}

/// The same, by a key.
pub(crate) fn sort_by_key<T, K: Ord>(things: &mut [T], key: impl Fn(&T) -> K) {
    sort_with(things, |a, b| key(a) < key(b));
}

fn sort_with<T>(things: &mut [T], less: impl Fn(&T, &T) -> bool) {
    for end in 1..things.len() {
        let mut at = end;
        while at > 0 && less(&things[at], &things[at - 1]) {
            things.swap(at, at - 1);
            at -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sorting_is_stable(things: Vec<(u8, u16)>) {
            let (mut ours, mut stds) = (things.clone(), things);
            sort_by_key(&mut ours, |(key, _)| *key);
            stds.sort_by_key(|(key, _)| *key);
            prop_assert_eq!(&ours, &stds);
            sort(&mut ours);
            stds.sort_unstable();
            prop_assert_eq!(ours, stds);
        }

        /// Whatever is done to it, a small holds and answers what a tree does, in the same order.
        #[test]
        fn it_is_as_a_tree(steps in prop::collection::vec((0_u8..8, 0_u8..12, any::<u16>()), 0..80)) {
            let (mut tree, mut small) = (BTreeMap::new(), SmallMap::new());
            for (step, key, value) in steps {
                match step {
                    0..3 => prop_assert_eq!(tree.insert(key, value), small.insert(key, value)),
                    3..5 => prop_assert_eq!(tree.remove(&key), small.remove(&key)),
                    5 => prop_assert_eq!(tree.pop_first(), small.pop_first()),
                    6 => {
                        let there = tree.entry(key).or_insert(value);
                        prop_assert_eq!(there, small.get_or_insert_with(key, || value));
                    }
                    _ => {
                        tree.retain(|k, v| *k != key && *v % 3 != 0);
                        small.retain(|k, v| *k != key && *v % 3 != 0);
                    }
                }
                prop_assert_eq!(tree.get(&key), small.get(&key));
                prop_assert_eq!(tree.get_mut(&key), small.get_mut(&key));
                prop_assert_eq!(tree.contains_key(&key), small.contains_key(&key));
                prop_assert_eq!(tree.first_key_value(), small.first_key_value());
                prop_assert_eq!(tree.len(), small.len());
                prop_assert_eq!(tree.is_empty(), small.is_empty());
                prop_assert!(tree.iter().eq(small.iter()));
                prop_assert!(tree.keys().rev().eq(small.keys().rev()));
            }
            prop_assert_eq!(format!("{tree:?}"), format!("{small:?}"));
            prop_assert!(tree.clone().into_iter().eq(small.clone()));
            prop_assert_eq!(&small, &tree.into_iter().rev().collect::<SmallMap<_, _>>());
        }
    }
}
