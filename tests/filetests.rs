//! What each configuration of `fixtures/` means, and what is said about it.
//!
//! Beside `<case>.conf` stands `<case>.diag`, warnings and errors as `check` prints them, absent when there
//! are none; and, for some, `<case>.ir`, the lowered configuration. `BLESS=1` rewrites both (an empty `.ir`
//! asks for one); `CASE=text` takes the cases whose name contains the text. A configuration without errors
//! must also be sound and compile, whatever it means.
//!
//! Configurations under `mistakes` are read as on their machine, all others as away from it: certificates
//! that a test makes and names that it resolves are not there.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use triglot::{
    catalogue::Level,
    diagnostic::{
        Diagnostic, Severity,
        render::{Colour, Format, render},
    },
    dialect::nginx::{check, load, lower},
    ir, plan,
    source::SourceMap,
};

#[test]
fn fixtures_mean_what_is_written_beside_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/nginx");
    let wanted = std::env::var("CASE").unwrap_or_default();
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = String::new();
    let mut count = 0;
    for conf in configurations(&root) {
        let case = conf.strip_prefix(&root).expect("found below it").with_extension("");
        if !case.to_string_lossy().contains(&wanted) {
            continue;
        }
        count += 1;
        let seen = Seen::of(&conf, &case);
        if !seen.unsound.is_empty() {
            let _ = writeln!(wrong, "{}: not sound\n{}", case.display(), seen.unsound);
        }
        let diag = conf.with_extension("diag");
        let ir = conf.with_extension("ir");
        if bless {
            if seen.said.is_empty() {
                let _ = fs::remove_file(&diag);
            } else {
                fs::write(&diag, &seen.said).expect("fixtures can be written");
            }
            if ir.exists() {
                fs::write(&ir, &seen.meant).expect("fixtures can be written");
            }
            continue;
        }
        compare(&mut wrong, &diag, &seen.said, &fs::read_to_string(&diag).unwrap_or_default());
        if let Ok(written) = fs::read_to_string(&ir) {
            compare(&mut wrong, &ir, &seen.meant, &written);
        }
    }
    assert!(count > 0, "no fixture is called `{wanted}`");
    assert!(wrong.is_empty(), "\n{wrong}BLESS=1 rewrites the files");
}

/// What came of a configuration.
struct Seen {
    said: String,
    meant: String,
    /// What a sound lowering cannot have.
    unsound: String,
}

impl Seen {
    fn of(conf: &Path, case: &Path) -> Self {
        let folder = prepared(conf, case);
        // Findings name files as they are given, so from inside the folder.
        std::env::set_current_dir(&folder).expect("just made");
        let offline = !case.starts_with("mistakes");
        let mut sources = SourceMap::new();
        let loading = load::Options { prefix: PathBuf::new(), offline };
        let (items, mut found) = load::load(&mut sources, Path::new("nginx.conf"), &loading);
        found.extend(check::check(&items, Level::Main, check::Options { offline }));
        let lowering = lower::Options {
            prefix: "/prefix".into(),
            conf_prefix: "/prefix".into(),
            offline,
            strict_names: false,
            root: false,
            token: "nginx/1.22.1".into(),
            level: Level::Main,
        };
        let (config, lowered) = lower::lower(&items, &sources, &lowering);
        found.extend(lowered);
        found.retain(|finding| finding.severity > Severity::Note);
        let said = render(&sources, &found, Format::Human, Colour::Never);
        let meant = ir::print(&config);
        let mut unsound = Vec::new();
        if found.iter().all(|finding| finding.severity < Severity::Error) {
            unsound = ir::validate(&config);
            if unsound.is_empty() {
                unsound = plan::compile(config).err().unwrap_or_default();
            }
        }
        let unsound: Vec<Diagnostic> = unsound;
        Self { said, meant, unsound: render(&sources, &unsound, Format::Human, Colour::Never) }
    }
}

/// The configuration with the files that belong to it, in a folder of its own.
fn prepared(conf: &Path, case: &Path) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("filetests").join(case);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the target folder can be written");
    copy(&conf.with_extension("files"), &folder);
    fs::copy(conf, folder.join("nginx.conf")).expect("a fixture can be read");
    folder
}

fn copy(from: &Path, to: &Path) {
    let Ok(entries) = fs::read_dir(from) else { return };
    for entry in entries.flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            fs::create_dir_all(&to).expect("the target folder can be written");
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("a fixture can be read");
        }
    }
}

/// Every configuration, in order; what is in a `.files` folder belongs to another.
fn configurations(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for entry in entries {
        let extension = entry.extension().unwrap_or_default();
        if entry.is_dir() && extension != "files" {
            found.extend(configurations(&entry));
        } else if extension == "conf" {
            found.push(entry);
        }
    }
    found
}

/// Says how two texts differ, line by line from the first difference.
fn compare(wrong: &mut String, path: &Path, found: &str, expected: &str) {
    if found == expected {
        return;
    }
    let same = found.lines().zip(expected.lines()).take_while(|(found, expected)| found == expected).count();
    let _ = writeln!(wrong, "{}: differs from line {}", path.display(), same + 1);
    for (sign, text) in [("-", expected), ("+", found)] {
        for line in text.lines().skip(same).take(12) {
            let _ = writeln!(wrong, "  {sign} {line}");
        }
    }
}
