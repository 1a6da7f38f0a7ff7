//! Programs behind handlers: started with the server, told their port, started again, stopped; or reached where it is said.

use std::path::Path;
use std::process::Command;

use crate::support::process::{Process, alive};
use crate::support::scratch::Scratch;
use crate::support::subject::ran;
use crate::support::{http, ports, wait};
use crate::triglot;

/// A site with one handler and the section that goes with it.
fn site(handler: &str, section: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<configuration><system.webServer><handlers>{handler}</handlers>\n{section}\
         </system.webServer></configuration>\n"
    )
}

/// A program in Node that says what it was told; `/end` ends it.
const NODE: &str = "
const http = require('node:http');
const [port, ...words] = process.argv.slice(2);
http.createServer((request, response) => {
  if (request.url === '/end') process.exit(3);
  const { host, 'x-forwarded-for': client, 'x-forwarded-proto': scheme, 'ms-aspnetcore-token': token } = request.headers;
  response.end(JSON.stringify({
    pid: process.pid, url: request.url, host, client, scheme, words, cwd: process.cwd(),
    token: token !== undefined && token === process.env.ASPNETCORE_TOKEN, set: process.env.SET ?? null,
    root: process.env.ASPNETCORE_APPL_PATH ?? null,
  }) + '\\n');
}).listen(Number(process.env.PORT ?? process.env.ASPNETCORE_PORT ?? port), '127.0.0.1', () => console.log('up'));
";

/// The server on a site's folder.
#[track_caller]
fn serve(scratch: &Scratch, port: u16, more: &[&str]) -> Process {
    let mut command = triglot(&["run", "--listen"]);
    command.arg(format!("127.0.0.1:{port}")).arg(scratch.path().join("site")).args(more);
    Process::start("triglot", &mut command, scratch.path()).listening(port)
}

/// A number in the program's answer.
#[track_caller]
fn number(text: &str, name: &str) -> u32 {
    let from =
        text.find(&format!("\"{name}\":")).unwrap_or_else(|| panic!("{name} in {text}")) + name.len() + 3;
    text[from..]
        .split(|c: char| !c.is_ascii_digit())
        .next()
        .and_then(|digits| digits.parse().ok())
        .expect("a number")
}

#[test]
fn a_platform_program_lives_and_dies_with_the_server() {
    let scratch = Scratch::new("platform");
    scratch.write("site/app.js", NODE);
    let section = "<httpPlatform processPath=\"%ProgramFiles%\\nodejs\\node.exe\" arguments=\".\\app.js %HTTP_PLATFORM_PORT% \
                   &quot;two words&quot;\" stdoutLogEnabled=\"true\" stdoutLogFile=\".\\logs\\node\" startupTimeLimit=\"20\">\
                   <environmentVariables><environmentVariable name=\"SET\" value=\"on %HTTP_PLATFORM_PORT%\" />\
                   </environmentVariables></httpPlatform>";
    let handler = "<add name=\"all\" path=\"*\" verb=\"*\" modules=\"httpPlatformHandler\" resourceType=\"Unspecified\" />";
    scratch.write("site/web.config", site(handler, section));
    // Neither said where, nor to be started: refused, with both ways out.
    let refused = ran(triglot(&["check"]).arg(scratch.path().join("site")));
    assert_eq!(refused.code, Some(1));
    assert!(refused.stdout.contains("--handler httpPlatformHandler=http://HOST:PORT"), "{}", refused.stdout);
    assert!(refused.stdout.contains("run --start-handlers"), "{}", refused.stdout);

    let port = ports::free();
    let mut server = serve(&scratch, port, &["--start-handlers"]);
    // It listens when the program does: no request comes too early.
    let text = http::get(port, "/a%20b?q=1").text();
    for part in [
        "\"url\":\"/a%20b?q=1\"",
        "\"words\":[\"two words\"]",
        "\"scheme\":\"http\"",
        "\"client\":\"127.0.0.1:",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("\"set\":\"on ") && text.contains("\"host\":\"localhost\""), "{text}");
    let first = number(&text, "pid");
    let logs = std::fs::read_dir(scratch.path().join("site/logs")).expect("there is a log");
    let log = logs.flatten().next().expect("there is a log").path();
    assert!(std::fs::read_to_string(&log).is_ok_and(|text| text.contains("up")), "{}", log.display());

    // It ends, and there is another one.
    assert_eq!(http::get(port, "/end").status, 502);
    let second = wait::until("another process", wait::SOON, || {
        let page = http::get(port, "/");
        (page.status == 200).then(|| number(&page.text(), "pid"))
    });
    assert_ne!(first, second);
    assert!(server.output().contains("it is started again"), "{}", server.output());
    // A reload that changes nothing leaves it alone.
    server.signal("HUP");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(number(&http::get(port, "/").text(), "pid"), second);
    server.signal("TERM");
    server.wait(wait::SOON);
    wait::until("the program's end", wait::SOON, || (!alive(second)).then_some(()));
}

#[test]
fn an_aspnetcore_program_is_told_its_port_and_token() {
    let scratch = Scratch::new("aspnetcore");
    scratch.write("site/app.js", NODE);
    let section = "<aspNetCore processPath=\"node\" arguments=\".\\app.js\" hostingModel=\"inprocess\" />";
    let handler = "<add name=\"aspNetCore\" path=\"*\" verb=\"*\" modules=\"AspNetCoreModuleV2\" />";
    scratch.write("site/web.config", site(handler, section));
    let port = ports::free();
    let _server = serve(&scratch, port, &["--start-handlers"]);
    let text = http::get(port, "/").text();
    assert!(text.contains("\"token\":true") && text.contains("\"root\":\"/\""), "{text}");
    // A client cannot bring a token of its own.
    let mut connection = http::Connection::open(port).expect("it listens");
    connection
        .send("GET / HTTP/1.1\r\nHost: a\r\nMS-ASPNETCORE-TOKEN: mine\r\n\r\n")
        .expect("it can be sent");
    let text = connection.response().expect("it answers").text();
    assert!(text.contains("\"token\":true"), "{text}");
}

#[test]
fn an_iisnode_script_gets_its_port_and_files_stay_files() {
    let scratch = Scratch::new("iisnode");
    scratch.write("site/server.js", NODE);
    scratch.write("site/page.txt", "page\n");
    let rules = "<rewrite><rules><rule name=\"files\" stopProcessing=\"true\"><match url=\"^page\" /></rule><rule name=\"all\">\
                 <match url=\".*\" /><action type=\"Rewrite\" url=\"server.js\" /></rule></rules></rewrite><iisnode \
                 watchedFiles=\"web.config;*.js\" />";
    let handler = "<add name=\"iisnode\" path=\"server.js\" verb=\"*\" modules=\"iisnode\" />";
    scratch.write("site/web.config", site(handler, rules));
    let port = ports::free();
    let _server = serve(&scratch, port, &["--start-handlers"]);
    let text = http::get(port, "/api/x?y").text();
    assert!(text.contains("\"url\":\"/api/x?y\""), "{text}");
    assert_eq!(http::get(port, "/page.txt").text(), "page\n");
}

/// PHP's `FastCGI` program, where it waits on an address.
fn php(folder: &Path, port: u16) -> Process {
    let config = format!(
        "[global]\nerror_log = /dev/stderr\n[www]\nlisten = 127.0.0.1:{port}\npm = static\npm.max_children = 1\n\
         user = nobody\ngroup = nogroup\n"
    );
    let path = folder.join("fpm.conf");
    std::fs::write(&path, config).expect("a file can be written");
    let mut command = Command::new("/usr/sbin/php-fpm8.2");
    command.args(["-F", "-R", "-y"]).arg(path);
    Process::start("php", &mut command, folder).listening(port)
}

#[test]
fn fastcgi_is_spoken_where_it_is_said() {
    let scratch = Scratch::new("fastcgi");
    let script = "<?php echo json_encode([$_SERVER['SCRIPT_NAME'], $_SERVER['QUERY_STRING'], $_SERVER['REQUEST_METHOD'], \
                  $_SERVER['HTTP_HOST'], file_get_contents('php://input')]), \"\\n\";";
    scratch.write("site/index.php", script);
    scratch.write("site/a.txt", "a\n");
    let handler = "<add name=\"PHP\" path=\"*.php\" verb=\"GET,POST\" modules=\"FastCgiModule\" scriptProcessor=\"C:\\PHP\\php-cgi.exe\" \
                   resourceType=\"Either\" />";
    let documents = "<defaultDocument><files><add value=\"index.php\" /></files></defaultDocument>";
    scratch.write("site/web.config", site(handler, documents));
    let (port, server) = (ports::free(), ports::free());
    let _php = php(scratch.path(), server);
    let _server = serve(&scratch, port, &["--handler", &format!("FastCgiModule=fcgi://127.0.0.1:{server}")]);
    assert_eq!(
        http::get(port, "/index.php?x=1").text(),
        "[\"\\/index.php\",\"x=1\",\"GET\",\"localhost\",\"\"]\n"
    );
    assert_eq!(http::get(port, "/").text(), "[\"\\/index.php\",\"\",\"GET\",\"localhost\",\"\"]\n");
    assert_eq!(http::get(port, "/a.txt").text(), "a\n");
    let mut connection = http::Connection::open(port).expect("it listens");
    connection
        .send("POST /index.php HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody")
        .expect("it can be sent");
    let text = connection.response().expect("it answers").text();
    assert_eq!(text, "[\"\\/index.php\",\"\",\"POST\",\"h\",\"body\"]\n");
}

#[test]
fn a_program_that_is_not_here_is_named() {
    let scratch = Scratch::new("nowhere");
    let section = "<httpPlatform processPath=\"C:\\no\\such.exe\" />";
    let handler = "<add name=\"all\" path=\"*\" verb=\"*\" modules=\"httpPlatformHandler\" />";
    scratch.write("site/web.config", site(handler, section));
    let said = ran(triglot(&["run", "--start-handlers", "--listen", "1"]).arg(scratch.path().join("site")));
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("is not on this machine"), "{}", said.stderr);
}
