//! `-t` and `-T`: verdicts, the dump, and from where paths are counted.

use std::process::Command;

use crate::small;
use crate::support::ports;
use crate::support::subject::{Prefix, command, is_triglot, ran};

/// What `-t` says about a good file.
fn verdict(path: &str) -> String {
    format!(
        "nginx: the configuration file {path} syntax is ok\nnginx: configuration file {path} test is successful\n"
    )
}

#[test]
fn a_good_file_is_called_so() {
    let prefix = Prefix::new("good", &small(ports::free()));
    let said = prefix.run(&["-t", "-c", "nginx.conf"]);
    let text = verdict(&prefix.at("nginx.conf"));
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (Some(0), "", text.as_str()));
    // Nothing was started: a second look finds the same.
    assert_eq!(prefix.run(&["-t", "-c", "nginx.conf"]).stderr, text);
}

#[test]
fn options_come_in_any_order_and_together() {
    let prefix = Prefix::new("order", &small(ports::free()));
    let (path, log) = (prefix.path().display().to_string(), "logs/other.log");
    let text = verdict(&prefix.at("nginx.conf"));
    let orders: [&[&str]; 7] = [
        &["-t", "-p", &path, "-c", "nginx.conf", "-e", log],
        &["-c", "nginx.conf", "-e", log, "-p", &path, "-t"],
        &["-e", log, "-t", "-c", "nginx.conf", "-p", &path],
        &["-g", "worker_processes 1;", "-p", &path, "-t", "-c", "nginx.conf", "-e", log],
        &["-tc", "nginx.conf", "-p", &path, "-e", log],
        &["-p", &path, "-cnginx.conf", "-t", "-elogs/other.log"],
        &["-t", "-p", &format!("{path}/"), "-c", &prefix.at("nginx.conf"), "-e", log],
    ];
    for order in orders {
        let said = ran(command().args(order));
        assert_eq!(
            (said.code, said.stdout.as_str(), said.stderr.as_str()),
            (Some(0), "", text.as_str()),
            "{order:?}"
        );
    }
    assert!(prefix.path().join(log).exists(), "-e names the log until the configuration does");
}

#[test]
fn quiet_says_nothing_of_success() {
    let prefix = Prefix::new("quiet", &small(ports::free()));
    for arguments in
        [&["-t", "-q", "-c", "nginx.conf"][..], &["-q", "-t", "-c", "nginx.conf"], &["-tqc", "nginx.conf"]]
    {
        let said = prefix.run(arguments);
        assert_eq!(
            (said.code, said.stdout.as_str(), said.stderr.as_str()),
            (Some(0), "", ""),
            "{arguments:?}"
        );
    }
    prefix.write("nginx.conf", "events { }\nno_such_directive on;\n");
    let said = prefix.run(&["-t", "-q", "-c", "nginx.conf"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""));
    assert!(said.stderr.contains("no_such_directive"), "a fault is shown all the same: {said:?}");
}

#[test]
fn a_bad_file_is_called_so() {
    let prefix = Prefix::new("bad", "events { }\nno_such_directive on;\n");
    for option in ["-t", "-T"] {
        let said = prefix.run(&[option, "-c", "nginx.conf"]);
        assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""), "{option}");
        let path = prefix.at("nginx.conf");
        assert!(said.stderr.starts_with("nginx: [emerg] "), "{said:?}");
        assert!(
            said.stderr.contains("no_such_directive") && said.stderr.contains("nginx.conf:2"),
            "{said:?}"
        );
        assert!(
            said.stderr.ends_with(&format!("nginx: configuration file {path} test failed\n")),
            "{said:?}"
        );
    }
    // Without -t the same fault is shown and there is no verdict.
    let said = prefix.run(&["-c", "nginx.conf"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""));
    assert!(said.stderr.contains("no_such_directive") && !said.stderr.contains("test failed"), "{said:?}");
    assert!(prefix.read("logs/error.log").contains("[emerg]"), "{}", prefix.read("logs/error.log"));
}

#[test]
fn a_missing_file_is_named() {
    let prefix = Prefix::new("missing", "");
    let said = prefix.run(&["-t", "-c", "elsewhere.conf"]);
    let path = prefix.at("elsewhere.conf");
    assert_eq!(said.code, Some(1));
    assert!(
        said.stderr.contains(&format!("open() \"{path}\" failed (2: No such file or directory)")),
        "{said:?}"
    );
    assert!(said.stderr.ends_with(&format!("nginx: configuration file {path} test failed\n")), "{said:?}");
}

#[test]
fn the_dump_shows_each_file_once() {
    let port = ports::free();
    let prefix = Prefix::new("dump", "");
    let main = format!(
        "# main\nevents {{ }}\npid logs/nginx.pid;\nhttp {{\n    include parts/*.conf;\n    include parts/a.conf;\n    \
         server {{ listen 127.0.0.1:{port}; include 'server.part'; }}\n}}\n"
    );
    prefix.write("nginx.conf", &main);
    prefix.write("parts/b.conf", "# b, without an end of line");
    prefix.write("server.part", "");
    prefix.write("parts/a.conf", "# a\n\t# off;\r\n");
    let said = prefix.run(&["-T", "-c", "nginx.conf"]);
    let part = |name: &str, text: &str| format!("# configuration file {}:\n{text}\n", prefix.at(name));
    let expected = [
        part("nginx.conf", &main),
        part("parts/a.conf", "# a\n\t# off;\r\n"),
        part("parts/b.conf", "# b, without an end of line"),
        part("server.part", ""),
    ];
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stdout, expected.concat());
    assert_eq!(said.stderr, verdict(&prefix.at("nginx.conf")));
    let said = prefix.run(&["-T", "-q", "-c", "nginx.conf"]);
    assert_eq!((said.stdout, said.stderr), (expected.concat(), String::new()));
}

#[test]
fn files_are_checked_and_dumped_while_another_instance_serves() {
    let port = ports::free();
    let server = Prefix::new("held", &small(port).replace("pid logs/nginx.pid;", "")).serve();
    let prefix = Prefix::new("holder", &small(port));
    for option in ["-t", "-T"] {
        let said = prefix.run(&[option, "-c", "nginx.conf"]);
        assert_eq!((said.code, said.stderr), (Some(0), verdict(&prefix.at("nginx.conf"))), "{option}");
    }
    assert_eq!(crate::support::http::get(port, "/").text(), "small\n");
    drop(server);
}

#[test]
fn paths_count_from_the_prefix_or_from_the_file() {
    let port = ports::free();
    let prefix = Prefix::new("paths", "");
    // Includes and certificates from the file's folder; logs and the pid file from the prefix.
    let text = format!(
        "pid logs/there.pid;\nevents {{ }}\nhttp {{\n    access_log logs/there.log;\n    include part.conf;\n    \
         server {{ listen 127.0.0.1:{port} ssl; ssl_certificate pair/cert.pem; ssl_certificate_key pair/key.pem; }}\n}}\n"
    );
    prefix.write("conf/sub/nginx.conf", text);
    prefix.write("conf/sub/part.conf", "default_type text/plain;\n");
    prefix.write("conf/sub/pair/.keep", "");
    let made = Command::new("openssl")
        .current_dir(prefix.path().join("conf/sub/pair"))
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .output();
    assert!(
        made.is_ok_and(|output| output.status.success()),
        "openssl made no certificate; run tests/setup.sh"
    );
    let said = prefix.run(&["-t", "-c", "conf/sub/nginx.conf"]);
    assert_eq!((said.code, said.stderr), (Some(0), verdict(&prefix.at("conf/sub/nginx.conf"))));
    assert!(prefix.path().join("logs/there.log").exists(), "-t opens the logs");

    // A relative prefix counts from where the command is given.
    let mut relative = command();
    relative.current_dir(prefix.path().parent().expect("a temporary folder has a parent"));
    let name = prefix.path().file_name().expect("and a name").to_string_lossy().into_owned();
    let said = ran(relative.args(["-t", "-e", "logs/error.log", "-c", "conf/sub/nginx.conf", "-p", &name]));
    assert_eq!((said.code, said.stderr), (Some(0), verdict(&format!("{name}/conf/sub/nginx.conf"))));
}

#[test]
fn directives_of_the_command_line_count() {
    let prefix = Prefix::new("global", &small(ports::free()).replace("pid logs/nginx.pid;", ""));
    let said = prefix.run(&["-t", "-c", "nginx.conf", "-g", &format!("pid {};", prefix.at("logs/g.pid"))]);
    assert_eq!((said.code, said.stderr), (Some(0), verdict(&prefix.at("nginx.conf"))));
    for (directives, words) in [
        ("no_such_directive on;", &["no_such_directive", "in command line"][..]),
        ("pid a", &["unexpected end of parameter, expecting \";\" in command line"]),
        ("http { }", &["block directives are not supported in -g option in command line"]),
    ] {
        let said = prefix.run(&["-t", "-c", "nginx.conf", "-g", directives]);
        assert_eq!(said.code, Some(1), "{directives}");
        assert!(words.iter().all(|word| said.stderr.contains(word)), "{directives}: {said:?}");
    }
    // Given in both places, a directive is a duplicate, and it is the file's that is shown.
    prefix.write("nginx.conf", small(ports::free()));
    let said = prefix.run(&["-t", "-c", "nginx.conf", "-g", "pid logs/g.pid;"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("duplicate") && said.stderr.contains("nginx.conf:1"), "{said:?}");
}

#[test]
fn bundled_parameter_files_stand_in() {
    let prefix = Prefix::new("bundled", "");
    let text = small(ports::free()).replace("http {", "http { include mime.types;");
    prefix.write("nginx.conf", text);
    let said = prefix.run(&["-t", "-c", "nginx.conf"]);
    if is_triglot() {
        assert_eq!(said.code, Some(0), "{said:?}");
    } else {
        assert!(said.stderr.contains("mime.types\" failed (2: No such file or directory)"), "{said:?}");
    }
    prefix.write("mime.types", "types { text/plain txt; }\n");
    assert_eq!(prefix.run(&["-t", "-c", "nginx.conf"]).code, Some(0));
}

#[test]
fn it_works_with_standard_error_closed() {
    let prefix = Prefix::new("closed", &small(ports::free()));
    let run = |arguments: &[&str]| {
        let subject = prefix.command();
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$0\" \"$@\" 2>&-"]).arg(subject.get_program()).args(subject.get_args());
        ran(shell.args(arguments))
    };
    assert_eq!(run(&["-v"]).code, Some(0));
    assert_eq!(run(&["-t", "-c", "nginx.conf"]).code, Some(0));
    let said = run(&["-T", "-c", "nginx.conf"]);
    let expected =
        format!("# configuration file {}:\n{}\n", prefix.at("nginx.conf"), prefix.read("nginx.conf"));
    assert_eq!((said.code, said.stdout), (Some(0), expected));
    prefix.write("nginx.conf", "events { }\nno_such_directive on;\n");
    assert_eq!(run(&["-t", "-c", "nginx.conf"]).code, Some(1));
    assert!(prefix.read("logs/error.log").contains("no_such_directive"), "{}", prefix.read("logs/error.log"));
    assert_eq!(prefix.read("nginx.conf"), "events { }\nno_such_directive on;\n", "no file took descriptor 2");
}
