//! Lists of who may, that keep nobody out.

use super::{Context, Lint, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        AddressRange, Block, Part, Step, Test, VarKind,
        walk::{self, Item},
    },
};

pub(super) const LINT: Lint = Lint {
    code: "allow-without-deny",
    what: r"Addresses are allowed, and nobody is denied.",
    why: r"Who is in no rule is allowed. The list keeps nobody out.",
    fix: r"end the list with a rule that denies all",
    bad: &[r"server { listen 80; location /admin { root /x; allow 10.0.0.0/8; } }"],
    good: &[r"server { listen 80; location /admin { root /x; allow 10.0.0.0/8; deny all; } }"],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut say = |span| found.push(warn(&LINT, span, "nobody is kept out: no rule denies"));
    for scene in &cx.scenes {
        if let Some(rules) = &scene.own.access.rules {
            let only = rules.iter().all(|(range, allow)| *allow && *range != AddressRange::All);
            if only && !rules.is_empty() {
                say(scene.place("access", "rules"));
            }
        }
        // A question that holds for everybody, and for some addresses besides.
        if let Some(Some(gate)) = &scene.own.access.gate
            && let [Part::Var(var)] = &*gate.0
            && let VarKind::Choice { choices, .. } = &cx.config.vars[var.0 as usize].kind
            && let [choice] = choices.as_slice()
            && let Test::Any(tests) = &choice.test
            && tests.iter().any(always)
            && tests.iter().any(asks_address)
        {
            say(scene.place("access", "gate"));
        }
    }
    for host in &cx.config.hosts {
        // Addresses that are looked at, and nothing comes of it.
        walk::host(host, &mut |item, _| {
            let Item::Block(block, false) = item else { return };
            for (step, span) in &block.steps {
                if let Step::When { test, then, otherwise } = step
                    && asks_address(test)
                    && is_idle(then)
                    && is_idle(otherwise)
                    && span.is_known()
                {
                    say(*span);
                }
            }
        });
    }
}

fn always(test: &Test) -> bool {
    match test {
        Test::All(tests) => tests.is_empty(),
        Test::Not(inner) => matches!(&**inner, Test::Any(tests) if tests.is_empty()),
        _ => false,
    }
}

fn asks_address(test: &Test) -> bool {
    match test {
        Test::InNetwork(..) => true,
        Test::Any(tests) => !tests.is_empty() && tests.iter().all(asks_address),
        _ => false,
    }
}

/// Whether a block does nothing but look at addresses.
fn is_idle(block: &Block) -> bool {
    block.scope.is_none()
        && block.steps.iter().all(|(step, _)| {
            matches!(step, Step::When { test, then, otherwise }
                if asks_address(test) && is_idle(then) && is_idle(otherwise))
        })
}
