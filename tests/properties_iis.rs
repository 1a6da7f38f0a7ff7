//! Whatever is in a file of IIS, reading it ends with findings: no panic, no endless work, nothing beyond its limits.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/random.rs"]
#[allow(dead_code, reason = "used in part")]
mod random;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use random::Random;
use triglot::{
    diagnostic::{Diagnostic, Severity},
    dialect::{Options, iis},
    ir, plan,
    source::SourceMap,
};

/// Reads bytes as a web.config, as far as a plan.
fn read(bytes: Vec<u8>) -> Vec<Diagnostic> {
    let mut sources = SourceMap::new();
    let path = PathBuf::from("/nowhere/web.config");
    sources.add(path.clone(), bytes);
    let options = Options { offline: true, ..Options::default() };
    let (config, found) = iis::read(&mut sources, &path, &options);
    for label in found.iter().flat_map(|found| &found.labels).filter(|label| label.span.is_known()) {
        let length = sources.file(label.span.file).text.len() as u32;
        assert!(label.span.start <= label.span.end && label.span.end <= length, "{:?}", label.span);
    }
    if ir::validate(&config).iter().all(|found| found.severity < Severity::Error) {
        let _ = plan::compile(config);
    }
    found
}

fn is_refused(bytes: impl Into<Vec<u8>>) -> bool {
    read(bytes.into()).iter().any(|found| found.severity == Severity::Error)
}

fn around(text: &str) -> String {
    format!("<configuration><system.webServer>{text}</system.webServer></configuration>")
}

fn fixtures(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            fixtures(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "config") {
            out.push(path);
        }
    }
}

#[test]
fn files_that_are_damaged_end_in_findings() {
    let mut files = Vec::new();
    fixtures(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/iis"), &mut files);
    files.sort();
    assert!(files.len() > 80, "{} files", files.len());
    let mut random = Random(7);
    for path in files {
        let text = std::fs::read(&path).unwrap();
        for _ in 0..3 {
            let mut damaged = text.clone();
            let at = random.below(damaged.len());
            match random.below(4) {
                0 => damaged.truncate(at),
                1 => damaged[at] = random.below(256) as u8,
                2 => drop(damaged.drain(at..(at + 1 + random.below(20)).min(text.len()))),
                _ => {
                    let from = random.below(text.len());
                    let piece = text[from..(from + 1 + random.below(60)).min(text.len())].to_vec();
                    damaged.splice(at..at, piece);
                }
            }
            read(damaged);
        }
    }
}

#[test]
fn bombs_do_not_go_off() {
    let began = Instant::now();
    let deep = "<a>".repeat(200_000);
    assert!(is_refused(deep));
    assert!(is_refused(around(&"<rewrite>".repeat(5000))));
    let laughs = "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;&b;&b;\">]><configuration>&c;</configuration>";
    assert!(is_refused(laughs));
    assert!(is_refused(vec![b' '; 33 << 20]));
    let wide = format!("<configuration {}/>", (0..20_000).map(|at| format!("a{at}='' ")).collect::<String>());
    assert!(is_refused(wide));
    let nested = format!("{}x{}", "{ToLower:".repeat(5000), "}".repeat(5000));
    let rule = format!(
        "<rewrite><rules><rule name='a'><match url='a'/><action type='Redirect' url='{nested}'/></rule></rules></rewrite>"
    );
    assert!(is_refused(around(&rule)));
    let groups = format!("{}{}", "(".repeat(5000), ")".repeat(5000));
    read(
        around(&format!("<rewrite><rules><rule name='a'><match url='{groups}'/></rule></rules></rewrite>"))
            .into_bytes(),
    );
    let again = "(a{1,999}){1,999}";
    read(
        around(&format!("<rewrite><rules><rule name='a'><match url='{again}'/></rule></rules></rewrite>"))
            .into_bytes(),
    );
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
}

#[test]
fn encodings_are_read_or_refused() {
    let text = around("<defaultDocument enabled=\"false\" />");
    let wide = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    assert!(!is_refused([b"\xff\xfe".to_vec(), wide(u16::to_le_bytes)].concat()));
    assert!(!is_refused([b"\xfe\xff".to_vec(), wide(u16::to_be_bytes)].concat()));
    assert!(!is_refused([b"\xef\xbb\xbf".to_vec(), text.clone().into_bytes()].concat()));
    // Cut within a character, UTF-32, Latin-1, a mark in the middle, a zero.
    assert!(is_refused([b"\xff\xfe".to_vec(), wide(u16::to_le_bytes), vec![0]].concat()));
    assert!(is_refused(b"\xff\xfe\0\0<\0\0\0".to_vec()));
    assert!(is_refused(b"<configuration>\xe9</configuration>".to_vec()));
    assert!(is_refused(format!(" \u{feff}{text}")));
    assert!(is_refused(text.replace("false", "fal\0se")));
    assert!(is_refused(Vec::new()));
}

#[test]
fn what_a_strict_reader_refuses_is_refused() {
    let attribute =
        |value: &str| around(&format!("<httpRedirect enabled=\"true\" destination=\"{value}\" />"));
    assert!(!is_refused(attribute("/a?b=1&amp;c=2")));
    let bad = [
        attribute("/a?b=1&c=2"),
        attribute("/a<b"),
        attribute("&nbsp;"),
        attribute("&#0;"),
        attribute("/a\" enabled=\"true"),
        around("<!-- a -- b -->"),
        around("<httpRedirect enabled='true' destination='/' /></system.webServer><system.webServer>")
            .replace("</configuration>", ""),
        format!("\n<?xml version=\"1.0\"?>{}", around("")),
        format!("<?xml versions=\"1.0\"?>{}", around("")),
        format!("{}{}", around(""), around("")),
        format!("<!DOCTYPE configuration>{}", around("")),
        around("<httpredirect />"),
        around("text"),
    ];
    for text in bad {
        assert!(is_refused(text.as_str()), "{text}");
    }
}

/// What is long is read in one pass: a map of redirects has a hundred thousand entries.
#[test]
fn long_lists_are_read_in_time() {
    let list = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<String>();
    let map = list(30_000, &|at| format!("<add key=\"/old/{at}\" value=\"/new/{at}\" />"));
    let types = list(8_000, &|at| format!("<mimeMap fileExtension=\".x{at}\" mimeType=\"a/x{at}\" />"));
    let places = list(500, &|at| {
        format!(
            "<location path=\"a{at}\"><system.webServer><defaultDocument enabled=\"false\" /></system.webServer></location>"
        )
    });
    let texts = [
        around(&format!(
            "<rewrite><rewriteMaps><rewriteMap name=\"M\">{map}</rewriteMap></rewriteMaps></rewrite>"
        )),
        around(&format!("<staticContent>{types}</staticContent>")),
        format!("<configuration>{places}</configuration>"),
        format!("<configuration>{}</configuration>", "&".repeat(250_000)),
        format!("<configuration>{}</configuration>", "&\n".repeat(125_000)),
        format!("<configuration a=\"{}\" />", "&".repeat(250_000)),
        format!("<configuration>{}</configuration>", "&x;".repeat(80_000)),
    ];
    for text in texts {
        let (began, head) = (Instant::now(), text[..60].to_owned());
        read(text.into_bytes());
        assert!(began.elapsed() < Duration::from_secs(10), "{head}: {:?}", began.elapsed());
    }
}
