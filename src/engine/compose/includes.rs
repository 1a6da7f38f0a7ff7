//! Instructions in content: `<!--# name parameter="value" ... -->`.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_ssi_module.html>

use std::{cell::RefCell, sync::Arc};

use super::{
    super::{clock, exchange::Exchange, facts::formatted, http1::target, respond::split_query},
    LONGEST, LONGEST_PART,
    page::{Full, Page},
    read::{self, Instruction},
};
use crate::{
    ir::{Attr, Escape, Part, Pattern, Template, settings::Level},
    plan::{Matcher, Plan, Spans, escape},
};

/// The longest that a value may become, bytes.
const LONGEST_VALUE: usize = 1 << 20;

/// What is said where nothing else is.
const MESSAGE: &[u8] = b"[an error occurred while processing the directive]";
const TIME: &[u8] = b"%A, %d-%b-%Y %H:%M:%S %Z";

/// What changes while a content is gone through.
struct State {
    out: Vec<u8>,
    message: Vec<u8>,
    time: Vec<u8>,
    page: Page,
    /// What is written is thrown away: a branch that is not taken.
    mute: bool,
    /// The condition that this is in, of which there is one at a time.
    condition: Option<Condition>,
    encoding: Encoding,
    /// How many blocks are being put in the place of what brought nothing.
    stubs: u8,
}

/// A condition.
#[derive(Clone, Copy)]
struct Condition {
    /// Whether a branch was taken.
    done: bool,
    /// Whether this is the last branch.
    last: bool,
}

/// How a value is written.
#[derive(Clone, Copy)]
enum Encoding {
    None,
    Url,
    Entity,
}

/// Each instruction's parameters; `!` marks those that it needs.
const INSTRUCTIONS: [(&[u8], &[&str]); 9] = [
    (b"include", &["virtual", "file", "wait", "set", "stub"]),
    (b"echo", &["!var", "default", "encoding"]),
    (b"config", &["errmsg", "timefmt"]),
    (b"set", &["!var", "!value"]),
    (b"if", &["!expr"]),
    (b"elif", &["!expr"]),
    (b"else", &[]),
    (b"endif", &[]),
    (b"block", &["!name"]),
];

/// As many blocks may stand in for something in each other.
const DEEPEST: u8 = 10;

impl Exchange {
    /// Does what the instructions in a content say.
    pub(super) async fn include(&mut self, plan: &Plan, content: Vec<u8>) -> Vec<u8> {
        let mut state = State {
            out: Vec::with_capacity(content.len()),
            message: MESSAGE.to_vec(),
            time: TIME.to_vec(),
            page: self.page.take().map(|page| *page).unwrap_or_default(),
            mute: false,
            condition: None,
            encoding: Encoding::Entity,
            stubs: 0,
        };
        self.go_through(plan, &mut state, &content).await;
        self.page = Some(Box::new(state.page));
        state.out
    }

    /// Does what the instructions in a text say. What is not finished at its end says nothing.
    async fn go_through(&mut self, plan: &Plan, state: &mut State, content: &[u8]) {
        let longest = self.settings(plan).rewriting.settings.include_value_length;
        let longest = usize::try_from(longest).unwrap_or(usize::MAX);
        let mut rest = content;
        // The block that is being kept: its name, and what there is from its beginning on.
        let mut block: Option<(Vec<u8>, &[u8])> = None;
        while let Some(at) = memchr::memmem::find(rest, read::BEGIN) {
            if !state.mute && block.is_none() {
                state.out.extend_from_slice(&rest[..at]);
            }
            if state.out.len() > LONGEST {
                self.log(Level::Error, format_args!("what is included is too long"));
                return;
            }
            let (instruction, inside) = (&rest[at..], &rest[at + read::BEGIN.len()..]);
            let found = match read::instruction(inside, longest) {
                Ok((found, length)) => {
                    rest = &inside[length..];
                    found
                }
                Err(from) => {
                    let Some(end) =
                        from.and_then(|from| Some(from + memchr::memmem::find(&inside[from..], read::END)?))
                    else {
                        return;
                    };
                    rest = &inside[end + read::END.len()..];
                    self.log(Level::Error, format_args!("invalid SSI command"));
                    self.complain(plan, state);
                    continue;
                }
            };
            match (found.0.as_slice(), &block) {
                (b"endblock", None) => {}
                (b"endblock", Some((name, from))) => {
                    let kept = state.page.keep(name, &from[..from.len() - instruction.len()]);
                    self.told(&kept, plan, state);
                    block = None;
                }
                (_, Some(_)) => {}
                (b"block", None) if !state.mute => match self.parameters(&found) {
                    Some(name) => block = Some((name, rest)),
                    None => self.complain(plan, state),
                },
                _ => {
                    if self.obey(plan, state, &found).await.is_none() {
                        self.complain(plan, state);
                    }
                }
            }
        }
        if !state.mute && block.is_none() {
            state.out.extend_from_slice(&rest[..rest.len() - read::begun(rest)]);
        }
    }

    /// Whether an instruction has what it needs, and nothing else; its first parameter.
    fn parameters(&self, (name, given): &Instruction) -> Option<Vec<u8>> {
        let shown = name.escape_ascii();
        let Some((_, known)) = INSTRUCTIONS.iter().find(|(known, _)| known == name) else {
            self.log(Level::Error, format_args!("invalid SSI command: \"{shown}\""));
            return None;
        };
        let is = |known: &&str, name: &[u8]| known.trim_start_matches('!').as_bytes() == name;
        for (at, (parameter, _)) in given.iter().enumerate() {
            let why = if !known.iter().any(|known| is(known, parameter)) {
                "invalid parameter name"
            } else if given[..at].iter().any(|(before, _)| before == parameter) {
                "duplicate parameter"
            } else {
                continue;
            };
            let parameter = parameter.escape_ascii();
            self.log(Level::Error, format_args!("{why}: \"{parameter}\" in \"{shown}\" SSI command"));
            return None;
        }
        let missing =
            |known: &&&str| known.starts_with('!') && !given.iter().any(|(name, _)| is(known, name));
        if let Some(missing) = known.iter().find(missing) {
            let missing = missing.trim_start_matches('!');
            let text = format_args!("mandatory \"{missing}\" parameter is absent in \"{shown}\" SSI command");
            self.log(Level::Error, text);
            return None;
        }
        Some(given.first().map(|(_, value)| value.clone()).unwrap_or_default())
    }

    /// Says that there is too much to be kept.
    fn told(&self, kept: &Result<(), Full>, plan: &Plan, state: &mut State) {
        if kept.is_err() {
            self.log(Level::Error, format_args!("SSI variables and blocks take too much memory"));
            self.complain(plan, state);
        }
    }

    fn complain(&self, plan: &Plan, state: &mut State) {
        if !self.settings(plan).rewriting.settings.include_silently {
            state.out.extend_from_slice(&state.message);
        }
    }

    /// Does what one instruction says; `None` when that is wrong.
    async fn obey(&mut self, plan: &Plan, state: &mut State, found: &Instruction) -> Option<()> {
        let (name, parameters) = found;
        let branches = matches!(name.as_slice(), b"elif" | b"else" | b"endif");
        if state.mute && !branches {
            return Some(());
        }
        // Only `endif` follows the last branch.
        if branches && state.condition.is_none_or(|condition| condition.last && name != b"endif") {
            let shown = name.escape_ascii();
            self.log(Level::Error, format_args!("invalid context of SSI command: \"{shown}\""));
            return None;
        }
        self.parameters(found)?;
        let get = |wanted: &[u8]| {
            parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
        };
        match name.as_slice() {
            // Observed: there are no conditions in each other.
            b"if" if state.condition.is_some() => return None,
            b"if" | b"elif" => {
                let done = state.condition.is_some_and(|condition| condition.done);
                let holds = !done && self.holds_expression(plan, state, &get(b"expr")?)?;
                state.condition = Some(Condition { done: done || holds, last: false });
                state.mute = !holds;
                return Some(());
            }
            b"else" => {
                let done = state.condition.is_some_and(|condition| condition.done);
                state.condition = Some(Condition { done, last: true });
                state.mute = done;
                return Some(());
            }
            b"endif" => {
                (state.condition, state.mute) = (None, false);
                return Some(());
            }
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
                    _ => {}
                }
                match state.encoding {
                    Encoding::None => state.out.extend_from_slice(&value),
                    Encoding::Entity => escape(Escape::Html, &value, false, &mut state.out),
                    Encoding::Url => url_encode(&value, &mut state.out),
                }
            }
            b"set" => {
                let value = self.expand(plan, state, &get(b"value")?)?;
                let kept = state.page.set(&get(b"var")?.to_ascii_lowercase(), value);
                self.told(&kept, plan, state);
            }
            b"config" => {
                if let Some(message) = get(b"errmsg") {
                    state.message = message;
                }
                if let Some(time) = get(b"timefmt") {
                    state.time = time;
                }
            }
            _ => {}
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
        let waits = get(b"wait");
        if matches!(waits.as_deref(), Some(wait) if wait != b"yes" && wait != b"no") {
            return None;
        }
        let mut target = self.expand(plan, state, &target)?;
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
            Some(stub) => Some(state.page.block(&stub)?),
            None => None,
        };
        let mut asked = self.subrequest(plan, &path, query, LONGEST_PART)?;
        asked.page = Some(Box::new(state.page.for_part()));
        self.ask_beside(plan, &mut asked).await;
        // A page of our own stands for an answer that there is not; what an upstream says of a failure is one.
        let failed = asked.facts.response.ours && asked.facts.status() >= 300;
        let (content, _) = asked.take_kept();
        if let Some(page) = asked.page.take() {
            state.page.take_part(*page, waits.as_deref() == Some(b"yes") || get(b"set").is_some());
        }
        if let Some(name) = get(b"set") {
            let kept = state.page.set(&name.to_ascii_lowercase(), content);
            self.told(&kept, plan, state);
            return Some(());
        }
        match stub {
            Some(block) if content.is_empty() || failed => {
                if state.stubs == DEEPEST {
                    self.log(Level::Error, format_args!("SSI blocks stand in for each other"));
                    return None;
                }
                state.stubs += 1;
                let around = (state.condition.take(), std::mem::take(&mut state.mute));
                Box::pin(self.go_through(plan, state, &block)).await;
                (state.condition, state.mute) = around;
                state.stubs -= 1;
            }
            _ => state.out.extend_from_slice(&content),
        }
        Some(())
    }

    /// Appends the value of a variable; false when it has none.
    fn value_of(&mut self, plan: &Plan, state: &State, name: &[u8], out: &mut Vec<u8>) -> bool {
        let name = name.to_ascii_lowercase();
        if let Some(value) = state.page.get(&name) {
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

    /// A text with its variables: `$name`, `${name}`; `\$` is a dollar, `\\` a backslash. `None` where a name is missing or not closed,
    /// and where it becomes too long.
    fn expand(&mut self, plan: &Plan, state: &State, text: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(text.len());
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let dollar = memchr::memchr2(b'$', b'\\', rest).unwrap_or(rest.len());
            out.extend_from_slice(&rest[..dollar]);
            at += dollar;
            match text.get(at..) {
                Some([b'\\', byte @ (b'$' | b'\\'), ..]) => {
                    out.push(*byte);
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
                    let length = rest[from..].iter().take_while(is_name).count();
                    let name = &rest[from..from + length];
                    let closed = !braced || rest.get(from + length) == Some(&b'}');
                    if name.is_empty() || !closed {
                        let shown = text.escape_ascii();
                        self.log(Level::Error, format_args!("invalid variable name in \"{shown}\""));
                        return None;
                    }
                    self.value_of(plan, state, name, &mut out);
                    at += 1 + from + length + from;
                }
                _ => {}
            }
            if out.len() > LONGEST_VALUE {
                self.log(Level::Error, format_args!("an SSI value becomes too long"));
                return None;
            }
        }
        Some(out)
    }

    /// `$var`, `$var = text`, `$var != text`, `$var = /pattern/`, `$var != /pattern/`; `None` where it is none of them.
    /// Observed: the left side is read in lower case and has no other signs than those of names and quotes.
    fn holds_expression(&mut self, plan: &Plan, state: &mut State, expression: &[u8]) -> Option<bool> {
        let is_left = |byte: &&u8| {
            byte.is_ascii_alphanumeric() || matches!(**byte, b'$' | b'{' | b'}' | b'_' | b'"' | b'\'')
        };
        let (left, rest) = expression.split_at(expression.iter().take_while(is_left).count());
        let left = self.expand(plan, state, &left.to_ascii_lowercase())?;
        let spaces = |text: &[u8]| text.iter().take_while(|byte| **byte == b' ').count();
        let rest = &rest[spaces(rest)..];
        let (right, negative) = match rest {
            [] => return Some(!left.is_empty()),
            [b'=', right @ ..] => (right, false),
            [b'!', b'=', right @ ..] => (right, true),
            _ => {
                let shown = expression.escape_ascii();
                self.log(Level::Error, format_args!("invalid expression in \"{shown}\""));
                return None;
            }
        };
        let holds = match &right[spaces(right)..] {
            [b'/', pattern @ .., last] => {
                let pattern = if *last == b'/' { self.expand(plan, state, pattern)? } else { return None };
                let matcher = compiled(&pattern, false)?;
                let groups = find(&matcher, &left);
                let holds = groups.is_some();
                for (name, number) in matcher.names().iter().filter(|_| holds) {
                    let group = groups.as_ref().and_then(|groups| groups.get(*number as usize)).cloned();
                    let kept = state.page.set(&name.to_ascii_lowercase(), group.unwrap_or_default());
                    self.told(&kept, plan, state);
                }
                if let Some(groups) = groups {
                    state.page.matched(groups);
                }
                holds
            }
            [b'\\', right @ ..] if right.len() > 1 && right[0] == b'/' => {
                left == self.expand(plan, state, right)?
            }
            right => left == self.expand(plan, state, right)?,
        };
        Some(holds != negative)
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

/// What the groups of a pattern match; `None` when it does not.
pub(super) fn matches(pattern: &[u8], ignore_case: bool, subject: &[u8]) -> Option<Vec<Vec<u8>>> {
    find(&*compiled(pattern, ignore_case)?, subject)
}

/// A pattern; those that were met before are not compiled again.
fn compiled(pattern: &[u8], ignore_case: bool) -> Option<Arc<Matcher>> {
    /// A pattern's text, and what it was compiled to.
    type Met = (Vec<u8>, bool, Option<Arc<Matcher>>);
    thread_local! {
        static KNOWN: RefCell<Vec<Met>> = const { RefCell::new(Vec::new()) };
    }
    KNOWN.with_borrow_mut(|known| {
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
    })
}

fn find(matcher: &Matcher, subject: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut spans = Spans::default();
    if !matcher.find(subject, u32::MAX, &mut spans).unwrap_or(false) {
        return None;
    }
    let group =
        |(start, end): &(u32, u32)| subject.get(*start as usize..*end as usize).unwrap_or_default().to_vec();
    Some(spans.iter().map(group).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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
