//! The blocks that bring settings, each with what is in force in it.

use super::{Context, field_value, response_fields, speaks_of_path};
use crate::{
    ir::{
        Base, Block, Config, HostId, Name, Part, Pattern, Route, Settings, Step, Table, Template, Test,
        VarKind,
    },
    source::Span,
};

/// A block that brings settings, and what is in force in it.
#[derive(Debug)]
pub struct Scene<'c> {
    /// Its host.
    pub host: HostId,
    /// What the path is, as far as it was asked on the way.
    pub path: Option<&'c Pattern>,
    /// The block.
    pub block: &'c Block,
    /// What is written for all hosts, around it and in it.
    pub set: Settings,
    /// What it brings itself.
    pub own: &'c Settings,
    /// Whether it is laid over what was in force, and lists grow.
    pub grows: bool,
    /// The scene around it.
    pub outer: Option<usize>,
    /// Whether it is entered only under some condition besides the path.
    pub conditional: bool,
}

impl Scene<'_> {
    /// Where a setting that is in force was written.
    pub fn place(&self, group: &str, field: &str) -> Span {
        self.set.places.find(group, field).filter(|span| span.is_known()).unwrap_or(self.block.span)
    }

    /// The fields that are added to or set in responses by what the scene brings itself.
    pub fn adds(&self) -> Vec<(&Name, &Template)> {
        let mut all = Vec::new();
        for block in self.own.answer.on_response.iter().flatten() {
            response_fields(block, &mut all);
        }
        all
    }

    /// The value that a field of responses is given last by what is in force, and where.
    pub fn sent(&self, field: &[u8]) -> Option<(&Template, Span)> {
        let blocks = self.set.answer.on_response.iter().flatten();
        let (value, span) = blocks.rev().find_map(|block| last_value(block, field))?;
        Some((value, if span.is_known() { span } else { self.place("answer", "on_response") }))
    }

    /// The same for all that is in force.
    pub fn sends(&self) -> Vec<(&Name, &Template)> {
        let mut all = Vec::new();
        for block in self.set.answer.on_response.iter().flatten() {
            response_fields(block, &mut all);
        }
        all
    }
}

/// More ways than these out of one host's places are not followed.
const WAYS: usize = 24;

#[derive(Clone, Copy)]
struct Walk<'c> {
    host: HostId,
    path: Option<&'c Pattern>,
    outer: Option<usize>,
    conditional: bool,
    /// Whether only what is done with requests counts: all else was looked at on another way.
    again: bool,
}

/// What is in force behind a block.
struct Left<'c> {
    set: Settings,
    /// Whether the block brought any of it.
    changed: bool,
    /// What the path is there, if only some come this way.
    path: Option<&'c Pattern>,
}

impl<'c> Context<'c> {
    pub(super) fn of(config: &'c Config) -> Self {
        let mut cx = Self { config, scenes: Vec::new() };
        for (at, host) in config.hosts.iter().enumerate() {
            let id = HostId(at as u32);
            let start = Walk { host: id, path: None, outer: None, conditional: false, again: false };
            let mut ways = WAYS;
            cx.block(&host.request, start, &config.common, &config.common, &mut ways);
            let outer = cx.scenes.iter().position(|scene| std::ptr::eq(scene.block, &raw const host.request));
            for (_, block) in &host.named {
                let set = outer.map_or_else(|| config.common.clone(), |at| cx.scenes[at].set.clone());
                cx.block(block, Walk { outer, ..start }, &set, &set, &mut ways);
            }
        }
        cx
    }

    /// A block: `around` is what holds around it, `now` what is in force where it begins.
    fn block(
        &mut self,
        block: &'c Block,
        walk: Walk<'c>,
        around: &Settings,
        now: &Settings,
        ways: &mut usize,
    ) -> Vec<Left<'c>> {
        let mut walk = walk;
        let Some(scope) = &block.scope else {
            return self.steps(&block.steps, walk, around, now.clone(), false, ways);
        };
        let grows = scope.base == Base::Current;
        let mut set = if grows { now.clone() } else { around.clone() };
        set.lay(&scope.set, grows);
        if !walk.again || scope.set.handler.is_some() {
            let at = self.scenes.len();
            self.scenes.push(Scene {
                host: walk.host,
                path: walk.path,
                block,
                set: set.clone(),
                own: &scope.set,
                grows,
                outer: walk.outer,
                conditional: walk.conditional,
            });
            walk.outer = Some(at);
        }
        let left = self.steps(&block.steps, walk, &set, set.clone(), true, ways);
        if !walk.again {
            for inner in scope.set.hooks.iter().flat_map(|hook| &hook.blocks) {
                self.block(inner, walk, &set, &set, ways);
            }
        }
        left
    }

    /// Steps in a row. Where several ways lead on with settings of their own (the places of a site), what is done with
    /// requests is looked at on each of them.
    fn steps(
        &mut self,
        steps: &'c [(Step, Span)],
        walk: Walk<'c>,
        around: &Settings,
        now: Settings,
        changed: bool,
        ways: &mut usize,
    ) -> Vec<Left<'c>> {
        let (mut now, mut changed) = (now, changed);
        let mut others = Vec::new();
        for (at, (step, _)) in steps.iter().enumerate() {
            let left = match step {
                Step::Do(inner) => self.block(inner, walk, around, &now, ways),
                Step::When { test, then, otherwise } => {
                    let path = path_of(test);
                    let inside = Walk {
                        path: path.or(walk.path),
                        conditional: walk.conditional || path.is_none(),
                        ..walk
                    };
                    let mut special = self.block(then, inside, around, &now, ways);
                    // What is not so for one path, or not yet so, is nothing that a request asks for.
                    let usual = path.is_some() || self.is_state(test);
                    let outside = Walk { conditional: walk.conditional || !usual, ..walk };
                    let mut left = self.block(otherwise, outside, around, &now, ways);
                    // What only some bring is not in force for all others.
                    special.retain(|one| one.changed);
                    left.retain(|one| one.changed);
                    if left.is_empty() {
                        continue;
                    }
                    special.iter_mut().for_each(|one| one.path = one.path.or(path));
                    left.extend(special);
                    left
                }
                Step::Route(table) => {
                    self.table(table, walk, &now, ways);
                    continue;
                }
                _ => continue,
            };
            let mut left = left.into_iter().filter(|one| one.changed);
            let Some(first) = left.next() else { continue };
            (now, changed) = (first.set, true);
            for other in left {
                if *ways == 0 {
                    break;
                }
                *ways -= 1;
                let walk = Walk { path: other.path.or(walk.path), again: true, ..walk };
                let behind = self.steps(&steps[at + 1..], walk, around, other.set, true, ways);
                others.extend(behind.into_iter().map(|one| Left { path: one.path.or(other.path), ..one }));
            }
        }
        others.insert(0, Left { set: now, changed, path: None });
        others
    }

    fn table(&mut self, table: &'c Table, walk: Walk<'c>, set: &Settings, ways: &mut usize) {
        for Route { path, body, nested, .. } in &table.routes {
            self.block(body, Walk { path: Some(path), ..walk }, set, set, ways);
            if let Some(nested) = nested {
                let mut inner = set.clone();
                if let Some(scope) = &body.scope {
                    inner.lay(&scope.set, scope.base == Base::Current);
                }
                let outer = self.scenes.iter().rposition(|scene| std::ptr::eq(scene.block, body));
                let walk = Walk { path: Some(path), outer: outer.or(walk.outer), ..walk };
                self.table(nested, walk, &inner, ways);
            }
        }
    }

    /// Whether a test asks only for what the program remembers.
    pub(super) fn is_state(&self, test: &Test) -> bool {
        matches!(test, Test::Truthy(value) if matches!(&*value.0, [Part::Var(var)]
            if matches!(self.config.vars[var.0 as usize].kind, VarKind::Assigned)))
    }
}

/// The value that the last of a block's steps gives a field.
fn last_value<'c>(block: &'c Block, field: &[u8]) -> Option<(&'c Template, Span)> {
    block.steps.iter().rev().find_map(|(step, span)| match step {
        Step::Do(inner) => last_value(inner, field),
        Step::When { then, otherwise, .. } => {
            last_value(otherwise, field).or_else(|| last_value(then, field))
        }
        step => {
            let (name, value) = field_value(step)?;
            name.is_field(field).then_some((value, *span))
        }
    })
}

/// What a test asks of the path, where it asks nothing else.
fn path_of(test: &Test) -> Option<&Pattern> {
    match test {
        Test::Match { subject, pattern, .. } if speaks_of_path(subject) => Some(pattern),
        Test::Any(any) => any.first().and_then(path_of),
        _ => None,
    }
}
