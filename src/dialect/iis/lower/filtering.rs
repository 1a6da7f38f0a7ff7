//! What is let in: request filtering, addresses, the need for TLS.
//!
//! Reference 1 and 11: filtering comes before the rules of a site and is not asked again after them; it holds for requests
//! that are forwarded as well. Sub-statuses are the original's: 404.5 and the like are answered as 404.

use std::net::IpAddr;

use super::{Cx, Place, block, certificates::has, letters::any_case, pattern::literal, status::own};
use crate::{
    diagnostic::Diagnostic,
    dialect::iis::effective::Value,
    ir::{
        Attr, Block, By, Name, Part, ProofAttr, Relation, Reply, ReplyContent, Settings, Step, Template,
        Test, TlsAttr,
    },
    source::Span,
};

type Steps = Vec<(Step, Span)>;

/// Limits of `requestLimits`.
pub(super) fn limits(cx: &mut Cx, place: &Place, settings: &mut Settings) {
    let mut found = Vec::new();
    let filtering = place.site.section("system.webServer/security/requestFiltering", &place.path, &mut found);
    cx.found.append(&mut found);
    let limits = filtering.part("requestLimits");
    // Zero is no limit for us, and lets nothing in there.
    let length = u64::try_from(limits.number("maxAllowedContentLength")).unwrap_or(30_000_000).max(1);
    settings.content.max_length = Some(length);
    if filtering.flag("removeServerHeader") {
        settings.answer.server = Some("".into());
    }
}

/// The tests of a place, in the original's order.
pub(super) fn steps(cx: &mut Cx, place: &Place) -> Steps {
    let mut found = Vec::new();
    let mut of = |name: &str| {
        place.site.section(&format!("system.webServer/security/{name}"), &place.path, &mut found)
    };
    let (filtering, addresses) = (of("requestFiltering"), of("ipSecurity"));
    let access = of("access");
    cx.found.append(&mut found);

    let mut out = filter(&filtering);
    by_address(cx, &addresses, &mut out);
    let flags = access.text("sslFlags");
    let secure = || Test::Truthy(Template::attr(Attr::Https));
    if has(flags, "Ssl") || has(flags, "Ssl128") {
        let status = own(403, if has(flags, "Ssl128") { 5 } else { 4 });
        out.push(refuse(Test::Not(Box::new(secure())), status, access.place("sslFlags")));
    }
    if has(flags, "SslRequireCert") {
        let proof = || Template::attr(Attr::Tls(TlsAttr::Proof(ProofAttr::Verdict)));
        let fine = Test::Equal(proof(), "SUCCESS".into());
        let shown = matches(proof(), "^FAILED");
        out.push(refuse(shown, own(403, 16), access.place("sslFlags")));
        out.push(refuse(Test::Not(Box::new(fine)), own(403, 7), access.place("sslFlags")));
    }
    out
}

fn reply(status: u16) -> Reply {
    Reply { status, content: ReplyContent::Page }
}

fn refuse(test: Test, status: u16, span: Span) -> (Step, Span) {
    let then = block(vec![(Step::Respond(reply(status)), span)]);
    (Step::When { test, then, otherwise: Block::default() }, span)
}

fn matches(subject: Template, pattern: &str) -> Test {
    Test::Match { subject, pattern: any_case(pattern), into: None }
}

fn path() -> Template {
    Template::attr(Attr::Path)
}

/// Alternatives of texts that stand for themselves.
fn one_of<'t>(texts: impl Iterator<Item = &'t str>) -> Option<String> {
    let all: Vec<String> = texts.map(literal).collect();
    (!all.is_empty()).then(|| format!("(?:{})", all.join("|")))
}

/// The entries that are allowed, or those that are not.
fn entries<'v>(part: &'v Value, attribute: &'static str, allowed: bool) -> impl Iterator<Item = &'v str> {
    part.items()
        .iter()
        .filter(move |item| item.value.flag("allowed") == allowed)
        .map(move |item| item.value.text(attribute))
}

fn listed<'v>(part: &'v Value, attribute: &'static str) -> impl Iterator<Item = &'v str> {
    part.items().iter().map(move |item| item.value.text(attribute))
}

fn filter(filtering: &Value) -> Steps {
    let span = filtering.span;
    let mut out = Steps::new();
    if !filtering.flag("allowDoubleEscaping") {
        out.push(refuse(
            matches(path(), "\\+|%[0-9a-f]{2}"),
            own(404, 11),
            filtering.place("allowDoubleEscaping"),
        ));
    }
    if !filtering.flag("allowHighBitCharacters") {
        out.push(refuse(
            matches(path(), "[\\x80-\\xff]"),
            own(404, 12),
            filtering.place("allowHighBitCharacters"),
        ));
    }
    let limits = filtering.part("requestLimits");
    let longest = |name: &str| u64::try_from(limits.number(name)).unwrap_or(u64::MAX);
    out.push(refuse(Test::Longer(path(), longest("maxUrl")), own(404, 14), limits.place("maxUrl")));
    let query = Template::attr(Attr::Query);
    out.push(refuse(
        Test::Longer(query, longest("maxQueryString")),
        own(404, 15),
        limits.place("maxQueryString"),
    ));
    // What comes in chunks is measured as it comes, by the settings.
    let length = Test::Compare {
        left: Template::attr(Attr::Field("content-length".into())),
        right: Template::text(longest("maxAllowedContentLength").to_string()),
        relation: Relation::Greater,
        by: By::Integer,
    };
    out.push(refuse(length, own(413, 1), limits.place("maxAllowedContentLength")));
    for limit in limits.part("headerLimits").items() {
        let field =
            Template::attr(Attr::Field(limit.value.text("header").to_ascii_lowercase().as_str().into()));
        let most = u64::try_from(limit.value.number("sizeLimit")).unwrap_or(u64::MAX);
        out.push(refuse(Test::Longer(field, most), 431, limit.span));
    }
    let exempt = Exempt::of(filtering);
    if let Some(denied) = one_of(listed(&filtering.part("denyUrlSequences"), "sequence")) {
        out.push(refuse(exempt.url(matches(path(), &denied)), own(404, 5), span));
    }
    if let Some(denied) = one_of(listed(&filtering.part("denyQueryStringSequences"), "sequence")) {
        let test = Test::Any(queries(filtering).into_iter().map(|query| matches(query, &denied)).collect());
        out.push(refuse(exempt.query(test), own(404, 18), span));
    }
    let verbs = filtering.part("verbs");
    let methods = |allowed: bool| -> Vec<Name> { entries(&verbs, "verb", allowed).map(Name::from).collect() };
    let (allowed, denied) = (methods(true), methods(false));
    if !verbs.flag("allowUnlisted") {
        out.push(refuse(Test::Not(Box::new(Test::Method(allowed))), own(404, 6), verbs.span));
    } else if !denied.is_empty() {
        out.push(refuse(Test::Method(denied), own(404, 6), verbs.span));
    }
    let extensions = filtering.part("fileExtensions");
    if !extensions.flag("allowUnlisted") {
        let allowed = one_of(entries(&extensions, "fileExtension", true));
        // A path without an extension is listed as `.`.
        let bare = entries(&extensions, "fileExtension", true).any(|one| one == ".");
        let mut tests = vec![matches(path(), "\\.[^./]*$")];
        if let Some(allowed) = allowed {
            tests.push(Test::Not(Box::new(matches(path(), &format!("{allowed}$")))));
        }
        out.push(refuse(Test::All(tests), own(404, 7), extensions.span));
        if !bare {
            let named = matches(path(), "(?:\\.[^./]*|/)$");
            out.push(refuse(Test::Not(Box::new(named)), own(404, 7), extensions.span));
        }
    } else if let Some(denied) = one_of(entries(&extensions, "fileExtension", false)) {
        out.push(refuse(matches(path(), &format!("{denied}$")), own(404, 7), extensions.span));
    }
    if let Some(hidden) = one_of(listed(&filtering.part("hiddenSegments"), "segment")) {
        out.push(refuse(matches(path(), &format!("/{hidden}(?:/|$)")), own(404, 8), span));
    }
    rules(filtering, &exempt, &mut out);
    out
}

/// What is always allowed. The lists are exempt from what looks for texts in the URL, or in the query string, and from nothing
/// else ("override the values in the `<denyUrlSequences>` collection", and in `<denyQueryStringSequences>`, say their pages;
/// rules that scan the same are taken to be overridden as well, as in `UrlScan`): a query string that is allowed leads to no
/// hidden segment.
struct Exempt {
    url: Option<Test>,
    query: Option<Test>,
}

impl Exempt {
    fn of(filtering: &Value) -> Self {
        let urls = one_of(listed(&filtering.part("alwaysAllowedUrls"), "url"));
        let queries = one_of(listed(&filtering.part("alwaysAllowedQueryStrings"), "queryString"));
        let query = Template::attr(Attr::Query);
        Self {
            url: urls.map(|urls| matches(path(), &format!("^{urls}$"))),
            query: queries.map(|queries| matches(query, &format!("^{queries}$"))),
        }
    }

    /// What is found in the URL, unless that is always allowed.
    fn url(&self, found: Test) -> Test {
        but_for(found, self.url.as_ref())
    }

    /// The same of the query string.
    fn query(&self, found: Test) -> Test {
        but_for(found, self.query.as_ref())
    }
}

fn but_for(found: Test, exempt: Option<&Test>) -> Test {
    match exempt {
        Some(exempt) => Test::All(vec![found, Test::Not(Box::new(exempt.clone()))]),
        None => found,
    }
}

/// A query string as it is scanned: as it was sent, and decoded as well unless `unescapeQueryString="false"` ("two passes on
/// each query string scan", the page on request filtering).
fn queries(filtering: &Value) -> Vec<Template> {
    let query = Template::attr(Attr::Query);
    let decoded = Template(vec![Part::Escape(crate::ir::Escape::Decode, query.clone())]);
    if filtering.flag("unescapeQueryString") { vec![query, decoded] } else { vec![query] }
}

/// A `%` that begins neither `%20` nor `%u0020`.
const BARE_PERCENT: &str = "%(?:[^0-9a-fu]|$|[0-9a-f](?:[^0-9a-f]|$)|u(?:[^0-9a-f]|$))";

/// `filteringRules`: texts that may not occur in what a rule scans; in all of that but the URL, no `%` that escapes nothing
/// either, unless `denyUnescapedPercent="false"` (the page on filtering rules, and that of `UrlScan`, where it comes from).
fn rules(filtering: &Value, exempt: &Exempt, out: &mut Steps) {
    for rule in filtering.part("filteringRules").items() {
        let value = &rule.value;
        let denied = one_of(listed(&value.part("denyStrings"), "string"));
        // What the query string holds, then what the rest does.
        let (mut of_query, mut scanned) = (Vec::new(), Vec::new());
        if value.flag("scanQueryString") {
            of_query = queries(filtering);
        }
        if value.flag("scanAllRaw") {
            scanned.push(Template::attr(Attr::Target));
        }
        for header in value.part("scanHeaders").items() {
            let name = header.value.text("requestHeader").to_ascii_lowercase();
            scanned.push(Template::attr(Attr::Field(name.as_str().into())));
        }
        let (mut tests, mut query_tests) = (Vec::new(), Vec::new());
        if value.flag("denyUnescapedPercent") {
            tests.extend(scanned.iter().map(|subject| matches(subject.clone(), BARE_PERCENT)));
            // As it was sent.
            query_tests.extend(of_query.iter().take(1).map(|subject| matches(subject.clone(), BARE_PERCENT)));
        }
        if let Some(denied) = denied {
            tests.extend(scanned.into_iter().map(|subject| matches(subject, &denied)));
            query_tests.extend(of_query.into_iter().map(|subject| matches(subject, &denied)));
            if value.flag("scanUrl") {
                tests.push(exempt.url(matches(path(), &denied)));
            }
        }
        if !query_tests.is_empty() {
            tests.push(exempt.query(Test::Any(query_tests)));
        }
        if tests.is_empty() {
            continue;
        }
        let mut test = Test::Any(tests);
        if let Some(extensions) = one_of(listed(&value.part("appliesTo"), "fileExtension")) {
            test = Test::All(vec![matches(path(), &format!("{extensions}$")), test]);
        }
        out.push(refuse(test, own(404, 19), rule.span));
    }
}

/// `ipSecurity`: the first entry that an address is in decides. In proxy mode that is the client's, or the first or last of
/// `X-Forwarded-For`.
fn by_address(cx: &mut Cx, section: &Value, out: &mut Steps) {
    let status = match section.text("denyAction").to_ascii_lowercase().as_str() {
        "abortrequest" => None,
        "unauthorized" => Some(401),
        "notfound" => Some(404),
        _ => Some(own(403, 6)),
    };
    let answer = match status {
        Some(status) => reply(status),
        None => Reply { status: 444, content: ReplyContent::Close },
    };
    let mut clients = vec![Template::attr(Attr::ClientAddr)];
    if section.flag("enableProxyMode") {
        clients.extend([super::dynamic::forwarded(cx), super::dynamic::forwarded_last(cx)]);
    }
    let mut nested = if section.flag("allowUnlisted") {
        Block::default()
    } else {
        block(vec![(Step::Respond(answer.clone()), section.span)])
    };
    let mut any = !section.flag("allowUnlisted");
    for item in section.items().iter().rev() {
        let Some(address) = item.value.attribute("ipAddress").filter(|address| !address.value.is_empty())
        else {
            continue;
        };
        let Ok(ip) = address.value.parse::<IpAddr>() else {
            let message = format!("`{}` is no address", address.value);
            let found = Diagnostic::error("invalid-value", address.value_span, message);
            cx.report(found.help("a network is an address and a `subnetMask`; `/24` cannot be written here"));
            continue;
        };
        let Some(bits) = mask(ip, &item.value) else {
            let found = Diagnostic::error(
                "invalid-value",
                item.value.place("subnetMask"),
                "this is no mask of a network",
            );
            cx.report(found);
            continue;
        };
        any = true;
        let mut tests: Vec<Test> =
            clients.iter().map(|client| Test::InNetwork(client.clone(), vec![(ip, bits)])).collect();
        let test = if tests.len() == 1 { tests.remove(0) } else { Test::Any(tests) };
        let then = if item.value.flag("allowed") {
            Block::default()
        } else {
            block(vec![(Step::Respond(answer.clone()), item.span)])
        };
        nested = block(vec![(Step::When { test, then, otherwise: nested }, item.span)]);
    }
    if any {
        out.push((Step::Do(nested), section.span));
    }
}

/// How many bits of an address count.
fn mask(ip: IpAddr, value: &Value) -> Option<u8> {
    if ip.is_ipv6() {
        let written = value.attribute("subnetMask").map_or("128", |mask| mask.value.as_str());
        return written.parse().ok().filter(|bits| *bits <= 128);
    }
    let text = value.text("subnetMask");
    if let Ok(IpAddr::V4(mask)) = text.parse() {
        let bits = u32::from(mask);
        return (bits.leading_ones() + bits.trailing_zeros() >= 32).then_some(bits.leading_ones() as u8);
    }
    text.parse().ok().filter(|bits| *bits <= 32)
}
