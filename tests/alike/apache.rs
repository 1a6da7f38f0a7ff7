//! Virtual hosts of Apache made at random: sections of every kind in each other, rewriting in servers, sections and
//! `.htaccess` files, aliases, proxying, fields, variables, access, pages for errors.
//!
//! Left out, because triglot differs on purpose or by what is documented: `[P]` with a path; inherited rules and options of
//! rules in sections; a redirect that a later rule makes a path again (`R` without `L` in front of other rules); HEAD,
//! which the original makes GET for the page of an error.

use super::random::Random;

/// Stands for the folder of a host in its directives.
const ROOT: &str = "@ROOT";

/// A virtual host: its number, its directives, and the `.htaccess` files by folder.
pub(crate) struct Host {
    pub(crate) number: usize,
    pub(crate) text: String,
    pub(crate) files: Vec<(&'static str, String)>,
}

impl Host {
    /// Its name.
    pub(crate) fn name(&self) -> String {
        format!("s{}.test", self.number)
    }

    /// Its directives with its folder in them.
    pub(crate) fn text(&self, root: &str) -> String {
        format!(
            "<VirtualHost *>\nServerName {}\nDocumentRoot {ROOT}\n<Directory {ROOT}>\nAllowOverride All\n\
             </Directory>\n{}</VirtualHost>\n",
            self.name(),
            self.text
        )
        .replace(ROOT, root)
    }
}

/// The folders below a host's.
pub(crate) const FOLDERS: &[&str] = &["", "a/", "a/b/", "c/"];
/// The files in each of them.
pub(crate) const FILES: &[&str] = &["index.html", "f.txt", "g.html", "x.php"];

const PATHS: &[&str] = &[
    "/",
    "/f.txt",
    "/g.html",
    "/x.php",
    "/a/",
    "/a",
    "/a/f.txt",
    "/a/g.html",
    "/a/b/",
    "/a/b/f.txt",
    "/a/b/x.php",
    "/c/f.txt",
    "/c/",
    "/missing",
    "/a/missing",
    "/a/b/missing.html",
    "/al/f.txt",
    "/al/b/g.html",
    "/a/f.txt/info",
    "/a/b/f.txt?q=1&z=2",
    "/p/f.txt",
    "/p",
    "/p/x/loc?a=b",
    "/p/e",
    "/p/b/%20c",
    "/a//b/f.txt",
    "/a/%66.txt",
];

/// A request to a host.
pub(crate) fn request(random: &mut Random, name: &str) -> Vec<u8> {
    let path = random.pick(PATHS);
    let mut out = format!("GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n");
    if random.below(2) == 0 {
        out.push_str("X-Req: y\r\n");
    }
    out.push_str("\r\n");
    out.into_bytes()
}

/// A virtual host in front of an origin at a port.
pub(crate) fn host(random: &mut Random, number: usize, origin: u16) -> Host {
    let mut made = Made { random, origin, values: 0 };
    let count = made.random.below(3);
    let mut lines = made.body(Level::Server, count);
    for _ in 0..=made.random.below(4) {
        let section = made.top_section();
        lines.push(section);
    }
    if made.chance(50) {
        lines.push(format!("Alias /al {ROOT}/a"));
    }
    let mut files = Vec::new();
    for folder in FOLDERS {
        if made.chance(35) {
            let count = 1 + made.random.below(3);
            let mut lines = made.body(Level::Htaccess, count);
            if made.chance(30) {
                let section = made.inner_section(1);
                lines.push(section);
            }
            files.push((*folder, lines.join("\n") + "\n"));
        }
    }
    Host { number, text: lines.join("\n") + "\n", files }
}

/// Where a directive stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Server,
    Directory,
    Location,
    Files,
    If,
    Htaccess,
}

const SUBSTITUTIONS: &[&str] = &[
    "/a/f.txt",
    "/c/f.txt",
    "g.html",
    "b/f.txt",
    "/a/b/",
    "-",
    "/r/$1",
    "$1.new",
    "/a/$1?k=v",
    "f.txt?n=$1",
    "/al/f.txt",
    "http://x.test/$1",
    "%{REQUEST_URI}x",
];
const PATTERNS: &[&str] = &[
    "^(.*)$",
    "f",
    r"^(.*)\.txt$",
    "^/?a/(.*)$",
    "^b/(.*)$",
    "^$",
    "x",
    r"^/(.+)/f\.txt$",
    "missing",
    r"(.)\.html$",
    "!f",
];
const FLAGS: &[&str] = &[
    "L",
    "L",
    "R,L",
    "R=301,L",
    "QSA",
    "NE",
    "END",
    "S=1",
    "C",
    "PT",
    "E=E1:$0",
    "E=E2:r",
    "NC",
    "F",
    "G",
    "B",
    "QSD",
    "DPI",
    "N=3",
    "E=!E1",
    "CO=c:v:x.test",
    "T=text/x",
    "NS",
    "QSL",
];
const CONDITIONS: &[&str] = &[
    "%{REQUEST_URI} f",
    "%{REQUEST_URI} ^/a",
    "%{REQUEST_URI} !b",
    "%{REQUEST_URI} =/a/f.txt",
    "%{REQUEST_FILENAME} -f",
    "%{REQUEST_FILENAME} !-f",
    "%{REQUEST_FILENAME} -d",
    "%{REQUEST_FILENAME} !-d",
    "%{QUERY_STRING} q",
    "%{QUERY_STRING} !q",
    "%{QUERY_STRING} ^$",
    "%{ENV:E1} v",
    r#"%{ENV:E1} ="""#,
    "%{ENV:E1} !^$",
    "%{ENV:REDIRECT_STATUS} ^$",
    "%{ENV:REDIRECT_STATUS} 200",
    "%{HTTP:X-Req} y",
    "%{HTTP:X-Req} !y",
    "%{THE_REQUEST} f",
    "%{PATH_INFO} ^/i",
    "%{DOCUMENT_ROOT}/a%{REQUEST_URI} -f",
    "expr \"%{REQUEST_METHOD} == 'GET'\"",
    "%{SCRIPT_FILENAME} txt$",
    "%{REQUEST_URI} ^(.*)/f",
    "%{IS_SUBREQ} true",
];
const EXPRESSIONS: &[&str] = &[
    "%{REQUEST_URI} =~ /f/",
    "%{HTTP:X-Req} == 'y'",
    "-n reqenv('E1')",
    "%{REQUEST_METHOD} == 'GET'",
    "%{REQUEST_FILENAME} =~ /txt$/",
    "-f %{REQUEST_FILENAME}",
    "%{QUERY_STRING} =~ /q/",
    "true",
    "! -d %{REQUEST_FILENAME}",
];

struct Made<'a> {
    random: &'a mut Random,
    origin: u16,
    /// Values so far: each occurs once.
    values: usize,
}

impl Made<'_> {
    fn chance(&mut self, of_hundred: usize) -> bool {
        self.random.below(100) < of_hundred
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        self.random.pick(from)
    }

    fn value(&mut self) -> String {
        self.values += 1;
        format!("v{}", self.values)
    }

    /// So many directives, or groups of them.
    fn body(&mut self, level: Level, count: usize) -> Vec<String> {
        (0..count).map(|_| self.directive(level)).collect()
    }

    fn directive(&mut self, level: Level) -> String {
        match self.random.below(100) {
            0..8 if matches!(level, Level::Server | Level::Location) => self.proxy(level),
            54..68 if level != Level::Server => self.access(),
            0..14 => self.request_field(),
            14..36 => self.field(),
            36..68 => self.variable(),
            68..86 => self.rewriting(level),
            _ => self.other(),
        }
    }

    fn field(&mut self) -> String {
        let name = self.pick(&["X-A", "X-B", "X-C"]);
        if self.chance(15) {
            let action = self.pick(&["Header unset", "Header always unset"]);
            return format!("{action} {name}");
        }
        let action = self.pick(&["set", "append", "add", "merge", "always set", "setifempty"]);
        format!("Header {action} {name} {}", self.value())
    }

    fn request_field(&mut self) -> String {
        let value = self.value();
        match self.random.below(8) {
            0 => format!("RequestHeader set X-R {value}"),
            1 => format!("RequestHeader append X-R {value}"),
            2 => format!("RequestHeader add X-Req {value}"),
            3 => format!("RequestHeader merge X-R {value}"),
            4 => format!("RequestHeader setifempty X-R {value}"),
            5 => format!("RequestHeader edit X-Req y {value}"),
            6 => "RequestHeader unset X-Req".to_owned(),
            _ => format!("RequestHeader set X-R \"%{{E1}}e-{value}\""),
        }
    }

    fn variable(&mut self) -> String {
        let name = self.pick(&["E1", "E2", "E3"]);
        match self.random.below(6) {
            0 => format!("SetEnv {name} {}", self.value()),
            1 => format!("UnsetEnv {name}"),
            2 => {
                let pattern = self.pick(&["f", "^/a", "x$", "b/"]);
                format!("SetEnvIf Request_URI \"{pattern}\" {name}={}", self.value())
            }
            3 => format!("SetEnvIf X-Req y !{name}"),
            4 => format!("Header set Y-{name} \"%{{{name}}}e\""),
            _ => format!("Header set Z-{name} \"expr=%{{reqenv:{name}}}\""),
        }
    }

    fn requirement(&mut self) -> &'static str {
        self.pick(&[
            "Require all granted",
            "Require all denied",
            "Require method GET",
            "Require env E1",
            "Require expr %{REQUEST_URI} =~ /f/",
            "Require ip 127.0.0.1",
            "Require ip 10.0.0.1",
        ])
    }

    fn access(&mut self) -> String {
        let one = self.requirement();
        match self.random.below(100) {
            0..60 => one.to_owned(),
            60..75 => {
                let others = [self.requirement(), "Require not env E3", "Require not ip 10.0.0.1"];
                let other = self.pick(&others);
                format!("<RequireAll>\n{one}\n{other}\n</RequireAll>")
            }
            75..85 => format!("<RequireAny>\n{one}\n{}\n</RequireAny>", self.requirement()),
            85..92 => format!("AuthMerging {}\n{one}", self.pick(&["And", "Or", "Off"])),
            _ => self
                .pick(&[
                    "Order allow,deny\nAllow from all",
                    "Order deny,allow\nDeny from env=E1",
                    "Order allow,deny\nAllow from env=E2",
                    "Order deny,allow\nDeny from all\nAllow from 127.0.0.1",
                ])
                .to_owned(),
        }
    }

    fn rewriting(&mut self, level: Level) -> String {
        let mut lines = vec![format!("RewriteEngine {}", if self.chance(90) { "On" } else { "Off" })];
        if level != Level::Server && self.chance(40) {
            lines.push(format!("RewriteBase {}", self.pick(&["/", "/a", "/a/", "/c/"])));
        }
        for _ in 0..=self.random.below(3) {
            for _ in 0..self.random.below(3) {
                let flags = self.pick(&["", "", "", "", " [OR]", " [NC]"]);
                lines.push(format!("RewriteCond {}{flags}", self.pick(CONDITIONS)));
            }
            let mut flags: Vec<&str> = (0..self.random.below(4)).map(|_| self.pick(FLAGS)).collect();
            flags.dedup();
            if flags.iter().any(|flag| flag.starts_with('R')) {
                flags.retain(|flag| !matches!(*flag, "F" | "G" | "PT"));
            }
            let mut to = self.pick(SUBSTITUTIONS).to_owned();
            if self.chance(12) {
                to = format!("http://127.0.0.1:{}/rw/$1", self.origin);
                flags.retain(|flag| !flag.starts_with('R') && !matches!(*flag, "PT" | "C" | "F" | "G"));
                flags.push("P");
            } else if to.starts_with("http") {
                // What a rule behind it makes of a redirect is left out.
                flags.push("L");
            }
            let flags = if flags.is_empty() { String::new() } else { format!(" [{}]", flags.join(",")) };
            lines.push(format!("RewriteRule {} {to}{flags}", self.pick(PATTERNS)));
        }
        lines.join("\n")
    }

    fn proxy(&mut self, level: Level) -> String {
        let to = format!("http://127.0.0.1:{}", self.origin);
        let lines = if level == Level::Server {
            vec![
                format!("ProxyPass /p/ {to}/q/"),
                format!("ProxyPass /p {to}"),
                "ProxyPass /a/b/ !".to_owned(),
                format!("ProxyPass /a {to}/aa"),
                format!("ProxyPassMatch ^/(c)/(.*)$ {to}/long-enough/$2 enablereuse=on"),
                format!("ProxyPassReverse /p/ {to}/up/"),
                "ProxyPreserveHost On".to_owned(),
                "ProxyPass /p/f.txt !".to_owned(),
                "ProxyAddHeaders Off".to_owned(),
                "ProxyErrorOverride On".to_owned(),
            ]
        } else {
            vec![
                format!("ProxyPass {to}/loc"),
                "ProxyPass !".to_owned(),
                format!("ProxyPassReverse {to}/up"),
                "ProxyPreserveHost On".to_owned(),
                "ProxyErrorOverride On".to_owned(),
                "ProxyAddHeaders Off".to_owned(),
            ]
        };
        let at = self.random.below(lines.len());
        lines[at].clone()
    }

    fn other(&mut self) -> String {
        let value = self.value();
        match self.random.below(11) {
            0 => {
                let names = self.pick(&["g.html", "f.txt index.html", "disabled", "x.php", "/a/f.txt"]);
                format!("DirectoryIndex {names}")
            }
            1 => format!("DirectorySlash {}", self.pick(&["On", "Off"])),
            2 => format!("FallbackResource {}", self.pick(&["/a/f.txt", "/f.txt", "disabled"])),
            3 | 4 => {
                let text = format!("\"text{value}\"");
                let page = self.pick(&[&text, "/f.txt", "/a/g.html", "default"]).to_owned();
                format!("ErrorDocument {} {page}", self.pick(&["403", "404"]))
            }
            5 => format!("AddType text/{value} .txt"),
            6 => format!("ForceType text/{value}"),
            7 => format!("Options {}", self.pick(&["+Indexes", "-Indexes", "FollowSymLinks"])),
            8 => format!("AcceptPathInfo {}", self.pick(&["On", "Off", "Default"])),
            9 => format!("AddDefaultCharset {}", self.pick(&["On", "Off", "utf-8"])),
            _ => {
                let lines =
                    ["Redirect 301 /a/g http://r.test/", "Redirect 410 /a/g", "SetHandler default-handler"];
                self.pick(&lines).to_owned()
            }
        }
    }

    /// Directives, and perhaps a section among them.
    fn filled(&mut self, level: Level, depth: usize) -> String {
        let count = 1 + self.random.below(3);
        let mut lines = self.body(level, count);
        if depth < 2 && self.chance(35) {
            let section = self.inner_section(depth + 1);
            let at = self.random.below(lines.len() + 1);
            lines.insert(at, section);
        }
        lines.join("\n")
    }

    fn inner_section(&mut self, depth: usize) -> String {
        match self.random.below(100) {
            0..27 => {
                let name = self.pick(&["f.txt", "*.html", "?.*"]);
                format!("<Files \"{name}\">\n{}\n</Files>", self.filled(Level::Files, depth))
            }
            27..45 => {
                let pattern = self.pick(&["f", r"\.txt$", "^(?<n>.)"]);
                format!("<FilesMatch \"{pattern}\">\n{}\n</FilesMatch>", self.filled(Level::Files, depth))
            }
            _ => {
                let test = self.pick(EXPRESSIONS);
                let mut out = format!("<If \"{test}\">\n{}\n</If>", self.filled(Level::If, depth));
                if self.chance(30) {
                    let test = self.pick(EXPRESSIONS);
                    out += &format!("\n<ElseIf \"{test}\">\n{}\n</ElseIf>", self.filled(Level::If, depth));
                }
                if self.chance(40) {
                    out += &format!("\n<Else>\n{}\n</Else>", self.filled(Level::If, depth));
                }
                out
            }
        }
    }

    fn top_section(&mut self) -> String {
        match self.random.below(100) {
            0..30 => {
                let path = self.pick(&["", "/a", "/a/b", "/*", "/a/*", "/c"]);
                format!("<Directory \"{ROOT}{path}\">\n{}\n</Directory>", self.filled(Level::Directory, 0))
            }
            30..38 => {
                let pattern = self.pick(&["/a", "/b/?$", "s[0-9]+/(?<d>.*)"]);
                format!("<DirectoryMatch \"{pattern}\">\n{}\n</DirectoryMatch>", self.filled(Level::Files, 0))
            }
            38..60 => {
                let path = self.pick(&["/", "/a", "/a/", "/a/b", "/*/f.txt", "/c", "/missing", "/al", "/p"]);
                format!("<Location \"{path}\">\n{}\n</Location>", self.filled(Level::Location, 0))
            }
            60..70 => {
                let pattern = self.pick(&["f", "^/a", "/[b]/", "x$"]);
                format!(
                    "<LocationMatch \"{pattern}\">\n{}\n</LocationMatch>",
                    self.filled(Level::Location, 0)
                )
            }
            _ => self.inner_section(0),
        }
    }
}
