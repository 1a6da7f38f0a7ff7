//! Tables: of routes, of values, of host names.

use std::sync::Arc;

use super::{Compiler, Ground};
use crate::{
    ir::{Block, Choice, HostId, Kind, Order, Register, Route, Table, Var, VarKind},
    plan::{
        Effective, HostNames, ListenerPlan,
        hash::Map,
        names::Names,
        op::{Next, Op},
        route::{self, RouteTable},
        var::{NetworkVar, TableVar, VarPlan},
    },
    source::Span,
};

impl<'c> Compiler<'c> {
    pub(super) fn route(&mut self, table: &'c Table, span: Span, ground: Ground) {
        let after = self.label();
        let at = self.code.len();
        self.emit(Op::Route { table: 0, otherwise: after }, span);
        let number = self.table(table, ground, ground, &mut Vec::new(), after);
        self.code[at] = Op::Route { table: number, otherwise: after };
        self.place(after);
    }

    /// A table and those inside it. `outer` is what lies below the outermost.
    fn table(
        &mut self,
        table: &'c Table,
        outer: Ground,
        ground: Ground,
        around: &mut Vec<&'c Block>,
        after: u32,
    ) -> u32 {
        let Table { order, into, routes } = table;
        let mut entries = Vec::with_capacity(routes.len());
        for route in routes {
            let Route { path, decisive, body, nested } = route;
            let kept = self.kept;
            let entry = self.here();
            // Scopes around that are not known beforehand are put in force on the way in.
            let mut below = ground;
            if matches!(ground, Ground::Kept(_)) {
                below = outer;
                for block in &*around {
                    if let Some(scope) = &block.scope {
                        below = self.enter(scope, below, block.span);
                    }
                }
            }
            let within = if let Some(scope) = &body.scope {
                self.enter(scope, below, body.span)
            } else {
                if let Ground::Fixed(settings) = below {
                    self.emit(Op::Use(settings), body.span);
                }
                below
            };
            self.labelled(body, within);
            self.kept = kept;
            self.emit(Op::Go(Next::To(after)), body.span);
            let prefix =
                if matches!(path.kind, Kind::Exact | Kind::Prefix) { path.text.len() as u32 } else { 0 };
            let nested = nested.as_ref().map(|nested| {
                around.push(body);
                let ground = self.without_handler(within, outer);
                let nested = self.table(nested, outer, ground, around, after);
                around.pop();
                nested
            });
            entries.push(route::Entry { body: entry, prefix, decisive: *decisive, nested });
        }
        let paths = routes.iter().map(|route| &route.path);
        let mut known = std::mem::take(&mut self.indexes);
        let index = RouteTable::new(*order, *into, entries, paths, &mut known, |place, path| {
            self.find(path, Some(*into), routes[place].body.span)
        });
        self.indexes = known;
        let span = routes.first().map_or(Span::NONE, |route| route.body.span);
        self.alone(index.apart(), span);
        self.tables.push(index);
        self.base.tables + self.tables.len() as u32 - 1
    }

    /// What nested routes lie on: who answers and what prepares it are not inherited.
    fn without_handler(&mut self, within: Ground, outer: Ground) -> Ground {
        let (Ground::Fixed(within), Ground::Fixed(outer)) = (within, outer) else { return within };
        let Effective { handler, prepare, .. } = self.settings[outer.0 as usize].clone();
        let base = self.settings[within.0 as usize].clone();
        let stripped = Effective { handler, prepare, ..base.clone() };
        Ground::Fixed(self.intern(within, &base, stripped))
    }

    pub(super) fn var(&mut self, var: &'c Var) -> VarPlan {
        let Var { name: _, kind, span } = var;
        match kind {
            VarKind::Assigned => {
                let at = self.config.vars.iter().position(|other| std::ptr::eq(other, var));
                VarPlan::Assigned { by_groups: at.is_some_and(|at| !self.stepped[at]) }
            }
            VarKind::Table { key, order, rows, default, once, into } => {
                let patterns = rows.iter().map(|row| &row.pattern);
                let names = Names::new(*order, patterns, |_, pattern| self.find(pattern, Some(*into), *span));
                self.alone(names.apart(), *span);
                VarPlan::Table(Box::new(TableVar {
                    key: key.clone(),
                    clobbers: names.captures(),
                    names,
                    values: rows.iter().map(|row| row.value.clone()).collect(),
                    default: default.clone(),
                    once: *once,
                    into: *into,
                }))
            }
            VarKind::Optional => VarPlan::Assigned { by_groups: true },
            VarKind::Choice { choices, default } => {
                let choice =
                    |choice: &'c Choice| Some((self.question(&choice.test, *span)?, choice.value.clone()));
                let choices = choices.iter().filter_map(choice).collect();
                VarPlan::Choice { choices, default: default.clone() }
            }
            VarKind::Network { key, rows, default, proxies, recursive } => {
                VarPlan::Network(Box::new(NetworkVar::new(key.clone(), rows, default, proxies, *recursive)))
            }
            VarKind::Split { key, buckets } => VarPlan::Split { key: key.clone(), buckets: buckets.clone() },
        }
    }

    /// The names of each listener's hosts; listeners with the same hosts share them.
    pub(super) fn listeners(&mut self) -> Vec<ListenerPlan> {
        let mut made: Map<(&'c [HostId], Order, Register), Arc<HostNames>> = Map::default();
        let mut listeners = Vec::new();
        for listener in &self.config.listeners {
            let names = if let Some(names) = made.get(&(&*listener.hosts, listener.order, listener.into)) {
                Arc::clone(names)
            } else {
                let hosts = || listener.hosts.iter().map(|id| (*id, self.config.host(*id)));
                let rows =
                    || hosts().flat_map(|(id, host)| host.names.iter().map(move |name| (id, host, name)));
                let rows: Vec<_> = rows().collect();
                let patterns = rows.iter().map(|(_, _, name)| *name);
                let names = Names::new(listener.order, patterns, |place, pattern| {
                    self.find(pattern, Some(listener.into), rows[place].1.span)
                });
                self.alone(names.apart(), listener.span);
                let hosts = rows.iter().map(|(id, ..)| *id).collect();
                let names = Arc::new(HostNames { names, hosts });
                made.insert((&listener.hosts, listener.order, listener.into), Arc::clone(&names));
                names
            };
            listeners.push(ListenerPlan { default: listener.default, into: listener.into, names });
        }
        listeners
    }
}
