//! Origins that speak a gateway's protocol: uwsgi, `FastCGI`, SCGI, memcached.
//!
//! A scripted reply to uwsgi and SCGI is what the program writes. To `FastCGI` each of its pieces becomes a record
//! of output, or of errors when it begins with `!`, and the end of output and request follow; in mode `close`
//! they do not, and in modes `keep` and `hang` the bytes are sent as they are. To memcached a reply is sent as it is,
//! and without one a value is the key.

use super::fixture::Mode;
use super::origin::{Record, Shared, Wire, echo, tunnel};
use super::ports::Kind;
use std::io::{Read, Write};

/// Variables as they are shown, and how much content follows.
type Asked = (Vec<u8>, usize);

/// Answers on one connection.
pub(super) fn serve<S: Read + Write>(stream: S, number: u16, kind: Kind, shared: &Shared) {
    let mut wire = Wire { stream, buffer: Vec::new() };
    match kind {
        Kind::FastCgi => fastcgi(&mut wire, number, shared),
        Kind::Memcached => memcached(&mut wire, number, shared),
        kind => once(&mut wire, number, kind, shared),
    }
}

/// One request of a protocol that has one for each connection.
fn once<S: Read + Write>(wire: &mut Wire<S>, number: u16, kind: Kind, shared: &Shared) {
    let (name, read) = if kind == Kind::Scgi {
        ("scgi".to_owned(), scgi(wire))
    } else {
        uwsgi(wire).map_or((String::new(), None), |(modifiers, read)| {
            (format!("uwsgi modifiers {} {}", modifiers[0], modifiers[1]), Some(read))
        })
    };
    let Some((head, length)) = read else { return };
    let id = shared.open(Record { title: format!("{number} {name}"), head, ..Record::default() });
    let (content, _) = wire.exact(length);
    let short = if kind == Kind::Scgi { "scgi" } else { "uwsgi" };
    let scripted = shared.reply(number);
    let mode = scripted.as_ref().map_or(Mode::Http, |reply| reply.mode);
    let pieces = scripted.map_or_else(|| vec![echo(number, short, false)], |reply| reply.pieces);
    let switches = memchr::memmem::find(&pieces.concat(), b" 101").is_some_and(|at| at < 12);
    let holds = switches || mode == Mode::Hang;
    shared.update(id, |record| {
        record.content = content;
        record.tunnel = switches.then(Vec::new);
        record.done = !holds;
    });
    wire.send(&pieces);
    if switches {
        tunnel(wire, shared, id);
    } else if holds {
        while wire.fill() {}
    }
    if holds {
        shared.update(id, |record| record.done = true);
    }
}

/// <https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html>
fn uwsgi<S: Read + Write>(wire: &mut Wire<S>) -> Option<([u8; 2], Asked)> {
    let (start, true) = wire.exact(4) else { return None };
    let size = usize::from(u16::from_le_bytes([start[1], start[2]]));
    let (block, true) = wire.exact(size) else { return None };
    let (mut rest, mut items) = (block.as_slice(), Vec::new());
    while let Some((low, tail)) = rest.split_first_chunk::<2>() {
        let end = usize::from(u16::from_le_bytes(*low)).min(tail.len());
        items.push(tail[..end].to_vec());
        rest = &tail[end..];
    }
    Some(([start[0], start[3]], shown(&items)))
}

/// <https://python.ca/scgi/protocol.txt>
fn scgi<S: Read + Write>(wire: &mut Wire<S>) -> Option<Asked> {
    let length = wire.until(&[b":"])?;
    let length = String::from_utf8_lossy(&length[..length.len() - 1]).parse().ok()?;
    let (block, true) = wire.exact(length) else { return None };
    let (comma, true) = wire.exact(1) else { return None };
    let items: Vec<Vec<u8>> =
        block.strip_suffix(b"\0")?.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    (comma == b",").then(|| shown(&items))
}

/// Names and values, one to a line, and what `CONTENT_LENGTH` says.
fn shown(items: &[Vec<u8>]) -> (Vec<u8>, usize) {
    let (mut head, mut length) = (Vec::new(), 0);
    for pair in items.chunks(2) {
        let (name, value) = (&pair[0], pair.get(1).cloned().unwrap_or_default());
        if name == b"CONTENT_LENGTH" {
            length = String::from_utf8_lossy(&value).parse().unwrap_or(0);
        }
        head.extend([name.as_slice(), b"=", value.as_slice(), b"\n"].concat());
    }
    (head, length)
}

/// Requests of a connection, one after the other, as the flag in them says.
/// <https://fastcgi-archives.github.io/FastCGI_Specification.html>
fn fastcgi<S: Read + Write>(wire: &mut Wire<S>, number: u16, shared: &Shared) {
    let mut state = "new connection";
    loop {
        let Some((1, begin)) = record(wire) else { return };
        let keeps = begin[2] & 1 == 1;
        let Some(params) = stream(wire, 4) else { return };
        let (head, _) = shown(&pairs(&params));
        let asks = if keeps { "keep" } else { "close" };
        let title = format!("{number} fastcgi role {} {asks} ({state})", begin[1]);
        state = "same connection";
        let id = shared.open(Record { title, head, ..Record::default() });
        let scripted = shared.reply(number);
        let mode = scripted.as_ref().map_or(Mode::Http, |reply| reply.mode);
        let early = mode == Mode::Early;
        let pieces = scripted.map_or_else(
            || vec![format!("Content-Type: text/plain\r\n\r\n{number} fastcgi\n").into_bytes()],
            |reply| reply.pieces,
        );
        let raw = matches!(mode, Mode::Keep | Mode::Hang);
        let mut answer: Vec<Vec<u8>> = Vec::new();
        for piece in pieces {
            answer.push(match piece.strip_prefix(b"!") {
                _ if raw => piece,
                Some(said) => packed(7, said),
                None if piece.is_empty() => Vec::new(),
                None => piece.chunks(65535).flat_map(|piece| packed(6, piece)).collect(),
            });
        }
        if !raw && mode != Mode::Close {
            let end = [packed(6, b""), packed(3, &[0; 8])].concat();
            match answer.last_mut() {
                Some(last) => last.extend(end),
                None => answer.push(end),
            }
        }
        if early {
            wire.send(&answer);
        }
        let content = stream(wire, 5);
        let whole = content.is_some();
        shared.update(id, |record| {
            record.content = content.unwrap_or_default();
            record.done = whole && mode != Mode::Hang;
        });
        if !whole || (!early && !wire.send(&answer)) {
            return;
        }
        if mode == Mode::Hang {
            while wire.fill() {}
            shared.update(id, |record| record.done = true);
        }
        if !keeps || matches!(mode, Mode::Close | Mode::Hang) {
            return;
        }
    }
}

/// One record: its type and its content.
fn record<S: Read + Write>(wire: &mut Wire<S>) -> Option<(u8, Vec<u8>)> {
    let (header, true) = wire.exact(8) else { return None };
    let (content, true) = wire.exact(usize::from(u16::from_be_bytes([header[4], header[5]]))) else {
        return None;
    };
    let (_, true) = wire.exact(usize::from(header[6])) else { return None };
    (header[..1] == [1] && header[2..4] == [0, 1]).then_some((header[1], content))
}

/// The records of a stream up to the empty one.
fn stream<S: Read + Write>(wire: &mut Wire<S>, kind: u8) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let (found, content) = record(wire)?;
        // Where there are no variables some servers say so twice.
        if kind == 5 && found == 4 && content.is_empty() {
            continue;
        }
        if found != kind {
            return None;
        }
        if content.is_empty() {
            return Some(all);
        }
        all.extend(content);
    }
}

fn pairs(mut rest: &[u8]) -> Vec<Vec<u8>> {
    let length = |rest: &mut &[u8]| match **rest {
        [byte, ..] if byte < 0x80 => {
            *rest = &rest[1..];
            Some(usize::from(byte))
        }
        [one, two, three, four, ..] => {
            *rest = &rest[4..];
            Some(u32::from_be_bytes([one & 0x7f, two, three, four]) as usize)
        }
        _ => None,
    };
    let mut items = Vec::new();
    while let (Some(name), Some(value)) = (length(&mut rest), length(&mut rest)) {
        for size in [name, value] {
            let (item, tail) = rest.split_at(size.min(rest.len()));
            items.push(item.to_vec());
            rest = tail;
        }
    }
    items
}

/// A record, padded as many programs do.
fn packed(kind: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = (content.len() as u16).to_be_bytes();
    let padding = content.len().wrapping_neg() % 8;
    [&[1, kind, 0, 1, high, low, padding as u8, 0], content, &[0; 8][..padding]].concat()
}

/// Commands of a connection: <https://github.com/memcached/memcached/blob/master/doc/protocol.txt>.
fn memcached<S: Read + Write>(wire: &mut Wire<S>, number: u16, shared: &Shared) {
    let mut state = "new connection";
    while let Some(line) = wire.until(&[b"\n"]) {
        let title = format!("{number} memcached ({state})");
        state = "same connection";
        let key =
            line.strip_prefix(b"get ").and_then(|key| key.strip_suffix(b"\r\n")).unwrap_or_default().to_vec();
        let id = shared.open(Record { title, head: line, ..Record::default() });
        let scripted = shared.reply(number);
        let mode = scripted.as_ref().map_or(Mode::Keep, |reply| reply.mode);
        let pieces = scripted.map_or_else(
            || {
                vec![
                    [
                        b"VALUE ",
                        &*key,
                        b" 0 ",
                        key.len().to_string().as_bytes(),
                        b"\r\n",
                        &*key,
                        b"\r\nEND\r\n",
                    ]
                    .concat(),
                ]
            },
            |reply| reply.pieces,
        );
        shared.update(id, |record| record.done = mode != Mode::Hang);
        let sent = wire.send(&pieces);
        if mode == Mode::Hang {
            while wire.fill() {}
            shared.update(id, |record| record.done = true);
        }
        if !sent || !matches!(mode, Mode::Keep | Mode::Http) {
            return;
        }
    }
}
