//! Instructions in content, of the other kind: `<!--#name attribute="value" ... -->`, their attributes in turn.
//!
//! What is known at a page (variables, the page's name and time) is known in those that it includes, and what these set
//! stays. Whether the client may have what is included is checked. Programs are not run.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_include.html>; observed: 2.4.71.

use super::{
    super::{clock, exchange::Exchange, facts::formatted, files::size::rounded, respond::split_query},
    LONGEST, LONGEST_PART, expression,
};
use crate::{
    ir::{Escape, settings::Level},
    plan::{Plan, View as _, escape},
};

/// What ends an instruction where nothing else is said, what begins it, and what is said of one that is wrong.
const BEGIN: &[u8] = b"<!--#";
const END: &[u8] = b"-->";
const MESSAGE: &[u8] = b"[an error occurred while processing this directive]";
const TIME: &[u8] = b"%A, %d-%b-%Y %H:%M:%S %Z";

/// As many variables may be set, and as many bytes may their values have together.
const MOST: usize = 4096;
const LONGEST_VALUES: usize = 4 << 20;

/// What is known at a page and in all that it includes.
#[derive(Debug, Default)]
pub struct Known {
    /// By name; case does not count.
    values: Vec<(Vec<u8>, Vec<u8>)>,
    /// When the page was modified.
    modified: Option<i64>,
}

impl Known {
    fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let found = self.values.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_slice())
    }

    /// `false` when there is too much already.
    fn set(&mut self, name: &[u8], value: Vec<u8>) -> bool {
        let others = self.values.iter().filter(|(known, _)| !known.eq_ignore_ascii_case(name));
        if value.len() + others.map(|(_, value)| value.len()).sum::<usize>() > LONGEST_VALUES {
            return false;
        }
        let full = self.values.len() >= MOST;
        match self.values.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value,
            None if full => return false,
            None => self.values.push((name.to_vec(), value)),
        }
        true
    }
}

/// What changes while a content is gone through.
struct State {
    out: Vec<u8>,
    known: Known,
    message: Vec<u8>,
    undefined: Vec<u8>,
    time: Vec<u8>,
    in_bytes: bool,
    /// Whether what comes is written, and whether a branch of the condition around was.
    written: bool,
    taken: bool,
    /// How many conditions were begun in what is not written.
    skipped: usize,
}

impl State {
    /// What becomes of a condition's first or next branch. As observed, where it is wrong no branch is written.
    fn branch(&mut self, holds: Result<bool, Wrong>) -> Result<(), Wrong> {
        (self.written, self.taken) = holds.as_ref().map_or((false, true), |holds| (*holds, *holds));
        holds.map(drop)
    }
}

/// Something is wrong with an instruction; it was logged.
struct Wrong;

/// An attribute and its value.
type Attribute = (Vec<u8>, Vec<u8>);

impl Exchange {
    /// Does what the instructions in a content say.
    pub(super) async fn follow_instructions(&mut self, plan: &Plan, content: &[u8]) -> Vec<u8> {
        let settings = std::sync::Arc::clone(&self.settings(plan).rewriting);
        let settings = &settings.settings;
        let or = |text: &[u8], other: &[u8]| if text.is_empty() { other.to_vec() } else { text.to_vec() };
        let (begin, end) = (or(&settings.include_begin, BEGIN), or(&settings.include_end, END));
        let known = match self.included.take() {
            Some(known) => *known,
            None => self.known(plan),
        };
        let mut state = State {
            out: Vec::with_capacity(content.len()),
            known,
            message: or(&settings.include_message, MESSAGE),
            undefined: or(&settings.include_undefined, b"(none)"),
            time: or(&settings.include_time, TIME),
            in_bytes: false,
            written: true,
            taken: true,
            skipped: 0,
        };
        let mut rest = content;
        loop {
            let at = memchr::memmem::find(rest, &begin);
            if state.written {
                state.out.extend_from_slice(&rest[..at.unwrap_or(rest.len())]);
            }
            let Some(at) = at else { break };
            let Some((name, attributes, length)) = read(&rest[at + begin.len()..], &end) else {
                self.log(
                    Level::Error,
                    format_args!("SSI directive was not properly finished at the end of parsed document"),
                );
                state.out.extend_from_slice(&state.message);
                break;
            };
            rest = &rest[at + begin.len() + length..];
            if self.do_one(plan, &mut state, &name, &attributes).await.is_err() && state.out.len() < LONGEST {
                state.out.extend_from_slice(&state.message);
            }
            if state.out.len() > LONGEST {
                self.log(Level::Error, format_args!("what is included is too long"));
                break;
            }
        }
        self.included = Some(Box::new(state.known));
        state.out
    }

    /// What is known of a page that nothing included.
    fn known(&mut self, plan: &Plan) -> Known {
        let settings = std::sync::Arc::clone(&self.settings(plan).rewriting);
        let mut known = Known { values: Vec::new(), modified: self.facts.response.modified };
        for (name, template) in &settings.settings.include_values {
            let mut value = Vec::new();
            if self.eval(template, &mut value) {
                known.values.push((name.to_vec(), value));
            }
        }
        known
    }

    async fn do_one(
        &mut self,
        plan: &Plan,
        state: &mut State,
        name: &[u8],
        attributes: &[Attribute],
    ) -> Result<(), Wrong> {
        let name = name.to_ascii_lowercase();
        match name.as_slice() {
            // There is one state for all conditions, so that what follows one too many is as observed.
            b"if" | b"elif" | b"else" | b"endif" if state.skipped > 0 => {
                match name.as_slice() {
                    b"if" => state.skipped += 1,
                    b"endif" => state.skipped -= 1,
                    _ => {}
                }
                return Ok(());
            }
            b"if" if !state.written => {
                state.skipped = 1;
                return Ok(());
            }
            b"else" | b"endif" if !attributes.is_empty() => {
                let name = String::from_utf8_lossy(&name).into_owned();
                return Err(self.wrong(&format!("{name} directive does not take tags")));
            }
            b"elif" | b"else" if state.taken => {
                state.written = false;
                return Ok(());
            }
            b"if" | b"elif" => {
                let holds = self.holds(plan, state, attributes);
                return state.branch(holds);
            }
            b"else" | b"endif" => {
                (state.written, state.taken) = (true, true);
                return Ok(());
            }
            _ if !state.written => return Ok(()),
            b"echo" | b"include" | b"fsize" | b"flastmod" | b"config" if attributes.is_empty() => {
                let name = String::from_utf8_lossy(&name).into_owned();
                return Err(self.wrong(&format!("missing argument for {name} element")));
            }
            b"set" if attributes.len() < 2 => return Err(self.wrong("missing argument for set element")),
            b"printenv" if !attributes.is_empty() => {
                return Err(self.wrong("printenv directive does not take tags"));
            }
            _ => {}
        }
        match name.as_slice() {
            b"comment" => Ok(()),
            b"echo" => self.echo(plan, state, attributes),
            b"set" => self.set_value(plan, state, attributes),
            b"config" => self.configure(plan, state, attributes),
            b"include" => self.include_parts(plan, state, attributes).await,
            b"fsize" | b"flastmod" => self.tell_of_file(plan, state, attributes, name == b"fsize").await,
            b"printenv" => {
                for (name, value) in &state.known.values {
                    escape(Escape::Html, name, false, &mut state.out);
                    state.out.push(b'=');
                    escape(Escape::Html, value, false, &mut state.out);
                    state.out.push(b'\n');
                }
                Ok(())
            }
            _ => {
                let name = String::from_utf8_lossy(&name).into_owned();
                Err(self.wrong(&format!("unknown directive \"{name}\" in parsed doc")))
            }
        }
    }

    fn wrong(&self, message: &str) -> Wrong {
        self.log(Level::Error, format_args!("{message}"));
        Wrong
    }

    /// Whether the condition of an instruction holds.
    fn holds(&mut self, plan: &Plan, state: &State, attributes: &[Attribute]) -> Result<bool, Wrong> {
        let [(_, text)] = attributes else { return Err(self.wrong("a condition takes one expression")) };
        if !attributes[0].0.eq_ignore_ascii_case(b"expr") {
            return Err(self.wrong("a condition takes an expression"));
        }
        let answer = expression::holds(text, &mut |name| self.known_value(plan, state, name));
        answer.ok_or_else(|| {
            let text = text.escape_ascii();
            self.wrong(&format!("Could not parse expr \"{text}\""))
        })
    }

    fn echo(&mut self, plan: &Plan, state: &mut State, attributes: &[Attribute]) -> Result<(), Wrong> {
        let mut codings = Codings::default();
        for (name, value) in attributes {
            if codings.read(name, value).map_err(|()| self.wrong("unknown encoding in tag echo"))? {
                continue;
            }
            if !name.eq_ignore_ascii_case(b"var") {
                return Err(self.wrong("unknown parameter in tag echo"));
            }
            let wanted = self.filled_in(plan, state, value);
            match self.known_value(plan, state, &wanted) {
                Some(value) => codings.apply(value, &mut state.out),
                None => state.out.extend_from_slice(&state.undefined),
            }
        }
        Ok(())
    }

    fn set_value(&mut self, plan: &Plan, state: &mut State, attributes: &[Attribute]) -> Result<(), Wrong> {
        let mut codings = Codings { encode: Vec::new(), ..Codings::default() };
        let mut var = None;
        for (name, value) in attributes {
            if codings.read(name, value).map_err(|()| self.wrong("unknown encoding in tag set"))? {
                continue;
            }
            match (name.to_ascii_lowercase().as_slice(), &var) {
                (b"var", _) => var = Some(self.filled_in(plan, state, value)),
                (b"value", Some(var)) => {
                    let mut coded = Vec::new();
                    codings.apply(self.filled_in(plan, state, value), &mut coded);
                    if !state.known.set(var, coded) {
                        return Err(self.wrong("SSI variables take too much memory"));
                    }
                }
                (b"value", None) => return Err(self.wrong("variable must precede value in set directive")),
                _ => return Err(self.wrong("Invalid tag for set directive")),
            }
        }
        Ok(())
    }

    fn configure(&mut self, plan: &Plan, state: &mut State, attributes: &[Attribute]) -> Result<(), Wrong> {
        for (name, value) in attributes {
            match name.to_ascii_lowercase().as_slice() {
                b"errmsg" => state.message.clone_from(value),
                b"echomsg" => state.undefined.clone_from(value),
                b"timefmt" => state.time.clone_from(value),
                b"sizefmt" => match self.filled_in(plan, state, value).as_slice() {
                    b"bytes" => state.in_bytes = true,
                    b"abbrev" => state.in_bytes = false,
                    _ => return Err(self.wrong("unknown format in tag config")),
                },
                _ => return Err(self.wrong("unknown parameter in tag config")),
            }
        }
        Ok(())
    }

    async fn include_parts(
        &mut self,
        plan: &Plan,
        state: &mut State,
        attributes: &[Attribute],
    ) -> Result<(), Wrong> {
        // As observed: what could not be included waits for the next `onerror`, and all between is left out.
        let mut missing = false;
        for (name, value) in attributes {
            let name = name.to_ascii_lowercase();
            let (instead, by_file) = match name.as_slice() {
                b"onerror" => (true, false),
                b"file" => (false, true),
                b"virtual" => (false, false),
                _ => {
                    if missing {
                        state.out.extend_from_slice(&state.message);
                    }
                    return Err(self.wrong("unknown parameter in tag include"));
                }
            };
            if instead != missing {
                continue;
            }
            let target = self.filled_in(plan, state, value);
            missing = match self.bring(plan, state, &target, by_file).await {
                Ok((content, _)) => {
                    state.out.extend_from_slice(&content);
                    false
                }
                Err(wrong) if instead => return Err(wrong),
                Err(_) => true,
            };
        }
        if missing { Err(Wrong) } else { Ok(()) }
    }

    /// The content that another request brings, and when it was modified.
    async fn bring(
        &mut self,
        plan: &Plan,
        state: &mut State,
        target: &[u8],
        by_file: bool,
    ) -> Result<(Vec<u8>, Option<i64>), Wrong> {
        let shown = target.escape_ascii().to_string();
        let (path, query) = self.resolve(plan, target, by_file)?;
        let Some(mut asked) = self.subrequest(plan, &path, &query, LONGEST_PART) else { return Err(Wrong) };
        asked.included = Some(Box::new(std::mem::take(&mut state.known)));
        asked.checked = true;
        self.ask_beside(plan, &mut asked).await;
        state.known = asked.included.take().map(|known| *known).unwrap_or_default();
        let status = asked.facts.status();
        if !(200..300).contains(&status) {
            return Err(self.wrong(&format!("unable to include \"{shown}\", subrequest returned {status}")));
        }
        let modified = asked.facts.response.modified;
        Ok((asked.take_kept().0, modified))
    }

    /// Path and query of what is to be included, seen from this page.
    fn resolve(&self, plan: &Plan, target: &[u8], by_file: bool) -> Result<(Vec<u8>, Vec<u8>), Wrong> {
        let own = &self.run.path;
        let folder = &own[..memchr::memrchr(b'/', own).map_or(0, |slash| slash + 1)];
        if by_file {
            let outside =
                target.starts_with(b"/") || target.split(|byte| *byte == b'/').any(|part| part == b"..");
            if outside || target.contains(&0) {
                let shown = target.escape_ascii();
                return Err(self.wrong(&format!("unable to include file \"{shown}\"")));
            }
            return Ok(([folder, target].concat(), Vec::new()));
        }
        let mut whole = Vec::new();
        if !target.starts_with(b"/") {
            escape(Escape::UriText, folder, false, &mut whole);
        }
        whole.extend_from_slice(target);
        let (_, query) = split_query(&whole);
        let (mut path, mut rest) = (Vec::new(), query.to_vec());
        rest.clear();
        let merge = self.settings(plan).client.merge_slashes;
        if !self.facts.read_target(&whole, merge, &mut path, &mut rest) {
            let shown = target.escape_ascii();
            return Err(self.wrong(&format!("unable to include \"{shown}\"")));
        }
        Ok((path, rest))
    }

    /// The size of a file, or its time.
    async fn tell_of_file(
        &mut self,
        plan: &Plan,
        state: &mut State,
        attributes: &[Attribute],
        size: bool,
    ) -> Result<(), Wrong> {
        for (name, value) in attributes {
            let by_file = match name.to_ascii_lowercase().as_slice() {
                b"file" => true,
                b"virtual" => false,
                _ => return Err(self.wrong("unknown parameter")),
            };
            let target = self.filled_in(plan, state, value);
            let (content, modified) = self.bring(plan, state, &target, by_file).await?;
            if size {
                let length = content.len() as u64;
                let text = if state.in_bytes { grouped(length) } else { rounded(Some(length)) };
                state.out.extend_from_slice(text.as_bytes());
            } else {
                let modified = modified.unwrap_or(0).max(0).cast_unsigned();
                formatted(&state.time, &clock::local(modified), &mut state.out);
            }
        }
        Ok(())
    }

    /// The value of a variable.
    fn known_value(&mut self, plan: &Plan, state: &State, name: &[u8]) -> Option<Vec<u8>> {
        if let Some(value) = state.known.get(name) {
            return Some(value.to_vec());
        }
        let now = self.worker.clock.now().as_secs();
        let moment = match name.to_ascii_uppercase().as_slice() {
            b"DATE_LOCAL" => Some(clock::local(now)),
            b"DATE_GMT" => Some(clock::universal(now)),
            b"LAST_MODIFIED" => Some(clock::local(state.known.modified?.max(0).cast_unsigned())),
            _ => None,
        };
        if let Some(moment) = moment {
            let mut out = Vec::new();
            formatted(&state.time, &moment, &mut out);
            return Some(out);
        }
        if !name.starts_with(b"@")
            && let Some(at) = plan.config.vars.iter().position(|var| var.name.eq_ignore_ascii_case(name))
        {
            let mut out = Vec::new();
            let var = crate::ir::Template::var(crate::ir::VarId(at as u32));
            return self.eval(&var, &mut out).then_some(out);
        }
        let field = name.get(..5).filter(|start| start.eq_ignore_ascii_case(b"HTTP_")).map(|_| &name[5..])?;
        let is_same = |known: &[u8]| {
            known.len() == field.len()
                && known.iter().zip(field).all(|(one, other)| {
                    let one = if one.is_ascii_alphanumeric() { *one } else { b'_' };
                    one.eq_ignore_ascii_case(other)
                })
        };
        let facts = &self.facts;
        let lines = facts.head.fields.iter().filter(|line| is_same(facts.slice(line.name)));
        let lines: Vec<_> = lines.map(|line| facts.slice(line.value)).collect();
        let secret = [&b"authorization"[..], b"proxy_authorization", b"proxy"];
        let hidden = secret.iter().any(|secret| field.eq_ignore_ascii_case(secret));
        (!lines.is_empty() && !hidden).then(|| lines.join(&b", "[..]))
    }

    /// A text with its variables: `$name`, `${name}`; `\$` is a dollar.
    fn filled_in(&mut self, plan: &Plan, state: &State, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = memchr::memchr2(b'$', b'\\', rest) {
            out.extend_from_slice(&rest[..at]);
            rest = &rest[at..];
            if let [b'\\', next, ..] = rest {
                if *next != b'$' {
                    out.push(b'\\');
                }
                out.push(*next);
                rest = &rest[2..];
                continue;
            }
            let braced = rest.starts_with(b"${");
            let from = 1 + usize::from(braced);
            let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
            let length = if braced {
                memchr::memchr(b'}', rest).map_or(0, |end| end - from)
            } else {
                rest[from..].iter().take_while(is_name).count()
            };
            if length == 0 {
                out.push(rest[0]);
                rest = &rest[1..];
                continue;
            }
            let name = rest[from..from + length].to_vec();
            out.extend(self.known_value(plan, state, &name).unwrap_or_default());
            // What is too long to be kept need not become longer.
            out.truncate(LONGEST_VALUES + 1);
            rest = &rest[from + length + usize::from(braced)..];
        }
        out.extend_from_slice(rest);
        out
    }
}

/// How a value is read and written.
#[derive(Clone, Debug)]
struct Codings {
    decode: Vec<Coding>,
    encode: Vec<Coding>,
}

/// One way to code a text.
#[derive(Clone, Copy, Debug)]
enum Coding {
    Url,
    Form,
    Base64,
    Entity,
}

impl Default for Codings {
    fn default() -> Self {
        Self { decode: Vec::new(), encode: vec![Coding::Entity] }
    }
}

impl Codings {
    /// Takes an attribute, if it is one of these.
    fn read(&mut self, name: &[u8], value: &[u8]) -> Result<bool, ()> {
        let list = match name.to_ascii_lowercase().as_slice() {
            b"encoding" => &mut self.encode,
            b"decoding" => &mut self.decode,
            _ => return Ok(false),
        };
        list.clear();
        for word in value.split(|byte| matches!(byte, b',' | b' ')).filter(|word| !word.is_empty()) {
            match word.to_ascii_lowercase().as_slice() {
                b"none" => {}
                b"url" => list.push(Coding::Url),
                b"urlencoded" => list.push(Coding::Form),
                b"base64" => list.push(Coding::Base64),
                b"entity" => list.push(Coding::Entity),
                _ => return Err(()),
            }
        }
        Ok(true)
    }

    fn apply(&self, mut value: Vec<u8>, out: &mut Vec<u8>) {
        let plain = |from: &[u8], how: Escape| {
            let mut into = Vec::new();
            escape(how, from, false, &mut into);
            into
        };
        for coding in &self.decode {
            value = match coding {
                Coding::Url => plain(&value, Escape::Decode),
                Coding::Form => {
                    let spaced: Vec<_> =
                        value.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
                    plain(&spaced, Escape::Decode)
                }
                Coding::Base64 => plain(&value, Escape::Unbase64),
                Coding::Entity => unescape(&value),
            };
        }
        for coding in &self.encode {
            value = match coding {
                Coding::Url => plain(&value, Escape::UriText),
                Coding::Form => {
                    let mut into = Vec::new();
                    for byte in value {
                        match byte {
                            b' ' => into.push(b'+'),
                            b'*' | b'-' | b'.' | b'_' => into.push(byte),
                            byte if byte.is_ascii_alphanumeric() => into.push(byte),
                            byte => into.extend_from_slice(format!("%{byte:02x}").as_bytes()),
                        }
                    }
                    into
                }
                Coding::Base64 => plain(&value, Escape::Base64),
                Coding::Entity => plain(&value, Escape::Html),
            };
        }
        out.extend(value);
    }
}

/// Text in which references for what has a meaning in HTML stand for it.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'&', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let known: [(&[u8], u8); 4] = [(b"&amp;", b'&'), (b"&lt;", b'<'), (b"&gt;", b'>'), (b"&quot;", b'"')];
        let found = known.iter().find(|(name, _)| rest.starts_with(name));
        let (length, byte) = found.map_or((1, b'&'), |(name, byte)| (name.len(), *byte));
        out.push(byte);
        rest = &rest[length..];
    }
    out.extend_from_slice(rest);
    out
}

/// A number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Reads an instruction: its name, attributes, and how long it is with its end. `None` where it has no end.
fn read(text: &[u8], end: &[u8]) -> Option<(Vec<u8>, Vec<Attribute>, usize)> {
    let space = |at: usize| {
        text.get(at..).map_or(0, |rest| rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count())
    };
    let is_end = |at: usize| text.get(at..).is_some_and(|rest| rest.starts_with(end));
    let mut at = space(0);
    let from = at;
    while at < text.len() && !text[at].is_ascii_whitespace() && !is_end(at) {
        at += 1;
    }
    let name = text[from..at].to_vec();
    let mut attributes = Vec::new();
    loop {
        at += space(at);
        if is_end(at) {
            return Some((name, attributes, at + end.len()));
        }
        let from = at;
        while *text.get(at)? != b'=' && !text[at].is_ascii_whitespace() && !is_end(at) {
            at += 1;
        }
        let attribute = text[from..at].to_vec();
        at += space(at);
        let mut value = Vec::new();
        if text.get(at) == Some(&b'=') {
            at += 1;
            at += space(at);
            match *text.get(at)? {
                quote @ (b'"' | b'\'' | b'`') => {
                    at += 1;
                    loop {
                        match *text.get(at)? {
                            byte if byte == quote => break,
                            b'\\' if text.get(at + 1) == Some(&quote) => {
                                value.push(quote);
                                at += 1;
                            }
                            byte => value.push(byte),
                        }
                        at += 1;
                    }
                    at += 1;
                }
                _ => {
                    while !text.get(at)?.is_ascii_whitespace() && !is_end(at) {
                        value.push(text[at]);
                        at += 1;
                    }
                }
            }
        }
        attributes.push((attribute, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_read() {
        let found = read(b"echo var=\"a\\\"b\" encoding=none -->rest", END).unwrap();
        assert_eq!(found.0, b"echo");
        let one = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        assert_eq!(found.1, [one("var", "a\"b"), one("encoding", "none")]);
        assert_eq!(found.2, 33);
        assert!(read(b"echo var=\"a", END).is_none());
        assert!(read(b"", END).is_none());
        assert_eq!(read(b"endif-->", END).unwrap().2, 8);
        assert_eq!(read(b"x y -->", END).unwrap().1, [one("y", "")]);
    }

    #[test]
    fn numbers_have_commas() {
        assert_eq!([1, 999, 1000, 12_345_678].map(grouped), ["1", "999", "1,000", "12,345,678"]);
    }
}
