//! The formats of access logs.

use super::super::super::{tree::Written, vars, vars::Meaning};
use super::Cx;
use crate::{
    diagnostic::Diagnostic,
    ir::{Attr, Moment, Part, Template, Test, TimeForm, TimeUnit},
    source::Span,
};

/// A format that was written elsewhere.
pub(super) fn at(format: &[u8], span: Span) -> Written {
    let mut text = Written::default();
    text.push_for(format, span);
    text
}

/// A directive of a format, taken apart.
struct Item<'f> {
    letter: &'f [u8],
    argument: Option<&'f [u8]>,
    /// Statuses that it is for; with `true` all others.
    statuses: Option<(Vec<u16>, bool)>,
}

/// Reads a format; what is wrong is reported when `loud`.
pub(super) fn read(cx: &mut Cx, text: &Written, loud: bool) -> Option<Template> {
    let bytes = text.bytes();
    let mut out = Template::default();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        match (byte, next) {
            (b'\\', Some(letter @ (b'n' | b't' | b'\\'))) => {
                let plain: &[u8] = match letter {
                    b'n' => b"\n",
                    b't' => b"\t",
                    _ => b"\\",
                };
                out.push(Part::Text(plain.into()));
                at += 2;
            }
            (b'%', Some(b'%')) => {
                out.push(Part::Text("%".into()));
                at += 2;
            }
            (b'%', _) => {
                let begin = at;
                let Some((item, end)) = item(bytes, at + 1) else {
                    return wrong(
                        cx,
                        text,
                        begin,
                        bytes.len(),
                        loud,
                        "a format ends in the middle of a directive",
                    );
                };
                at = end;
                let Some(value) = value(cx, &item) else {
                    let shown = String::from_utf8_lossy(&bytes[begin..end]).into_owned();
                    return wrong(
                        cx,
                        text,
                        begin,
                        end,
                        loud,
                        &format!("unknown directive `{shown}` of a format"),
                    );
                };
                let value = for_statuses(cx, value, item.statuses);
                out.0.extend(value.0);
            }
            _ => {
                let end =
                    memchr::memchr2(b'%', b'\\', &bytes[at + 1..]).map_or(bytes.len(), |more| at + 1 + more);
                out.push(Part::Text(bytes[at..end].into()));
                at = end;
            }
        }
    }
    Some(out)
}

fn wrong(cx: &mut Cx, text: &Written, from: usize, to: usize, loud: bool, message: &str) -> Option<Template> {
    if loud || text.bytes().contains(&b'%') {
        let help = "formats are listed at https://httpd.apache.org/docs/2.4/mod/mod_log_config.html#formats";
        cx.report(Diagnostic::error("format", text.span(from..to), message).help(help));
    }
    None
}

/// What follows a `%`: `!`, statuses, `<` and `>` in any order, `{argument}`, and a letter.
fn item(bytes: &[u8], from: usize) -> Option<(Item<'_>, usize)> {
    let mut at = from;
    let mut found = Item { letter: &[], argument: None, statuses: None };
    let mut negated = false;
    loop {
        match *bytes.get(at)? {
            b'!' => negated = true,
            // Original or last request: they differ after an internal redirect alone.
            b'<' | b'>' | b',' => {}
            b'0'..=b'9' => {
                let length = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let number = std::str::from_utf8(&bytes[at..at + length]).ok()?.parse().unwrap_or(999);
                found.statuses.get_or_insert_with(|| (Vec::new(), false)).0.push(number);
                at += length;
                continue;
            }
            b'{' => {
                let length = memchr::memchr(b'}', &bytes[at..])?;
                found.argument = Some(&bytes[at + 1..at + length]);
                at += length;
            }
            b'^' => {
                found.letter = bytes.get(at..at + 3)?;
                at += 3;
                break;
            }
            _ => {
                found.letter = &bytes[at..=at];
                at += 1;
                break;
            }
        }
        at += 1;
    }
    if let Some((_, not)) = &mut found.statuses {
        *not = negated;
    }
    Some((found, at))
}

/// The value when the status is one of these, else missing.
fn for_statuses(cx: &mut Cx, value: Template, statuses: Option<(Vec<u16>, bool)>) -> Template {
    let Some((statuses, negated)) = statuses else { return value };
    let test = Test::Status(statuses);
    let test = if negated { Test::Not(Box::new(test)) } else { test };
    Template::var(cx.choice("", vec![(test, value)], Template::attr(Attr::Missing)))
}

/// What a directive stands for; `None` for an unknown one.
fn value(cx: &mut Cx, item: &Item<'_>) -> Option<Template> {
    let argument = item.argument;
    let unit = match argument {
        Some(b"ms") => Some(TimeUnit::Millis),
        Some(b"us") => Some(TimeUnit::Micros),
        Some(b"s") | None => Some(TimeUnit::Seconds),
        Some(_) => None,
    };
    let named = |make: fn(crate::ir::Name) -> Attr| argument.map(|name| Template::attr(make(name.into())));
    Some(match item.letter {
        b"a" if argument == Some(b"c") => Template::attr(Attr::PeerAddr),
        b"a" => Template::attr(Attr::ClientAddr),
        b"A" => Template::attr(Attr::ServerAddr),
        b"b" => {
            let sent = Template::attr(Attr::ContentSent);
            let none = Test::Equal(sent.clone(), "0".into());
            Template::var(cx.choice("@sent", vec![(none, Template::attr(Attr::Missing))], sent))
        }
        b"B" => Template::attr(Attr::ContentSent),
        b"c" | b"x" => {
            let name = argument?;
            vars::tls(name).map_or_else(|| Template::attr(Attr::Missing), |meaning| cx.meaning(&meaning))
        }
        b"C" => named(Attr::Cookie)?,
        b"D" => Template::attr(Attr::Took(TimeUnit::Micros)),
        b"e" => Template::var(cx.env(argument?)),
        b"f" => Template::var(cx.file()),
        b"h" => cx.meaning(&Meaning::RemoteHost),
        b"H" => Template::attr(Attr::Protocol),
        b"i" => named(Attr::FieldList)?,
        b"I" => Template::attr(Attr::RequestLength),
        b"k" => Template::attr(Attr::ConnectionReuses),
        b"L" => Template::attr(Attr::NotedId),
        b"l" | b"^ti" => Template::attr(Attr::Missing),
        b"m" => Template::attr(Attr::Method),
        b"n" => Template::var(cx.note(argument?)),
        b"o" => named(Attr::SentField)?,
        b"O" => Template::attr(Attr::BytesSent),
        b"p" => match argument {
            None | Some(b"canonical") => cx.meaning(&Meaning::ServerPort),
            Some(b"local") => Template::attr(Attr::ServerPort),
            Some(b"remote") => {
                // That of a client that a proxy told of is not known.
                let port = Template::attr(Attr::ClientPort);
                let known = Test::Longer(port.clone(), 0);
                Template::var(cx.choice("@remote_port", vec![(known, port)], "0".into()))
            }
            Some(_) => return None,
        },
        b"P" => Template::attr(Attr::ProcessId),
        b"q" => {
            let mut query = Template::attr(Attr::QueryMark);
            query.push(Part::Attr(Attr::Query));
            let any = Test::Present(Template::attr(Attr::Query));
            Template::var(cx.choice("@asked", vec![(any, query)], Template::default()))
        }
        b"r" => Template::attr(Attr::RequestLine),
        b"R" => cx.meaning(&Meaning::Handler),
        b"s" => Template::attr(Attr::Status),
        b"t" => Template::attr(time(argument)),
        b"T" => Template::attr(Attr::Took(unit?)),
        b"u" => Template::attr(Attr::ClaimedUser),
        b"U" => Template::attr(Attr::Path),
        b"v" => Template::attr(Attr::HostName),
        b"V" => cx.meaning(&Meaning::ServerName),
        b"X" => Template::attr(Attr::ConnectionFate),
        b"^to" => named(Attr::SentTrailer)?,
        _ => return None,
    })
}

/// `%t`, `%{format}t`, `%{begin:format}t`, `%{end:format}t`.
fn time(argument: Option<&[u8]>) -> Attr {
    let Some(argument) = argument.filter(|argument| !argument.is_empty()) else {
        return Attr::Time(Moment::Began, TimeForm::Log);
    };
    let (moment, format) = match argument {
        [b'e', b'n', b'd', b':', format @ ..] => (Moment::Now, format),
        [b'b', b'e', b'g', b'i', b'n', b':', format @ ..] | format => (Moment::Began, format),
    };
    let form = match format {
        b"" => TimeForm::Log,
        b"sec" => TimeForm::Since(TimeUnit::Seconds),
        b"msec" => TimeForm::Since(TimeUnit::Millis),
        b"usec" => TimeForm::Since(TimeUnit::Micros),
        b"msec_frac" => TimeForm::Fraction(TimeUnit::Millis),
        b"usec_frac" => TimeForm::Fraction(TimeUnit::Micros),
        format => TimeForm::Format(format.into()),
    };
    Attr::Time(moment, form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_taken_apart() {
        let (found, end) = item(b"!200,304{Referer}i rest", 0).unwrap();
        assert_eq!((found.letter, found.argument, end), (&b"i"[..], Some(&b"Referer"[..]), 18));
        assert_eq!(found.statuses, Some((vec![200, 304], true)));
        let (found, end) = item(b">s", 0).unwrap();
        assert_eq!((found.letter, found.statuses, end), (&b"s"[..], None, 2));
        assert_eq!(item(b"{X}^to", 0).unwrap().0.letter, b"^to");
        assert!(item(b"{X", 0).is_none());
        assert!(item(b"", 0).is_none());
    }

    #[test]
    fn times() {
        assert_eq!(time(None), Attr::Time(Moment::Began, TimeForm::Log));
        assert_eq!(
            time(Some(b"end:msec_frac")),
            Attr::Time(Moment::Now, TimeForm::Fraction(TimeUnit::Millis))
        );
        assert_eq!(time(Some(b"%F")), Attr::Time(Moment::Began, TimeForm::Format("%F".into())));
    }
}
