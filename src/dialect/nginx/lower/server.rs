//! `server`: a host and its program.
//!
//! ```text
//! request                          the server's settings
//!   do 'rules  ...                 its rewrite program
//!   do 'locate                     its settings again, whatever a location brought
//!     route specific
//!       prefix "" : admit          no location: the server's own limit
//!       ...                        one route per location
//!   authorize
//! named @x                         a whole program, on the server's settings
//!   do  ...                        the location's settings
//!     do 'rules ...
//!   authorize
//! named locate                     only where a named location may search again
//!   do 'locate ... ; authorize
//! ```
//!
//! A rewrite in a named location ends, or is followed, by entering `locate`:
//! that is what nginx does when such a location changed the path, and it costs
//! one of the ten turns there as well (observed on 1.22.1).

use std::collections::HashSet;

use super::{
    super::tree::{Item, directives},
    Cx, Kind, Level, Place, listen, location,
    rewrite::LOCATE,
};
use crate::{
    ir::{Asking, Base, Block, Host, HostId, Order, Pattern, Route, Scope, Step, Table, Text},
    source::Span,
};

/// A `server` block.
pub(super) fn lower(cx: &mut Cx, outer: &Level, items: &[Item], span: Span) {
    begin(cx, items);
    let mut level = Level::new(Kind::Server, span, outer);
    level.fill(cx, items);
    finish(cx, level);
}

/// Directives of a location without their location: they are the whole server.
pub(super) fn lower_location_alone(cx: &mut Cx, outer: &Level, items: &[Item]) {
    begin(cx, items);
    let mut level = Level::new(Kind::Server, Span::NONE, outer);
    level.fill(cx, &[]);
    location::lower_alone(cx, &mut level, items);
    finish(cx, level);
}

/// Clears what is known of the server before.
fn begin(cx: &mut Cx, items: &[Item]) {
    cx.odd_paths = false;
    cx.enters_locate = false;
    let locations = directives(items).filter(|directive| directive.name() == "location");
    let names = locations.filter_map(|location| location.args.first().map(|word| word.value.clone()));
    cx.named = names.filter(|name| name.first() == Some(&b'@')).collect::<HashSet<_>>();
}

fn finish(cx: &mut Cx, mut level: Level) {
    let span = level.span;
    let id = HostId(cx.config.hosts.len() as u32);
    let set = std::mem::take(&mut level.set);
    // Observed: the request line is taken apart before the Host field says whom it is for.
    cx.config.targets_by_connection |= set.client.merge_slashes.is_some();
    let program = std::mem::take(&mut level.own.program).into_steps(span);
    let mut locations = std::mem::take(&mut level.own.locations);
    if !locations.has_prefix("") && (cx.odd_paths || !locations.has_prefix("/")) {
        let body = Block { steps: vec![(Step::Admit, span)], span, ..Block::default() };
        locations.push(Route { path: Pattern::prefix(Text::new()), decisive: false, body, nested: None });
    }
    let (table, named) = locations.table();
    let locate = locate(table, span);
    let block = |scope, steps| Block { label: None, scope, steps, span };
    let identifies = cx.identifies;
    let identify = |span| if identifies { vec![(Step::Identify, span)] } else { Vec::new() };
    let authorize = || identify(span).into_iter().chain([(Step::Authorize(Asking::Always), span)]);

    let mut blocks: Vec<(Text, Block)> = Vec::new();
    for (name, body) in named {
        // Of equal names nginx takes the first.
        if !blocks.iter().any(|(known, _)| *known == name) {
            let steps = [(Step::Do(body), span)].into_iter().chain(authorize());
            blocks.push((name, block(None, steps.collect())));
        }
    }
    if cx.enters_locate {
        let steps = [(Step::Do(locate.clone()), span)].into_iter().chain(authorize());
        blocks.push((LOCATE.into(), block(None, steps.collect())));
    }
    let mut steps = identify(span);
    steps.extend(program);
    steps.push((Step::Do(locate), span));
    steps.extend(authorize());

    let names = std::mem::take(&mut level.own.names);
    let listens = std::mem::take(&mut level.own.listens);
    let tls = level.inherited.tls.clone();
    let offers = tls.reject || tls.shows();
    cx.config.hosts.push(Host {
        name: names.first(),
        names: Vec::new(),
        tls: offers.then_some(tls),
        request: block(Some(Scope { base: Base::Enclosing, set: Box::new(set) }), steps),
        named: blocks,
        span,
    });
    cx.names.push(names.into_list(span));
    listen::attach(cx, id, listens, level.inherited.tls_everywhere, span);
    debug_assert_eq!(level.place, Place::Outside);
}

/// The choice of a location.
fn locate(table: Option<Table>, span: Span) -> Block {
    let table = table.unwrap_or(Table { order: Order::Specific, into: super::CAPTURES, routes: Vec::new() });
    Block {
        label: Some(LOCATE.into()),
        scope: Some(Scope { base: Base::Enclosing, set: Box::default() }),
        steps: vec![(Step::Route(table), span)],
        span,
    }
}
