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
    plan::{Need, Run, View, observe::Observer},
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

/// A request for a path, with two fields.
struct Asked(&'static str, &'static str);

impl View for Asked {
    fn attr(&self, _: &Run, attr: &ir::Attr, out: &mut Vec<u8>) -> bool {
        let value = match attr {
            ir::Attr::Field(name) if name.is_field(b"host") => self.0,
            ir::Attr::Field(name) if name.is_field(b"user-agent") => self.1,
            ir::Attr::Scheme => "http",
            ir::Attr::Protocol => "HTTP/1.1",
            _ => return false,
        };
        out.extend_from_slice(value.as_bytes());
        true
    }

    fn method(&self) -> &[u8] {
        b"GET"
    }

    fn content_length(&self) -> Option<u64> {
        None
    }

    fn status(&self) -> u16 {
        0
    }

    fn received_encoded(&self) -> bool {
        false
    }
}

/// Hears of each step, so that no rule is passed over.
struct Watching;

impl Observer for Watching {}

/// What rules make of a request: the end of the decision, path, query, what was forwarded to.
fn decided(plan: &plan::Plan, view: &Asked, (path, query): (&str, &str), watched: bool) -> String {
    let mut run = Run::default();
    run.path = path.into();
    run.query = query.into();
    run.start(plan, ir::HostId(0));
    let mut end = String::new();
    for _ in 0..200 {
        let need = if watched { run.observed(plan, view, &mut Watching) } else { run.step(plan, view) };
        match need {
            Need::File(_) => run.tell(false),
            Need::Access => run.tell(true),
            Need::Reply(reply) => {
                end = format!("{reply:?}");
                if let ir::ReplyContent::Location(to) | ir::ReplyContent::Text(to) = &reply.content {
                    let mut value = Vec::new();
                    run.eval(plan, view, to, &mut value);
                    end.push_str(&String::from_utf8_lossy(&value));
                }
                break;
            }
            need @ (Need::Handle | Need::Exhausted | Need::EmptyPath | Need::BadTarget | Need::Failed(_)) => {
                end = format!("{need:?}");
                break;
            }
            _ => {}
        }
    }
    let forward = plan.config.vars.iter().position(|var| &*var.name == b"forward");
    let mut to = Vec::new();
    if let Some(at) = forward {
        run.eval(plan, view, &ir::Template::var(ir::VarId(at as u32)), &mut to);
    }
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    format!("{end} {} {} {}", text(&run.path), text(&run.query), text(&to))
}

#[test]
fn rules_decide_the_same_whether_or_not_anybody_watches() {
    let mut random = Random(11);
    let (mut forwarded, mut rewritten) = (0, 0);
    for round in 0..40 {
        let mut rules = String::new();
        for n in 0..[8, 30, 70][round % 3] {
            let app = random.below(20);
            let url = *["^app{}/(.*)$", "^app{}/([a-z]+)/?(.*)$", "app{}", "^(a)pp{}(/.*)?$", "^.*{}/x$"]
                .get(random.below(5))
                .unwrap();
            let url = url.replace("{}", &app.to_string());
            let negate = if random.below(25) == 0 { " negate='true'" } else { "" };
            let conditions = random.pick(&[
                "",
                "",
                "<conditions><add input='{HTTP_HOST}' pattern='^(www\\.)?(.+)$' /></conditions>",
                "<conditions><add input='{M:{R:1}}' pattern='^(.+)$' /></conditions>",
                "<conditions><add input='{R:1}' pattern='^k' /><add input='{QUERY_STRING}' pattern='(b)' /></conditions>",
                "<conditions logicalGrouping='MatchAny'><add input='{HTTP_USER_AGENT}' pattern='(x)y' />\
                 <add input='{URL}' pattern='(9)' negate='true' /></conditions>",
            ]);
            let to = random.pick(&[
                "/new/{R:1}-{C:1}",
                "http://10.0.0.1:8080/{C:1}/{R:1}",
                "/app3/{C:2}{R:0}?a={C:1}",
                "app{C:1}7/k1",
                "https://{C:1}.test?{R:1}",
            ]);
            let kind = random.pick(&["Rewrite", "Rewrite", "Rewrite", "Redirect", "None"]);
            let stop = random.below(3) == 0;
            rules.push_str(&format!(
                "<rule name='r{n}' stopProcessing='{stop}'><match url='{url}'{negate} />{conditions}\
                 <action type='{kind}' url='{to}' /></rule>"
            ));
        }
        let text = around(&format!(
            "<proxy enabled='true' /><rewrite><rewriteMaps><rewriteMap name='M' defaultValue=''>\
             <add key='k1' value='v1' /><add key='k2' value='app5' /></rewriteMap></rewriteMaps>\
             <rules>{rules}</rules></rewrite>"
        ));
        let mut sources = SourceMap::new();
        let path = PathBuf::from("/nowhere/web.config");
        sources.add(path.clone(), text.into_bytes());
        let options = Options { offline: true, ..Options::default() };
        let (config, found) = iis::read(&mut sources, &path, &options);
        let errors = ir::validate(&config).into_iter().filter(|found| found.severity == Severity::Error);
        assert_eq!(errors.count(), 0, "{found:?}");
        let plan = plan::compile(config).unwrap();
        for view in [Asked("www.a.test", "xy"), Asked("b", "")] {
            for app in 0..22 {
                for rest in ["/k1", "/k2/z", "/x", "", "/k\n1", "/K1\r"] {
                    let asked = (&*format!("/app{app}{rest}"), *["", "a=b"].get(app % 2).unwrap());
                    let quiet = decided(&plan, &view, asked, false);
                    assert_eq!(quiet, decided(&plan, &view, asked, true), "{round} {asked:?}");
                    forwarded += usize::from(quiet.contains("10.0.0.1"));
                    rewritten += usize::from(quiet.contains("/new/"));
                }
            }
        }
    }
    assert!(forwarded > 500 && rewritten > 500, "{forwarded} {rewritten}");
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
