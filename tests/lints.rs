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
        machine: dialect::Machine { users: Some("/u".into()), ..dialect::Machine::default() },
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
    ("recovery-of-itself", &["iis"], "rules and refusals are not asked again for the page of an error"),
    ("retry-with-one-endpoint", &["apache", "iis"], "nobody says for which faults another endpoint is tried"),
    ("settings-dropped", &["apache", "iis"], "conditions add their settings up"),
    ("shared-private-answers", &["iis"], "no responses are kept for others"),
    ("status-open", &["iis"], "no page shows the counters"),
    ("administration-open", &["iis"], "farms are looked after with the manager, which is no page of a site"),
    ("timeout-too-short", &["iis"], "times are whole seconds"),
    ("trusts-every-proxy", &["iis"], "nobody is believed whose address it is"),
    ("unanchored-host", &["apache", "iis"], "names are compared whole"),
    ("unlimited-content", &["iis"], "there always is a limit"),
    ("unreachable-route", &["iis"], "places are chosen by the longest path; rules are `unreachable-rule`'s"),
    ("upgrade-without-connection", &["apache", "iis"], "`Connection` is the server's own"),
    ("upstream-not-verified", &["iis"], "certificates of upstreams are always verified"),
    ("version-told", &["iis"], "it is told unless `removeServerHeader` is set: nothing asks for it"),
    ("websocket-extensions-hidden", &["apache"], "fields of a 101 are passed on as they came"),
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
/// written. What has neither is shown as open, and there is none.
#[test]
fn each_language_shows_each_fault_or_cannot_express_it() {
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
    assert!(open.is_empty(), "open: {open:?}");
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

/// What a language does with one way in which a WebSocket fails: the code and the line of what is said of it, or why it
/// cannot fail so.
enum Cell {
    Said(&'static str, &'static str),
    Cannot(&'static str),
}

use Cell::{Cannot, Said};

/// One way in which a WebSocket fails: what its fixtures are called, what it is, what is done about it, and what nginx,
/// Apache and IIS make of it.
type Way = (&'static str, &'static str, &'static str, [Cell; 3]);

const OWN_CONNECTION: &str = "the server writes `Connection` itself";

/// Every way in which a WebSocket fails behind a proxy.
const WAYS: &[Way] = &[
    (
        "upgrade-not-passed",
        "the request for it is not passed on",
        "pass `Upgrade` and `Connection` on (nginx), `upgrade=websocket` (Apache), `<webSocket enabled=\"true\" />` (IIS)",
        [
            Said("websocket-path-without-upgrade", "location /ws/"),
            Said("websocket-path-without-upgrade", "ProxyPass /ws/"),
            Said("websocket-path-without-upgrade", "<rule name=\"ws\""),
        ],
    ),
    (
        "in-one-of-two",
        "it is passed on in one of two places",
        "say in both what is said in one",
        [
            Said("upgrade-in-one-of-two", "location /socket.io/"),
            Said("upgrade-in-one-of-two", "ProxyPass /socket.io/"),
            Said("upgrade-in-one-of-two", "<webSocket enabled=\"false\""),
        ],
    ),
    (
        "connection-close",
        "`Connection` says `close`",
        "`proxy_set_header Connection $connection_upgrade`, from a `map`",
        [
            Said("upgrade-without-connection", "proxy_set_header"),
            Cannot(OWN_CONNECTION),
            Cannot(OWN_CONNECTION),
        ],
    ),
    (
        "old-http",
        "it is asked for in HTTP/1.0",
        "HTTP/1.1 towards the upstream",
        [
            Said("upgrade-over-old-http", "proxy_set_header"),
            Said("upgrade-over-old-http", "force-proxy-request-1.0"),
            Said("upgrade-over-old-http", "httpVersion"),
        ],
    ),
    (
        "buffering",
        "responses are buffered",
        "nothing: it does not concern what follows a 101",
        [
            Cannot("what follows a 101 is passed on as it comes, whatever `proxy_buffering` says"),
            Cannot("what follows a 101 is passed on as it comes"),
            Cannot("what follows a 101 is passed on as it comes, whatever `responseBufferLimit` says"),
        ],
    ),
    (
        "idle",
        "it is closed after a minute of silence",
        "a longer time to read (`proxy_read_timeout`, `timeout=`, `timeout`), or pings of the application",
        [
            Said("websocket-idle-timeout", "location /ws/"),
            Said("websocket-idle-timeout", "ProxyPass /ws/"),
            Said("websocket-idle-timeout", "<rule name=\"ws\""),
        ],
    ),
    (
        "origin",
        "`Host` is not the one of `Origin`",
        "`proxy_set_header Host $host` (nginx), `ProxyPreserveHost On` (Apache), `preserveHostHeader=\"true\"` (IIS)",
        [
            Said("websocket-host-changed", "location /ws/"),
            Said("websocket-host-changed", "ProxyPass /ws/"),
            Said("websocket-host-changed", "<rule name=\"ws\""),
        ],
    ),
    (
        "wrong-order",
        "its rule stands behind a wider one",
        "the narrower rule first",
        [
            Said("unreachable-route", "location ~ ^/app/ws"),
            Said("unreachable-route", "ProxyPass /app/ws"),
            Said("unreachable-rule", "<rule name=\"ws\""),
        ],
    ),
    (
        "one-slash",
        "one slash behind the scheme",
        "two",
        [
            Said("invalid-url", "proxy_pass http:/10.0.0.1"),
            Said("one-slash", "ws:/10.0.0.1"),
            Said("one-slash", "http:/10.0.0.1"),
        ],
    ),
    (
        "dollar",
        "`$` where `%` is meant",
        "`%{HTTP:Upgrade}`",
        [
            Cannot("there is one sign for variables"),
            Said("unknown-map", "${HTTP:Upgrade}"),
            Cannot("there is one form of variables"),
        ],
    ),
    (
        "catch-all",
        "a rule for everything stands before it",
        "the rule for everything last",
        [
            Said("catch-all-before-websocket", "location ~ ^/ws/"),
            Said("catch-all-before-websocket", "ProxyPass /ws/"),
            Said("catch-all-before-websocket", "<rule name=\"ws\""),
        ],
    ),
    (
        "scheme",
        "the URL has not the scheme that it needs",
        "`ws://` in a rule of Apache's; `http://` in nginx and IIS, which know no other",
        [
            Said("invalid-url", "proxy_pass ws://"),
            Said("websocket-scheme-missing", "http://10.0.0.1/ws/"),
            Said("websocket-scheme", "ws://10.0.0.1/ws/"),
        ],
    ),
    (
        "deflate",
        "`permessage-deflate` is agreed on by one side only",
        "offer no extensions, or pass the answer on",
        [
            Said("websocket-extensions-hidden", "Sec-WebSocket-Extensions"),
            Cannot("fields of a 101 are passed on as they came"),
            Said("websocket-extensions-hidden", "RESPONSE_Sec_WebSocket_Extensions"),
        ],
    ),
];

/// All that is said of a text: the code, the line that it is about, whether a fix is named.
fn said(text: &str, dialect: Dialect) -> Vec<(&'static str, String, bool)> {
    let path = PathBuf::from("/nowhere").join(match dialect {
        Dialect::Nginx => "site",
        Dialect::Apache => "httpd.conf",
        Dialect::Iis => "applicationHost.config",
    });
    let mut sources = SourceMap::new();
    sources.add(path.clone(), text.as_bytes().to_vec());
    let options = dialect::Options {
        prefix: "/nowhere".into(),
        offline: true,
        parts: true,
        ..dialect::Options::default()
    };
    let meaning = dialect.read(&mut sources, &path, &options);
    let mut found = meaning.found;
    if ir::validate(&meaning.config).is_empty() {
        found.extend(lint::look(&meaning.config));
    }
    let line = |one: &triglot::diagnostic::Diagnostic| {
        let at = one.labels.first().and_then(|label| sources.position(label.span));
        let at = at.map_or(0, |position| position.line as usize);
        text.lines().nth(at.wrapping_sub(1)).unwrap_or_default().to_owned()
    };
    found.iter().map(|one| (one.code, line(one), !one.helps.is_empty() || !one.notes.is_empty())).collect()
}

/// The WebSocket doctor: each way in which a WebSocket fails is named in each language that it can be written in, with
/// the line and what to do; `docs/websockets.md` is made of it.
#[test]
fn websockets_that_fail_are_named_with_line_and_fix() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/lints/websocket");
    let mut page = String::from(
        "<!-- Written by tests/lints.rs (BLESS=1). -->\n# Why a WebSocket fails\n\nWhat `triglot check` says of each way in \
         which a WebSocket fails behind a proxy, by language: the code, which\n`triglot check --explain CODE` explains; or \
         why it cannot fail so. Each cell is held by a text in\n`fixtures/lints/websocket`.\n\n| what fails | what helps | \
         nginx | Apache | IIS |\n|---|---|---|---|---|\n",
    );
    let mut wrong = Vec::new();
    let mut read = BTreeSet::new();
    for (name, what, helps, cells) in WAYS {
        let mut row = Vec::new();
        for (cell, dialect) in cells.iter().zip([Dialect::Nginx, Dialect::Apache, Dialect::Iis]) {
            let end = if dialect == Dialect::Iis { "config" } else { "conf" };
            let path = folder.join(format!("{name}.{}.{end}", dialect.name()));
            match cell {
                Cannot(why) => {
                    if path.exists() {
                        wrong.push(format!(
                            "{}: there is a text, and a reason that there is none",
                            path.display()
                        ));
                    }
                    row.push((*why).to_owned());
                }
                Said(code, snippet) => {
                    let text = std::fs::read_to_string(&path).unwrap_or_default();
                    let found = said(&text, dialect);
                    if !found.iter().any(|(is, line, helped)| is == code && line.contains(snippet) && *helped)
                    {
                        wrong.push(format!("{}: no {code} at `{snippet}`: {found:#?}", path.display()));
                    }
                    read.insert(path);
                    row.push(format!("`{code}`"));
                }
            }
        }
        page.push_str(&format!("| {what} | {helps} | {} |\n", row.join(" | ")));
    }
    let all = std::fs::read_dir(&folder).expect("there are texts").flatten().map(|file| file.path());
    wrong
        .extend(all.filter(|path| !read.contains(path)).map(|path| format!("{}: of no way", path.display())));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/websockets.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &page).expect("it can be written");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), page, "BLESS=1 rewrites it");
}
