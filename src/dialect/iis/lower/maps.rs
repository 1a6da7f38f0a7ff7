//! Rewrite maps: tables looked up by an expression.
//!
//! Reference 5.10. Keys compare without case unless `ignoreCase="false"`; a value is inserted as it is.

use std::sync::Arc;

use super::Cx;
use crate::{
    dialect::iis::effective::{Item, Value},
    ir::{Escape, Kind, Order, Part, Pattern, Register, Row, Template, VarKind, case},
};

/// Captures of rows, which have none.
const NOWHERE: Register = Register('M');

/// The maps in force at a place.
#[derive(Clone, Debug, Default)]
pub(super) struct Maps {
    maps: Vec<Map>,
    /// The names of providers, which are assemblies of .NET.
    providers: Vec<String>,
}

/// A map.
#[derive(Clone, Debug)]
pub(super) struct Map {
    name: String,
    rows: Arc<Vec<Row>>,
    default: Template,
    /// Whether its keys have letters beyond ASCII whose case does not count, and are folded.
    folds: bool,
}

impl Maps {
    /// The maps of `rewriteMaps`, and those whom rules may ask as they ask a map, of `providers`.
    pub(super) fn of(section: &Value, providers: &Value) -> Self {
        let map = |value: &Value| {
            let ignore_case = value.flag("ignoreCase");
            let folds = ignore_case && value.items().iter().any(|item| !item.value.text("key").is_ascii());
            let row = |value: &Value| {
                let key = value.text("key");
                let text = if folds { case::fold(key).into() } else { key.into() };
                Row {
                    pattern: Pattern { kind: Kind::Exact, text, ignore_case, groups: Vec::new() },
                    value: Template::text(value.text("value")),
                }
            };
            Map {
                name: value.text("name").to_owned(),
                rows: Arc::new(value.items().iter().map(|item| row(&item.value)).collect()),
                default: Template::text(value.text("defaultValue")),
                folds,
            }
        };
        let name = |item: &Item| item.value.text("name").to_owned();
        Self {
            maps: section.items().iter().map(|item| map(&item.value)).collect(),
            providers: providers.items().iter().map(name).collect(),
        }
    }

    /// The map of a name, whatever its case.
    pub(super) fn get(&self, name: &str) -> Option<&Map> {
        self.maps.iter().find(|map| map.name.eq_ignore_ascii_case(name))
    }

    /// Whether it is a provider that has this name.
    pub(super) fn is_provider(&self, name: &str) -> bool {
        self.providers.iter().any(|provider| provider.eq_ignore_ascii_case(name))
    }

    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.maps.iter().map(|map| map.name.as_str())
    }
}

impl Cx<'_> {
    /// What a map gives for a key; the same question is asked of the same variable.
    pub(super) fn look_up(&mut self, map: &Map, key: &Template) -> Template {
        let folded = map.folds.then(|| Template(vec![Part::Escape(Escape::Fold, key.clone())]));
        let key = folded.as_ref().unwrap_or(key);
        let asked = self.config.vars.iter().position(|var| {
            matches!(&var.kind, VarKind::Table { key: other, rows, default, .. }
                if other == key && default == &map.default && rows == map.rows.as_ref())
        });
        let id = match asked {
            Some(at) => crate::ir::VarId(at as u32),
            None => self.fresh(
                &map.name,
                VarKind::Table {
                    key: key.clone(),
                    order: Order::Specific,
                    rows: map.rows.as_ref().clone(),
                    default: map.default.clone(),
                    once: false,
                    into: NOWHERE,
                },
            ),
        };
        Template(vec![Part::Var(id)])
    }
}
