//! `SetHandler server-status`: what the server does now, as a page, and with `?auto` as lines for programs.
//!
//! The lines have the names that `mod_status` gives them (2.4.71). One process serves all connections here, so that a
//! slot of the scoreboard is a connection that is or could be open; what is not counted (traffic, processor time,
//! durations) has no line, rather than a wrong one.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_status.html>

use super::{Cx, mapping::when, walk::Steps};
use crate::{
    ir::{
        Attr, Base, Block, Escape, Handler, Load, Moment, Part, Pattern, Register, Reply, ReplyContent,
        Scope, Settings, Stat, Step, Template, Test, TimeForm,
    },
    source::Span,
};

/// Captures of our own patterns.
const OWN: Register = Register('S');

/// The steps that make the status page answer.
pub(super) fn page(cx: &mut Cx, span: Span) -> Steps {
    let asked = Test::Match {
        subject: Template::attr(Attr::Query),
        pattern: Pattern::whole("(?:^|&)auto", false),
        into: None,
    };
    let refresh = seconds(cx);
    let lines = lines(cx);
    let page = whole(cx);
    let mut html = answer(page, "text/html; charset=ISO-8859-1");
    html.answer.on_response = Some(vec![Block {
        steps: vec![(Step::Edit(crate::ir::Edit::Add("Refresh".into(), refresh)), span)],
        ..Block::default()
    }]);
    let auto = answer(lines, "text/plain; charset=ISO-8859-1");
    let block = |set: Settings| {
        let scope = Scope { base: Base::Current, set: Box::new(set) };
        (Step::Do(Block { scope: Some(scope), span, ..Block::default() }), span)
    };
    vec![block(html), when(asked, vec![block(auto)])]
}

/// Answers with this text of this type.
fn answer(text: Template, kind: &str) -> Settings {
    let reply = Reply { status: 200, content: ReplyContent::Text(text) };
    let mut set = Settings { handler: Some(Handler::Respond(reply)), ..Settings::default() };
    set.answer.forced_type = Some(Some(kind.into()));
    set
}

fn matching(subject: Attr, pattern: &str) -> Test {
    let pattern = Pattern::whole(pattern, false);
    Test::Match { subject: Template::attr(subject), pattern, into: Some(OWN) }
}

/// How often the page is to be asked for again: `?refresh=5`.
fn seconds(cx: &mut Cx) -> Template {
    let asked = matching(Attr::Query, "(?:^|&)refresh=([1-9][0-9]{0,4})(?:&|$)");
    let once = matching(Attr::Query, "(?:^|&)refresh(?:=|&|$)");
    let value = Template(vec![Part::Capture(OWN, 1)]);
    Template::var(cx.choice("@refresh", vec![(asked, value), (once, "10".into())], Template::default()))
}

fn now() -> Attr {
    Attr::Time(Moment::Now, TimeForm::Format("%A, %d-%b-%Y %H:%M:%S %Z".into()))
}

/// The three averages, each behind its own text.
fn averages(cx: &mut Cx, name: &'static str, before: [&str; 3]) -> Template {
    let test = matching(Attr::Load(Load::Averages), "^(.*)/(.*)/(.*)$");
    let mut value = Template::default();
    for (number, text) in (1..).zip(before) {
        value.push(Part::Text(text.into()));
        value.push(Part::Capture(OWN, number));
    }
    Template::var(cx.choice(name, vec![(test, value)], Template::default()))
}

/// A text with `{name}` for what is known when it is sent.
fn filled(text: &str, averages: &Template) -> Template {
    let mut out = Template::default();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, after) = behind.split_once('}').unwrap_or((behind, ""));
        out.push(Part::Text(before.into()));
        let stat = |stat| Part::Attr(Attr::Stat(stat));
        match name {
            "host" => out.push(Part::Escape(Escape::Html, Template::attr(Attr::OwnHost))),
            "address" => out.push(Part::Attr(Attr::ServerAddr)),
            "token" => out.push(Part::Escape(Escape::Html, Template::attr(Attr::ServerToken))),
            "now" => out.push(Part::Attr(now())),
            "load" => averages.0.iter().for_each(|part| out.push(part.clone())),
            "uptime" => out.push(stat(Stat::Uptime)),
            "requests" => out.push(stat(Stat::Requests)),
            "busy" => out.push(stat(Stat::Busy)),
            "free" => out.push(stat(Stat::Free)),
            "active" => out.push(stat(Stat::Active)),
            "reading" => out.push(stat(Stat::Reading)),
            "writing" => out.push(stat(Stat::Writing)),
            "waiting" => out.push(stat(Stat::Waiting)),
            _ => out.push(stat(Stat::Board)),
        }
        rest = after;
    }
    out.push(Part::Text(rest.into()));
    out
}

/// `?auto`
fn lines(cx: &mut Cx) -> Template {
    let averages = averages(cx, "@load_lines", ["Load1: ", "\nLoad5: ", "\nLoad15: "]);
    filled(
        "{host}\nServerVersion: {token}\nServerMPM: event\nCurrentTime: {now}\nServerUptimeSeconds: {uptime}\n\
         {load}\nTotal Accesses: {requests}\nUptime: {uptime}\nBusyWorkers: {busy}\nGracefulWorkers: 0\n\
         IdleWorkers: {free}\nProcesses: 1\nStopping: 0\nConnsTotal: {active}\nConnsAsyncWaitIO: {reading}\n\
         ConnsAsyncWriting: {writing}\nConnsAsyncKeepAlive: {waiting}\nConnsAsyncClosing: 0\nScoreboard: {board}\n",
        &averages,
    )
}

/// The page.
fn whole(cx: &mut Cx) -> Template {
    let averages = averages(cx, "@load_words", ["", " ", " "]);
    filled(
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n\
         <html><head>\n<title>Apache Status</title>\n</head><body>\n\
         <h1>Apache Server Status for {host} (via {address})</h1>\n\n\
         <dl><dt>Server Version: {token}</dt>\n<dt>Server MPM: event</dt>\n</dl><hr /><dl>\n\
         <dt>Current Time: {now}</dt>\n<dt>Server uptime: {uptime} seconds</dt>\n<dt>Server load: {load}</dt>\n\
         <dt>Total accesses: {requests}</dt>\n\
         <dt>{busy} requests currently being processed, 0 workers gracefully restarting, {free} idle workers</dt>\n\
         </dl>\n\n<table rules=\"all\" cellpadding=\"1%\">\n\
         <tr><th>Connections</th><th>reading</th><th>writing</th><th>keep-alive</th></tr>\n\
         <tr><td>{active}</td><td>{reading}</td><td>{writing}</td><td>{waiting}</td></tr>\n</table>\n\
         <pre>{board}</pre>\n<p>Scoreboard Key:<br />\n\
         \"<b><code>_</code></b>\" Waiting for Connection, \n\"<b><code>R</code></b>\" Reading Request,<br />\n\
         \"<b><code>W</code></b>\" Sending Reply, \n\"<b><code>K</code></b>\" Keepalive (read)<br />\n</p>\n\
         </body></html>\n",
        &averages,
    )
}
