//! Every lint fires on the texts that it brings for that, and not on the others.

use std::{collections::BTreeSet, path::PathBuf};

use triglot::{
    dialect::{self, Dialect},
    ir, lint, plan,
    source::SourceMap,
};

/// The codes of what is said of a text, in the language that it is recognised as.
fn codes(text: &str) -> (Dialect, Vec<&'static str>) {
    let path = PathBuf::from("/nowhere/site");
    let dialect = Dialect::detect(&path, text.as_bytes());
    let path = match dialect {
        Dialect::Nginx => path,
        Dialect::Apache => path.with_file_name("httpd.conf"),
        Dialect::Iis => path.with_file_name("web.config"),
    };
    let mut sources = SourceMap::new();
    sources.add(path.clone(), text.as_bytes().to_vec());
    let options = dialect::Options {
        prefix: "/nowhere".into(),
        offline: true,
        parts: true,
        ..dialect::Options::default()
    };
    let meaning = dialect.read(&mut sources, &path, &options);
    let errors: Vec<_> =
        meaning.found.iter().filter(|one| one.severity == triglot::diagnostic::Severity::Error).collect();
    assert!(errors.is_empty(), "{text}\n{errors:?}");
    assert!(ir::validate(&meaning.config).is_empty(), "{text}");
    let found = lint::look(&meaning.config).iter().map(|one| one.code).collect();
    assert!(plan::compile(meaning.config).is_ok(), "{text}");
    (dialect, found)
}

#[test]
fn lints_fire_where_they_should_and_nowhere_else() {
    let mut faults = Vec::new();
    let mut dialects = BTreeSet::new();
    for one in lint::ALL {
        assert!(!one.bad.is_empty() && !one.good.is_empty(), "{} has no tests", one.code);
        for (texts, expected) in [(one.bad, true), (one.good, false)] {
            for text in texts {
                let said = std::panic::catch_unwind(|| codes(text));
                let Ok((dialect, found)) = said else {
                    faults.push(format!("{}: cannot be read: {text}", one.code));
                    continue;
                };
                if expected {
                    dialects.insert((one.code, dialect.name()));
                }
                if found.contains(&one.code) != expected {
                    let word = if expected { "silent on" } else { "fires on" };
                    faults.push(format!("{}: {word}: {text}\n    said: {found:?}", one.code));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(lint::ALL.len() + lint::OWN.len() >= 45);
}

#[test]
fn codes_are_their_own() {
    let mut codes: Vec<_> = lint::ALL.iter().chain(lint::OWN).map(|one| one.code).collect();
    codes.sort_unstable();
    let all = codes.len();
    codes.dedup();
    assert_eq!(codes.len(), all);
    for code in codes {
        assert!(lint::explain(code).is_some());
        assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code}");
    }
}
