//! Changes to the fields of one name, in a response or in the request as later steps and upstreams see it.

use super::super::{
    exchange::Exchange,
    forward::request::is_field_value,
    http1::field::{Field, Known, Slice},
    response::Out,
};
use crate::{
    ir::{Change, Edit, Register, Standing, Template, settings::Level},
    plan::{EditOp, Find},
};

/// Longest value that repeated replacement may come to.
const LONGEST: usize = 64 << 10;

/// Applies an edit to the response, unless it is one that a page of our own does not have.
pub(super) fn response(exchange: &mut Exchange, op: &EditOp) {
    let standing = match &op.edit {
        Edit::Field { standing, .. } | Edit::Echo(_, standing) => *standing,
        _ => return,
    };
    if standing == Standing::Own && exchange.facts.response.ours {
        return;
    }
    let lasting = standing == Standing::Lasting;
    match (&op.edit, &op.pattern) {
        (Edit::Field { name, standing: _, change }, _) => {
            let response = &exchange.facts.response;
            let of_name =
                |field: &&Out| field.lasting == lasting && response.name(field).eq_ignore_ascii_case(name);
            let old: Vec<Vec<u8>> =
                response.fields.iter().filter(of_name).map(|field| response.value(field).to_vec()).collect();
            if let Some(new) = changed(exchange, op, change, &old) {
                exchange.facts.response.set_all(name, &new, lasting);
            }
        }
        (Edit::Echo(..), Some((find, _))) => {
            let facts = &exchange.facts;
            let matches = |field: &&Field| find.matcher.is_match(facts.slice(field.name)).unwrap_or(false);
            let fields: Vec<_> = facts.head.fields.iter().filter(matches).copied().collect();
            for field in fields {
                let (name, value) =
                    (exchange.facts.slice(field.name).to_vec(), exchange.facts.slice(field.value).to_vec());
                exchange.facts.response.add_to(&name, &value, lasting);
            }
        }
        _ => {}
    }
}

/// Applies an edit to the request. What a response keeps whatever it is can be changed before there is one.
pub fn request(exchange: &mut Exchange, op: &EditOp) {
    if let Edit::Remove(name) = &op.edit {
        return remove_received(exchange, name);
    }
    let Edit::Field { name, standing, change } = &op.edit else { return };
    if *standing == Standing::Lasting {
        let of_name = |(known, _): &&(Vec<u8>, Vec<u8>)| known.eq_ignore_ascii_case(name);
        let old: Vec<Vec<u8>> =
            exchange.lasting.iter().filter(of_name).map(|(_, value)| value.clone()).collect();
        if let Some(new) = changed(exchange, op, change, &old) {
            exchange.lasting.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            exchange.lasting.extend(new.into_iter().map(|value| (name.to_vec(), value)));
        }
        return;
    }
    let facts = &exchange.facts;
    let of_name = |field: &&Field| facts.slice(field.name).eq_ignore_ascii_case(name);
    let mut old: Vec<Vec<u8>> = Vec::new();
    let mut received = 0;
    for field in facts.head.fields.iter().filter(of_name) {
        let value = facts.slice(field.value);
        // What was received in several lines is one list (RFC 9110 § 5.3).
        match old.first_mut().filter(|_| !field.added && received > 0) {
            Some(first) => {
                first.extend_from_slice(b", ");
                first.extend_from_slice(value);
            }
            None if field.added => old.push(value.to_vec()),
            None => old.insert(0, value.to_vec()),
        }
        received += usize::from(!field.added);
    }
    if let Some(new) = changed(exchange, op, change, &old) {
        if matches!(change, Change::Replace { .. }) {
            // Observed (Apache httpd 2.4.71): what was replaced comes last.
            let facts = &mut exchange.facts;
            facts.head.fields.retain(|field| !field.name.of(&facts.buffer).eq_ignore_ascii_case(name));
        }
        set_fields(exchange, name, &new, 1);
    }
}

/// Takes received fields away; a name that ends in `*` stands for all that begin so.
fn remove_received(exchange: &mut Exchange, name: &[u8]) {
    let facts = &mut exchange.facts;
    let buffer = &facts.buffer;
    let is_meant = |field: &Field| {
        let own = field.name.of(buffer);
        match name.strip_suffix(b"*") {
            Some(start) => own.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start)),
            None => own.eq_ignore_ascii_case(name),
        }
    };
    facts.head.fields.retain(|field| !is_meant(field));
}

/// Makes these the values of a received field.
pub fn set_received(exchange: &mut Exchange, name: &[u8], values: &[Vec<u8>]) {
    set_fields(exchange, name, values, values.len());
}

/// The same: those from `received` on are added to what was received, and stay fields of their own. Their text goes behind
/// what was used of the buffer.
fn set_fields(exchange: &mut Exchange, name: &[u8], values: &[Vec<u8>], received: usize) {
    let facts = &mut exchange.facts;
    let mut text = Vec::new();
    let begin = facts.used.min(facts.buffer.len());
    let mut put = |bytes: &[u8]| {
        text.extend_from_slice(bytes);
        Slice::new(begin + text.len() - bytes.len(), begin + text.len())
    };
    let known = Known::of(name);
    let mut new: Vec<Field> = values
        .iter()
        .enumerate()
        .map(|(at, value)| {
            let (name, value) = (put(name), put(value));
            Field { name, value, known, plain: false, added: at >= received }
        })
        .collect();
    new.reverse();
    let buffer = &facts.buffer;
    let mut fields = std::mem::take(&mut facts.head.fields);
    fields.retain_mut(|field| {
        if !field.name.of(buffer).eq_ignore_ascii_case(name) {
            return true;
        }
        // What is added stands where it was, or at the end.
        match new.pop_if(|next| field.added || !next.added) {
            // Its line is no longer the one that was received.
            Some(next) => {
                (field.value, field.plain, field.added) = (next.value, false, next.added);
                true
            }
            None => false,
        }
    });
    fields.extend(new.into_iter().rev());
    facts.used = begin + text.len();
    facts.buffer.splice(begin..begin, text);
    if known == Known::Host {
        facts.head.host = fields.iter().find(|field| field.known == Known::Host).map(|field| field.value);
    }
    facts.head.fields = fields;
}

/// The values that a change makes of those that are there; `None` when it changes nothing.
fn changed(exchange: &mut Exchange, op: &EditOp, change: &Change, old: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    match change {
        Change::Remove => (!old.is_empty()).then(Vec::new),
        Change::Keep(var) => {
            if let Some(value) = old.first() {
                exchange.run.assign(*var, value);
            }
            None
        }
        Change::Set(value) => Some(vec![field_value(exchange, value)?]),
        Change::SetMissing(value) if old.is_empty() => Some(vec![field_value(exchange, value)?]),
        Change::SetMissing(_) => None,
        Change::Add(value) => {
            let value = field_value(exchange, value)?;
            Some(old.iter().cloned().chain([value]).collect())
        }
        Change::Append(value) | Change::Merge(value) => {
            let value = field_value(exchange, value)?;
            if matches!(change, Change::Merge(_)) && old.iter().any(|list| has_item(list, &value)) {
                return None;
            }
            let mut new = old.to_vec();
            match new.first_mut() {
                Some(first) => {
                    first.extend_from_slice(b", ");
                    first.extend_from_slice(&value);
                }
                None => new.push(value),
            }
            Some(new)
        }
        Change::Replace { pattern: _, into: _, with, all } => {
            let (find, register) = op.pattern.as_ref()?;
            let mut some = false;
            let mut new = Vec::with_capacity(old.len());
            for value in old {
                let replaced = replace(exchange, find, *register, with, *all, value);
                some |= replaced.is_some();
                new.push(replaced.unwrap_or_else(|| value.clone()));
            }
            some.then_some(new)
        }
    }
}

/// A value with what a pattern finds in it replaced; `None` when it finds nothing.
fn replace(
    exchange: &mut Exchange,
    find: &Find,
    register: Register,
    with: &Template,
    all: bool,
    value: &[u8],
) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = value;
    let mut some = false;
    while exchange.run.find(find, register, rest) == Ok(true) {
        some = true;
        let (start, end) = exchange.run.matched(register);
        out.extend_from_slice(rest.get(..start)?);
        exchange.eval(with, &mut out);
        rest = rest.get(end..)?;
        // What matches nothing would match it forever.
        if !all || start == end || rest.is_empty() || out.len() > LONGEST {
            break;
        }
    }
    out.extend_from_slice(rest);
    (some && is_field_value(&out)).then_some(out)
}

/// Whether a list (RFC 9110 § 5.6.1) has an item: quoted strings are not taken apart.
fn has_item(list: &[u8], item: &[u8]) -> bool {
    let mut quoted = false;
    let mut escaped = false;
    list.split(|&byte| {
        let ends = byte == b',' && !quoted;
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ => {}
        }
        ends
    })
    .any(|part| part.trim_ascii() == item)
}

/// A value that can stand in a head; what cannot is said in the error log.
fn field_value(exchange: &mut Exchange, template: &Template) -> Option<Vec<u8>> {
    let value = exchange.value(template);
    if is_field_value(&value) {
        return Some(value);
    }
    exchange.log(
        Level::Error,
        format_args!("a header value holds a line end or NUL: \"{}\"", value.escape_ascii()),
    );
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_lists() {
        assert!(has_item(b"a, b", b"b"));
        assert!(!has_item(b"a, bc", b"b"));
        assert!(!has_item(b"\"a, b\"", b"b"));
        assert!(has_item(b"\"a, \\\" b\",b", b"b"));
        assert!(!has_item(b"", b"b"));
    }
}
