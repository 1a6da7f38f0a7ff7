//! Visits what a cluster knows of sessions and of the health of its endpoints.

use super::{Item, Visit, forwarding};
use crate::{
    ir::{Affinity, Check, Expectation, Watch},
    source::Span,
};

pub(super) fn affinity<'c>(affinity: &'c Affinity, span: Span, visit: Visit<'_, 'c>) {
    match affinity {
        Affinity::Cookie { name: _, lasts: _, attributes } => {
            for value in attributes.iter().filter_map(|(_, value)| value.as_ref()) {
                visit(Item::Template(value), span);
            }
        }
        Affinity::Route(routes) => routes.iter().for_each(|route| visit(Item::Template(route), span)),
        Affinity::Learned { begins, goes_on, table: _, entries: _, lasts: _, at_head: _ } => {
            begins.iter().chain(goes_on).for_each(|name| visit(Item::Template(name), span));
        }
    }
}

pub(super) fn watch<'c>(watch: &'c Watch, visit: Visit<'_, 'c>) {
    let Watch {
        check,
        jitter: _,
        port: _,
        tls: _,
        mandatory: _,
        persistent: _,
        service: _,
        settings,
        expects,
        span,
    } = watch;
    let Check {
        method: _,
        modern: _,
        target: _,
        interval: _,
        passes: _,
        fails: _,
        good,
        content: _,
        timeout: _,
        statuses: _,
        contains: _,
    } = check;
    if let Some(good) = good {
        visit(Item::Template(good), *span);
    }
    forwarding(settings, *span, visit);
    for expected in expects {
        match expected {
            Expectation::Value(_, pattern, _) | Expectation::Content(pattern, _) => {
                visit(Item::Pattern(pattern), *span);
            }
            Expectation::Holds(value) => visit(Item::Template(value), *span),
            Expectation::Status(..) | Expectation::Field(..) | Expectation::Served(_) => {}
        }
    }
}
