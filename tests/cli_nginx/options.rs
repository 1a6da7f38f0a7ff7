//! The options that explain or fail by themselves: `-v`, `-V`, `-h`, unknown ones, missing parameters.

use std::process::Command;

use crate::bare;
use crate::support::scratch::Scratch;
use crate::support::subject::{is_triglot, ran};

#[test]
fn the_version_goes_to_standard_error() {
    let said = bare(&["-v"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), ""), "{said:?}");
    assert!(said.stderr.starts_with("nginx version: nginx/1."), "{said:?}");
    assert_eq!(said.stderr.lines().count(), 1, "{said:?}");
    if is_triglot() {
        assert_eq!(
            said.stderr,
            format!("nginx version: nginx/1.31.5 (triglot {})\n", env!("CARGO_PKG_VERSION"))
        );
    }
}

#[test]
fn a_link_called_nginx_is_enough() {
    if std::env::var_os("SUBJECT").is_some() {
        return;
    }
    let scratch = Scratch::new("link");
    let link = scratch.path().join("nginx");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_triglot"), &link).expect("a link can be made");
    assert_eq!(ran(Command::new(&link).arg("-v")).stderr, bare(&["-v"]).stderr);
    assert_eq!(ran(Command::new(&link).arg("-z")).stderr, "nginx: invalid option: \"z\"\n");
}

#[test]
fn the_build_is_described() {
    let said = bare(&["-V"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), ""), "{said:?}");
    let lines: Vec<_> = said.stderr.lines().collect();
    // certbot and others look for these lines by their beginnings.
    let beginnings =
        ["nginx version: nginx/1.", "built with ", "TLS SNI support enabled", "configure arguments: --"];
    assert_eq!(lines.len(), beginnings.len(), "{said:?}");
    for (line, beginning) in lines.iter().zip(beginnings) {
        assert!(line.starts_with(beginning), "{line:?} does not begin with {beginning:?}");
    }
    let arguments: Vec<_> = lines[3].split(' ').skip(2).collect();
    assert!(arguments.contains(&"--with-http_ssl_module"), "{arguments:?}");
    assert!(arguments.contains(&"--with-http_stub_status_module"), "{arguments:?}");
    if is_triglot() {
        assert_eq!(lines[0], format!("nginx version: nginx/1.31.5 (triglot {})", env!("CARGO_PKG_VERSION")));
        let library = lines[1].strip_prefix("built with rustls ").expect("the TLS library is named");
        let (rustls, crypto) = library.split_once(" (AWS-LC ").expect("and what it computes with");
        for version in [rustls, crypto.trim_end_matches(')')] {
            assert!(version.starts_with(|each: char| each.is_ascii_digit()), "no version in {:?}", lines[1]);
        }
        assert!(library.ends_with(')'), "{library:?}");
        let known = |argument: &&str| argument.starts_with("--with-") || argument.starts_with("--without-");
        assert!(arguments.iter().all(known), "{arguments:?}");
        let both = arguments.iter().find(|argument| {
            argument
                .strip_prefix("--with-")
                .is_some_and(|name| arguments.contains(&format!("--without-{name}").as_str()))
        });
        assert_eq!(both, None, "honoured and not honoured at once");
    }
}

#[test]
fn the_longer_description_wins() {
    for arguments in [["-v", "-V"], ["-V", "-v"]] {
        assert!(bare(&arguments).stderr.contains("configure arguments:"), "{arguments:?}");
    }
    assert!(bare(&["-vV"]).stderr.contains("configure arguments:"));
}

#[test]
fn help_lists_the_options() {
    for option in ["-h", "-?"] {
        let said = bare(&[option]);
        assert_eq!((said.code, said.stdout.as_str()), (Some(0), ""), "{said:?}");
        assert!(said.stderr.starts_with("nginx version: nginx/1."), "{said:?}");
        assert!(said.stderr.contains("\nUsage: nginx [-?hvVtTq] [-s signal] [-p prefix]\n"), "{said:?}");
        let ours = [
            "?,-h",
            "v",
            "V",
            "t",
            "T",
            "q",
            "s signal",
            "p prefix",
            "e filename",
            "c filename",
            "g directives",
        ];
        for name in ours {
            assert!(said.stderr.contains(&format!("\n  -{name} ")), "no -{name} in {}", said.stderr);
        }
    }
}

#[test]
fn what_is_no_option_is_refused() {
    let cases: [(&[&str], &str); 9] = [
        (&["-z"], "nginx: invalid option: \"z\"\n"),
        (&["-tz"], "nginx: invalid option: \"z\"\n"),
        (&["--test"], "nginx: invalid option: \"-\"\n"),
        (&["start"], "nginx: invalid option: \"start\"\n"),
        (&["-s", "restart"], "nginx: invalid option: \"-s restart\"\n"),
        (&["-s"], "nginx: option \"-s\" requires parameter\n"),
        (&["-c"], "nginx: option \"-c\" requires file name\n"),
        (&["-p"], "nginx: option \"-p\" requires directory name\n"),
        (&["-g"], "nginx: option \"-g\" requires parameter\n"),
    ];
    for (arguments, text) in cases {
        let said = bare(arguments);
        assert_eq!(
            (said.code, said.stdout.as_str(), said.stderr.as_str()),
            (Some(1), "", text),
            "{arguments:?}"
        );
    }
    let said = bare(&["-t", "-e"]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(1), "nginx: option \"-e\" requires file name\n"));
}
