//! Every lint fires on the texts that it brings for that, and not on the others.

use std::{collections::BTreeSet, path::PathBuf};

use triglot::{
    cli::{
        load::Request,
        translate::{Verify, translate},
    },
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
        Dialect::Iis if text.contains("<system.applicationHost") => {
            path.with_file_name("applicationHost.config")
        }
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

/// What a language makes of the fault of a lint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum There {
    /// It can be written, and is found.
    Found,
    /// It cannot be written without a loss, or is nobody's fault any more when it is.
    Unsayable,
    /// It can be written and is not found.
    Silent,
}

/// What a text that a lint fires on becomes in another language.
fn there(code: &str, text: &str, from: Dialect, to: Dialect) -> There {
    if from == to {
        return There::Found;
    }
    let path = PathBuf::from("/nowhere").join(match from {
        Dialect::Nginx => "site",
        Dialect::Apache => "httpd.conf",
        Dialect::Iis if text.contains("<system.applicationHost") => "applicationHost.config",
        Dialect::Iis => "web.config",
    });
    let folder = std::env::temp_dir().join(format!("triglot-lints-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let here = folder.join(path.file_name().expect("it has one"));
    std::fs::write(&here, text).expect("a file can be written");
    let options = dialect::Options {
        prefix: "/nowhere".into(),
        offline: true,
        parts: true,
        ..dialect::Options::default()
    };
    let done =
        translate(&Request { path: here, dialect: Some(from), options, listen: None }, to, &Verify::Meaning);
    let Some(output) = done.text.as_deref().filter(|_| !done.is_lossy()) else { return There::Unsayable };
    match std::panic::catch_unwind(|| codes(output)) {
        Ok((is, found)) if is == to && found.contains(&code) => There::Found,
        Ok(_) => There::Silent,
        Err(_) => There::Unsayable,
    }
}

/// Why a language cannot express the fault of a lint.
const REASONS: &[(&str, &[&str], &str)] = &[
    ("access-rule-unreachable", &["apache"], "requirements have no order"),
    ("access-rule-unreachable", &["iis"], "what holds for everybody stands apart from the list"),
    ("alias-traversal", &["apache", "iis"], "paths are compared by whole components"),
    ("always-upgrade", &["apache", "iis"], "`Connection` is the server's own"),
    ("connection-without-upgrade", &["apache", "iis"], "`Connection` is the server's own"),
    (
        "constant-key",
        &["apache", "iis"],
        "endpoints are not chosen, and limits not counted, by a key that is written",
    ),
    ("default-host-by-accident", &["iis"], "a name without a binding is answered 400"),
    ("endpoint-twice", &["iis"], "an address that stands twice in a farm is an error"),
    ("fields-lost", &["apache", "iis"], "fields of inner sections are added to those of outer ones"),
    ("limit-by-client-field", &["apache", "iis"], "requests are counted by address, if at all"),
    ("retry-with-one-endpoint", &["apache", "iis"], "nobody says for which faults another endpoint is tried"),
    ("settings-dropped", &["apache", "iis"], "conditions add their settings up"),
    ("shared-private-answers", &["iis"], "no responses are kept for others"),
    ("status-open", &["iis"], "no page shows the counters"),
    ("timeout-too-short", &["iis"], "times are whole seconds"),
    ("trusts-every-proxy", &["iis"], "nobody is believed whose address it is"),
    ("unanchored-host", &["apache", "iis"], "names are compared whole"),
    ("unlimited-content", &["iis"], "there always is a limit"),
    ("upgrade-without-connection", &["apache", "iis"], "`Connection` is the server's own"),
    ("upstream-not-verified", &["iis"], "certificates of upstreams are always verified"),
];

/// What a language has of a fault: texts that show it, of the lint's own or in `fixtures/lints/LANGUAGE/CODE.*`.
fn texts(one: &lint::Lint, dialect: Dialect) -> Vec<String> {
    let nowhere = PathBuf::from("/nowhere/site");
    let own = one.bad.iter().filter(|text| Dialect::detect(&nowhere, text.as_bytes()) == dialect);
    let mut all: Vec<String> = own.map(|text| (*text).to_owned()).collect();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/lints").join(dialect.name());
    for end in ["conf", "config"] {
        all.extend(std::fs::read_to_string(folder.join(format!("{}.{end}", one.code))));
    }
    all
}

/// The table of `docs/lints-by-language.md`: for each fault and language a text in which it is found, or why none can be
/// written. What has neither is shown as open, and can only become less.
#[test]
fn each_language_shows_each_fault_or_cannot_express_it() {
    const OPEN: usize = 40;
    let mut page = String::from(
        "<!-- Written by tests/lints.rs (BLESS=1). -->\n# Lints by language\n\nWhere a fault is found: **yes**, in a text of \
         that language that the tests hold; or why it cannot be\nwritten there. *Open* is what has neither yet: it may be \
         found or not.\n\n| lint | nginx | apache | iis |\n|---|---|---|---|\n",
    );
    let (mut open, mut whole) = (Vec::new(), 0);
    let mut wrong = Vec::new();
    for one in lint::ALL {
        let mut row = Vec::new();
        for dialect in Dialect::ALL {
            let reason =
                REASONS.iter().find(|(code, all, _)| *code == one.code && all.contains(&dialect.name()));
            let texts = texts(one, dialect);
            for text in &texts {
                let (is, found) = codes(text);
                if is != dialect || !found.contains(&one.code) {
                    wrong.push(format!("{} in {}: not found in {text}\n{found:?}", one.code, dialect.name()));
                }
            }
            row.push(match (texts.is_empty(), reason) {
                (false, None) => "**yes**".to_owned(),
                (true, Some((_, _, why))) => (*why).to_owned(),
                (false, Some(_)) => {
                    wrong.push(format!(
                        "{} in {}: a text, and a reason that there is none",
                        one.code,
                        dialect.name()
                    ));
                    String::new()
                }
                (true, None) => {
                    open.push(format!("{} in {}", one.code, dialect.name()));
                    "*open*".to_owned()
                }
            });
        }
        whole += usize::from(!row.iter().any(|cell| cell == "*open*"));
        page.push_str(&format!("| {} | {} |\n", one.code, row.join(" | ")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/lints-by-language.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &page).expect("it can be written");
    }
    println!("{whole} lints hold for every language that can express them; open: {open:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), page, "BLESS=1 rewrites it");
    assert!(open.len() <= OPEN, "{} are open: {open:?}", open.len());
}

/// A fault that another language's text shows is tried by translating that text, too: where nothing is lost, the lint must
/// fire on the output.
#[test]
fn lints_hold_for_every_language_that_can_say_the_fault() {
    let (mut everywhere, mut silent) = (0, Vec::new());
    for one in lint::ALL {
        let mut row = Vec::new();
        for to in Dialect::ALL {
            let path = PathBuf::from("/nowhere/site");
            let tried: Vec<There> = one
                .bad
                .iter()
                .map(|text| there(one.code, text, Dialect::detect(&path, text.as_bytes()), to))
                .collect();
            let is = [There::Found, There::Silent]
                .into_iter()
                .find(|is| tried.contains(is))
                .unwrap_or(There::Unsayable);
            if is == There::Silent {
                silent.push(format!("{} in {}", one.code, to.name()));
            }
            row.push(is);
        }
        everywhere += usize::from(!row.contains(&There::Silent));
    }
    println!("silent: {silent:?}");
    assert!(everywhere >= 30, "only {everywhere}: {silent:?}");
}
