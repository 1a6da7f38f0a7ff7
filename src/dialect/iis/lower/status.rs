//! Sub-statuses: errors of one status that pages and logs tell apart.
//!
//! Reference 15. Each pair has a status of our own, from 600 on, that is sent as the status it belongs to; a page, a line
//! of a log and `httpErrors` know it by that number.

use super::Cx;
use crate::ir::{Attr, Order, Pattern, Register, Row, Template, VarId, VarKind};

/// Pairs of status and sub-status that are known without a configuration; the first is 600.
const KNOWN: &[(u16, u16)] = &[
    (500, 52),
    (502, 3),
    (502, 4),
    (500, 19),
    (500, 50),
    (403, 4),
    (403, 5),
    (403, 6),
    (403, 7),
    (403, 14),
    (404, 3),
    (404, 4),
    (404, 5),
    (404, 6),
    (404, 7),
    (404, 8),
    (404, 10),
    (404, 11),
    (404, 12),
    (404, 14),
    (404, 15),
    (404, 18),
    (404, 19),
    (401, 2),
    (401, 3),
    (403, 501),
    (403, 502),
    (405, 0),
    (413, 1),
    (404, 501),
    (404, 502),
    (401, 501),
    (401, 502),
    (403, 16),
    (403, 13),
    (403, 1),
    (401, 1),
    (403, 2),
    (403, 3),
];

/// The number of the first pair.
const FIRST: u16 = 600;

/// A rule on content, and content that has a coding.
pub(super) const CODED: u16 = FIRST;

/// A server behind this one does not answer as it should.
pub(super) const FORWARD: u16 = FIRST + 1;

/// No server of a farm can be used.
pub(super) const NO_SERVER: u16 = FIRST + 2;

/// The status of our own for a pair. The last of those there may be stands for what goes beyond.
pub(super) fn of(cx: &mut Cx, status: u16, sub: u16) -> u16 {
    if sub == 0 {
        return status;
    }
    let at = cx.statuses.iter().position(|pair| *pair == (status, sub)).unwrap_or_else(|| {
        if cx.statuses.len() < 400 {
            cx.statuses.push((status, sub));
        }
        cx.statuses.len() - 1
    });
    FIRST + at as u16
}

/// The same with a reason phrase of its own.
pub(super) fn with_phrase(cx: &mut Cx, status: u16, sub: u16, phrase: &str) -> u16 {
    let said = |(own, said): &(u16, crate::ir::Text)| {
        **said == *phrase.as_bytes() && cx.statuses.get(usize::from(own - FIRST)) == Some(&(status, sub))
    };
    if let Some((own, _)) = cx.phrases.iter().find(|one| said(one)) {
        return *own;
    }
    if cx.statuses.len() >= 400 {
        return of(cx, status, sub);
    }
    cx.statuses.push((status, sub));
    let own = FIRST + cx.statuses.len() as u16 - 1;
    cx.phrases.push((own, phrase.into()));
    own
}

/// The same with a reason phrase that is an expression: its value where that is known by now.
pub(super) fn with_made_phrase(
    cx: &mut Cx,
    (status, sub): (u16, u16),
    written: &str,
    value: Option<&Template>,
) -> u16 {
    let same = |(own, said, known): &(u16, String, Option<Template>)| {
        said == written
            && cx.statuses.get(usize::from(own - FIRST)) == Some(&(status, sub))
            && (value.is_none() || known.is_none() || known.as_ref() == value)
    };
    if let Some(at) = cx.made.iter().position(same) {
        let (own, _, known) = &mut cx.made[at];
        if known.is_none() {
            *known = value.cloned();
        }
        return *own;
    }
    if cx.statuses.len() >= 400 {
        return of(cx, status, sub);
    }
    cx.statuses.push((status, sub));
    let own = FIRST + cx.statuses.len() as u16 - 1;
    cx.made.push((own, written.to_owned(), value.cloned()));
    own
}

/// The sub-status that a status of our own stands for.
pub(super) fn sub(cx: &Cx, own: u16) -> u16 {
    cx.statuses.get(usize::from(own.saturating_sub(FIRST))).map_or(0, |(_, sub)| *sub)
}

/// The status of our own for one of the pairs that are known from the beginning; for others the status itself.
pub(super) fn own(status: u16, sub: u16) -> u16 {
    KNOWN.iter().position(|pair| *pair == (status, sub)).map_or(status, |at| FIRST + at as u16)
}

/// The variable that tells a log the sub-status of a response.
pub(super) fn logged(cx: &mut Cx) -> VarId {
    let same = cx.config.vars.iter().position(|var| &*var.name == NAME.as_bytes());
    same.map_or_else(|| cx.fresh(NAME, table(Vec::new())), |at| VarId(at as u32))
}

/// The name of that variable.
const NAME: &str = "sub-status";

fn table(rows: Vec<Row>) -> VarKind {
    let key = Template::attr(Attr::OwnStatus);
    VarKind::Table {
        key,
        order: Order::Specific,
        rows,
        default: "0".into(),
        once: false,
        into: Register('M'),
    }
}

/// The pairs that are known from the beginning.
pub(super) fn known() -> Vec<(u16, u16)> {
    KNOWN.to_vec()
}

/// The numbers that a status has for its sub-statuses, as far as they are known.
pub(super) fn all(cx: &Cx, status: u16) -> Vec<u16> {
    (FIRST..).zip(&cx.statuses).filter(|(_, pair)| pair.0 == status).map(|(own, _)| own).collect()
}

/// Says in the configuration what all these are sent as.
pub(super) fn finish(cx: &mut Cx) {
    if let Some(var) = cx.config.vars.iter_mut().find(|var| &*var.name == NAME.as_bytes()) {
        let row = |(own, (_, sub)): (u16, &(u16, u16))| Row {
            pattern: Pattern::exact(own.to_string().as_str()),
            value: Template::text(sub.to_string()),
        };
        var.kind = table((FIRST..).zip(&cx.statuses).map(row).collect());
    }
    cx.config.reasons.append(&mut cx.phrases);
    let made = cx.made.drain(..).filter_map(|(own, _, value)| Some((own, value?)));
    cx.config.phrases.extend(made);
    for (own, (status, _)) in (FIRST..).zip(&cx.statuses) {
        cx.config.sent_as.push((own, *status));
        let page = cx.config.pages.iter().find(|(known, _)| known == status).map(|(_, page)| page.clone());
        cx.config.pages.extend(page.map(|page| (own, page)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_their_pairs() {
        let pair = |own: u16| KNOWN[usize::from(own - FIRST)];
        assert_eq!((pair(CODED), pair(FORWARD), pair(NO_SERVER)), ((500, 52), (502, 3), (502, 4)));
    }
}
