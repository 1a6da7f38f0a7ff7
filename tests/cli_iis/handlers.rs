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
    spoken: Object.keys(request.headers).filter((name) => name.startsWith('ms-')),
    root: process.env.ASPNETCORE_APPL_PATH ?? null, asked: request.headers['x-original-url'] ?? null,
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
    // A client cannot bring a token of its own, nor anything else that only the forwarder says: that it has a certificate,
    // or that the program is to end.
    let mut connection = http::Connection::open(port).expect("it listens");
    connection
        .send(
            "GET / HTTP/1.1\r\nHost: a\r\nMS-ASPNETCORE-TOKEN: mine\r\nX-Forwarded-Proto: https\r\n\
             ms-aspnetcore-event: shutdown\r\nMS-ASPNETCORE-CLIENTCERT: MIIB\r\nMS-ASPNETCORE-WINAUTHTOKEN: 1f\r\n\r\n",
        )
        .expect("it can be sent");
    let text = connection.response().expect("it answers").text();
    assert!(text.contains("\"token\":true"), "{text}");
    assert!(text.contains("\"spoken\":[\"ms-aspnetcore-token\"]"), "{text}");
    // What a proxy in front said of the scheme stays in front.
    assert!(text.contains("\"scheme\":\"https, http\""), "{text}");
    // Nor can it have the forwarder's own words taken away by naming them in Connection.
    says(
        port,
        "/",
        "X-Forwarded-For: 1.2.3.4\r\nConnection: X-Forwarded-For, X-Forwarded-Proto, MS-ASPNETCORE-TOKEN, Host\r\n",
        &["\"token\":true", "\"client\":\"127.0.0.1:", "\"scheme\":\"http\"", "\"host\":\"h\""],
    );
}

#[test]
fn an_iisnode_script_gets_its_port_and_files_stay_files() {
    let scratch = Scratch::new("iisnode");
    scratch.write("site/server.js", NODE);
    scratch.write("site/page.txt", "page\n");
    let rules = "<rewrite><rules><rule name=\"files\" stopProcessing=\"true\"><match url=\"^(page|server.js\\/debug)\" /></rule><rule name=\"all\">\
                 <match url=\".*\" /><action type=\"Rewrite\" url=\"server.js\" /></rule></rules></rewrite><iisnode \
                 watchedFiles=\"web.config;*.js\" />";
    let handler = "<add name=\"iisnode\" path=\"server.js\" verb=\"*\" modules=\"iisnode\" />";
    scratch.write("site/web.config", site(handler, rules));
    let port = ports::free();
    let _server = serve(&scratch, port, &["--start-handlers"]);
    let text = http::get(port, "/api/x?y").text();
    assert!(text.contains("\"url\":\"/api/x?y\""), "{text}");
    assert_eq!(http::get(port, "/page.txt").text(), "page\n");
    // As the template for Node.js of Azure has it: no rule is for it, and what follows the script is not its name.
    let text = http::get(port, "/server.js/debug/?x").text();
    assert!(text.contains("\"url\":\"/server.js/debug/?x\""), "{text}");
    assert_eq!(http::get(port, "/page.txt/server.js/debug").status, 404);
}

/// A program that shows the fields it gets.
const HEADERS: &str = "require('http').createServer((request, response) => response.end(Object.entries(request.headers)\
                       .map(([name, value]) => `${name}: ${value}\\n`).join(''))).listen(+process.argv[2], '127.0.0.1');";

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
    // A process for each script is not started.
    let handler = "<add name=\"scripts\" path=\"*.js\" verb=\"*\" modules=\"iisnode\" />";
    scratch.write("site/web.config", site(handler, ""));
    let said = ran(triglot(&["run", "--start-handlers", "--listen", "1"]).arg(scratch.path().join("site")));
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("does not say which script to start"), "{}", said.stderr);
}

/// A rule that takes something out of the path, and another that adds to the query.
const STRIP: &str = "<rewrite><rules><rule name=\"strip\"><match url=\"^app/(.*)\" /><action type=\"Rewrite\" \
                     url=\"{R:1}?new=1\" /></rule></rules></rewrite>";

#[track_caller]
fn says(port: u16, target: &str, head: &str, parts: &[&str]) {
    let mut connection = http::Connection::open(port).expect("it listens");
    connection.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\n{head}\r\n")).expect("it can be sent");
    let text = connection.response().expect("it answers").text();
    for part in parts {
        assert!(text.contains(part), "{target}: {part}: {text}");
    }
}

/// A program in Node where the command line says it is.
fn node(scratch: &Scratch, port: u16) -> Process {
    scratch.write("app.js", NODE);
    let mut command = Command::new("node");
    command.arg("app.js").arg(port.to_string()).current_dir(scratch.path());
    Process::start("node", &mut command, scratch.path()).listening(port)
}

/// Facts: the doc of `dialect/iis/lower/handlers.rs`, with its sources.
#[test]
fn which_url_a_program_gets_where_rules_rewrote_it() {
    let scratch = Scratch::new("rewritten");
    let program = ports::free();
    let _node = node(&scratch, program);
    let url = format!("http://127.0.0.1:{program}");
    let served = |module: &str, section: &str| {
        let handler = format!(
            "<add name=\"all\" path=\"*\" verb=\"*\" modules=\"{module}\" resourceType=\"Unspecified\" />"
        );
        scratch.write("site/web.config", site(&handler, &format!("{STRIP}{section}")));
        let port = ports::free();
        (serve(&scratch, port, &["--handler", &format!("{module}={url}")]), port)
    };
    let rewritten = ["\"url\":\"/x%20y/z?new=1&q=1\"", "\"asked\":\"/app/x%20y%2fz?q=1\""];
    for section in [
        "<aspNetCore processPath=\"dotnet\" hostingModel=\"OutOfProcess\" />",
        "<aspNetCore processPath=\"dotnet\" />",
    ] {
        let (_server, port) = served("AspNetCoreModuleV2", section);
        says(port, "/app/x%20y%2fz?q=1", "", &rewritten);
        // Decoded and encoded again, rewritten or not.
        says(port, "/x%20y%2fz?q=%20", "", &["\"url\":\"/x%20y/z?q=%20\"", "\"asked\":null"]);
        says(port, "/", "X-Original-URL: /mine\r\n", &["\"url\":\"/\"", "\"asked\":\"/mine\""]);
        says(port, "/app/", "X-Original-URL: /mine\r\n", &["\"url\":\"/?new=1\"", "\"asked\":\"/app/\""]);
    }
    let (_server, port) = served("httpPlatformHandler", "<httpPlatform processPath=\"node\" />");
    says(port, "/app/x%20y%2fz?q=1", "", &rewritten);
    let (_server, port) =
        served("AspNetCoreModuleV2", "<aspNetCore processPath=\"dotnet\" hostingModel=\"InProcess\" />");
    says(port, "/app/x%20y%2fz?q=1", "", &rewritten);
    says(port, "/x%20y%2fz?q=%20", "", &["\"url\":\"/x%20y%2fz?q=%20\"", "\"asked\":null"]);
    // Which methods there are is the program's to say.
    for method in ["PUT", "DELETE", "PATCH", "PROPFIND", "OPTIONS", "TRACE"] {
        let mut connection = http::Connection::open(port).expect("it listens");
        let request = format!("{method} /rest HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
        connection.send(request).expect("it can be sent");
        let answer = connection.response().expect("it answers");
        assert_eq!((answer.status, answer.text().contains("\"url\":\"/rest\"")), (200, true), "{method}");
    }
    let (_server, port) = served("iisnode", "");
    says(port, "/app/x%20y%2fz?q=1", "", &["\"url\":\"/app/x%20y%2fz?q=1\"", rewritten[1]]);
}

#[test]
fn a_script_of_fastcgi_learns_what_was_asked_for() {
    let scratch = Scratch::new("fastcgi-rewritten");
    let script = "<?php echo json_encode([$_SERVER['SCRIPT_NAME'], $_SERVER['QUERY_STRING'], $_SERVER['REQUEST_URI'], \
                  $_SERVER['UNENCODED_URL'], $_SERVER['HTTP_X_ORIGINAL_URL'] ?? null, \
                  $_SERVER['IIS_WasUrlRewritten'] ?? null], JSON_UNESCAPED_SLASHES), \"\\n\";";
    scratch.write("site/index.php", script);
    let handler = "<add name=\"PHP\" path=\"*.php\" verb=\"*\" modules=\"FastCgiModule\" scriptProcessor=\"C:\\PHP\\php-cgi.exe\" \
                   resourceType=\"Either\" />";
    let rules = "<rewrite><rules><rule name=\"all\"><match url=\".+\" /><conditions><add input=\"{REQUEST_FILENAME}\" \
                 matchType=\"IsFile\" negate=\"true\" /></conditions><action type=\"Rewrite\" url=\"index.php?p={R:0}\" /></rule>\
                 </rules></rewrite><defaultDocument><files><add value=\"index.php\" /></files></defaultDocument>";
    scratch.write("site/web.config", site(handler, rules));
    let (port, server) = (ports::free(), ports::free());
    let _php = php(scratch.path(), server);
    let _server = serve(&scratch, port, &["--handler", &format!("FastCgiModule=fcgi://127.0.0.1:{server}")]);
    let text = |target: &str| http::get(port, target).text();
    assert_eq!(
        text("/a%20b/?x=1"),
        "[\"/index.php\",\"p=a b/&x=1\",\"/a%20b/?x=1\",\"/a%20b/?x=1\",\"/a%20b/?x=1\",\"1\"]\n"
    );
    assert_eq!(text("/?x=1"), "[\"/index.php\",\"x=1\",\"/?x=1\",\"/?x=1\",null,null]\n");
    assert_eq!(text("/index.php"), "[\"/index.php\",\"\",\"/index.php\",\"/index.php\",null,null]\n");
}

/// `/index.php/rest`, as `WordPress` makes it without rules. What the original says in `PATH_INFO`, PHP mends.
#[test]
fn the_file_for_an_error_is_not_asked_of_the_program() {
    let scratch = Scratch::new("errors");
    scratch.write("site/page.html", "sorry\n");
    scratch.write("app.js", HEADERS);
    let errors = "<httpErrors errorMode=\"Custom\"><remove statusCode=\"404\" subStatusCode=\"-1\" /><remove statusCode=\"502\" subStatusCode=\"-1\" />\
                  <error statusCode=\"404\" path=\"page.html\" responseMode=\"File\" /><error statusCode=\"502\" path=\"/asked\" responseMode=\"ExecuteURL\" />\
                  </httpErrors>";
    let handlers = "<add name=\"gone\" path=\"*.gone\" verb=\"*\" modules=\"httpPlatformHandler\" resourceType=\"Unspecified\" />\
                    <add name=\"all\" path=\"*\" verb=\"*\" modules=\"AspNetCoreModuleV2\" resourceType=\"Unspecified\" />";
    scratch.write("site/web.config", site(handlers, errors));
    let (port, nobody, program) = (ports::free(), ports::free(), ports::free());
    let mut command = Command::new("node");
    command.arg("app.js").arg(program.to_string()).current_dir(scratch.path());
    let _node = Process::start("node", &mut command, scratch.path()).listening(program);
    let nobody = format!("httpPlatformHandler=http://127.0.0.1:{nobody}");
    let program = format!("AspNetCoreModuleV2=http://127.0.0.1:{program}");
    let _server = serve(&scratch, port, &["--handler", &nobody, "--handler", &program]);
    // A file is sent as it is; a URL that is executed is the program's.
    let refused = http::get(port, "/bin/x");
    assert_eq!((refused.status, refused.text().as_str()), (404, "sorry\n"));
    let failed = http::get(port, "/x.gone");
    assert!(failed.status == 502 && failed.text().contains("host: localhost"), "{}", failed.text());
    // By itself it is the program's as well.
    assert!(http::get(port, "/page.html").text().contains("host: localhost"));
}

#[test]
fn a_websocket_goes_to_the_program() {
    let scratch = Scratch::new("socket");
    let answer =
        "HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n\\r\\n";
    let program = format!(
        "require('http').createServer((_, response) => response.end('plain')).on('upgrade', (request, socket) => \
         {{ socket.write('{answer}' + request.headers['sec-websocket-protocol']); socket.pipe(socket); }})\
         .listen(+process.argv[2], '127.0.0.1');"
    );
    scratch.write("app.js", program);
    let handler = "<add name=\"all\" path=\"*\" verb=\"*\" modules=\"AspNetCoreModuleV2\" resourceType=\"Unspecified\" />";
    scratch.write("site/web.config", site(handler, ""));
    let (port, program) = (ports::free(), ports::free());
    let mut command = Command::new("node");
    command.arg("app.js").arg(program.to_string()).current_dir(scratch.path());
    let _node = Process::start("node", &mut command, scratch.path()).listening(program);
    let _server = serve(&scratch, port, &["--handler", &format!("all=http://127.0.0.1:{program}")]);
    assert_eq!(http::get(port, "/hub").text(), "plain");
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let asked = b"GET /hub?id=1 HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                  Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: signal\r\n\r\n";
    std::io::Write::write_all(&mut stream, asked).expect("it can be sent");
    let mut said = Vec::new();
    let mut until = |stream: &mut std::net::TcpStream, end: &[u8]| {
        let mut bytes = [0; 1024];
        while !said.ends_with(end) {
            let length = std::io::Read::read(stream, &mut bytes).expect("it answers");
            assert!(length > 0, "{}", String::from_utf8_lossy(&said));
            said.extend_from_slice(&bytes[..length]);
        }
    };
    until(&mut stream, b"\r\n\r\nsignal");
    std::io::Write::write_all(&mut stream, b"\x81\x04echo").expect("it can be sent");
    until(&mut stream, b"\x81\x04echo");
    assert!(said.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn what_rules_set_reaches_the_program() {
    let scratch = Scratch::new("set");
    let script = "<?php foreach (['HTTP_X_SET', 'HTTP_X_GONE', 'HTTPS', 'SERVER_PORT_SECURE', 'REMOTE_ADDR', 'INSTANCE_ID', 'APPL_MD_PATH'] as $name) \
                  echo $name, '=', var_export($_SERVER[$name] ?? null, true), \"\\n\"; echo isset($_SERVER['IIS_UrlRewriteModule']) ? 'rewrites' : 'none';";
    scratch.write("site/index.php", script);
    scratch.write("app.js", HEADERS);
    let rules = "<rewrite><allowedServerVariables><add name=\"HTTP_X_SET\" /><add name=\"HTTP_X_GONE\" /><add name=\"HTTPS\" />\
                 <add name=\"REMOTE_ADDR\" /><add name=\"HTTP_X_FORWARDED_FOR\" /><add name=\"HTTP_MS_ASPNETCORE_TOKEN\" /></allowedServerVariables>\
                 <rules><rule name=\"set\"><match url=\"^(set|index)\" /><conditions><add input=\"{QUERY_STRING}\" pattern=\"x\" /></conditions><serverVariables>\
                 <set name=\"HTTP_X_SET\" value=\"by {HTTP_HOST}\" /><set name=\"HTTP_X_GONE\" value=\"\" /><set name=\"HTTPS\" value=\"on\" />\
                 <set name=\"REMOTE_ADDR\" value=\"192.0.2.1\" /><set name=\"HTTP_X_FORWARDED_FOR\" value=\"192.0.2.7\" />\
                 <set name=\"HTTP_MS_ASPNETCORE_TOKEN\" value=\"forged\" /></serverVariables></rule></rules></rewrite>";
    let handlers = "<add name=\"PHP\" path=\"*.php\" verb=\"*\" modules=\"FastCgiModule\" resourceType=\"Either\" />\
                    <add name=\"all\" path=\"*\" verb=\"*\" modules=\"AspNetCoreModuleV2\" resourceType=\"Unspecified\" />";
    scratch.write("site/web.config", site(handlers, rules));
    let (port, gateway, program) = (ports::free(), ports::free(), ports::free());
    let mut command = Command::new("node");
    command.arg("app.js").arg(program.to_string()).current_dir(scratch.path());
    let _node = Process::start("node", &mut command, scratch.path()).listening(program);
    let _php = php(scratch.path(), gateway);
    let gateway = format!("FastCgiModule=fcgi://127.0.0.1:{gateway}");
    let program = format!("AspNetCoreModuleV2=http://127.0.0.1:{program}");
    let _server = serve(&scratch, port, &["--handler", &gateway, "--handler", &program]);
    let asked = |target: &str| {
        let mut connection = http::Connection::open(port).expect("it listens");
        let fields = "Host: h\r\nX-Set: mine\r\nX-Gone: mine\r\nX-Forwarded-For: 192.0.2.9\r\n";
        connection.send(format!("GET {target} HTTP/1.1\r\n{fields}\r\n")).expect("it can be sent");
        connection.response().expect("it answers").text()
    };
    assert_eq!(
        asked("/index.php?x"),
        "HTTP_X_SET='by h'\nHTTP_X_GONE=NULL\nHTTPS='on'\nSERVER_PORT_SECURE='0'\nREMOTE_ADDR='192.0.2.1'\nINSTANCE_ID='1'\n\
         APPL_MD_PATH='/LM/W3SVC/1/ROOT'\nrewrites"
    );
    assert_eq!(
        asked("/index.php"),
        "HTTP_X_SET='mine'\nHTTP_X_GONE='mine'\nHTTPS='off'\nSERVER_PORT_SECURE='0'\nREMOTE_ADDR='127.0.0.1'\nINSTANCE_ID='1'\n\
         APPL_MD_PATH='/LM/W3SVC/1/ROOT'\nrewrites"
    );
    let text = asked("/set?x");
    assert!(text.contains("x-set: by h\n") && !text.contains("x-gone") && !text.contains("forged"), "{text}");
    assert!(text.contains("x-forwarded-for: 192.0.2.7, 127.0.0.1:"), "{text}");
    let text = asked("/set");
    assert!(text.contains("x-set: mine\n") && text.contains("x-gone: mine\n"), "{text}");
    assert!(text.contains("x-forwarded-for: 192.0.2.9, 127.0.0.1:"), "{text}");
}

#[test]
fn what_follows_a_script_is_not_its_name() {
    let scratch = Scratch::new("fastcgi-rest");
    let script = "<?php echo json_encode([$_SERVER['SCRIPT_NAME'], $_SERVER['PATH_INFO'] ?? null, \
                  basename($_SERVER['SCRIPT_FILENAME']), $_SERVER['QUERY_STRING']], JSON_UNESCAPED_SLASHES), \"\\n\";";
    scratch.write("site/index.php", script);
    scratch.write("site/in/Other.PHP", script);
    scratch.write("site/in/deep.php", script);
    scratch.write("site/folder.php/a.txt", "a\n");
    let handler = "<add name=\"PHP\" path=\"*.php\" verb=\"*\" modules=\"FastCgiModule\" scriptProcessor=\"C:\\PHP\\php-cgi.exe\" \
                   resourceType=\"Either\" />";
    scratch.write("site/web.config", site(handler, ""));
    let (port, server) = (ports::free(), ports::free());
    let _php = php(scratch.path(), server);
    let _server = serve(&scratch, port, &["--handler", &format!("FastCgiModule=fcgi://127.0.0.1:{server}")]);
    let text = |target: &str| http::get(port, target).text();
    assert_eq!(
        text("/index.php/2026/a-post/?x=1"),
        "[\"/index.php\",\"/2026/a-post/\",\"index.php\",\"x=1\"]\n"
    );
    assert_eq!(text("/index.php/"), "[\"/index.php\",\"/\",\"index.php\",\"\"]\n");
    assert_eq!(text("/index.php/b.php"), "[\"/index.php\",\"/b.php\",\"index.php\",\"\"]\n");
    assert_eq!(text("/index.php"), "[\"/index.php\",null,\"index.php\",\"\"]\n");
    assert_eq!(text("/folder.php/a.txt"), "a\n");
    // Case does not count for the original, but for the program it does.
    assert_eq!(text("/INDEX.PHP?x"), "[\"/INDEX.PHP\",null,\"index.php\",\"x\"]\n");
    assert_eq!(text("/IN/DEEP.php/b"), "[\"/IN/DEEP.php\",\"/b\",\"deep.php\",\"\"]\n");
    assert_eq!(http::get(port, "/none.php/rest").status, 404);
    assert_eq!(http::get(port, "/folder.php/none").status, 404);
}

#[test]
fn the_first_handler_that_is_for_a_request_has_it() {
    let scratch = Scratch::new("several");
    scratch.write("app.js", NODE);
    let start = |port: u16| {
        let mut command = Command::new("node");
        command.arg("app.js").arg(port.to_string()).current_dir(scratch.path());
        Process::start("node", &mut command, scratch.path()).listening(port)
    };
    let (first, second) = (ports::free(), ports::free());
    let (_first, _second) = (start(first), start(second));
    let pid = |port: u16, target: &str| number(&http::get(port, target).text(), "pid");
    let (first_pid, second_pid) = (pid(first, "/"), pid(second, "/"));
    scratch.write("site/page.txt", "page\n");
    scratch.write("site/page.js", "script\n");
    scratch.write("site/folder/page.txt", "inner\n");
    let handlers = "<add name=\"scripts\" path=\"*.js\" verb=\"GET,OPTIONS\" modules=\"iisnode\" resourceType=\"Unspecified\" />\
                    <add name=\"files\" path=\"*\" verb=\"GET,HEAD\" modules=\"StaticFileModule,DefaultDocumentModule\" resourceType=\"File\" \
                    requireAccess=\"Read\" /><add name=\"all\" path=\"*\" verb=\"*\" modules=\"httpPlatformHandler\" resourceType=\"Unspecified\" />";
    scratch.write("site/web.config", site(handlers, ""));
    let port = ports::free();
    let (one, two) = (
        format!("iisnode=http://127.0.0.1:{first}"),
        format!("httpPlatformHandler=http://127.0.0.1:{second}"),
    );
    let _server = serve(&scratch, port, &["--handler", &one, "--handler", &two]);
    assert_eq!(pid(port, "/page.js"), first_pid);
    assert_eq!(pid(port, "/none.js?x"), first_pid);
    assert_eq!(http::get(port, "/page.txt").text(), "page\n");
    assert_eq!(http::get(port, "/folder/page.txt").text(), "inner\n");
    assert_eq!(pid(port, "/none.txt"), second_pid);
    assert_eq!(pid(port, "/folder/"), second_pid);
    for (method, target, expected) in [
        ("OPTIONS", "/page.js", first_pid),
        ("POST", "/page.js", second_pid),
        ("POST", "/page.txt", second_pid),
        ("OPTIONS", "/page.txt", second_pid),
    ] {
        let mut connection = http::Connection::open(port).expect("it listens");
        let request = format!("{method} {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
        connection.send(request).expect("it can be sent");
        let answer = connection.response().expect("it answers").text();
        assert_eq!(number(&answer, "pid"), expected, "{method} {target}");
    }
}

#[test]
fn no_program_outlives_the_server() {
    let scratch = Scratch::new("killed");
    scratch.write("site/app.js", NODE);
    let section = "<aspNetCore processPath=\"node\" arguments=\".\\app.js\" />";
    let handler = "<add name=\"aspNetCore\" path=\"*\" verb=\"*\" modules=\"AspNetCoreModuleV2\" />";
    scratch.write("site/web.config", site(handler, section));
    for signal in ["KILL", "QUIT", "TERM", "INT"] {
        let port = ports::free();
        let mut server = serve(&scratch, port, &["--start-handlers"]);
        let program = number(&http::get(port, "/").text(), "pid");
        server.signal(signal);
        server.wait(wait::SOON);
        wait::until("the program's end", wait::SOON, || (!alive(program)).then_some(()));
    }
}

#[test]
fn a_program_that_always_ends_is_not_started_for_ever() {
    let scratch = Scratch::new("crashing");
    scratch.write("site/app.js", "require('node:fs').appendFileSync('starts', 'x'); process.exit(1);");
    let section = "<httpPlatform processPath=\"node\" arguments=\".\\app.js %HTTP_PLATFORM_PORT%\" startupTimeLimit=\"1\" />\
                   <staticContent />";
    let handler = "<add name=\"all\" path=\"*\" verb=\"*\" modules=\"httpPlatformHandler\" />";
    scratch.write("site/web.config", site(handler, section));
    let port = ports::free();
    let server = serve(&scratch, port, &["--start-handlers"]);
    assert_eq!(http::get(port, "/").status, 502);
    let patience = std::time::Duration::from_mins(1);
    wait::until("it gives up", patience, || server.output().contains("not started again").then_some(()));
    let starts = std::fs::read(scratch.path().join("site/starts")).expect("it was started").len();
    assert!((2..=11).contains(&starts), "{starts}");
    assert_eq!(http::get(port, "/").status, 502);
}
