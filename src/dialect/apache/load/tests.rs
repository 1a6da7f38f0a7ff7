//! What is decided while a configuration is read. Expectations are what Apache 2.4.71 said (`apache2 -t`).

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A folder that goes away with its value.
struct Folder(PathBuf);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("triglot-apache-load-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    /// The directives that are left, and the findings without the folder's name.
    fn load(&self, change: impl FnOnce(&mut Options)) -> (String, Vec<String>) {
        let mut options =
            Options { environment: vec![(b"ENV".to_vec(), b"env".to_vec())], ..Options::default() };
        change(&mut options);
        let mut sources = SourceMap::new();
        let loaded = load(&mut sources, &self.0.join("httpd.conf"), &options);
        let folder = format!("{}/", self.0.display());
        let shown = |found: &Diagnostic| {
            let message = found.message.replace(&folder, "").replace(folder.trim_end_matches('/'), ".");
            format!("{}: {message}", found.severity.name())
        };
        (show(&loaded.items), loaded.found.iter().map(shown).collect())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn show(items: &[Item]) -> String {
    let shown = directives(items).map(|directive| {
        let inner =
            if directive.is_section() { format!(" {{{}}}", show(directive.block())) } else { String::new() };
        let raw = String::from_utf8_lossy(directive.raw());
        format!("{} {raw}{inner}", directive.name())
    });
    shown.collect::<Vec<_>>().join("; ")
}

/// The directives that are left of a text.
fn read(text: &str) -> (String, Vec<String>) {
    Folder::new(&[("httpd.conf", text)]).load(|_| {})
}

#[test]
fn conditions_are_decided_in_order() {
    let table = [
        ("<IfModule mod_alias.c>\nA\n</ifmodule>", "A "),
        ("<IfModule !mod_alias.c>\nA\n<X>\n</X>\n</IfModule>\nB", "B "),
        ("<IfModule \"alias_module\">\nA\n</IfModule>", "A "),
        ("<IfModule mod_lua.c mod_alias.c>\nA\n</IfModule>", ""),
        ("<IfModule !!mod_alias.c>\nA\n</IfModule>", "A "),
        (
            "Define X\n<IfDefine X>\nA\n</IfDefine>\n<IfDefine x>\nB\n</IfDefine>\nUnDefine X\n<IfDefine !X>\nC\n</IfDefine>",
            "A ; C ",
        ),
        ("<IfDefine \"ENV\">\nA\n</IfDefine>\n<IfDefine ENV>\nA\n</IfDefine>", ""),
        (
            "<IfVersion 2.4>\nA\n</IfVersion>\n<IfVersion >= 2.4>\nB\n</IfVersion>\n<IfVersion 2.4.71>\nC\n</IfVersion>",
            "B ; C ",
        ),
        (
            "<IfVersion !< 2.4>\nA\n</IfVersion>\n<IfVersion ~ ^2\\.4>\nB\n</IfVersion>\n<IfVersion /^2\\.5/>\nC\n</IfVersion>",
            "A ; B ",
        ),
        (
            "<IfFile httpd.conf>\nA\n</IfFile>\n<IfFile \"nope\">\nB\n</IfFile>\n<IfFile !nope>\nC\n</IfFile>",
            "A ; C ",
        ),
        ("<IfDirective alias>\nA\n</IfDirective>\n<IfDirective VirtualHost>\nB\n</IfDirective>", "A "),
        ("<IfSection virtualhost>\nA\n</IfSection>\n<IfSection !Macro>\nB\n</IfSection>", "A "),
        (
            "<VirtualHost *:80>\n<IfModule mod_env.c>\n<Location /a>\nA\n</Location>\n</IfModule>\nB\n</VirtualHost>",
            "<VirtualHost> *:80 {<Location> /a {A }; B }",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(read(text), (expected.to_owned(), vec![]), "{text}");
    }
}

#[test]
fn wrong_conditions_are_said_as_apache_says_them() {
    let table = [
        ("<IfModule>\nX\n</IfModule>", "<IfModule> directive requires additional arguments"),
        ("<IfModule mod_alias.c\nA\n</IfModule>", "<IfModule> directive missing closing '>'"),
        ("<IfDefine !>\n</IfDefine>", "<IfDefine> directive requires additional arguments"),
        ("<IfModule !mod_alias.c>\nAlias /a /b\n", "Expected </IfModule> before end of configuration"),
        ("<IfModule mod_foo.c>\n<A b>\n</B>\n</A>\n</IfModule>", "Expected </A> but saw </B>"),
        ("<IfModule mod_foo.c>\n<A b\n</A>\n", "Expected </IfModule> before end of configuration"),
        (
            "<IfModule mod_alias.c>\nA\n</VirtualHost>\n</IfModule>",
            "</VirtualHost> without matching <VirtualHost> section",
        ),
        ("<IfModule mod_alias.c>\n<Location />\n</IfModule>", "Expected </Location> but saw </IfModule>"),
        ("<IfVersion foo 2.4>\n</IfVersion>", "unrecognized operator 'foo'"),
        ("<IfVersion => 2.4>\n</IfVersion>", "unrecognized operator '=>'"),
        (
            "<IfVersion>\n</IfVersion>",
            "Version appears to be invalid. It must have the format major[.minor[.patch]] where major, minor and patch are numbers.",
        ),
        ("Define\n", "Define takes 1-2 arguments"),
        ("Define a:b c", "Variable name must not contain ':'"),
        ("UnDefine A B", "UnDefine takes one argument"),
        ("ServerRoot /nope", "ServerRoot must be a valid directory"),
        ("Include", "Include takes one argument"),
        ("Include nope", "Could not open configuration file nope: No such file or directory"),
        ("Include nope*", "Include/IncludeOptional: No matches for the wildcard 'nope*' in '.', failing"),
        (
            "Include nope/x*",
            "Include/IncludeOptional: Could not open directory nope: No such file or directory",
        ),
        ("Include httpd.conf", "Exceeded maximum include depth of 128, There appears to be a recursion."),
        ("Use Nope", "no macro defined before Use"),
        (
            "<Macro m $a>\nA $a\n</Macro>\nUse m",
            "macro 'm' (defined on line 1 of \"httpd.conf\") used with 0 arguments instead of 1",
        ),
        ("<Macro m>\nUse m\n</Macro>\nUse M", "recursive use of macro 'm' is invalid"),
        (
            "<Macro m $a $A>\n</Macro>",
            "argument name conflict in macro 'm' (defined on line 1 of \"httpd.conf\"): argument '$A', change argument names!",
        ),
        (
            "<Macro m>\nA\n",
            "macro 'm' (defined on line 1 of \"httpd.conf\"): contents error: expected token not found: </Macro>",
        ),
        ("<Macro m>\n<Location /x>\n</Macro>\nUse m", "<Location> was not closed."),
        ("<Macro>\n</Macro>", "<Macro macro definition: empty name"),
        ("UndefMacro q", "no macro defined before UndefMacro"),
    ];
    for (text, expected) in table {
        let (_, found) = read(text);
        assert_eq!(found, [format!("error: {expected}")], "{text}");
    }
}

#[test]
fn variables_reach_everything_after_them() {
    let text = "A ${ENV}\nDefine x \"b c\"\n${X} ${nope} ${m:k}\n<VirtualHost ${X}>\nDefine y z\n</VirtualHost>\n${y}\n";
    let (shown, found) = read(text);
    assert_eq!(shown, "A env; b c ${nope} ${m:k}; <VirtualHost> b c {}; z ");
    assert_eq!(found, ["warning: Config variable ${nope} is not defined"]);
}

#[test]
fn modules_that_are_loaded_count_instead_of_the_documented_ones() {
    let text = "<IfModule mod_alias.c>\nA\n</IfModule>\nLoadModule env_module x.so\nLoadModule php7_module y.so\n\
                <IfModule mod_env.c>\nB\n</IfModule>\n<IfModule mod_php7.c>\nC\n</IfModule>";
    assert_eq!(read(text).0, "LoadModule env_module x.so; LoadModule php7_module y.so; B ; C ");
}

#[test]
fn a_part_that_loads_a_module_lacks_none() {
    let text = "<IfModule mod_alias.c>\nA\n</IfModule>\nLoadModule php7_module y.so\n<IfModule mod_php7.c>\nC\n</IfModule>\n";
    let shown = |text: &str, offline| {
        Folder::new(&[("httpd.conf", text)]).load(|options| options.offline = offline).0
    };
    assert_eq!(shown(text, true), "A ; LoadModule php7_module y.so; C ");
    assert_eq!(shown(text, false), "LoadModule php7_module y.so; C ");
    assert_eq!(shown(&format!("Listen 80\n{text}"), true), "Listen 80; LoadModule php7_module y.so; C ");
}

#[test]
fn macros_are_text() {
    let text = "<Macro Host $name %dir @q>\n<VirtualHost *:80>\nServerName $name\nA %dir @q ${x}$names\n</VirtualHost>\n\
                </Macro>\nDefine x 1\nUse HOST a.b /d \"p \\\"q\"\nUndefMacro host\n";
    let (shown, found) = read(text);
    assert_eq!(shown, r#"<VirtualHost> *:80 {ServerName a.b; A /d "p \"q" 1a.bs}"#);
    assert_eq!(found, [""; 0]);
    let nested = "<Macro a $x>\nA $x\n</Macro>\n<Macro b $x>\nUse a $x$x\n</Macro>\nUse b 1";
    assert_eq!(read(nested).0, "A 11");
}

#[test]
fn macros_do_not_grow_without_end() {
    let mut text = String::from("<Macro m0 $x>\nA $x$x$x$x$x$x$x$x\n</Macro>\n");
    text.extend((1..100).map(|at| {
        let twice = format!(
            "Use m{} $x$x
",
            at - 1
        )
        .repeat(2);
        format!(
            "<Macro m{at} $x>
{twice}</Macro>
"
        )
    }));
    text.push_str("Use m12 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    let (_, found) = read(&text);
    assert!(
        found.iter().any(|found| found == "error: macros that use each other bring too much text"),
        "{found:?}"
    );
}

#[test]
fn includes_bring_files_in_byte_order() {
    let folder = Folder::new(&[
        (
            "httpd.conf",
            "Include d/*.conf\nInclude d\nIncludeOptional nope\nIncludeOptional no*/x\nInclude */x/*f\nZ",
        ),
        ("d/b.conf", "B1"),
        ("d/a.conf", "A1"),
        ("d/10.conf", "N10"),
        ("d/9.conf", "<Location />\nInclude d/x/f\n</Location>"),
        ("d/B.conf", "B2"),
        ("d/.h.conf", "H"),
        ("d/x/f", "F"),
        ("d-e/x/f", "G"),
    ]);
    let (shown, found) = folder.load(|_| {});
    let nine = "<Location> / {F }";
    assert_eq!(
        shown,
        format!("N10 ; {nine}; B2 ; A1 ; B1 ; H ; N10 ; {nine}; B2 ; A1 ; B1 ; F ; F ; G ; Z ")
    );
    assert_eq!(found, [""; 0]);
}

#[test]
fn away_from_its_machine_what_is_missing_is_a_note() {
    let folder = Folder::new(&[
        (
            "httpd.conf",
            "ServerRoot /etc/elsewhere\nInclude conf.d/*.conf\nInclude /nope/x\nInclude sites/*.conf\nInclude ${HERE}/y",
        ),
        ("conf.d/a.conf", "A"),
    ]);
    let (shown, found) = folder.load(|options| options.offline = true);
    assert_eq!(shown, "ServerRoot /etc/elsewhere; A ");
    assert!(found.iter().all(|found| found.starts_with("note: ")), "{found:?}");
    assert_eq!(found.len(), 4);
}

#[test]
fn the_command_line_comes_before_and_after() {
    let folder = Folder::new(&[("httpd.conf", "<IfDefine D>\nM ${v}\n</IfDefine>")]);
    let (shown, _) = folder.load(|options| {
        options.defines.push(b"D".to_vec());
        options.before = b"Define v 1\nB".to_vec();
        options.after = b"C".to_vec();
    });
    assert_eq!(shown, "B ; M 1; C ");
}

#[test]
fn debian_s_environment_is_read() {
    let folder = Folder::new(&[
        ("apache2.conf", ""),
        ("envvars", "export APACHE_LOG_DIR=/logs\n"),
        ("httpd.conf", "A ${APACHE_LOG_DIR}"),
    ]);
    assert_eq!(folder.load(|_| {}).0, "A /logs");
    assert_eq!(read("A ${APACHE_LOG_DIR}").0, "A /var/log/apache2");
}
