//! A group of settings that takes room only where one of them is written.

use std::ops::{Deref, DerefMut};

use serde::{Serialize, Serializer};

/// What can be a group.
pub trait Grouped: Clone + Default + PartialEq + 'static {
    /// The group in which nothing is written.
    fn nothing() -> &'static Self;
    /// Lays `over` on top: what it sets replaces, or extends lists when `accumulate`.
    fn lay(&mut self, over: &Self, accumulate: bool);
}

/// A group of settings: most scopes write in one or two of many.
#[derive(Clone, Debug, Default)]
pub struct Group<T>(Option<Box<T>>);

impl<T: Grouped> Group<T> {
    /// The group, where anything of it may be written.
    pub fn written(&self) -> Option<&T> {
        self.0.as_deref()
    }

    /// Lays `over` on top: what it sets replaces, or extends lists when `accumulate`.
    pub fn lay(&mut self, over: &T, accumulate: bool) {
        if !std::ptr::eq(over, std::ptr::from_ref(T::nothing())) {
            Grouped::lay(&mut **self, over, accumulate);
        }
    }
}

impl<T: Grouped> Deref for Group<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(group) => group,
            None => T::nothing(),
        }
    }
}

impl<T: Grouped> DerefMut for Group<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T: Grouped> PartialEq for Group<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T> From<T> for Group<T> {
    fn from(group: T) -> Self {
        Self(Some(Box::new(group)))
    }
}

impl<T: Grouped + Serialize> Serialize for Group<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}
