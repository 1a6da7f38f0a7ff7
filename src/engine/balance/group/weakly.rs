//! What others own, by a key: it is forgotten when they have let go of it.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Weak},
};

/// Fewer are not looked through for those that are gone.
const FEW: usize = 64;

/// Things by key, as long as somebody has them.
#[derive(Debug)]
pub(super) struct Weakly<K, V> {
    known: HashMap<K, Weak<V>>,
    /// At so many, those that are gone are removed: in all, each is looked at twice or so.
    most: usize,
}

impl<K, V> Default for Weakly<K, V> {
    fn default() -> Self {
        Self { known: HashMap::new(), most: FEW }
    }
}

impl<K: Hash + Eq, V> Weakly<K, V> {
    /// The one of a key.
    pub(super) fn get(&self, key: &K) -> Option<Arc<V>> {
        self.known.get(key).and_then(Weak::upgrade)
    }

    /// Makes this the one of a key.
    pub(super) fn insert(&mut self, key: K, value: &Arc<V>) {
        if self.known.len() >= self.most {
            self.known.retain(|_, one| one.strong_count() > 0);
            self.most = FEW.max(2 * self.known.len());
        }
        self.known.insert(key, Arc::downgrade(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_gone_are_forgotten() {
        let mut all = Weakly::default();
        let kept: Vec<_> = (0..100).map(Arc::new).collect();
        for (key, one) in kept.iter().enumerate() {
            all.insert(key, one);
        }
        for key in 100..10_000 {
            all.insert(key, &Arc::new(0));
            assert_eq!(all.get(&key), None);
        }
        assert!(all.known.len() <= 250, "{}", all.known.len());
        assert_eq!(all.get(&7).as_deref(), Some(&7));
    }
}
