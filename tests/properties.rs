//! What holds for every input and for every row of the catalogue.
//!
//! Arbitrary bytes never end in a panic, and what is said of them points into them. Every directive that is
//! honoured occurs in a fixture.

#[path = "support/random.rs"]
mod random;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use random::Random;
use triglot::{
    catalogue,
    diagnostic::{
        Diagnostic,
        render::{Colour, Format, render},
    },
    dialect::{
        Dialect, Meaning, Options,
        nginx::{
            parse::parse,
            tree::{Body, Item},
        },
    },
    ir, plan,
    source::SourceMap,
};

/// How many texts are made.
const ROUNDS: usize = 4000;

/// What texts are made of, beside arbitrary bytes and pieces of fixtures.
const PIECES: &[&str] = &[
    "{",
    "}",
    ";",
    "\"",
    "'",
    "\\",
    "$",
    "${",
    "#",
    "\n",
    "\r\n",
    " ",
    "\t",
    "\u{feff}",
    "~",
    "~*",
    "^~",
    "=",
    "@",
    "(",
    ")",
    "[",
    "]",
    "|",
    "*",
    "events {}",
    "http {",
    "server {",
    "location / {",
    "if ($a = b) {",
    "map $a $b {",
    "upstream u {",
    "geo $g {",
    "default 1;",
    "return 200 ",
    "rewrite ^(.*)$ /$1 ",
    "set $v ",
    "proxy_pass http://u",
    "listen 80;",
    "include x;",
    "content_by_lua_block {",
    "server_name ~^(?<n>.*)$;",
    "types {",
    "99999999999999999999",
    "-1",
    "1k",
    "10d",
    "$http_x",
    "$1",
    "$arg_",
    "\u{e9}",
    "\0",
];

#[test]
fn no_text_ends_in_a_panic() {
    let texts = fixtures();
    let mut random = Random(0x51a7_12cf_66b1_09e5);
    for round in 0..ROUNDS {
        let text = made(&mut random, &texts);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("properties");
        if round == 0 {
            fs::create_dir_all(&folder).expect("the target folder can be written");
        }
        let mut sources = SourceMap::new();
        let file = sources.add("made.conf".into(), text.clone());
        let (_, found) = parse(&sources, file);
        check_places(&sources, &found);
        // The whole way costs more.
        if round % 4 == 0 {
            let path = folder.join("made.conf");
            fs::write(&path, &text).expect("the target folder can be written");
            let mut sources = SourceMap::new();
            let options = Options { prefix: folder, offline: true, root: true, ..Options::default() };
            let Meaning { config, found, .. } = Dialect::Nginx.read(&mut sources, &path, &options);
            check_places(&sources, &found);
            let _ = ir::print(&config);
            if ir::validate(&config).is_empty() {
                let faults = plan::compile(config).err().unwrap_or_default();
                check_places(&sources, &faults);
            }
        }
    }
}

/// Every label lies in its file, and every form of the report can be written.
fn check_places(sources: &SourceMap, found: &[Diagnostic]) {
    for one in found {
        for label in one.labels.iter().filter(|label| label.span.is_known()) {
            let length = sources.file(label.span.file).text.len();
            let (start, end) = (label.span.start as usize, label.span.end as usize);
            assert!(start <= end && end <= length, "{}: {start}..{end} of {length}", one.code);
        }
    }
    for format in [Format::Human, Format::Short, Format::Json, Format::Sarif] {
        let text = render(sources, found, format, Colour::Never);
        assert!(found.is_empty() || !text.is_empty(), "nothing is said of {} findings", found.len());
    }
}

/// A piece of a fixture with things put in, exchanged and left out, or nothing but such things.
fn made(random: &mut Random, texts: &[Vec<u8>]) -> Vec<u8> {
    let mut text = Vec::new();
    if random.below(4) > 0 {
        let whole = &texts[random.below(texts.len())];
        let start = if random.below(2) == 0 { 0 } else { random.below(whole.len() + 1) };
        text = whole[start..].iter().copied().take(1 + random.below(3000)).collect();
    }
    for _ in 0..=random.below(12) {
        let at = random.below(text.len() + 1);
        let to = (at + random.below(10)).min(text.len());
        match random.below(4) {
            0 => drop(text.drain(at..to)),
            1 => {
                let bytes: Vec<u8> = (0..random.below(6)).map(|_| random.below(256) as u8).collect();
                text.splice(at..to, bytes);
            }
            _ => drop(text.splice(at..at, random.pick(PIECES).bytes())),
        }
    }
    text
}

#[test]
fn every_honoured_directive_occurs_in_a_fixture() {
    let mut used = BTreeSet::new();
    for path in paths() {
        let mut sources = SourceMap::new();
        let Ok(file) = sources.read(&path) else { continue };
        let (items, _) = parse(&sources, file);
        names(&items, &mut used);
    }
    let honoured = catalogue::nginx().iter().filter(|row| row.is_honoured());
    let missing: Vec<&str> = honoured
        .flat_map(|row| row.names.iter().map(String::as_str))
        .filter(|name| !used.contains(*name))
        .collect();
    assert!(missing.is_empty(), "no fixture has {} directives: {}", missing.len(), missing.join(" "));
}

fn names(items: &[Item], used: &mut BTreeSet<String>) {
    for item in items {
        let Item::Directive(directive) = item else { continue };
        used.insert(directive.name().to_owned());
        if let Body::Block(_) = directive.body {
            names(directive.block(), used);
        }
    }
}

/// The texts of all configurations in the fixtures.
fn fixtures() -> Vec<Vec<u8>> {
    paths().iter().map(|path| fs::read(path).expect("a fixture can be read")).collect()
}

/// All configurations in the fixtures, those that others include among them; not those with mistakes.
fn paths() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/nginx")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of fixtures").flatten() {
            let path = entry.path();
            if path.is_dir() {
                if !path.ends_with("mistakes") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "conf") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
