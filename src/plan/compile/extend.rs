//! More program for a plan that is in use: what directories bring.

use std::sync::PoisonError;

use super::{Compiler, Entry, Plan, VarPlan, reads};
use crate::{
    diagnostic::{Diagnostic, Severity},
    ir::{
        self, Block, Config, Host, HostId, Name, Register, Var, VarId,
        local::Loaded,
        walk::{self, Item},
    },
    plan::{hash::Map, op::Op},
    source::Span,
};

/// Why nothing more is taken.
const NO_ROOM: &str = "there is no room for more programs";

/// What a plan remembers in order to grow.
#[derive(Debug, Default)]
pub(in crate::plan) struct Growth {
    /// Numbers of phases.
    pub(super) phases: Map<Name, u16>,
    /// The highest group that is read of each register.
    pub(super) read: Map<Register, u8>,
    /// All variables, those that came later included.
    pub(super) vars: Vec<Var>,
    /// Blocks that were added, for who brings the same again.
    added: Vec<(HostId, Block, Entry)>,
}

impl Growth {
    pub(super) fn new(phases: Map<Name, u16>, read: Map<Register, u8>, vars: Vec<Var>) -> Self {
        Self { phases, read, vars, added: Vec::new() }
    }
}

/// What became of what a directory brings.
#[derive(Debug)]
pub struct Added {
    /// Where it begins; `None` when it cannot be run.
    pub entry: Option<Entry>,
    /// What there is to say about it.
    pub found: Vec<String>,
}

impl Plan {
    /// Adds what `load` brings for a host. `load` gets the variables known so far, and adds its own.
    ///
    /// Variables stay whatever becomes of what they came with: who loads knows them by their numbers.
    pub fn extend(&self, host: HostId, load: impl FnOnce(&mut Vec<Var>) -> Loaded) -> Added {
        let mut growth = self.growth.lock().unwrap_or_else(PoisonError::into_inner);
        if growth.vars.len() != self.vars.len() {
            return Added { entry: None, found: vec![NO_ROOM.to_owned()] };
        }
        // A copy: a fault while loading must not take away what others use.
        let mut vars = growth.vars.clone();
        let Loaded { rest, mut found } = load(&mut vars);
        growth.vars = vars;
        let same = growth.added.iter().find(|(of, block, _)| *of == host && *block == rest);
        let entry = match same.map(|(_, _, entry)| *entry) {
            Some(entry) => Some(entry),
            None => match self.add(&mut growth, &rest) {
                Ok(entry) => {
                    growth.added.push((host, rest, entry));
                    Some(entry)
                }
                Err(faults) => {
                    found.extend(faults.into_iter().map(|one| one.message));
                    None
                }
            },
        };
        self.keep_vars(&mut growth);
        Added { entry, found }
    }

    fn add(&self, growth: &mut Growth, block: &Block) -> Result<Entry, Vec<Diagnostic>> {
        let unsound = self.unsound(&growth.vars, block);
        if unsound.is_empty() { self.compile_more(growth, block) } else { Err(unsound) }
    }

    /// Takes in the variables that came with what could not be taken, or was there already.
    fn keep_vars(&self, growth: &mut Growth) {
        if self.vars.len() < growth.vars.len() && self.compile_more(growth, &Block::default()).is_err() {
            // They are unset: whatever is wrong with them, nobody uses them.
            while self.vars.len() < growth.vars.len() {
                if !self.vars.push(VarPlan::Assigned { by_groups: true }) {
                    return;
                }
            }
        }
    }

    /// What keeps a block from being run.
    fn unsound(&self, vars: &[Var], block: &Block) -> Vec<Diagnostic> {
        let host = Host {
            name: Name::default(),
            names: Vec::new(),
            tls: None,
            request: block.clone(),
            named: Vec::new(),
            span: Span::NONE,
        };
        let config = Config {
            clusters: self.config.clusters.clone(),
            maps: self.config.maps.clone(),
            vars: vars.to_vec(),
            hosts: vec![host],
            ..Config::default()
        };
        let mut found = ir::validate(&config);
        found.retain(|one| one.severity == Severity::Error);
        found
    }

    fn compile_more(&self, growth: &mut Growth, block: &Block) -> Result<Entry, Vec<Diagnostic>> {
        let mut compiler = Compiler::of(&self.config, growth.read.clone());
        compiler.base = super::Numbers {
            code: self.code.len() as u32,
            tables: self.tables.len() as u32,
            layers: self.layers.len() as u32,
        };
        compiler.phases.clone_from(&growth.phases);
        compiler.stepped = vec![true; growth.vars.len()];
        walk::block(block, false, &mut |item, _| {
            if let Item::Template(template) = item {
                reads(template, &mut compiler.read);
            }
        });
        let new = growth.vars[self.vars.len()..].to_vec();
        let vars: Vec<_> = new.iter().map(|var| compiler.var(var)).collect();
        let entry = compiler.aside(std::slice::from_ref(block));
        compiler.emit(Op::End, Span::NONE);
        compiler.link();
        compiler.build_patterns();
        let Compiler { code, spans, tables, layers, diagnostics, phases, read, .. } = compiler;
        if !diagnostics.is_empty() {
            return Err(diagnostics);
        }
        let mut room = true;
        room &= vars.into_iter().all(|var| self.vars.push(var));
        room &= tables.into_iter().all(|table| self.tables.push(table));
        room &= layers.into_iter().all(|layer| self.layers.push(layer));
        room &= spans.into_iter().all(|span| self.spans.push(span));
        room &= code.into_iter().all(|op| self.code.push(op));
        growth.phases = phases;
        growth.read = read;
        match entry.first().filter(|_| room) {
            Some(entry) => Ok(*entry),
            None => Err(vec![Diagnostic::error("too-much", Span::NONE, NO_ROOM)]),
        }
    }

    /// The variable of an id, one that came later included.
    pub fn var_name(&self, id: VarId) -> Name {
        let growth = self.growth.lock().unwrap_or_else(PoisonError::into_inner);
        growth.vars.get(id.0 as usize).map(|var| var.name.clone()).unwrap_or_default()
    }
}
