//! The page on groups and their members ([`ir::Overview`]): what it shows, and what people change with it.
//!
//! A change comes by POST from a form of this page: it brings the group's nonce, and a `Referer` that names this host (its
//! port may be another one, as behind another proxy), so that no other site can send it; what its query says changes nothing. States are the ones that all workers share, so that it counts at once and for all of
//! them; it lasts as long as the process, also over reloads that leave the group as it was.

use super::{
    balance::group::{
        DISABLED, DRAINING, FAILED, FAULTLESS, Group, Manner, Routes, SPARE, STANDBY, STOPPED, Standing,
        UNHEALTHY,
    },
    content::Refused,
    exchange::{Exchange, Next},
};
use crate::{
    ir::{self, Overview, Reply, ReplyContent, Share, Sticky, Template, Text, settings::Level},
    plan::Plan,
};

mod page;

/// No form of ours is longer.
const LONGEST: usize = 8192;

/// What a request says, by name.
#[derive(Default)]
struct Said(Vec<(Vec<u8>, Vec<u8>)>);

impl Said {
    fn read(&mut self, text: &[u8]) {
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let at = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            let value = pair.get(at + 1..).unwrap_or_default();
            self.0.push((decoded(&pair[..at]), decoded(value)));
        }
    }

    /// The last value of a name.
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().rev().find(|(known, _)| *known == name.as_bytes()).map(|(_, value)| value.as_slice())
    }

    fn number(&self, name: &str) -> Option<u32> {
        std::str::from_utf8(self.get(name)?).ok()?.trim().parse().ok()
    }

    /// `1` or `0`.
    fn switch(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            b"1" => Some(true),
            b"0" => Some(false),
            _ => None,
        }
    }
}

/// A value of a form: `+` is a space, `%XX` a byte.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let digit = |at: usize| text.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'+', ..) => out.push(b' '),
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            _ => out.push(byte),
        }
        at += 1;
    }
    out
}

/// What somebody wants to see or change.
struct Chosen<'g> {
    group: &'g Group,
    /// The member's number.
    member: Option<usize>,
}

impl Exchange {
    /// Shows the groups of the host; `changes` says whether a request may change them.
    pub(super) async fn overview(&mut self, plan: &Plan, overview: &Overview, changes: bool) -> Next {
        let posted = match self.facts.method() {
            b"GET" | b"HEAD" => false,
            b"POST" => true,
            _ => return Next::Status(405),
        };
        let mut said = Said::default();
        if !posted {
            said.read(&self.run.query);
        } else if self.is_form() {
            match self.read_form(plan).await {
                Ok(form) => said.read(&form),
                Err(status) => return Next::Status(status),
            }
        }
        if !said.0.is_empty() && !overview.lines && !self.is_from_here() {
            self.log(Level::Error, format_args!("ignoring what a request from another site says"));
            said = Said::default();
        }
        let host = self.run.host;
        let serves = |group: &&Group| group.how().hosts.as_ref().is_none_or(|hosts| hosts.contains(&host));
        let clusters: Vec<_> = self.serving.clusters.all().cloned().collect();
        let groups: Vec<&Group> = clusters
            .iter()
            .filter_map(|cluster| cluster.group())
            .filter(|group| !group.how().alone && !group.how().url.is_empty())
            .filter(serves)
            .collect();
        let chosen = choose(&groups, &said);
        if let Some(chosen) = chosen.as_ref().filter(|_| posted && changes && !overview.lines) {
            let nonce = chosen.group.nonce();
            // Without a nonce nothing can be changed (observed: Apache httpd 2.4.71).
            if nonce.is_empty() || said.get("nonce") != Some(&**nonce) {
                self.log(Level::Error, format_args!("the nonce of {} is not right", chosen.group.how().url));
            } else if said.get("b_nwrkr").is_some_and(|url| !url.is_empty()) {
                self.log(Level::Error, format_args!("no members are added to {}", chosen.group.how().url));
                return Next::Status(400);
            } else {
                self.change(chosen, &said);
            }
        }
        let about = self.value(&overview.about);
        let place = self.place();
        let text = if overview.lines {
            page::elements(overview, &groups)
        } else {
            page::page(overview, &about, &place, &self.run.path, &groups, chosen.as_ref())
        };
        Next::Reply(Reply { status: 200, content: ReplyContent::Text(Template::text(Text::from(text))) })
    }

    /// This host as clients write it.
    fn place(&self) -> (Vec<u8>, Vec<u8>) {
        let facts = &self.facts;
        let named = match (facts.head.authority.is_empty(), facts.head.host) {
            (true, Some(host)) => facts.slice(host).to_vec(),
            (true, None) => facts.plan.config.host(self.run.host).name.to_vec(),
            (false, _) => facts.slice(facts.head.authority).to_vec(),
        };
        let scheme: &[u8] = if facts.client.tls.is_some() { b"https" } else { b"http" };
        (scheme.to_vec(), named)
    }

    /// Whether the request comes from a page of this host.
    fn is_from_here(&self) -> bool {
        let (_, authority) = self.place();
        let from = self.facts.fields(b"referer").next().and_then(authority_of);
        from.is_some_and(|from| without_port(from).eq_ignore_ascii_case(without_port(&authority)))
    }

    fn is_form(&self) -> bool {
        const FORM: &[u8] = b"application/x-www-form-urlencoded";
        let kind = self.facts.fields(b"content-type").next().unwrap_or_default();
        kind.get(..FORM.len()).is_some_and(|start| start.eq_ignore_ascii_case(FORM))
    }

    async fn read_form(&mut self, plan: &Plan) -> Result<Vec<u8>, u16> {
        let mut form = std::mem::take(&mut self.facts.content);
        while !self.content.is_done() && form.len() <= LONGEST {
            if let Err(Refused(status)) = self.read_piece(plan, &mut form).await {
                return Err(status);
            }
        }
        if form.len() > LONGEST { Err(413) } else { Ok(form) }
    }

    fn change(&self, chosen: &Chosen<'_>, said: &Said) {
        let who = self.facts.client.shown.clone();
        if let Some((_, member, standing)) = chosen.member.and_then(|at| chosen.group.member(at)) {
            change_member(standing, said);
            chosen.group.begin_turns();
            self.log(Level::Notice, format_args!("{who} changed the member {}", member.url));
        } else {
            chosen.group.set_manner(changed(&chosen.group.manner(), said));
            self.log(Level::Notice, format_args!("{who} changed the group {}", chosen.group.how().url));
        }
    }
}

/// The authority of an absolute URL for HTTP.
fn authority_of(url: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::find(url, b"://")?;
    let (scheme, rest) = (&url[..at], &url[at + 3..]);
    let end = rest.iter().position(|byte| b"/?#\\".contains(byte)).unwrap_or(rest.len());
    let is_ours = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    Some(&rest[..end]).filter(|authority| is_ours && !authority.is_empty() && !authority.contains(&b'@'))
}

fn without_port(authority: &[u8]) -> &[u8] {
    let colon = memchr::memrchr(b':', authority);
    let colon = colon.filter(|at| authority[at + 1..].iter().all(u8::is_ascii_digit));
    &authority[..colon.unwrap_or(authority.len())]
}

/// The name of a group: its URL without the scheme.
fn name(group: &Group) -> &[u8] {
    let url = &group.how().url;
    memchr::memmem::find(url, b"://").map_or(&url[..], |at| &url[at + 3..])
}

fn choose<'g>(groups: &[&'g Group], said: &Said) -> Option<Chosen<'g>> {
    let wanted = said.get("b")?;
    let group = *groups.iter().find(|group| name(group).eq_ignore_ascii_case(wanted))?;
    let member = match said.get("w") {
        None => None,
        Some(url) => Some(group.members().position(|(_, member, _)| *member.url == *url)?),
    };
    Some(Chosen { group, member })
}

/// States that people may change, and what they are called in forms.
const STATES: [(&str, u32); 7] = [
    ("I", FAULTLESS),
    ("N", DRAINING),
    ("D", DISABLED),
    ("H", STANDBY),
    ("R", SPARE),
    ("C", UNHEALTHY),
    ("S", STOPPED),
];

/// What a member's state is called, in the order in which it is told.
const TOLD: [(u32, &str); 8] = [
    (FAULTLESS, "Ign "),
    (DRAINING, "Drn "),
    (DISABLED, "Dis "),
    (STOPPED, "Stop "),
    (FAILED, "Err "),
    (STANDBY, "Stby "),
    (SPARE, "Spar "),
    (UNHEALTHY, "HcFl "),
];

fn change_member(standing: &Standing, said: &Said) {
    let factor = said.get("w_lf").and_then(|text| std::str::from_utf8(text).ok()?.trim().parse::<f64>().ok());
    if let Some(factor) =
        factor.map(|factor| (factor * 100.0) as u32).filter(|factor| (100..=10_000).contains(factor))
    {
        standing.weigh(factor);
    }
    if let Some(set) = said.number("w_ls").filter(|set| *set <= 99) {
        standing.move_to(set);
    }
    let mut routes = (*standing.routes()).clone();
    for (field, to) in [("w_wr", &mut routes.route), ("w_rr", &mut routes.redirect)] {
        if let Some(name) = said.get(field).filter(|name| name.len() < 64) {
            *to = Text::from(name);
        }
    }
    let Routes { route, redirect } = routes;
    standing.rename(Routes { route, redirect });
    for (letter, flag) in STATES {
        if let Some(on) = said.switch(&format!("w_status_{letter}")) {
            standing.put(flag, on);
        }
    }
}

/// What people call the ways to share.
fn share_name(share: Share) -> &'static str {
    match share {
        Share::Requests => "byrequests",
        Share::Traffic => "bytraffic",
        Share::Busyness => "bybusyness",
        Share::Latency => "bylatency",
        Share::Hash => "byhash",
    }
}

/// Those that a group may change to.
const SHARES: [Share; 3] = [Share::Busyness, Share::Requests, Share::Traffic];

fn changed(manner: &Manner, said: &Said) -> Manner {
    let mut manner = manner.clone();
    if let Some(share) = said
        .get("b_lbm")
        .and_then(|name| SHARES.into_iter().find(|share| share_name(*share).as_bytes() == name))
    {
        manner.share = share;
    }
    if let Some(seconds) = said.number("b_tmo").filter(|seconds| *seconds <= 86_400) {
        manner.wait = std::time::Duration::from_secs(seconds.into());
    }
    if let Some(attempts) = said.number("b_max").filter(|attempts| *attempts <= 99) {
        manner.attempts = Some(attempts);
    }
    if let Some(names) = said.get("b_ss").filter(|names| !names.is_empty() && names.len() < 64) {
        if names == b"-" {
            manner.sticky = None;
        } else {
            let (cookie, param) = match memchr::memchr(b'|', names) {
                Some(at) => (&names[..at], &names[at + 1..]),
                None => (names, names),
            };
            let force = manner.sticky.as_ref().map_or(manner.force, |sticky| sticky.force);
            let was = manner.sticky.take();
            manner.sticky = Some(Sticky {
                cookie: cookie.into(),
                param: param.into(),
                separator: was.as_ref().map_or(Some(b'.'), |was| was.separator),
                semicolon: was.is_some_and(|was| was.semicolon),
                force,
            });
        }
    }
    if let Some(force) = said.switch("b_sforce") {
        manner.force = force;
        if let Some(sticky) = &mut manner.sticky {
            sticky.force = force;
        }
    }
    manner
}

/// How a health check is called, and its way.
fn check_name(check: &ir::Check) -> String {
    match &check.method {
        None => "TCP".to_owned(),
        Some(method) => format!("{}{}", method.lossy(), if check.modern { "11" } else { "" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read() {
        let mut said = Said::default();
        said.read(b"w_lf=2.5&b=a%2Fb+c&&x&w_lf=3&y=%zz%4");
        assert_eq!(said.get("w_lf"), Some(&b"3"[..]));
        assert_eq!(said.get("b"), Some(&b"a/b c"[..]));
        assert_eq!(said.get("x"), Some(&b""[..]));
        assert_eq!(said.get("y"), Some(&b"%zz%4"[..]));
        assert_eq!(said.get("none"), None);
    }

    #[test]
    fn hosts_of_urls_are_known() {
        for (url, expected) in [
            ("http://a.test/bm", Some("a.test")),
            ("https://a.test:8443", Some("a.test")),
            ("HTTP://a.test?x", Some("a.test")),
            ("http://[::1]:8080/", Some("[::1]")),
            ("http://[::1]/", Some("[::1]")),
            ("http://a.test@evil/", None),
            ("http://evil\\@a.test/", Some("evil")),
            ("ftp://a.test/", None),
            ("//a.test/", None),
            ("http:///a.test", None),
            ("a.test", None),
        ] {
            let found = authority_of(url.as_bytes()).map(without_port);
            assert_eq!(found, expected.map(str::as_bytes), "{url}");
        }
    }

    #[test]
    fn a_group_is_changed_within_bounds() {
        let manner = Manner {
            share: Share::Requests,
            sticky: None,
            force: false,
            attempts: None,
            wait: std::time::Duration::ZERO,
        };
        let mut said = Said::default();
        said.read(b"b_lbm=bytraffic&b_tmo=3&b_max=7&b_sforce=1&b_ss=AA%7Cbb");
        let manner = changed(&manner, &said);
        assert_eq!((manner.share, manner.attempts, manner.wait.as_secs()), (Share::Traffic, Some(7), 3));
        let sticky = manner.sticky.clone().unwrap();
        assert_eq!((&*sticky.cookie, &*sticky.param, sticky.force), (&b"AA"[..], &b"bb"[..], true));
        let mut said = Said::default();
        said.read(b"b_lbm=none&b_tmo=-1&b_max=100&b_ss=-");
        let manner = changed(&manner, &said);
        assert_eq!((manner.share, manner.attempts, manner.sticky), (Share::Traffic, Some(7), None));
    }
}
