//! Conditions that drop each other's settings.

use super::{Context, Lint, warn};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Base, Block, Kind, Step, Test,
        walk::{self, Item},
    },
    source::Span,
};

pub(super) const LINT: Lint = Lint {
    code: "settings-dropped",
    what: r"Of two conditions that are both true only the settings of the last one count.",
    why: r"Each takes the place of the settings of the one before: fields, limits and the handler written there are gone.",
    fix: r"write the settings into one condition, or compute values with tables",
    bad: &[
        r"server { listen 80; location / { root /x; if ($arg_a) { add_header X-A a; } if ($arg_b) { add_header X-B b; } } }",
    ],
    good: &[
        r"server { listen 80; location / { root /x; if ($arg_a) { return 403; } if ($arg_b) { return 404; } } }",
        r"server { listen 80; location / { root /x; if ($request_method = GET) { add_header X-A a; } if ($request_method = POST) { add_header X-B b; } } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for host in &cx.config.hosts {
        walk::host(host, &mut |item, _| {
            let Item::Block(block, false) = item else { return };
            let bring = |block: &Block| {
                let scope = block.scope.as_ref().filter(|scope| scope.base == Base::Enclosing);
                let ends = block.steps.iter().any(|(step, _)| matches!(step, Step::Respond(_)));
                scope.is_some_and(|scope| {
                    let mut any = false;
                    scope.set.each(&mut |_, _, _| any = true);
                    any
                }) && !ends
            };
            let mut before: Vec<(&Test, Span)> = Vec::new();
            for (step, span) in &block.steps {
                let Step::When { test, then, .. } = step else { continue };
                if !bring(then) {
                    continue;
                }
                if let Some((_, first)) = before.iter().find(|(other, _)| !excludes(other, test)) {
                    found.push(
                        warn(
                            &LINT,
                            *span,
                            "where this holds, the settings of the condition before it are dropped",
                        )
                        .label(*first, "these"),
                    );
                    return;
                }
                before.push((test, *span));
            }
        });
    }
}

/// Whether two conditions cannot both hold: they ask of one value whether it is this or that.
fn excludes(one: &Test, other: &Test) -> bool {
    match (one, other) {
        (Test::Method(these), Test::Method(those)) => !these.iter().any(|method| those.contains(method)),
        (Test::Equal(of, this), Test::Equal(value, that)) => {
            of == value && this.as_text().is_some() && that.as_text().is_some() && this != that
        }
        (
            Test::Match { subject: of, pattern: this, .. },
            Test::Match { subject: value, pattern: that, .. },
        ) => of == value && this.kind == Kind::Exact && that.kind == Kind::Exact && this.text != that.text,
        _ => false,
    }
}
