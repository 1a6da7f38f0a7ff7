//! What holds for every text that may be an httpd.conf or a .htaccess: it never ends in a panic, and what is said of it
//! points into it.

#[path = "support/random.rs"]
mod random;

use std::{
    fs,
    path::{Path, PathBuf},
};

use random::Random;
use triglot::{
    diagnostic::{
        Diagnostic,
        render::{Colour, Format, render},
    },
    dialect::{
        Dialect, Meaning, Options,
        apache::{
            check, load, parse,
            tree::{Body, Item},
        },
    },
    ir, plan,
    source::{SourceMap, Span},
};

/// How many texts are made.
const ROUNDS: usize = 400;

/// What texts are made of, beside arbitrary bytes and pieces of fixtures.
const PIECES: &[&str] = &[
    "<",
    "</",
    ">",
    "\"",
    "'",
    "\\",
    "\\\n",
    "\\\r\n",
    "$",
    "${",
    "}",
    "#",
    "\n",
    "\r\n",
    " ",
    "\t",
    "%{",
    "%1",
    "$1",
    "!",
    "\u{feff}",
    "\u{e9}",
    "\0",
    "*",
    "~",
    "[",
    "]",
    "(",
    ")",
    "|",
    "-1",
    "99999999999999999999",
    "On",
    "Off",
    "none",
    "<IfModule mod_alias.c>\n",
    "</IfModule>\n",
    "<IfDefine X>\n",
    "</IfDefine>\n",
    "<IfVersion >= 2.4>\n",
    "</IfVersion>\n",
    "<Macro m $a %b @c>\n",
    "</Macro>\n",
    "Use m 1 2 3\n",
    "Use m $a \"x y\" @c\n",
    "UndefMacro m\n",
    "Define X y\n",
    "Define X ${X}${X}\n",
    "UnDefine X\n",
    "<VirtualHost *:80>\n",
    "</VirtualHost>\n",
    "<Files x>\n",
    "</Files>\n",
    "<Location /a>\n",
    "</Location>\n",
    "<LocationMatch \"^/(a)\">\n",
    "</LocationMatch>\n",
    "<If \"%{REQUEST_URI} =~ m#^/(a)#\">\n",
    "</If>\n",
    "<Else>\n",
    "</Else>\n",
    "<RequireAny>\n",
    "</RequireAny>\n",
    "RewriteEngine on\n",
    "RewriteCond %{HTTP_HOST} ^(a)$ [NC]\n",
    "RewriteRule ^/?(.*)$ /x/$1?y=%1 [L,QSA,R=302]\n",
    "RewriteRule \"a\\\"b\" - [F]\n",
    "RewriteMap m txt:/m\n",
    "Require all granted\n",
    "Header set A \"%{B}e\"\n",
    "ProxyPass / http://a/ timeout=5\n",
    "ProxyPassMatch ^/(x)$ http://a/$1\n",
    "<Proxy balancer://c>\n",
    "</Proxy>\n",
    "BalancerMember http://a\n",
    "ServerName a:80\n",
    "Listen 80\n",
    "Alias /a /b\n",
    "SetEnvIf A (b) c=$1\n",
    "ErrorDocument 404 \"x\n",
    "DirectoryIndex a b\n",
    "Options -Indexes\n",
    "AddType a/b .c\n",
];

#[test]
fn no_text_ends_in_a_panic() {
    let texts = fixtures();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("properties-apache");
    fs::create_dir_all(&folder).expect("the target folder can be written");
    let mut random = Random(0x2f09_77ab_130c_5e21);
    for round in 0..ROUNDS {
        let text = made(&mut random, &texts);
        let mut sources = SourceMap::new();
        let file = sources.add(".htaccess".into(), text.clone());
        let (items, found) = parse::parse(&sources, file);
        check_spans(&sources, &items);
        check_places(&sources, &found);
        let loaded = load::load_htaccess(&mut sources, file, &load::Surroundings::default());
        check_spans(&sources, &loaded.items);
        let allowed = check::Allowed::all();
        let modules = &loaded.surroundings.modules;
        let checked =
            check::check(&loaded.items, check::Options { offline: false, modules, allowed: Some(&allowed) });
        check_places(&sources, &loaded.found);
        check_places(&sources, &checked);
        // The whole way costs more.
        if round % 4 == 0 {
            let path = folder.join("made.conf");
            fs::write(&path, &text).expect("the target folder can be written");
            let mut sources = SourceMap::new();
            let options = Options { prefix: folder.clone(), offline: true, root: true, ..Options::default() };
            let Meaning { config, found, .. } = Dialect::Apache.read(&mut sources, &path, &options);
            check_places(&sources, &found);
            let _ = ir::print(&config);
            if ir::validate(&config).is_empty() {
                let faults = plan::compile(config).err().unwrap_or_default();
                check_places(&sources, &faults);
            }
        }
    }
}

/// Every place in a tree lies in its file, and so does that of each byte of what follows a name.
fn check_spans(sources: &SourceMap, items: &[Item]) {
    for item in items {
        let directive = match item {
            Item::Comment(span) | Item::Blank(span) => {
                check_span(sources, *span);
                continue;
            }
            Item::Directive(directive) => directive,
        };
        check_span(sources, directive.span);
        check_span(sources, directive.name.span);
        for word in &directive.args {
            check_span(sources, word.span);
        }
        let raw = &directive.raw;
        check_span(sources, raw.whole());
        for at in 0..raw.bytes().len() {
            check_span(sources, raw.span(at..at + 1));
        }
        match &directive.body {
            Body::Section(section) | Body::Taken(section) => {
                check_span(sources, section.close);
                check_spans(sources, &section.items);
            }
            Body::Text(span) => check_span(sources, *span),
            Body::None | Body::Included(_) | Body::Done => {}
        }
    }
}

fn check_span(sources: &SourceMap, span: Span) {
    if span.is_known() {
        let length = sources.file(span.file).text.len() as u32;
        assert!(span.start <= span.end && span.end <= length, "{span:?} of {length}");
    }
}

/// Every label lies in its file, and every form of the report can be written.
fn check_places(sources: &SourceMap, found: &[Diagnostic]) {
    for one in found {
        for label in &one.labels {
            check_span(sources, label.span);
        }
    }
    for format in [Format::Human, Format::Json] {
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
        text = whole[start..].iter().copied().take(1 + random.below(2000)).collect();
    }
    for _ in 0..=random.below(16) {
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

/// The texts of all configurations in the fixtures, those with mistakes among them.
fn fixtures() -> Vec<Vec<u8>> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/apache")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of fixtures").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "conf" || extension == "inc") {
                found.push(path);
            }
        }
    }
    found.sort();
    found.iter().map(|path| fs::read(path).expect("a fixture can be read")).collect()
}
