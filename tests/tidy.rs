//! The house is in order: who uses whom, sizes, names, and words that must not stand anywhere.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A room and the rooms it may use. A dialect's room is `dialect/NAME`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("source", &[]),
    ("diagnostic", &["source"]),
    ("catalogue", &["source", "diagnostic"]),
    ("ir", &["source", "diagnostic"]),
    ("raise", &["source", "diagnostic", "ir"]),
    ("dialect", &["source", "diagnostic", "catalogue", "ir", "raise", "dialect"]),
    ("plan", &["source", "diagnostic", "ir"]),
    ("engine", &["source", "diagnostic", "ir", "plan"]),
    ("lint", &["source", "diagnostic", "ir", "plan"]),
    ("compare", &["source", "diagnostic", "ir", "plan", "engine"]),
    (
        "cli",
        &["source", "diagnostic", "catalogue", "dialect", "ir", "plan", "raise", "engine", "compare", "lint"],
    ),
];

/// Rooms that speak of no dialect.
const NEUTRAL: &[&str] = &["source", "diagnostic", "ir", "plan", "raise", "engine", "compare", "lint"];

/// Longest file, in lines.
const LONGEST: usize = 800;

/// A Rust file of the project.
struct File {
    /// Relative to the project.
    path: PathBuf,
    text: String,
}

impl File {
    /// The folder or file below `src` that it belongs to; none outside of `src`, or for `main` and `lib`.
    fn room(&self) -> Option<String> {
        let inside = self.path.strip_prefix("src").ok()?;
        let first = inside.components().next()?.as_os_str().to_string_lossy().into_owned();
        let name = first.strip_suffix(".rs").unwrap_or(&first).to_owned();
        (name != "main" && name != "lib").then_some(name)
    }

    /// Its lines without comments, numbered from 1.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, without_comment(line)))
    }
}

/// A line up to `//`, unless that stands in a string with a URL.
fn without_comment(line: &str) -> &str {
    let mut from = 0;
    while let Some(at) = line[from..].find("//") {
        if !line[..from + at].ends_with(':') {
            return &line[..from + at];
        }
        from += at + 2;
    }
    line
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files() -> Vec<File> {
    let mut found = Vec::new();
    for folder in ["src", "tests", "examples", "benches", "fuzz/fuzz_targets"] {
        collect(&root().join(folder), "rs", &mut found);
    }
    found.sort();
    let read = |path: PathBuf| File {
        text: fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        path: path.strip_prefix(root()).expect("they are below it").to_path_buf(),
    };
    found.into_iter().map(read).collect()
}

fn collect(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "node_modules" && name != "target") {
                collect(&path, extension, found);
            }
        } else if extension.is_empty() || path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

#[track_caller]
fn nothing(what: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{what}:\n  {}", faults.join("\n  "));
}

/// The rooms that follow `crate::` anywhere in a text: alone, or in braces.
fn used(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().map(|line| without_comment(line).to_owned() + "\n").collect();
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => rooms.extend(identifier(rest)),
            Some(group) => rooms.extend(members(group).iter().filter_map(|member| identifier(member))),
        }
    }
    rooms
}

/// The members of a group up to its closing brace.
fn members(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut members = vec![String::new()];
    for byte in group.chars() {
        match byte {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => members.push(String::new()),
            _ => {}
        }
        if let Some(last) = members.last_mut() {
            last.push(byte);
        }
    }
    members
}

fn identifier(text: &str) -> Option<String> {
    let name: String = text
        .trim_start_matches([',', ' ', '\n'])
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}

#[test]
fn used_rooms_are_found() {
    let text =
        "use crate::ir;\nuse crate::{\n  a::{b, c},\n  d,\n};\n// crate::e\n\"http://crate::f\"; $crate::g";
    assert_eq!(used(text).into_iter().collect::<Vec<_>>(), ["a", "d", "f", "ir"]);
}

#[test]
fn rooms_use_only_what_they_may() {
    let mut faults = Vec::new();
    for file in files() {
        let Some(room) = file.room() else { continue };
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == room) else {
            faults.push(format!("{}: `{room}` is not in the table", file.path.display()));
            continue;
        };
        for other in used(&file.text) {
            let known = MAY_USE.iter().any(|(name, _)| *name == other);
            if known && other != room && !allowed.contains(&other.as_str()) {
                faults.push(format!("{}: `{room}` uses `{other}`", file.path.display()));
            }
        }
    }
    nothing("rooms use what they may not", &faults);
}

#[test]
fn dialects_do_not_know_each_other() {
    let dialects = ["nginx", "apache", "iis"];
    let mut faults = Vec::new();
    for file in files() {
        let Some(own) = dialects.iter().find(|name| file.path.starts_with(format!("src/dialect/{name}")))
        else {
            continue;
        };
        for (line, code) in file.code() {
            for other in dialects.iter().filter(|other| *other != own) {
                if code.contains(&format!("dialect::{other}")) || code.contains(&format!("super::{other}")) {
                    faults.push(format!("{}:{line}: uses {other}", file.path.display()));
                }
            }
        }
    }
    nothing("dialects use each other", &faults);
}

#[test]
fn neutral_rooms_name_no_dialect() {
    let names = ["nginx", "apache", "httpd", "iis"];
    let mut faults = Vec::new();
    for file in files() {
        let Some(room) = file.room() else { continue };
        if !NEUTRAL.contains(&room.as_str()) {
            continue;
        }
        // Tests at the end of a file may write configurations.
        let code = file.code().take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
        if file.path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests")) {
            continue;
        }
        for (line, text) in code {
            let lower = text.to_ascii_lowercase();
            let words = lower.split(|c: char| !c.is_alphanumeric());
            for word in words.filter(|word| names.contains(word)) {
                faults.push(format!("{}:{line}: {word}", file.path.display()));
            }
        }
    }
    nothing("dialects are named where a difference must be data", &faults);
}

#[test]
fn the_plan_does_no_io() {
    let words =
        ["tokio", "std::fs", "std::net::Tcp", "std::env", "Instant", "SystemTime", "async fn", ".await"];
    nothing("plan is synchronous and touches no file, socket or clock", &occurrences("plan", &words));
}

#[test]
fn the_engine_reads_no_environment() {
    nothing(
        "the engine takes what it needs from the plan",
        &occurrences("engine", &["std::env", "env::var"]),
    );
}

fn occurrences(room: &str, words: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files().iter().filter(|file| file.room().as_deref() == Some(room)) {
        for (line, text) in file.code().take_while(|(_, line)| !line.starts_with("#[cfg(test)]")) {
            for word in words.iter().filter(|word| text.contains(**word)) {
                faults.push(format!("{}:{line}: {word}", file.path.display()));
            }
        }
    }
    faults
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut faults = Vec::new();
    for File { path, text } in files() {
        let lines = text.lines().count();
        if lines > LONGEST {
            faults.push(format!("{}: {lines} lines", path.display()));
        }
        if !text.starts_with("//!") {
            faults.push(format!("{}: does not begin with `//!`", path.display()));
        }
        if path.file_name().is_some_and(|name| name == "mod.rs") {
            faults.push(format!("{}: is to be called after its folder", path.display()));
        }
    }
    nothing("files", &faults);
}

#[test]
fn nothing_is_left_open() {
    // In two parts, so that this file does not contain them.
    let words = [("TO", "DO"), ("FIX", "ME"), ("todo", "!("), ("unimplemented", "!("), ("#[ign", "ore")];
    let mut faults = Vec::new();
    for file in files() {
        for (line, text) in file.text.lines().enumerate() {
            for (one, two) in words {
                if text.contains(&format!("{one}{two}")) {
                    faults.push(format!("{}:{}: {one}{two}", file.path.display(), line + 1));
                }
            }
        }
    }
    nothing("work that is left open", &faults);
}

#[test]
fn dependencies_have_a_reason() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut inside = false;
    let mut faults = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.contains("dependencies");
        } else if inside && line.contains('=') && !line.contains(" # ") {
            faults.push(format!("Cargo.toml:{}: {line}", at + 1));
        }
    }
    nothing("dependencies without a reason beside them", &faults);
}
