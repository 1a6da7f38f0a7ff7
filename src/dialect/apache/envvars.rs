//! Debian's `/etc/apache2/envvars`: a shell script that sets the environment, read without a shell.
//!
//! Assignments with `export` and without, quotes, `$VAR`, `${VAR}`, `${VAR:-...}`, `${VAR##...}`, `unset`, and
//! `if [ ... ]; then ... else ... fi` with the common tests. Other commands do nothing here.

use super::variables::Variables;
use crate::source::glob;

/// Runs the script on an environment.
pub fn run(text: &[u8], variables: &mut Variables) {
    let mut script = Script { variables, branches: Vec::new() };
    let joined = String::from_utf8_lossy(text).replace("\\\n", "");
    for line in joined.lines() {
        for command in commands(line) {
            script.command(command.trim());
        }
    }
}

struct Script<'a> {
    variables: &'a mut Variables,
    /// For each `if` that is open: whether this branch runs, and whether one has run.
    branches: Vec<(bool, bool)>,
}

impl Script<'_> {
    fn runs(&self) -> bool {
        self.branches.iter().all(|(runs, _)| *runs)
    }

    fn command(&mut self, command: &str) {
        let (word, rest) = command.split_once([' ', '\t']).unwrap_or((command, ""));
        match word {
            "if" => {
                let runs = self.runs() && self.test(rest);
                self.branches.push((runs, runs));
            }
            "elif" => {
                let ran = self.branches.pop().is_none_or(|(_, ran)| ran);
                let runs = !ran && self.runs() && self.test(rest);
                self.branches.push((runs, ran || runs));
            }
            "else" | "then" => {
                if word == "else"
                    && let Some((runs, ran)) = self.branches.last_mut()
                {
                    *runs = !*ran;
                }
                if !rest.is_empty() {
                    self.command(rest.trim());
                }
            }
            "fi" => {
                self.branches.pop();
            }
            _ if !self.runs() => {}
            "export" => self.assign(rest, true),
            "unset" => {
                for name in rest.split_whitespace() {
                    self.variables.unset_environment(name.as_bytes());
                }
            }
            _ => self.assign(command, false),
        }
    }

    /// One assignment or more; what is none is a command, or a name alone after `export`.
    fn assign(&mut self, text: &str, export: bool) {
        for word in words(text) {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            let assignment = word.split_once('=');
            let assignment = assignment.filter(|(name, _)| !name.is_empty() && name.bytes().all(plain));
            let Some((name, value)) = assignment else {
                if export {
                    continue;
                }
                return;
            };
            let value = self.expand(value);
            self.variables.set_environment(name.as_bytes(), value.as_bytes());
        }
    }

    /// `[ ... ]` with one test.
    fn test(&self, text: &str) -> bool {
        let words: Vec<String> = words(text).iter().map(|word| self.expand(word)).collect();
        let words: Vec<&str> =
            words.iter().map(String::as_str).filter(|word| !matches!(*word, "[" | "]" | "test")).collect();
        let path = |path: &str| std::path::Path::new(path).to_path_buf();
        match words.as_slice() {
            ["!", rest @ ..] => !self.test(&rest.join(" ")),
            [one, "=" | "==", other] => one == other,
            [one, "!=", other] => one != other,
            ["-n", text] | [text] => !text.is_empty(),
            ["-z", text] => text.is_empty(),
            ["-f", file] => path(file).is_file(),
            ["-d", file] => path(file).is_dir(),
            ["-e" | "-r", file] => path(file).exists(),
            _ => false,
        }
    }

    /// A word without its quotes, with what its variables stand for.
    fn expand(&self, word: &str) -> String {
        let mut value = String::new();
        let mut quote = None;
        let mut rest = word;
        while let Some(next) = rest.chars().next() {
            let after = &rest[next.len_utf8()..];
            match (next, quote) {
                ('\'' | '"', None) => quote = Some(next),
                (mark, Some(open)) if mark == open => quote = None,
                ('\\', None | Some('"')) => {
                    let escaped = after.chars().next();
                    value.extend(escaped);
                    rest = &after[escaped.map_or(0, char::len_utf8)..];
                    continue;
                }
                ('$', None | Some('"')) => {
                    let (text, length) = self.variable(after);
                    value.push_str(&text);
                    rest = &after[length..];
                    continue;
                }
                _ => value.push(next),
            }
            rest = after;
        }
        value
    }

    /// What stands for the variable after a `$`, and how long its name is.
    fn variable(&self, text: &str) -> (String, usize) {
        let value = |name: &str| {
            let value = self.variables.environment(name.as_bytes()).unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        if let Some(inner) = text.strip_prefix('{') {
            let Some(length) = inner.find('}') else { return ("$".into(), 0) };
            let inner = &inner[..length];
            let name =
                inner.len() - inner.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
            let (name, operation) = inner.split_at(name);
            return (operated(value(name), operation), length + 2);
        }
        let length =
            text.len() - text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
        if length == 0 { ("$".into(), 0) } else { (value(&text[..length]), length) }
    }
}

/// `:-default` and `-default`, and the prefixes and suffixes that `##`, `#`, `%%` and `%` take off.
fn operated(value: String, operation: &str) -> String {
    let bytes = value.as_bytes();
    let ends = || (0..=bytes.len()).filter(|at| value.is_char_boundary(*at));
    let prefix = |pattern: &str, longest: bool| {
        let fits = |at: &usize| glob::wildcard(pattern.as_bytes(), &bytes[..*at]);
        let end = if longest { ends().rev().find(fits) } else { ends().find(fits) };
        value[end.unwrap_or(0)..].to_owned()
    };
    let suffix = |pattern: &str, longest: bool| {
        let fits = |at: &usize| glob::wildcard(pattern.as_bytes(), &bytes[*at..]);
        let start = if longest { ends().find(fits) } else { ends().rev().find(fits) };
        value[..start.unwrap_or(value.len())].to_owned()
    };
    if let Some(default) = operation.strip_prefix(":-").or_else(|| operation.strip_prefix('-')) {
        return if value.is_empty() { default.trim_matches(['"', '\'']).to_owned() } else { value };
    }
    match (operation.strip_prefix("##"), operation.strip_prefix("%%")) {
        (Some(pattern), _) => prefix(pattern, true),
        (_, Some(pattern)) => suffix(pattern, true),
        _ => match (operation.strip_prefix('#'), operation.strip_prefix('%')) {
            (Some(pattern), _) => prefix(pattern, false),
            (_, Some(pattern)) => suffix(pattern, false),
            _ => value,
        },
    }
}

/// The commands of a line: what `;` separates, up to a comment.
fn commands(line: &str) -> Vec<&str> {
    let mut commands = Vec::new();
    let (mut start, mut quote, mut before) = (0, None, ' ');
    for (at, next) in line.char_indices() {
        match (next, quote) {
            ('\'' | '"', None) => quote = Some(next),
            (mark, Some(open)) if mark == open => quote = None,
            (';', None) => {
                commands.push(&line[start..at]);
                start = at + 1;
            }
            ('#', None) if before.is_whitespace() => {
                commands.push(&line[start..at]);
                return commands;
            }
            _ => {}
        }
        before = next;
    }
    commands.push(&line[start..]);
    commands
}

/// The words of a command, still in quotes.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut quote) = (None, None);
    for (at, next) in text.char_indices() {
        match (next, quote) {
            (mark, Some(open)) if mark == open => quote = None,
            ('\'' | '"', None) => quote = Some(next),
            _ => {}
        }
        if next.is_whitespace() && quote.is_none() {
            if let Some(start) = start.take() {
                words.push(&text[start..at]);
            }
        } else if start.is_none() {
            start = Some(at);
        }
    }
    words.extend(start.map(|start| &text[start..]));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(script: &str, name: &str) -> Option<String> {
        let mut variables = Variables::new([(b"HOME".to_vec(), b"/root".to_vec())]);
        run(script.as_bytes(), &mut variables);
        variables.environment(name.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    #[test]
    fn debian_s_script_is_understood() {
        let script = "# envvars\nunset HOME\nif [ \"${CONF##/etc/apache2-}\" != \"${CONF}\" ] ; then\n\
                      \tSUFFIX=\"-${CONF##/etc/apache2-}\"\nelse\n\tSUFFIX=\nfi\n\
                      export APACHE_LOG_DIR=/var/log/apache2$SUFFIX\nexport A=${B:-'c d'} D=\"x ${APACHE_LOG_DIR}\"\n\
                      ## export LANG\nexport LANG\n. /etc/default/locale\nulimit -n 8192 # more";
        assert_eq!(value(script, "APACHE_LOG_DIR").as_deref(), Some("/var/log/apache2"));
        assert_eq!(value(script, "HOME"), None);
        assert_eq!(value(script, "D").as_deref(), Some("x /var/log/apache2"));
        let other = format!("CONF=/etc/apache2-two\n{script}");
        assert_eq!(value(&other, "APACHE_LOG_DIR").as_deref(), Some("/var/log/apache2-two"));
        assert_eq!(value("A='$HOME'; B=\\$x; C=\"a;b\"", "A").as_deref(), Some("$HOME"));
        assert_eq!(value("A=1; C=\"a;b\" # c", "C").as_deref(), Some("a;b"));
        assert_eq!(value("A=a/b/c\nB=${A%/*}\nC=${A#*/}", "B").as_deref(), Some("a/b"));
        assert_eq!(
            value("if [ -z \"$X\" ]; then A=1; elif test y; then A=2; else A=3; fi", "A").as_deref(),
            Some("1")
        );
        assert_eq!(
            value("if [ -n \"$X\" ]; then A=1; elif test y; then A=2; else A=3; fi", "A").as_deref(),
            Some("2")
        );
        assert_eq!(value("rm -rf x=y", "x"), None);
    }
}
