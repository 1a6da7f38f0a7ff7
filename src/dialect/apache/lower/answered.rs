//! Answers that are given while a path is mapped: redirects and refusals of a server's rules, `Redirect`.
//!
//! Sections for paths and `<If>` are looked at before a path is mapped and once more behind it (observed, 2.4.71), so
//! that what they say of fields and pages holds for these answers, too. Here they are looked at when there is one.

use super::{Kind, Phase, Section, walk, walk::Steps};
use crate::{
    ir::{Block, Hook, Join, Register, Route, Settings, Step, Table, Test},
    source::Span,
};

/// Captures of the sections' patterns: those of the rule that answers are still read.
const SECTIONS: Register = Register('A');

/// Puts the sections in force before each of these steps that answers; their hook is added to the settings.
pub(super) fn prepare(host: &Section, set: &mut Settings, steps: &mut Steps) {
    let speaks = |section: &Section| matches!(section.kind, Kind::Location | Kind::If);
    if !host.sections.iter().any(speaks) || !in_steps(steps) {
        return;
    }
    let mut walked = walk::paths(host);
    for (step, _) in &mut walked {
        if let Step::When { test, .. } = step {
            move_captures(test);
        }
    }
    let span = host.span;
    let blocks = vec![Block { steps: walked, span, ..Block::default() }];
    set.hook(&Hook { phase: Phase::Answering.name(), join: Join::Replace, blocks });
}

fn move_captures(test: &mut Test) {
    match test {
        Test::All(tests) | Test::Any(tests) => tests.iter_mut().for_each(move_captures),
        Test::Not(test) => move_captures(test),
        Test::Match { into: into @ Some(_), .. } => *into = Some(SECTIONS),
        _ => {}
    }
}

/// Whether any of these steps answers; a step that looks at the sections is put before those that do.
fn in_steps(steps: &mut Steps) -> bool {
    let mut found = false;
    let mut at = 0;
    while let Some((step, span)) = steps.get_mut(at) {
        match step {
            Step::Respond(_) => {
                let span: Span = *span;
                steps.insert(at, (Step::Perform(Phase::Answering.name()), span));
                (found, at) = (true, at + 1);
            }
            Step::Do(block) => found |= in_steps(&mut block.steps),
            Step::When { then, otherwise, test: _ } => {
                found |= in_steps(&mut then.steps);
                found |= in_steps(&mut otherwise.steps);
            }
            Step::Route(table) => found |= in_table(table),
            _ => {}
        }
        at += 1;
    }
    found
}

fn in_table(table: &mut Table) -> bool {
    let mut found = false;
    for Route { body, nested, .. } in &mut table.routes {
        found |= in_steps(&mut body.steps);
        found |= nested.as_mut().is_some_and(in_table);
    }
    found
}
