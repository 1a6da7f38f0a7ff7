//! Conditions that were asked before.

use super::{Context, Lint, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Block, Reply, Step, Test,
        walk::{self, Item},
    },
    source::Span,
};

pub(super) const LINT: Lint = Lint {
    code: "same-test-twice",
    what: r"The same condition ended the list already.",
    why: r"The second one is never reached with it true.",
    fix: r"leave one of them out",
    bad: &[
        r"server { listen 80; location / { root /x; if ($arg_a = b) { return 403; } if ($arg_a = b) { return 404; } } }",
    ],
    good: &[
        r"server { listen 80; location / { root /x; if ($arg_a = b) { return 403; } if ($arg_a = c) { return 404; } } }",
    ],
    look: Some(look),
};

/// What a block answers, if that is all it does in the end.
fn answer(block: &Block) -> Option<&Reply> {
    block.steps.iter().find_map(|(step, _)| match step {
        Step::Respond(reply) => Some(reply),
        _ => None,
    })
}

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for host in &cx.config.hosts {
        walk::host(host, &mut |item, _| {
            let Item::Block(block, false) = item else { return };
            let mut ended: Vec<(&Test, &Block, Span)> = Vec::new();
            for (step, span) in &block.steps {
                match step {
                    Step::When { test, then, .. } => {
                        // Of two that answer the same it does not matter which one does.
                        if let Some((.., first)) = ended
                            .iter()
                            .find(|(known, ..)| *known == test)
                            .filter(|(_, block, _)| span.is_known() && answer(block) != answer(then))
                        {
                            found.push(
                                warn(&LINT, *span, "this condition was asked before, and ended the list")
                                    .label(*first, "here"),
                            );
                        }
                        if then.steps.iter().any(|(step, _)| matches!(step, Step::Respond(_))) {
                            ended.push((test, then, *span));
                        }
                    }
                    // What is asked may have another answer now.
                    Step::Rewrite { .. } | Step::Assign { .. } | Step::Do(_) => ended.clear(),
                    _ => {}
                }
            }
        });
    }
}
