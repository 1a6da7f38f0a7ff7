//! Types that a setting may have: how they merge, print and come from scalars.

use std::{fmt::Debug, path::PathBuf, time::Duration};

use super::super::{Naming, Required, Template, Text, print::Print};

/// A scalar as the catalogue's value grammars give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// On or off.
    Flag(bool),
    /// A span of time.
    Time(Duration),
    /// Bytes.
    Bytes(u64),
    /// A count.
    Count(u64),
    /// Text without variables.
    Text(Text),
    /// Text with variables.
    Template(Template),
}

/// A type that a setting may have.
pub trait Setting: Debug + Print {
    /// Extends lists; replaces everything else.
    fn accumulate(&mut self, over: &Self)
    where
        Self: Sized;

    /// From a scalar, where it has that shape.
    fn from_value(value: &Value) -> Option<Self>
    where
        Self: Sized,
    {
        let _ = value;
        None
    }
}

macro_rules! replaced {
    ($($kind:ty $(= $value:pat => $result:expr)? ;)*) => { $(
        impl Setting for $kind {
            fn accumulate(&mut self, over: &Self) {
                self.clone_from(over);
            }
            $( fn from_value(value: &Value) -> Option<Self> {
                match value { $value => $result, _ => None }
            } )?
        }
    )* };
}

replaced! {
    bool = Value::Flag(flag) => Some(*flag);
    u8 = Value::Count(count) => u8::try_from(*count).ok();
    u16 = Value::Count(count) => u16::try_from(*count).ok();
    u32 = Value::Count(count) => u32::try_from(*count).ok();
    u64 = Value::Count(number) | Value::Bytes(number) => Some(*number);
    Duration = Value::Time(time) => Some(*time);
    Text = Value::Text(text) => Some(text.clone());
    Template = Value::Template(template) => Some(template.clone());
    PathBuf;
    (u32, u64);
    (u8, u8);
    (u16, u16);
    super::Upgrade;
}

impl Setting for Required {
    fn accumulate(&mut self, over: &Self) {
        *self = over.over(self);
    }
}

impl Setting for Naming {
    fn accumulate(&mut self, over: &Self) {
        let Self { realm, users, groups } = over;
        self.realm = realm.clone().or_else(|| self.realm.take());
        self.users = users.clone().or_else(|| self.users.take());
        self.groups = groups.clone().or_else(|| self.groups.take());
    }
}

impl<T: Clone + Debug + Print> Setting for Option<T> {
    fn accumulate(&mut self, over: &Self) {
        self.clone_from(over);
    }
}

impl<T: Clone + Debug + Print> Setting for Vec<T> {
    fn accumulate(&mut self, over: &Self) {
        self.extend_from_slice(over);
    }
}
