//! Instructions in content: `<!--# name parameter="value" ... -->`.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_ssi_module.html>

use std::{cell::RefCell, sync::Arc};

use super::{
    super::{clock, exchange::Exchange, facts::formatted, http1::target, respond::split_query},
    LONGEST_PART,
};
use crate::{
    ir::{Attr, Escape, Part, Pattern, Template, settings::Level},
    plan::{Matcher, Plan, Spans, escape},
};

/// What begins an instruction, and what ends it.
const BEGIN: &[u8] = b"<!--#";
const END: &[u8] = b"-->";

/// Parameters of one instruction.
const MOST: usize = 16;

/// What is said where nothing else is.
const MESSAGE: &[u8] = b"[an error occurred while processing the directive]";
const TIME: &[u8] = b"%A, %d-%b-%Y %H:%M:%S %Z";

/// What is known while a content is gone through.
struct State {
    out: Vec<u8>,
    message: Vec<u8>,
    time: Vec<u8>,
    values: Vec<(Vec<u8>, Vec<u8>)>,
    blocks: Vec<(Vec<u8>, Vec<u8>)>,
    /// The block that is being written, and what was written before it.
    block: Option<(Vec<u8>, Vec<u8>)>,
    /// For each condition around: whether this branch is written, and whether one was.
    conditions: Vec<(bool, bool)>,
    captures: Vec<Vec<u8>>,
    encoding: Encoding,
}

/// How a value is written.
#[derive(Clone, Copy)]
enum Encoding {
    None,
    Url,
    Entity,
}

impl State {
    fn is_written(&self) -> bool {
        self.conditions.iter().all(|(now, _)| *now)
    }
}

/// Name and parameters.
type Instruction = (Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>);

impl Exchange {
    /// Does what the instructions in a content say.
    pub(super) async fn include(&mut self, plan: &Plan, content: Vec<u8>) -> Vec<u8> {
        let mut state = State {
            out: Vec::with_capacity(content.len()),
            message: MESSAGE.to_vec(),
            time: TIME.to_vec(),
            values: Vec::new(),
            blocks: Vec::new(),
            block: None,
            conditions: Vec::new(),
            captures: Vec::new(),
            encoding: Encoding::Entity,
        };
        let mut rest = content.as_slice();
        while let Some(at) = memchr::memmem::find(rest, BEGIN) {
            if state.is_written() {
                state.out.extend_from_slice(&rest[..at]);
            }
            let inside = &rest[at + BEGIN.len()..];
            let longest = self.settings(plan).rewriting.settings.include_value_length;
            if let Some((found, length)) = instruction(inside, usize::try_from(longest).unwrap_or(usize::MAX))
            {
                rest = &inside[length..];
                if self.obey(plan, &mut state, found).await.is_none() {
                    self.complain(plan, &mut state);
                }
            } else {
                rest = memchr::memmem::find(inside, END).map_or(&[][..], |end| &inside[end + END.len()..]);
                self.log(Level::Error, format_args!("invalid SSI command"));
                if state.is_written() {
                    self.complain(plan, &mut state);
                }
            }
        }
        if state.is_written() {
            state.out.extend_from_slice(rest);
        }
        state.out
    }

    fn complain(&self, plan: &Plan, state: &mut State) {
        if !self.settings(plan).rewriting.settings.include_silently {
            state.out.extend_from_slice(&state.message);
        }
    }

    /// Does what one instruction says; `None` when that is wrong.
    async fn obey(&mut self, plan: &Plan, state: &mut State, (name, parameters): Instruction) -> Option<()> {
        let get = |wanted: &[u8]| {
            parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
        };
        match name.as_slice() {
            b"if" => {
                let holds = state.is_written() && self.holds_expression(plan, state, &get(b"expr")?);
                state.conditions.push((holds, holds));
                return Some(());
            }
            b"elif" => {
                let (_, done) = state.conditions.pop()?;
                let holds = !done && state.is_written() && self.holds_expression(plan, state, &get(b"expr")?);
                state.conditions.push((holds, done || holds));
                return Some(());
            }
            b"else" => {
                let (now, done) = state.conditions.last_mut()?;
                (*now, *done) = (!*done, true);
                return Some(());
            }
            b"endif" => return state.conditions.pop().map(drop),
            _ if !state.is_written() => return Some(()),
            _ => {}
        }
        match name.as_slice() {
            b"include" => return self.include_one(plan, state, &get).await,
            b"echo" => {
                let wanted = get(b"var")?;
                let mut value = Vec::new();
                if !self.value_of(plan, state, &wanted, &mut value) {
                    value = get(b"default").unwrap_or_else(|| b"(none)".to_vec());
                }
                // It stays for those that follow.
                match get(b"encoding").as_deref() {
                    Some(b"none") => state.encoding = Encoding::None,
                    Some(b"url") => state.encoding = Encoding::Url,
                    Some(b"entity") => state.encoding = Encoding::Entity,
                    Some(_) => return None,
                    None => {}
                }
                match state.encoding {
                    Encoding::None => state.out.extend_from_slice(&value),
                    Encoding::Entity => escape(Escape::Html, &value, false, &mut state.out),
                    Encoding::Url => url_encode(&value, &mut state.out),
                }
            }
            b"set" => {
                let value = self.expand(plan, state, &get(b"value")?);
                set(&mut state.values, &get(b"var")?, value);
            }
            b"config" => {
                if let Some(message) = get(b"errmsg") {
                    state.message = message;
                }
                if let Some(time) = get(b"timefmt") {
                    state.time = time;
                }
            }
            b"block" => {
                if state.block.is_some() {
                    return None;
                }
                state.block = Some((get(b"name")?, std::mem::take(&mut state.out)));
            }
            b"endblock" => {
                let (name, before) = state.block.take()?;
                let block = std::mem::replace(&mut state.out, before);
                set(&mut state.blocks, &name, block);
            }
            _ => {
                self.log(Level::Error, format_args!("invalid SSI command: \"{}\"", name.escape_ascii()));
                return None;
            }
        }
        Some(())
    }

    /// What another request brings, in place of the instruction or in a variable.
    async fn include_one(
        &mut self,
        plan: &Plan,
        state: &mut State,
        get: &impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Option<()> {
        let target = match (get(b"virtual"), get(b"file")) {
            (Some(_), Some(_)) => {
                self.log(Level::Error, format_args!("inclusion may be either virtual or file"));
                return None;
            }
            (Some(target), None) | (None, Some(target)) => target,
            (None, None) => {
                self.log(Level::Error, format_args!("no parameter in \"include\" SSI command"));
                return None;
            }
        };
        if matches!(get(b"wait").as_deref(), Some(wait) if wait != b"yes" && wait != b"no") {
            return None;
        }
        let mut target = self.expand(plan, state, &target);
        if target.first() != Some(&b'/') {
            let path = &self.run.path;
            let folder = memchr::memrchr(b'/', path).map_or(0, |at| at + 1);
            target.splice(0..0, path[..folder].iter().copied());
        }
        let (raw, query) = split_query(&target);
        let mut path = Vec::new();
        target::decode(raw, &mut path);
        if path.contains(&0) || path.split(|byte| *byte == b'/').any(|segment| segment == b"..") {
            self.log(Level::Error, format_args!("unsafe URI \"{}\" was detected", path.escape_ascii()));
            return None;
        }
        // A block that comes later is none yet.
        let stub = match get(b"stub") {
            Some(stub) => {
                let block = state.blocks.iter().find(|(name, _)| *name == stub);
                Some(block.map(|(_, block)| block.clone())?)
            }
            None => None,
        };
        let mut asked = self.subrequest(plan, &path, query, LONGEST_PART)?;
        self.ask_beside(plan, &mut asked).await;
        // A page of our own stands for an answer that there is not; what an upstream says of a failure is one.
        let failed = asked.facts.response.ours && asked.facts.status() >= 300;
        let (mut content, _) = asked.take_kept();
        if let Some(stub) = stub.filter(|_| content.is_empty() || failed) {
            content = stub;
        }
        match get(b"set") {
            Some(name) => set(&mut state.values, &name, content),
            None => state.out.extend_from_slice(&content),
        }
        Some(())
    }

    /// Appends the value of a variable; false when it has none.
    fn value_of(&mut self, plan: &Plan, state: &State, name: &[u8], out: &mut Vec<u8>) -> bool {
        let name = name.to_ascii_lowercase();
        if let Some((_, value)) = state.values.iter().find(|(known, _)| *known == name) {
            out.extend_from_slice(value);
            return true;
        }
        let now = self.worker.clock.now().as_secs();
        let seconds = state.time == b"%s";
        match name.as_slice() {
            b"date_local" | b"date_gmt" if seconds => {
                out.extend_from_slice(now.to_string().as_bytes());
                return true;
            }
            b"date_local" => {
                formatted(&state.time, &clock::local(now), out);
                return true;
            }
            b"date_gmt" => {
                formatted(&state.time, &clock::universal(now), out);
                return true;
            }
            _ => {}
        }
        let known = &plan.config.vars;
        if let Some(at) = known.iter().position(|var| *var.name == *name) {
            let var = Template::var(crate::ir::VarId(at as u32));
            return self.eval(&var, out);
        }
        let settings = Arc::clone(&self.settings(plan).rewriting);
        let values = &settings.settings.include_values;
        if let Some((_, value)) = values.iter().find(|(known, _)| **known == *name) {
            return self.eval(value, out);
        }
        let family = [
            (&b"http_"[..], Attr::Field as fn(_) -> _),
            (b"arg_", Attr::Param),
            (b"cookie_", Attr::Cookie),
            (b"sent_http_", Attr::SentField),
            (b"upstream_http_", Attr::UpstreamField),
        ];
        for (prefix, attr) in family {
            if let Some(rest) = name.strip_prefix(prefix) {
                return self.eval(&Template(vec![Part::Attr(attr(rest.into()))]), out);
            }
        }
        false
    }

    /// A text with its variables: `$name`, `${name}`; `\$` is a dollar.
    fn expand(&mut self, plan: &Plan, state: &State, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let dollar = memchr::memchr2(b'$', b'\\', rest).unwrap_or(rest.len());
            out.extend_from_slice(&rest[..dollar]);
            at += dollar;
            match text.get(at..) {
                Some([b'\\', b'$', ..]) => {
                    out.push(b'$');
                    at += 2;
                }
                Some([b'\\', ..]) => {
                    out.push(b'\\');
                    at += 1;
                }
                Some([b'$', rest @ ..]) => {
                    let braced = rest.first() == Some(&b'{');
                    let from = usize::from(braced);
                    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
                    let length = rest[from.min(rest.len())..].iter().take_while(is_name).count();
                    let name = &rest[from.min(rest.len())..from.min(rest.len()) + length];
                    if let [digit @ b'0'..=b'9'] = name {
                        let group = state.captures.get(usize::from(digit - b'0'));
                        out.extend_from_slice(group.map(Vec::as_slice).unwrap_or_default());
                    } else if !name.is_empty() {
                        let name = name.to_vec();
                        self.value_of(plan, state, &name, &mut out);
                    } else {
                        out.push(b'$');
                    }
                    let closed = braced && rest.get(from + length) == Some(&b'}');
                    at += 1 + from + length + usize::from(closed);
                }
                _ => {}
            }
        }
        out
    }

    /// `$var`, `$var = text`, `$var != text`, `$var = /pattern/`, `$var != /pattern/`
    fn holds_expression(&mut self, plan: &Plan, state: &mut State, expression: &[u8]) -> bool {
        let equals = memchr::memchr(b'=', expression);
        let Some(equals) = equals else {
            let value = self.expand(plan, state, expression.trim_ascii());
            return !value.is_empty();
        };
        let negative = equals > 0 && expression[equals - 1] == b'!';
        let left = expression[..equals - usize::from(negative)].trim_ascii();
        let right = expression[equals + 1..].trim_ascii();
        let left = self.expand(plan, state, left);
        let holds = match right.strip_prefix(b"/").and_then(|text| text.strip_suffix(b"/")) {
            Some(pattern) => match matches(pattern, false, &left) {
                Some(groups) => {
                    state.captures = groups;
                    true
                }
                None => false,
            },
            None => left == self.expand(plan, state, right),
        };
        holds != negative
    }
}

/// Observed: what would end a URL in a page is encoded, `?` and what follows it stay.
fn url_encode(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            0..=b' '
            | b'"'
            | b'#'
            | b'%'
            | b'\''
            | b'<'
            | b'>'
            | b'\\'
            | b'^'
            | b'`'
            | b'{'
            | b'|'
            | b'}'
            | 0x7f.. => {
                out.extend_from_slice(format!("%{byte:02X}").as_bytes());
            }
            _ => out.push(byte),
        }
    }
}

fn set(values: &mut Vec<(Vec<u8>, Vec<u8>)>, name: &[u8], value: Vec<u8>) {
    let name = name.to_ascii_lowercase();
    match values.iter_mut().find(|(known, _)| *known == name) {
        Some((_, old)) => *old = value,
        None => values.push((name, value)),
    }
}

/// What the groups of a pattern match; `None` when it does not. Patterns that were met before are not compiled again.
pub(super) fn matches(pattern: &[u8], ignore_case: bool, subject: &[u8]) -> Option<Vec<Vec<u8>>> {
    /// A pattern's text, and what it was compiled to.
    type Met = (Vec<u8>, bool, Option<Arc<Matcher>>);
    thread_local! {
        static KNOWN: RefCell<Vec<Met>> = const { RefCell::new(Vec::new()) };
    }
    let matcher = KNOWN.with_borrow_mut(|known| {
        let is_it = |(text, any_case, _): &&Met| text == pattern && *any_case == ignore_case;
        if let Some((_, _, matcher)) = known.iter().find(is_it) {
            return matcher.clone();
        }
        if known.len() == 64 {
            known.remove(0);
        }
        let matcher = Matcher::new(&Pattern::regex(pattern, ignore_case)).ok().map(Arc::new);
        known.push((pattern.to_vec(), ignore_case, matcher.clone()));
        matcher
    })?;
    let mut spans = Spans::default();
    if !matcher.find(subject, u32::MAX, &mut spans).unwrap_or(false) {
        return None;
    }
    let group =
        |(start, end): &(u32, u32)| subject.get(*start as usize..*end as usize).unwrap_or_default().to_vec();
    Some(spans.iter().map(group).collect())
}

/// Reads an instruction, and how long it is with its end; `None` when it is none.
fn instruction(text: &[u8], longest: usize) -> Option<(Instruction, usize)> {
    let space = |at: usize| text[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
    let mut at = space(0);
    let length = text[at..].iter().take_while(is_name).count();
    let name = text[at..at + length].to_ascii_lowercase();
    at += length;
    let mut parameters = Vec::new();
    loop {
        at += space(at);
        if text[at..].starts_with(END) {
            return (!name.is_empty()).then_some(((name, parameters), at + END.len()));
        }
        let length = text[at..].iter().take_while(is_name).count();
        let parameter = text[at..at + length].to_ascii_lowercase();
        at += length;
        at += space(at);
        if length == 0 || text.get(at) != Some(&b'=') || parameters.len() == MOST {
            return None;
        }
        at += 1;
        at += space(at);
        let quote = *text.get(at).filter(|byte| matches!(byte, b'"' | b'\''))?;
        at += 1;
        let mut value = Vec::new();
        loop {
            match *text.get(at)? {
                byte if byte == quote => break,
                b'\\' if text.get(at + 1) == Some(&quote) => {
                    value.push(quote);
                    at += 1;
                }
                byte => value.push(byte),
            }
            if value.len() > longest {
                return None;
            }
            at += 1;
        }
        at += 1;
        parameters.push((parameter, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_read() {
        let read = |text: &str| instruction(text.as_bytes(), 20);
        let one = |text: &str, value: &str| (text.as_bytes().to_vec(), value.as_bytes().to_vec());
        assert_eq!(
            read(r#" echo var="a" default='b"c' --> rest"#),
            Some(((b"echo".to_vec(), vec![one("var", "a"), one("default", "b\"c")]), 31))
        );
        assert_eq!(read("endif-->"), Some(((b"endif".to_vec(), Vec::new()), 8)));
        assert_eq!(read(r#"set value="\"" -->"#).map(|found| found.0.1), Some(vec![one("value", "\"")]));
        for wrong in [
            "",
            "echo",
            "echo var",
            "echo var=a -->",
            "echo var=\"a",
            "-->",
            "echo =\"a\" -->",
            "echo var=\"aaaaaaaaaaaaaaaaaaaaaaaaa\" -->",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn patterns_are_matched() {
        assert_eq!(
            matches(b"^(a+)(b)?", false, b"aac"),
            Some(vec![b"aa".to_vec(), b"aa".to_vec(), Vec::new()])
        );
        assert_eq!(matches(b"^x", false, b"aac"), None);
        assert_eq!(matches(b"(", false, b"("), None);
    }
}
