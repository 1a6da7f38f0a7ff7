//! An outline as IIS's configuration: a web.config, or an applicationHost.config where sites, farms or folders are said.
//!
//! Reference: <https://learn.microsoft.com/iis/extensions/url-rewrite-module/url-rewrite-module-configuration-reference>,
//! <https://learn.microsoft.com/iis/configuration/>.

mod element;
mod rule;
mod section;
mod settings;
mod site;
mod value;

use std::collections::BTreeSet;

use crate::{
    ir::{Config, Settings, VarId},
    raise::{Losses, Notes, Outline, Page, Shape, To, log_name, passes},
    source::Span,
};
use element::Element;

/// The words of settings.
pub const NAMES: &[(&str, &str)] = &[
    ("answer.errors", "httpErrors"),
    ("answer.on_response", "customHeaders"),
    ("files.index", "defaultDocument"),
    ("content.max_length", "requestLimits"),
    ("answer.types", "staticContent"),
    ("listing.on", "directoryBrowse"),
    ("access.rules", "ipSecurity"),
    ("http.read_timeout", "proxy"),
];

/// The text of an outline.
pub fn render(outline: &Outline<'_>, notes: &Notes<'_>, losses: &mut Losses, shape: Shape) -> String {
    let mut render = Render {
        config: outline.config,
        assigned: &outline.assigned,
        notes,
        places: crate::ir::settings::Places::default(),
        losses,
        into: section::Sections::default(),
        names: Vec::new(),
        variables: Vec::new(),
        maps: Vec::new(),
        bound: Vec::new(),
        whole: false,
    };
    let configuration = render.all(outline, shape);
    let mut page = Page::new(2);
    page.line("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    configuration.print(&mut page);
    page.finish()
}

/// A rendering under way.
struct Render<'a, 'b> {
    config: &'a Config,
    /// The variables that something assigns.
    assigned: &'a BTreeSet<VarId>,
    notes: &'b Notes<'b>,
    /// Where the settings at hand were written.
    places: crate::ir::settings::Places,
    losses: &'b mut Losses,
    /// The sections of the place at hand.
    into: section::Sections,
    /// Names of the rules so far.
    names: Vec<String>,
    /// Server variables that rules set.
    variables: Vec<String>,
    /// Tables that rules look values up in.
    maps: Vec<Element>,
    /// Bindings of the sites so far.
    bound: Vec<String>,
    /// Whether sites, farms and the proxy are said as well.
    whole: bool,
}

impl Render<'_, '_> {
    fn all(&mut self, outline: &Outline<'_>, shape: Shape) -> Element {
        self.whole = shape != Shape::Inside && needs_host(outline);
        let mut configuration = Element::new("configuration");
        if !self.whole {
            let mut web = Element::new("system.webServer");
            let mut locations = Vec::new();
            if let Some(server) = outline.servers.first() {
                web.comments = self.notes.comments(server.span);
                let (content, below) = self.site(outline, server);
                web.children = content;
                locations = below;
            }
            configuration.push(web);
            for (path, content) in locations {
                configuration.push(
                    Element::new("location")
                        .with("path", &path)
                        .holding(Element { children: content, ..Element::new("system.webServer") }),
                );
            }
            return configuration;
        }
        self.host_file(outline, &mut configuration);
        configuration
    }

    /// What is said by settings where they stand.
    fn settings(&mut self, settings: &Settings, span: Span) {
        let Settings {
            handler: _,
            prepare: _,
            hooks: _,
            client,
            content,
            answer,
            files,
            access,
            logs,
            resolve,
            http,
            uwsgi,
            fastcgi,
            scgi,
            memcached,
            grpc,
            gzip,
            brotli,
            zstd,
            rewriting,
            limits,
            listing,
            index_page,
            negotiation,
            client_address,
            places,
        } = settings;
        self.places = places.clone();
        self.client(client, span);
        self.content(content, span);
        self.answer(answer, span);
        self.files(files, span);
        self.logs(logs, span);
        for log in logs.access.iter().flatten() {
            let name = log_name(&log.format).map_or_else(String::new, |name| format!(" `{name}`"));
            self.losses.remark(
                span,
                format!("the log of requests{name}"),
                "IIS keeps logs of its own for each site",
            );
        }
        self.resolve(resolve, span);
        for (group, set) in [
            ("http", http),
            ("uwsgi", uwsgi),
            ("fastcgi", fastcgi),
            ("scgi", scgi),
            ("memcached", memcached),
            ("grpc", grpc),
        ] {
            self.forwarding(group, set, span);
        }
        for (group, set) in [("gzip", gzip), ("brotli", brotli), ("zstd", zstd)] {
            self.compress(group, set, span);
        }
        self.rewriting(rewriting, span);
        self.limits(limits, span);
        self.listing(listing, span);
        let mut others = Vec::new();
        index_page.each(&mut |field, _| others.push(format!("index_page.{field}")));
        negotiation.each(&mut |field, _| others.push(format!("negotiation.{field}")));
        for key in &others {
            self.lost("", &[(key, true)], span);
        }
        self.client_address(client_address, span);
        self.access(access, span);
        self.index(settings, span);
        self.who(settings, span);
        self.errors(settings, span);
        self.fields(settings, span);
    }

    /// Says that settings are lost.
    fn lost(&mut self, group: &str, settings: &[(&str, bool)], span: Span) {
        for (key, _) in settings.iter().filter(|(_, set)| *set) {
            let key = if group.is_empty() { (*key).to_owned() } else { format!("{group}.{key}") };
            self.losses.tell(&key);
            let (what, at) = self.notes.placed(&key, span, &self.places);
            match nearest(&key) {
                Some(nearest) => {
                    self.losses.lose_near(at, what, "IIS has no such setting for a site", nearest);
                }
                None => self.losses.lose(at, what, "IIS has no such setting for a site"),
            }
        }
    }

    /// Says that settings are left to the server's own way.
    fn left_out(&mut self, group: &str, settings: &[(&str, bool)], span: Span) {
        for (key, _) in settings.iter().filter(|(_, set)| *set) {
            let key = if group.is_empty() { (*key).to_owned() } else { format!("{group}.{key}") };
            self.losses.tell(&key);
            let (what, at) = self.notes.placed(&key, span, &self.places);
            self.losses.remark(at, what, "it changes no answer and is left to IIS's own way");
        }
    }

    /// What something is called in a finding.
    fn named(&self, span: Span) -> String {
        self.notes
            .words(span)
            .filter(|words| !words.is_empty() && self.notes.is_written(span))
            .map_or_else(|| "a value".to_owned(), |words| format!("`{words}`"))
    }
}

/// Whether a web.config alone cannot say it: more than one site, names, farms, or what the proxy does for all.
fn needs_host(outline: &Outline<'_>) -> bool {
    let several = outline.servers.len() != 1;
    let bound = outline.servers.iter().any(|server| {
        let named = server.names.iter().any(|name| !name.text.is_empty() && &*name.text != b"_");
        let usual = server.listens.iter().all(|listen| {
            !listen.tls && matches!(&listen.address, crate::ir::Address::Tcp(address) if address.port() == 80)
        });
        named || !usual || server.area.settings.files.root.is_some()
    });
    let passes = passes(outline);
    let farms = passes.iter().any(|pass| matches!(pass.to, To::Cluster(_) | To::Dynamic(_)));
    let hosts = passes.iter().any(|pass| value::keeps_host(&pass.head.host));
    several || bound || farms || hosts
}

/// What comes near to a setting.
fn nearest(key: &str) -> Option<&'static str> {
    Some(match key {
        "limits.rates" | "limits.concurrent" => "`dynamicIpSecurity`",
        "client.keepalive_timeout" => "`connectionTimeout` of the site's `limits`",
        "http.connect_timeout" | "http.send_timeout" => "`timeout` of `proxy`",
        "rewriting.texts" => "an outbound rule with `filterByTags`",
        _ => return None,
    })
}
