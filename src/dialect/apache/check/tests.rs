//! Places and numbers of arguments. Expectations are what Apache 2.4.71 said (`apache2 -t`).

use super::*;
use crate::{dialect::apache::parse, source::SourceMap};

fn errors(text: &str, allowed: Option<&Allowed>) -> Vec<String> {
    let mut sources = SourceMap::new();
    let file = sources.add("x".into(), text.into());
    let (items, _) = parse::parse(&sources, file);
    let modules = Modules::new(false);
    let found = check(&items, Options { offline: false, modules: &modules, allowed });
    let errors = found.into_iter().filter(|found| found.severity == Severity::Error);
    errors.filter(|found| found.code != "not-yet-honoured").map(|found| found.message).collect()
}

#[test]
fn what_is_wrong_is_said_as_apache_says_it() {
    let table = [
        ("RewriteEngine", "RewriteEngine must be On or Off"),
        ("rewriteengine maybe", "RewriteEngine must be On or Off"),
        ("ServerName", "ServerName takes one argument"),
        ("ServerName \"\"", "ServerName takes one argument"),
        ("ServerName a b", "ServerName takes one argument"),
        ("Alias /a /b /c", "Alias takes 1-2 arguments"),
        ("RewriteMap a", "RewriteMap takes two or three arguments"),
        ("Redirect", "Redirect takes one, two or three arguments"),
        ("AliasMatch a", "AliasMatch takes two arguments"),
        ("Protocols", "Protocols requires at least one argument"),
        ("Error hello  world", "hello  world"),
        ("Error", "The Error directive was used with no message."),
        ("<RequireAll x>\n</RequireAll>", "<RequireAll not allowed here"),
        ("<If \"true\">\n</If>\n<Else x>\n</Else>", "<Else> does not take an argument"),
        (
            "<Location /x>\n<RequireAll foo>\n</RequireAll>\n</Location>",
            "<RequireAll> directive doesn't take additional arguments",
        ),
        (
            "<VirtualHost *:80>\n<VirtualHost *:81>\n</VirtualHost>\n</VirtualHost>",
            "<VirtualHost> cannot occur within <VirtualHost> section",
        ),
        (
            "<Location /x>\n<Directory /y>\n</Directory>\n</Location>",
            "<Directory not allowed in <Location> context",
        ),
        (
            "<Location /x>\n<Files /y>\n</Files>\n</Location>",
            "<Files> cannot occur within <Location> section",
        ),
        (
            "<Location /x>\n<RequireAll>\nRewriteEngine on\n</RequireAll>\n</Location>",
            "RewriteEngine not allowed in <RequireAll> context",
        ),
        (
            "<Location /x>\n<Limit GET>\nListen 80\n</Limit>\n</Location>",
            "Listen not allowed in <Limit> context",
        ),
        ("<Limit GET>\n</Limit>", "<Limit not allowed here"),
        (
            "<Location /x>\n<If \"true\">\nAlias /x\n</If>\n</Location>",
            "Alias cannot occur within <If> section",
        ),
        (
            "<Location /x>\n<Limit GET>\nProxyPass http://a\n</Limit>\n</Location>",
            "ProxyPass cannot occur within <Limit> or <LimitExcept> section",
        ),
        (
            "<Directory /x>\nProxyPass / http://a\n</Directory>",
            "ProxyPass cannot occur within <Directory> section",
        ),
        ("<VirtualHost *:80>\nListen 80\n</VirtualHost>", "Listen cannot occur within <VirtualHost> section"),
        (
            "<VirtualHost *:80>\nAllowOverride None\n</VirtualHost>",
            "AllowOverride not allowed in <VirtualHost> context",
        ),
        ("AllowOverride None", "AllowOverride not allowed here"),
        (
            "<Directory /x>\nSSLProxyEngine on\n</Directory>",
            "SSLProxyEngine not allowed in <Directory> context",
        ),
        ("<Directory \"/x\" y>\n</Directory>", "Multiple <Directory> arguments not (yet) supported."),
        ("<Directory>\n</Directory>", "<Directory> directive requires additional arguments"),
        (
            "Bogus",
            "Invalid command 'Bogus', perhaps misspelled or defined by a module not included in the server configuration",
        ),
        (
            "<Bogus x>\nY\n</Bogus>",
            "Invalid command '<Bogus', perhaps misspelled or defined by a module not included in the server configuration",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(errors(text, None), [expected], "{text}");
    }
}

#[test]
fn what_is_right_is_not_complained_about() {
    let table = [
        "RewriteEngine on junk",
        "<Proxy \"http://x/\">\nSSLProxyEngine on\n</Proxy>",
        "<VirtualHost *:80>\n<Directory /x>\n<Files x>\n<If \"true\">\nRequire all granted\n</If>\n</Files>\n</Directory>\n</VirtualHost>",
        "<Location \"\">\n</Location>\n<Directory ~ \"x\">\nAllowOverride None\n</Directory>",
        "<VirtualHost *:80>\n<Location /x>\nProxyPass http://a\n</Location>\n</VirtualHost>",
    ];
    for text in table {
        assert_eq!(errors(text, None), [""; 0], "{text}");
    }
}

#[test]
fn a_htaccess_holds_what_is_allowed() {
    let rewrite =
        Allowed { overrides: [catalogue::Override::FileInfo].into_iter().collect(), ..Allowed::default() };
    let text =
        "RewriteEngine on\nRequire all granted\n<Files x>\nDirectoryIndex a\n</Files>\nListen 80\nInclude x";
    assert_eq!(
        errors(text, Some(&rewrite)),
        [
            "Require not allowed here",
            "DirectoryIndex not allowed in <Files> context",
            "Listen not allowed here",
            "Include not allowed here"
        ]
    );
    let list = Allowed { list: vec!["Require".into()], ..Allowed::default() };
    assert_eq!(
        errors("Require all granted\nRewriteEngine on", Some(&list)),
        ["RewriteEngine not allowed here"]
    );
}

#[test]
fn misspelt_names_get_a_suggestion() {
    let mut sources = SourceMap::new();
    let file = sources.add(
        "x".into(),
        b"ProxyPas / http://a\nVirtualHost *:80\nSetHandlr x\nWSGIScriptAlias / x\nphp_value a b".to_vec(),
    );
    let (items, _) = parse::parse(&sources, file);
    let modules = Modules::new(false);
    let found = check(&items, Options { offline: false, modules: &modules, allowed: None });
    let helps: Vec<_> = found.iter().filter_map(|found| found.helps.first()).map(String::as_str).collect();
    assert_eq!(
        &helps[..3],
        ["did you mean `ProxyPass`?", "did you mean `<VirtualHost>`?", "did you mean `SetHandler`?"]
    );
    assert_eq!(found[3].code, "third-party-directive");
    assert_eq!(found[4].code, "inert-directive");
}

#[test]
fn modules_of_others_are_told() {
    let mut sources = SourceMap::new();
    let text = "LoadModule php_module x.so\nLoadModule mpm_prefork_module x.so\nLoadModule ssl_module x.so\n\
                LoadModule odd_module x.so\n\u{feff}ServerName x";
    let file = sources.add("x".into(), text.into());
    let (items, _) = parse::parse(&sources, file);
    let modules = Modules::new(false);
    let found = check(&items, Options { offline: false, modules: &modules, allowed: None });
    let codes: Vec<_> =
        found.iter().map(|found| found.code).filter(|code| *code != "inert-directive").collect();
    assert_eq!(codes, ["third-party-module", "third-party-module", "unknown-directive"]);
    assert!(found.iter().any(|found| found.helps.iter().any(|help| help.contains("byte order mark"))));
}
