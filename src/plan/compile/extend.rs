//! More program for a plan that is in use: what directories bring.

use std::sync::PoisonError;

use super::{Compiler, Entry, Plan, reads};
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
    pub fn extend(&self, host: HostId, load: impl FnOnce(&mut Vec<Var>) -> Loaded) -> Added {
        let mut growth = self.growth.lock().unwrap_or_else(PoisonError::into_inner);
        let known = growth.vars.len();
        let Loaded { rest, mut found } = load(&mut growth.vars);
        let same = growth.added.iter().find(|(of, block, _)| *of == host && *block == rest);
        if let Some((_, _, entry)) = same {
            return Added { entry: Some(*entry), found };
        }
        let unsound = self.unsound(&growth.vars, &rest);
        if !unsound.is_empty() {
            found.extend(unsound.iter().map(|one| one.message.clone()));
            return Added { entry: None, found };
        }
        let entry = match self.compile_more(&mut growth, known, &rest) {
            Ok(entry) => entry,
            Err(faults) => {
                found.extend(faults.iter().map(|one| one.message.clone()));
                return Added { entry: None, found };
            }
        };
        growth.added.push((host, rest, entry));
        Added { entry: Some(entry), found }
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

    fn compile_more(
        &self,
        growth: &mut Growth,
        known: usize,
        block: &Block,
    ) -> Result<Entry, Vec<Diagnostic>> {
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
        let new = growth.vars[known..].to_vec();
        let vars: Vec<_> = new.iter().map(|var| compiler.var(var)).collect();
        let entry = compiler.aside(std::slice::from_ref(block));
        compiler.emit(Op::End, Span::NONE);
        compiler.link();
        compiler.build_patterns();
        let Compiler { code, spans, tables, layers, diagnostics, phases, read, .. } = compiler;
        if !diagnostics.is_empty() {
            growth.vars.truncate(known);
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
            None => {
                Err(vec![Diagnostic::error("too-much", Span::NONE, "there is no room for more programs")])
            }
        }
    }

    /// The variable of an id, one that came later included.
    pub fn var_name(&self, id: VarId) -> Name {
        let growth = self.growth.lock().unwrap_or_else(PoisonError::into_inner);
        growth.vars.get(id.0 as usize).map(|var| var.name.clone()).unwrap_or_default()
    }
}
