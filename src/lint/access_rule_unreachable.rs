//! Access rules that never count.

use super::{Context, Lint, warn};
use crate::{diagnostic::Diagnostic, ir::AddressRange};

pub(super) const LINT: Lint = Lint {
    code: "access-rule-unreachable",
    what: r"A rule stands behind one that decides for everybody.",
    why: r"The first rule that holds decides: this one is never asked.",
    fix: r"put the rule for all last",
    bad: &[r"server { listen 80; location / { root /x; allow all; deny 10.0.0.1; } }"],
    good: &[r"server { listen 80; location / { root /x; deny 10.0.0.1; allow all; } }"],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for scene in &cx.scenes {
        let Some(rules) = &scene.own.access.rules else { continue };
        let all = rules.iter().position(|(range, _)| *range == AddressRange::All);
        if all.is_some_and(|at| at + 1 < rules.len()) {
            found.push(warn(
                &LINT,
                scene.place("access", "rules"),
                "a rule for all addresses stands before others",
            ));
        }
    }
}
