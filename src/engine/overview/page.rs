//! What the page on groups and their members looks like: for people, and as XML for programs.

use std::fmt::Write as _;

use super::{
    super::{
        balance::group::{Group, Standing},
        files::size::rounded,
    },
    Chosen, SHARES, STATES, TOLD, check_name, name, share_name,
};
use crate::ir::{Member, Overview, Text};

const STYLE: &str = "<style type='text/css'>\ntable {\n border-width: 1px;\n border-spacing: 3px;\n border-style: solid;\n \
    border-color: gray;\n border-collapse: collapse;\n background-color: white;\n text-align: center;\n}\nth {\n \
    border-width: 1px;\n padding: 2px;\n border-style: dotted;\n border-color: gray;\n background-color: lightgray;\n \
    text-align: center;\n}\ntd {\n border-width: 1px;\n padding: 2px;\n border-style: dotted;\n border-color: gray;\n \
    background-color: white;\n text-align: center;\n}\n</style>\n";

const GROUP_HEAD: &str = "<table><tr><th>MaxMembers</th><th>StickySession</th><th>DisableFailover</th><th>Timeout</th>\
    <th>FailoverAttempts</th><th>Method</th><th>Path</th><th>Active</th></tr>\n";

const MEMBER_HEAD: &str = "<table><tr><th>Worker URL</th><th>Route</th><th>RouteRedir</th><th>Factor</th><th>Set</th>\
    <th>Status</th><th>Elected</th><th>Busy</th><th>Load</th><th>To</th><th>From</th><th>HC Method</th>\
    <th>HC Interval</th><th>Passes</th><th>Fails</th><th>HC uri</th><th>HC Expr</th></tr>\n";

/// A text as it stands in HTML, also in an attribute.
fn html(text: &[u8]) -> String {
    let mut out = String::new();
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            character => out.push(character),
        }
    }
    out
}

/// A value in a query.
fn query(text: &[u8]) -> String {
    let mut out = String::new();
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~:/!$'()*,;@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02x}");
        }
    }
    html(out.as_bytes())
}

fn hundredths(number: u32) -> String {
    format!("{}.{:02}", number / 100, number % 100)
}

fn switch(on: bool) -> &'static str {
    if on { "On" } else { "Off" }
}

/// The words for a member's state.
fn state(standing: &Standing) -> String {
    let mut out = "Init ".to_owned();
    for (flag, word) in TOLD {
        if standing.is(flag) {
            out.push_str(word);
        }
    }
    if standing.is_usable() {
        out.push_str("Ok ");
    }
    out
}

/// The page for people.
pub(super) fn page(
    overview: &Overview,
    about: &[u8],
    (scheme, authority): &(Vec<u8>, Vec<u8>),
    path: &[u8],
    groups: &[&Group],
    chosen: Option<&Chosen<'_>>,
) -> Vec<u8> {
    let mut out = format!(
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n<html><head>\
         <title>Balancer Manager</title>\n{STYLE}</head>\n<body>{}",
        String::from_utf8_lossy(about)
    );
    for group in groups {
        group_table(&mut out, path, &overview.paths, group);
    }
    out.push_str("<hr />\n");
    if let Some(Chosen { group, member }) = chosen {
        let action = html(&[&scheme[..], b"://", authority, query(path).as_bytes()].concat());
        match member.and_then(|at| group.member(at)) {
            Some((_, member, standing)) => member_form(&mut out, &action, group, member, standing),
            None => group_form(&mut out, &action, group),
        }
    }
    out.push_str("</body></html>\n");
    out.into_bytes()
}

fn group_table(out: &mut String, path: &[u8], paths: &[(Text, Text)], group: &Group) {
    let (url, nonce) = (html(&group.how().url), query(group.nonce()));
    let (path, own) = (query(path), query(name(group)));
    let manner = group.manner();
    let _ = write!(
        out,
        "<hr />\n<h3>LoadBalancer Status for <a href=\"{path}?b={own}&amp;nonce={nonce}\">{url}</a> [p{:08x}_{}]</h3>\n\n\n\
         {GROUP_HEAD}",
        group.number() as u32,
        html(name(group)),
    );
    let sticky = match &manner.sticky {
        None => " (None) ".to_owned(),
        Some(sticky) if sticky.cookie == sticky.param => html(&sticky.cookie),
        Some(sticky) => html(&[&sticky.cookie[..], b"|", &sticky.param].concat()),
    };
    let _ = write!(
        out,
        "<tr><td>{members} [{members} Used]</td>\n<td>{sticky}</td><td>{}</td>\n<td>{}</td><td>{}</td>\n<td>{}</td>\n\
         <td>{}</td>\n<td>Yes</td>\n</tr>\n</table>\n<br />\n\n{MEMBER_HEAD}",
        switch(manner.force),
        manner.wait.as_secs(),
        group.attempts(),
        share_name(manner.share),
        html(paths.iter().find(|(url, _)| *url == group.how().url).map_or(&b""[..], |(_, path)| &path[..])),
        members = group.len(),
    );
    for (_, member, standing) in group.members() {
        let (sent, received) = standing.traffic();
        let routes = standing.routes();
        let member_url = html(&member.url);
        let (method, interval, passes, fails, target) = match &member.check {
            None => ("NONE".to_owned(), 30_000, 1, 1, String::new()),
            Some(check) => {
                let target = html(&check.target);
                (check_name(check), check.interval.as_millis(), check.passes, check.fails, target)
            }
        };
        let _ = writeln!(
            out,
            "<tr>\n<td><a href=\"{path}?b={own}&amp;w={}&amp;nonce={nonce}\">{member_url}</a></td><td>{}</td><td>{}</td>\
             <td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{interval}ms</td><td>{passes} (0)</td><td>{fails} (0)</td><td>{target}</td><td></td></tr>",
            query(&member.url),
            html(&routes.route),
            html(&routes.redirect),
            hundredths(standing.factor()),
            standing.set(),
            state(standing),
            standing.elected(),
            standing.busy(),
            standing.turn(),
            rounded(Some(sent)),
            rounded(Some(received)),
            html(method.as_bytes()),
        );
    }
    out.push_str("</table>\n");
}

/// Two buttons of which one is pressed.
fn buttons(out: &mut String, field: &str, on: bool) {
    let checked = |on: bool| if on { " checked" } else { "" };
    let _ = writeln!(
        out,
        "<td><label for='{field}1'>On</label> <input name='{field}' id='{field}1' value='1' type=radio{}> <br/> \
         <label for='{field}0'>Off</label> <input name='{field}' id='{field}0' value='0' type=radio{}></td>",
        checked(on),
        checked(!on),
    );
}

fn member_form(out: &mut String, action: &str, group: &Group, member: &Member, standing: &Standing) {
    let routes = standing.routes();
    let _ = write!(
        out,
        "<h3>Edit worker settings for {url}</h3>\n<form method='POST' enctype='application/x-www-form-urlencoded' \
         action=\"{action}\">\n<table><tr><td>Load factor:</td><td><input name='w_lf' id='w_lf' type=text \
         value='{}'></td></tr>\n<tr><td>LB Set:</td><td><input name='w_ls' id='w_ls' type=text value='{}'></td></tr>\n\
         <tr><td>Route:</td><td><input name='w_wr' id='w_wr' type=text value=\"{}\"></td></tr>\n<tr><td>Route \
         Redirect:</td><td><input name='w_rr' id='w_rr' type=text value=\"{}\"></td></tr>\n<tr><td>Status:</td><td><table>\
         <tr><th>Ignore Errors</th><th>Draining Mode</th><th>Disabled</th><th>Hot Standby</th><th>Hot Spare</th>\
         <th>HC Fail</th><th>Stopped</th></tr>\n<tr>",
        hundredths(standing.factor()),
        standing.set(),
        html(&routes.route),
        html(&routes.redirect),
        url = html(&member.url),
    );
    for (letter, flag) in STATES {
        buttons(out, &format!("w_status_{letter}"), standing.is(flag));
    }
    let _ = write!(
        out,
        "</tr></table></td></tr>\n<tr><td colspan='2'><input type=submit value='Submit'></td></tr>\n</table>\n\
         <input type=hidden name='w' id='w' value=\"{}\">\n",
        html(&member.url),
    );
    end_form(out, group);
}

fn group_form(out: &mut String, action: &str, group: &Group) {
    let manner = group.manner();
    let _ = write!(
        out,
        "<h3>Edit balancer settings for {}</h3>\n<form method='POST' enctype='application/x-www-form-urlencoded' \
         action=\"{action}\">\n<table>\n<tr><td>LBmethod:</td><td>\n<select name='b_lbm' id='b_lbm'>",
        html(&group.how().url),
    );
    for share in SHARES {
        let selected = if share == manner.share { " selected " } else { "" };
        let name = share_name(share);
        let _ = writeln!(out, "<option value='{name}'{selected}>{name}");
    }
    let _ = write!(
        out,
        "</select>\n</td></tr>\n<tr><td>Timeout:</td><td><input name='b_tmo' id='b_tmo' type=text value='{}'></td></tr>\n\
         <tr><td>Failover Attempts:</td><td><input name='b_max' id='b_max' type=text value='{}'></td></tr>\n\
         <tr><td>Disable Failover:</td>",
        manner.wait.as_secs(),
        group.attempts(),
    );
    buttons(out, "b_sforce", manner.force);
    let sticky = manner.sticky.as_ref().map_or_else(String::new, |sticky| {
        if sticky.cookie == sticky.param {
            html(&sticky.cookie)
        } else {
            html(&[&sticky.cookie[..], b"|", &sticky.param].concat())
        }
    });
    let _ = write!(
        out,
        "</tr>\n<tr><td>Sticky Session:</td><td><input name='b_ss' id='b_ss' size=64 type=text value =\"{sticky}\">\
         &nbsp;&nbsp;&nbsp;&nbsp;(Use '-' to delete)</td></tr>\n<tr><td colspan=2><input type=submit \
         value='Submit'></td></tr>\n</table>\n",
    );
    end_form(out, group);
}

fn end_form(out: &mut String, group: &Group) {
    let _ = write!(
        out,
        "<input type=hidden name='b' id='b' value=\"{}\">\n<input type=hidden name='nonce' id='nonce' value='{}'>\n\
         </form>\n<hr />\n",
        html(name(group)),
        html(group.nonce()),
    );
}

/// What programs read.
pub(super) fn elements(overview: &Overview, groups: &[&Group]) -> Vec<u8> {
    let prefix = overview.prefix.lossy().into_owned();
    let mut out = String::from("<?xml version='1.0' encoding='UTF-8' ?>\n");
    let _ = writeln!(
        out,
        "<{prefix}:manager xmlns:{prefix}='{}'>\n  <{prefix}:balancers>",
        html(&overview.namespace)
    );
    let line = |out: &mut String, depth: usize, name: &str, value: &str| {
        let _ = writeln!(out, "{:depth$}<{prefix}:{name}>{value}</{prefix}:{name}>", "");
    };
    let tag = |out: &mut String, depth: usize, name: &str| {
        let _ = writeln!(out, "{:depth$}<{prefix}:{name}>", "");
    };
    let close = |out: &mut String, depth: usize, name: &str| {
        let _ = writeln!(out, "{:depth$}</{prefix}:{name}>", "");
    };
    for group in groups {
        let manner = group.manner();
        tag(&mut out, 4, "balancer");
        line(&mut out, 6, "name", &html(&group.how().url));
        if !group.nonce().is_empty() {
            line(&mut out, 6, "nonce", &html(group.nonce()));
        }
        if let Some(sticky) = &manner.sticky {
            line(&mut out, 6, "stickysession", &html(&sticky.cookie));
            line(&mut out, 6, "nofailover", switch(manner.force));
        }
        line(&mut out, 6, "timeout", &manner.wait.as_secs().to_string());
        line(&mut out, 6, "maxattempts", &group.attempts().to_string());
        line(&mut out, 6, "lbmethod", share_name(manner.share));
        if let Some(sticky) = &manner.sticky {
            line(&mut out, 6, "scolonpathdelim", switch(sticky.semicolon));
        }
        tag(&mut out, 6, "workers");
        for (_, member, standing) in group.members() {
            let (sent, received) = standing.traffic();
            let routes = standing.routes();
            let text = String::from_utf8_lossy(&member.authority).into_owned();
            let (host, port) = match text.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()) {
                Some((host, port)) => (host, port),
                None => (&*text, if member.tls { "443" } else { "80" }),
            };
            let scheme = memchr::memmem::find(&member.url, b"://").map_or(&b""[..], |at| &member.url[..at]);
            tag(&mut out, 8, "worker");
            for (name, value) in [
                ("name", html(&member.url)),
                ("scheme", html(scheme)),
                ("hostname", html(host.as_bytes())),
                ("loadfactor", hundredths(standing.factor())),
                ("port", port.to_owned()),
                ("status", state(standing)),
                ("lbstatus", standing.turn().to_string()),
                ("loadfactor", hundredths(standing.factor())),
                ("transferred", sent.to_string()),
                ("read", received.to_string()),
                ("elected", standing.elected().to_string()),
                ("route", html(&routes.route)),
                ("redirect", html(&routes.redirect)),
                ("busy", standing.busy().to_string()),
                ("lbset", standing.set().to_string()),
            ] {
                line(&mut out, 10, name, &value);
            }
            close(&mut out, 8, "worker");
        }
        close(&mut out, 6, "workers");
        close(&mut out, 4, "balancer");
    }
    let _ = writeln!(out, "  </{prefix}:balancers>\n</{prefix}:manager>");
    out.into_bytes()
}
