//! `${VAR}`: what `Define`, `-D` and the environment say, put in the place of a name before a line is read.
//!
//! Observed: names given to `Define` are compared without case in `${}`, and with case by `<IfDefine>` and in the
//! environment; a value is not looked at again; a name that nobody knows stays as it is written.

use std::collections::HashMap;

use nom::{
    IResult, Parser,
    bytes::complete::{tag, take_till},
    sequence::{delimited, terminated},
};

use super::tree::Written;
use crate::{
    diagnostic::{Diagnostic, Severity},
    source::Span,
};

/// What names stand for.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    /// The names of `Define` and `-D`, as written.
    defined: Vec<Vec<u8>>,
    /// The values of `Define`, by the name in lower case.
    values: HashMap<Vec<u8>, Vec<u8>>,
    /// The environment.
    environment: HashMap<Vec<u8>, Vec<u8>>,
}

/// What Debian's `envvars` sets: what a virtual host that was taken from there relies on.
const DEBIAN: [(&str, &str); 8] = [
    ("APACHE_RUN_USER", "www-data"),
    ("APACHE_RUN_GROUP", "www-data"),
    ("APACHE_PID_FILE", "/var/run/apache2/apache2.pid"),
    ("APACHE_RUN_DIR", "/var/run/apache2"),
    ("APACHE_LOCK_DIR", "/var/lock/apache2"),
    ("APACHE_LOG_DIR", "/var/log/apache2"),
    ("APACHE_CONFDIR", "/etc/apache2"),
    ("APACHE_ENVVARS", "/etc/apache2/envvars"),
];

/// The longest line that variables may make: values can have each other's twice, over and over.
const LONGEST: usize = 16 << 20;

impl Variables {
    /// Those of an environment.
    pub fn new(environment: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Self {
        Self { environment: environment.into_iter().collect(), ..Self::default() }
    }

    /// `Define`, or `-D` without a value.
    pub fn define(&mut self, name: &[u8], value: Option<&[u8]>) {
        if !self.is_defined(name) {
            self.defined.push(name.to_vec());
        }
        if let Some(value) = value {
            self.values.insert(name.to_ascii_lowercase(), value.to_vec());
        }
    }

    /// `UnDefine`
    pub fn undefine(&mut self, name: &[u8]) {
        self.defined.retain(|defined| defined != name);
        self.values.remove(&name.to_ascii_lowercase());
    }

    /// Sets a variable of the environment.
    pub fn set_environment(&mut self, name: &[u8], value: &[u8]) {
        self.environment.insert(name.to_vec(), value.to_vec());
    }

    /// Takes a variable out of the environment.
    pub fn unset_environment(&mut self, name: &[u8]) {
        self.environment.remove(name);
    }

    /// A variable of the environment.
    pub fn environment(&self, name: &[u8]) -> Option<&[u8]> {
        self.environment.get(name).map(Vec::as_slice)
    }

    /// Whether `<IfDefine>` knows a name.
    pub fn is_defined(&self, name: &[u8]) -> bool {
        self.defined.iter().any(|defined| defined == name)
    }

    /// The names that `<IfDefine>` knows, with their values.
    pub fn defined(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.defined.iter().map(|name| (name.as_slice(), self.defined_value(name)))
    }

    fn defined_value(&self, name: &[u8]) -> Option<&[u8]> {
        self.values.get(&name.to_ascii_lowercase()).map(Vec::as_slice)
    }

    /// What `${name}` stands for.
    pub fn value(&self, name: &[u8]) -> Option<&[u8]> {
        self.defined_value(name).or_else(|| self.environment(name))
    }

    /// The text with each `${name}` replaced; what is not known is told to `missed` and stays.
    pub fn replace(&self, text: Written, missed: &mut impl FnMut(Diagnostic)) -> Written {
        let bytes = text.bytes();
        if memchr::memmem::find(bytes, b"${").is_none() {
            return text;
        }
        let mut replaced = Written::default();
        let (mut start, mut at) = (0, 0);
        while let Some(found) = memchr::memchr(b'$', &bytes[at..]) {
            at += found;
            let Ok((rest, name)) = variable(&bytes[at..]) else {
                at += 1;
                continue;
            };
            let end = bytes.len() - rest.len();
            let span = text.span(at..end);
            let Some(value) = self.value(name).or_else(|| of_debian(name, span, missed)) else {
                // That is how the keys of a RewriteMap are written.
                if !name.contains(&b':') {
                    missed(undefined(name, span));
                }
                at += 1;
                continue;
            };
            replaced.append(&text.slice(start..at));
            if replaced.bytes().len() + value.len() > LONGEST {
                let message = "the values of variables make a line too long";
                missed(Diagnostic::error("long-line", span, message));
                return replaced;
            }
            replaced.push_for(value, span);
            (start, at) = (end, end);
        }
        replaced.append(&text.slice(start..bytes.len()));
        replaced
    }
}

/// `${name}`; the name is anything up to the brace.
fn variable(input: &[u8]) -> IResult<&[u8], &[u8], ()> {
    let name = take_till(|byte| byte == b'}');
    let open = terminated(tag(&b"$"[..]), tag(&b"{"[..]));
    delimited(open, name, tag(&b"}"[..])).parse(input)
}

fn of_debian(name: &[u8], span: Span, missed: &mut impl FnMut(Diagnostic)) -> Option<&'static [u8]> {
    let (name, value) = DEBIAN.iter().find(|(known, _)| known.as_bytes() == name)?;
    let message = format!("${{{name}}} is not defined; `{value}`, its value on Debian, is taken");
    missed(Diagnostic::note_at("debian-variable", span, message));
    Some(value.as_bytes())
}

/// The value of a variable can be anything, so that its absence is no more than a warning; in Apache as well.
fn undefined(name: &[u8], span: Span) -> Diagnostic {
    let name = String::from_utf8_lossy(name);
    Diagnostic::new(
        Severity::Warning,
        "undefined-variable",
        format!("Config variable ${{{name}}} is not defined"),
    )
    .label(span, "stays as it is written")
    .help(format!("write `Define {name} VALUE` before it, or set it in the environment"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileId;

    #[test]
    fn lines_do_not_grow_for_ever() {
        let span = Span::new(FileId(0), 0, 4);
        let mut variables = Variables::default();
        variables.define(b"A", Some(b"0123456789abcdef"));
        let mut faults = 0;
        for _ in 0..60 {
            let mut text = Written::default();
            text.push_for(b"${A}${A}", span);
            let longer = variables.replace(text, &mut |_| faults += 1);
            assert!(longer.bytes().len() <= LONGEST);
            variables.define(b"A", Some(longer.bytes()));
        }
        assert!(faults > 0);
    }

    #[test]
    fn names_are_replaced_once() {
        let mut variables = Variables::new([(b"HOME".to_vec(), b"/root".to_vec())]);
        variables.define(b"One", Some(b"1"));
        variables.define(b"two", Some(b"${One}"));
        variables.define(b"flag", None);
        let table = [
            ("a ${one}/${ONE} $One", "a 1/1 $One", 0),
            ("${two}", "${One}", 0),
            ("${HOME}${home}", "/root${home}", 1),
            ("${flag} ${flag", "${flag} ${flag", 1),
            ("${map:%{HTTP_HOST}|x} $${One}", "${map:%{HTTP_HOST}|x} $1", 0),
            (r"\${One} ${${One}", r"\1 ${1", 1),
            ("${APACHE_LOG_DIR}/x", "/var/log/apache2/x", 1),
        ];
        for (text, expected, missing) in table {
            let mut written = Written::default();
            written.push(text.as_bytes(), Span::new(FileId(0), 0, text.len() as u32));
            let mut missed = 0;
            let replaced = variables.replace(written, &mut |_| missed += 1);
            assert_eq!(String::from_utf8_lossy(replaced.bytes()), expected);
            assert_eq!(missed, missing, "{text}");
        }
        assert!(variables.is_defined(b"flag") && !variables.is_defined(b"one"));
        variables.undefine(b"One");
        assert_eq!(variables.value(b"one"), None);
    }
}
