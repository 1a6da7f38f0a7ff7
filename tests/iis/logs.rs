//! The W3C log of a site, and compressed files.

use std::io::Read as _;
use std::sync::Arc;

use super::support::{Folder, Origin, Server, get, port, say};

#[test]
fn a_line_has_the_fields_that_are_asked_for() {
    let (listen, folder) = (port(), Folder::new());
    let origin = Origin::start(
        "127.0.0.1",
        0,
        Arc::new(|_: &str, stream: &mut _| say(stream, "201 Created", "X-Out: o\r\n", "made")),
    );
    folder.write("www/a.txt", "hello");
    let file = folder.write(
        "applicationHost.config",
        format!(
            r#"<configuration><system.applicationHost><sites>
            <site name="A" id="7"><application path="/"><virtualDirectory path="/" physicalPath="{0}/www" /></application>
              <bindings><binding protocol="http" bindingInformation="*:{listen}:" /></bindings>
              <logFile period="Monthly"><customFields><add logFieldName="out" sourceName="X-Out" sourceType="ResponseHeader" /></customFields></logFile></site>
            <siteDefaults><logFile directory="{0}/logs" logExtFileFlags="Date, Time, Method, UriStem, UriQuery, ServerPort, UserName, ClientIP, UserAgent, HttpStatus, HttpSubStatus, Win32Status" /></siteDefaults>
            </sites></system.applicationHost>
            <system.webServer><proxy enabled="true" /><rewrite><globalRules>
              <rule name="x" stopProcessing="true"><match url="^to/(.*)" /><action type="Rewrite" url="http://127.0.0.1:{1}/{{R:1}}" /></rule>
            </globalRules></rewrite>
            <staticContent><mimeMap fileExtension=".txt" mimeType="text/plain" /></staticContent></system.webServer></configuration>"#,
            folder.0.display(),
            origin.port
        ),
    );
    let server = Server::start(&file, &[], listen);
    assert_eq!(get(listen, "/a.txt?q=1", "User-Agent: one two\r\n").text(), "hello", "{}", server.said());
    assert_eq!(get(listen, "/a+b", "").status, 404);
    assert_eq!(get(listen, "/to/x?y", "").status, 201);
    let logs: Vec<_> = std::fs::read_dir(folder.0.join("logs/W3SVC7")).unwrap().flatten().collect();
    let name = logs[0].file_name().into_string().unwrap();
    assert!(logs.len() == 1 && name.starts_with("u_ex") && name.len() == "u_ex2611.log".len(), "{name}");
    let text = std::fs::read_to_string(logs[0].path()).unwrap();
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert!(
        lines[0].starts_with("#Software: ")
            && lines[1] == "#Version: 1.0"
            && lines[2].starts_with("#Date: 20")
    );
    assert_eq!(
        lines[3],
        "#Fields: date time cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status sc-substatus sc-win32-status out"
    );
    let rest = |line: &str| line.splitn(3, ' ').nth(2).unwrap().to_owned();
    // The first line is that of the look whether the server is there, if it left any.
    let said: Vec<String> =
        lines[4..].iter().filter(|line| line.contains("GET")).map(|line| rest(line)).collect();
    assert_eq!(said[0], format!("GET /a.txt q=1 {listen} - 127.0.0.1 one+two 200 0 0 -"));
    assert_eq!(said[1], format!("GET /a+b - {listen} - 127.0.0.1 - 404 11 0 -"));
    assert!(
        said[2].starts_with("GET /to/x y&X-ARR-LOG-ID=") && said[2].ends_with(" - 201 0 0 o"),
        "{}",
        said[2]
    );
}

#[test]
fn files_are_compressed_by_type_and_size() {
    let (listen, folder) = (port(), Folder::new());
    let long = "hello ".repeat(1000);
    folder.write("a.html", &long);
    folder.write("b.png", &long);
    folder.write("c.txt", "short");
    folder.write("web.config", "<configuration />");
    let _server = Server::start(&folder.0, &["--listen", &format!("127.0.0.1:{listen}")], listen);
    let coded =
        |path: &str, fields: &str| get(listen, path, fields).field("Content-Encoding").map(str::to_owned);
    let gzip = "Accept-Encoding: gzip\r\n";
    assert_eq!(coded("/a.html", gzip).as_deref(), Some("gzip"));
    assert_eq!(coded("/a.html", ""), None);
    assert_eq!(get(listen, "/a.html", "").field("Vary"), Some("Accept-Encoding"));
    assert_eq!(coded("/b.png", gzip), None);
    assert_eq!(coded("/c.txt", gzip), None);
    assert_eq!(coded("/a.html", "Accept-Encoding: gzip\r\nRange: bytes=0-9\r\n"), None);
    let reply = get(listen, "/a.html", gzip);
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*reply.content).read_to_string(&mut text).unwrap();
    assert_eq!(text, long);
}
