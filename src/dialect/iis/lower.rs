//! From the sections in force to the IR: what a site does with a request.
//!
//! The program of a site, in the order of the original's pipeline (reference 1):
//!
//! ```text
//! the first time, not again for a default document or the page of an error:
//! keep what is asked for under the names of variables that rules may set
//! 'global: globalRules                       a rule that leads to another server ends all rules
//! for the place of the path, the deepest first:
//!     its settings; request filtering; ipSecurity; access
//!     'rules: the rules in force there, if no global rule led to another server
//! if a rule led to another server: forward there
//! else, for the place of the path as it is now: redirect, file or listing
//! authorize
//! ```
//!
//! Who may is asked behind the rules, too, the first time: of a request that leads to another server at the place that it
//! was for, of all others at the place of the path as the rules left it.
//!
//! A *place* is a path for which anything is written: the site, a folder with a file of its own, a `<location>`. Each file's
//! topic is in a module of its own; findings go to [`Cx::report`].

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    effective::Value,
    site::{Root, Site},
};
use crate::{
    diagnostic::Diagnostic,
    dialect::Machine,
    ir::{
        self, Asking, Base, Block, Jump, Pattern, Register, Scope, Settings, Step, Template, Test, Var,
        VarId, VarKind,
    },
    source::Span,
};

mod access;
mod bindings;
mod certificates;
mod compression;
mod conditions;
mod content;
mod defaults;
mod dynamic;
mod expression;
mod farm;
mod filtering;
mod handlers;
mod letters;
mod logging;
mod maps;
mod outbound;
mod pages;
pub(super) mod pattern;
mod proxy;
mod rules;
mod status;
mod vars;

pub use bindings::Listen;

/// Captures of a rule's pattern: `{R:n}`.
const RULE: Register = Register('R');

/// Captures of the last condition that matched: `{C:n}`.
const CONDITION: Register = Register('C');

/// Parts of a URL that is taken apart.
const URL: Register = Register('U');

/// What the server's own file says beside its sites.
#[derive(Debug)]
pub struct Host {
    /// `webFarms`.
    pub farms: Option<Value>,
    /// Whether all this is only assumed, around a lone web.config: ARR's proxy is on, all variables may be set.
    pub assumed: bool,
}

/// How to lower.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether only the text counts, and what belongs to a machine is a note.
    pub offline: bool,
    /// Whether the process may take ports below 1024.
    pub root: bool,
    /// Where a handler's programs are reached, by the name of the handler's module or of the handler.
    pub handlers: Vec<(String, String)>,
    /// Files of certificates that are trusted.
    pub trusted: Vec<PathBuf>,
    /// Addresses to accept on instead of those of the bindings.
    pub listen: Option<Listen>,
    /// What is left to the machine.
    pub machine: Machine,
    /// What the command line says about sites.
    pub stage: super::Stage,
}

/// What a lowering works on.
struct Cx<'a> {
    config: ir::Config,
    found: Vec<Diagnostic>,
    options: &'a Options,
    host: &'a Host,
    vars: BTreeMap<String, VarId>,
    /// Statuses and sub-statuses that have a number of our own.
    statuses: Vec<(u16, u16)>,
    /// Those of them that have a reason phrase of their own.
    phrases: Vec<(u16, ir::Text)>,
    /// Those whose reason phrase is an expression, as it is written, with its value once that is known.
    made: Vec<(u16, String, Option<Template>)>,
    /// The handlers that are where the command line says.
    reached: BTreeSet<String>,
    /// The number of the site that is lowered.
    site: u32,
    /// Whether it has handlers that are programs.
    programs: bool,
    /// The paths under which its files for errors are, once somebody asked.
    error_files: Option<BTreeSet<String>>,
}

/// A place of a site.
struct Place<'a> {
    site: &'a Site,
    /// Its path, as segments.
    path: Vec<String>,
}

/// Lowers sites.
pub fn lower(sites: &[Site], host: &Host, options: &Options) -> (ir::Config, Vec<Diagnostic>) {
    let config = ir::Config {
        process: ir::Process { workers: None, connections: 65536, ..ir::Process::default() },
        base: defaults::settings(),
        reasons: defaults::reasons(),
        pages: defaults::pages(),
        ..ir::Config::default()
    };
    let mut cx = Cx {
        config,
        found: Vec::new(),
        options,
        host,
        vars: BTreeMap::new(),
        statuses: status::known(),
        phrases: Vec::new(),
        made: Vec::new(),
        reached: BTreeSet::new(),
        site: 0,
        programs: false,
        error_files: None,
    };
    if let Some(site) = sites.iter().find(|_| host.assumed) {
        let mut found = Vec::new();
        let stock = site.assumed("system.webServer/staticContent", &mut found);
        content::mime(&stock, &mut cx.config.base);
    }
    cx.config.base.http.tls_trusted = Some(options.trusted.clone());
    bindings::told(&mut cx);
    for site in sites {
        // Names of variables are of a site; only its number is unique.
        cx.vars.clear();
        cx.site = site.id;
        cx.error_files = None;
        cx.programs = handlers::any(site);
        let host = cx.site(site);
        cx.config.hosts.push(host);
    }
    if let Some(site) = sites.first() {
        handlers::unused(&mut cx, site.span);
    }
    bindings::listeners(&mut cx, sites);
    status::finish(&mut cx);
    (cx.config, cx.found)
}

impl Cx<'_> {
    fn report(&mut self, found: Diagnostic) {
        self.found.push(found);
    }

    /// The variable of a name, made when it is new.
    fn var(&mut self, name: &str, kind: impl FnOnce() -> VarKind) -> VarId {
        if let Some(id) = self.vars.get(name) {
            return *id;
        }
        let id = self.fresh(name, kind());
        self.vars.insert(name.to_owned(), id);
        id
    }

    /// A new variable.
    fn fresh(&mut self, name: &str, kind: VarKind) -> VarId {
        let id = VarId(self.config.vars.len() as u32);
        self.config.vars.push(Var { name: name.into(), kind, span: Span::NONE });
        id
    }

    /// A variable that steps write.
    fn assigned(&mut self, name: &str) -> VarId {
        self.var(name, || VarKind::Assigned)
    }

    fn site(&mut self, site: &Site) -> ir::Host {
        let places: Vec<Place> = site.places().into_iter().map(|path| Place { site, path }).collect();
        // What rules may set has to be known before anything reads it.
        let targets = rules::declare(self, site);
        farm::farms(self, &targets);
        let forward = self.assigned("forward");
        let mut first = vars::begin(self);
        let global = rules::global(self, site, forward);
        let after_global = !global.is_empty();
        let mut before = Vec::new();
        let mut after = Vec::new();
        // The deepest path that the request's begins with decides.
        for place in places.iter().rev() {
            before.push((place, self.admit(place, forward, after_global)));
            after.push((place, self.serve(place)));
        }
        first.extend(global);
        first.push((by_place(before), Span::NONE));
        let asked: Vec<_> =
            places.iter().rev().map(|place| (place, block(access::steps(self, place)))).collect();
        if asked.iter().any(|(_, block)| !block.steps.is_empty()) {
            let test = Test::Not(Box::new(Test::Truthy(Template::var(forward))));
            // Who a request that leads elsewhere may be is asked where it was decided.
            let then = block(vec![(by_place(asked), Span::NONE)]);
            first.push((Step::When { test, then, otherwise: Block::default() }, Span::NONE));
        }
        // A default document and the page of an error are other paths of the same request: nothing is decided again, also
        // where it was decided to refuse.
        let decided = self.assigned("decided");
        first.insert(0, (Step::Assign { var: decided, value: "1".into() }, Span::NONE));
        let again = Step::Assign { var: forward, value: Template::default() };
        let mut redone = vec![(again, Span::NONE)];
        if let Some(var) = self.vars.get(content::AGAIN) {
            redone.push((Step::Assign { var: *var, value: "1".into() }, Span::NONE));
        }
        let mut main = vec![(
            Step::When {
                test: Test::Truthy(Template::var(decided)),
                then: block(redone),
                otherwise: block(first),
            },
            Span::NONE,
        )];
        main.push((
            Step::When {
                test: Test::Truthy(Template::var(forward)),
                then: proxy::forward(site, forward),
                otherwise: block(vec![(by_place(after), Span::NONE)]),
            },
            Span::NONE,
        ));
        main.push((Step::Authorize(Asking::Always), Span::NONE));
        main.splice(0..0, kernel());
        let mut own = bindings::settings(site);
        if let Some(limit) = dynamic::of_site(self, site) {
            own.limits.concurrent = Some(vec![limit]);
            own.limits.concurrent_level = Some(ir::settings::Level::Warn);
        }
        if let Some(redirect) = bindings::hsts(site, &mut own) {
            main.insert(0, redirect);
        }
        let request = Block {
            label: None,
            scope: Some(Scope { base: Base::Enclosing, set: Box::new(own) }),
            steps: main,
            span: site.span,
        };
        ir::Host {
            name: site.name.as_str().into(),
            names: Vec::new(),
            tls: None,
            request,
            named: Vec::new(),
            span: site.span,
        }
    }

    /// What happens to a request of a place before it is known who answers.
    fn admit(&mut self, place: &Place, forward: VarId, after_global: bool) -> Block {
        if place.site.is_broken(&place.path) {
            // 500.19
            let reply = ir::Reply { status: status::own(500, 19), content: ir::ReplyContent::Page };
            return block(vec![(Step::Respond(reply), Span::NONE)]);
        }
        let mut settings = Settings::default();
        content::settings(self, place, &mut settings);
        filtering::limits(self, place, &mut settings);
        proxy::settings(self, place, &mut settings);
        outbound::settings(self, place, &mut settings);
        compression::settings(self, place, compression::Content::Dynamic, &mut settings);
        let mut steps = filtering::steps(self, place);
        if let Some(limited) = dynamic::settings(self, place, &mut settings) {
            steps.insert(0, limited);
        }
        let rules = rules::distributed(self, place, forward);
        if !rules.is_empty() {
            let rules = Block { label: Some("rules".into()), steps: rules, ..Block::default() };
            let untouched = Test::Not(Box::new(Test::Truthy(Template::var(forward))));
            let step = if after_global {
                Step::When { test: untouched, then: rules, otherwise: Block::default() }
            } else {
                Step::Do(rules)
            };
            steps.push((step, Span::NONE));
        }
        let asked = access::steps(self, place);
        if !asked.is_empty() {
            let test = Test::Truthy(Template::var(forward));
            steps.push((Step::When { test, then: block(asked), otherwise: Block::default() }, Span::NONE));
        }
        Block {
            label: None,
            scope: Some(Scope { base: Base::Enclosing, set: Box::new(settings) }),
            steps,
            span: Span::NONE,
        }
    }

    /// Who answers a request of a place.
    fn serve(&mut self, place: &Place) -> Block {
        let mut settings = Settings::default();
        content::settings(self, place, &mut settings);
        filtering::limits(self, place, &mut settings);
        let steps = content::steps(self, place, &mut settings);
        outbound::settings(self, place, &mut settings);
        compression::settings(self, place, compression::Content::Static, &mut settings);
        Block {
            label: None,
            scope: Some(Scope { base: Base::Enclosing, set: Box::new(settings) }),
            steps,
            span: Span::NONE,
        }
    }
}

/// What is answered before a site is asked, in the original by `http.sys`: a `POST` or `PUT` that does not say how long it is
/// (411, published readings: "refused with 411 before any handler is consulted"), `OPTIONS *`, which is about the
/// server, and a path with control characters, which no `.` of a rule would see (`AllowRestrictedChars` is 0: from U+0000
/// to U+001F and from U+007F to U+009F, decoded, "Http.sys registry settings for Windows").
fn kernel() -> Vec<(Step, Span)> {
    let missing = |name: &str| {
        let field = Template::attr(ir::Attr::Field(name.into()));
        Test::Not(Box::new(Test::Present(field)))
    };
    let protocol = Template::attr(ir::Attr::Protocol);
    let framed = Test::Match { subject: protocol, pattern: Pattern::regex("^HTTP/1", false), into: None };
    let without = Test::All(vec![
        Test::Method(vec!["POST".into(), "PUT".into()]),
        missing("content-length"),
        missing("transfer-encoding"),
        framed,
    ]);
    let reply = ir::Reply { status: 411, content: ir::ReplyContent::Page };
    let refused = block(vec![(Step::Respond(reply), Span::NONE)]);
    let server = Test::Equal(Template::attr(ir::Attr::Path), "*".into());
    let when = |test, then| (Step::When { test, then, otherwise: Block::default() }, Span::NONE);
    let path = Template::attr(ir::Attr::Path);
    let control = Pattern::regex(r"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]", false);
    let odd = Test::Match { subject: path, pattern: control, into: None };
    let reply = ir::Reply { status: 400, content: ir::ReplyContent::Page };
    let odd = when(odd, block(vec![(Step::Respond(reply), Span::NONE)]));
    vec![odd, when(without, refused), when(server, handlers::protocol(Span::NONE))]
}

/// A list of steps to add to.
fn steps() -> Vec<(Step, Span)> {
    Vec::new()
}

/// A block of steps and nothing else.
fn block(steps: Vec<(Step, Span)>) -> Block {
    Block { steps, ..Block::default() }
}

/// The block of the deepest place that the path is in.
fn by_place(mut blocks: Vec<(&Place, Block)>) -> Step {
    let Some((_, last)) = blocks.pop() else { return Step::Do(Block::default()) };
    // The site itself is the last, and every path is in it.
    let mut otherwise = last;
    for (place, then) in blocks.into_iter().rev() {
        let test = inside(&place.path);
        otherwise = block(vec![(Step::When { test, then, otherwise }, Span::NONE)]);
    }
    Step::Do(otherwise)
}

/// Whether the path is this one or below it; case does not count.
fn inside(path: &[String]) -> Test {
    let mut text = String::from("^");
    for segment in path {
        text.push('/');
        text.push_str(&pattern::literal(segment));
    }
    text.push_str("(?:/|$)");
    Test::Match { subject: Template::attr(ir::Attr::Path), pattern: letters::any_case(text), into: None }
}

/// The path of segments, with a slash at both ends.
fn prefix(path: &[String]) -> String {
    let mut text = String::from("/");
    for segment in path {
        text.push_str(segment);
        text.push('/');
    }
    text
}

/// A path of the machine as text without variables.
fn path_text(path: &Path) -> Template {
    use std::os::unix::ffi::OsStrExt as _;
    Template::text(ir::Text::from(path.as_os_str().as_bytes()))
}

/// A jump out of the block of this label.
fn leave(label: &str) -> (Step, Span) {
    (Step::Jump(Jump::Exit(label.into())), Span::NONE)
}

/// The mapping that a path belongs to.
fn root_of<'s>(site: &'s Site, path: &[String]) -> Option<&'s Root> {
    site.roots.iter().find(|root| super::site::is_below(path, &root.path))
}
