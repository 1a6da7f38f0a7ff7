//! What the catalogue knows of a tree: whether directives exist, may stand where they stand and have the right
//! number of arguments, and what becomes of them here. What arguments mean is the lowering's business.
//!
//! A message begins with Apache's own words, which are searched for.

use std::collections::HashSet;

use super::{
    catalogue::{self, Args, Catalogue, Overrides, Place, Row, Status, ThirdParty},
    lower,
    modules::Modules,
    tree::{Body, Directive, Item, directives},
};
use crate::{
    diagnostic::{Diagnostic, Severity, suggest},
    source::FileId,
};

/// How to check.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Whether the file is away from its machine: what is refused is a warning.
    pub offline: bool,
    /// The modules that count as loaded.
    pub modules: &'a Modules,
    /// What a `.htaccess` may hold; `None` is no `.htaccess`.
    pub allowed: Option<&'a Allowed>,
}

/// What `AllowOverride` and `AllowOverrideList` allow in a `.htaccess`.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    /// The classes of `AllowOverride`.
    pub overrides: Overrides,
    /// The names of `AllowOverrideList`, in their usual spelling.
    pub list: Vec<String>,
    /// `AllowOverride Nonfatal=`: of these classes, what is not allowed is left out with a warning.
    pub nonfatal: bool,
}

impl Allowed {
    /// `AllowOverride All`
    pub fn all() -> Self {
        Self { overrides: Overrides::all(), ..Self::default() }
    }

    /// Whether a directive may stand in the `.htaccess`.
    pub fn allows(&self, row: &Row) -> bool {
        !row.overrides.intersection(self.overrides).is_empty() || self.list.contains(&row.name)
    }
}

/// What is wrong with a tree.
pub fn check(items: &[Item], options: Options<'_>) -> Vec<Diagnostic> {
    let catalogue = catalogue::catalogue();
    let mut check =
        Check { catalogue, options, found: Vec::new(), within: Vec::new(), guesses: MOST_GUESSES };
    check.items(items);
    check.found
}

/// Leaves out what is misplaced, unknown or refused, so that nothing more is said of it.
pub fn prune(items: &mut [Item], found: &[Diagnostic]) {
    let codes = [
        "arguments",
        "wrong-context",
        "unknown-directive",
        "third-party-directive",
        "refused-directive",
        "not-yet-honoured",
    ];
    let wrong = found.iter().filter(|found| codes.contains(&found.code));
    let places = wrong.filter_map(|found| found.labels.first());
    let places: HashSet<_> = places.map(|label| (label.span.file, label.span.start)).collect();
    if !places.is_empty() {
        prune_at(items, &places);
    }
}

fn prune_at(items: &mut [Item], places: &HashSet<(FileId, u32)>) {
    for item in items {
        let Item::Directive(directive) = item else { continue };
        if places.contains(&(directive.span.file, directive.span.start)) {
            directive.body = Body::Done;
        }
        match &mut directive.body {
            Body::Section(section) | Body::Taken(section) => prune_at(&mut section.items, places),
            Body::Included(files) => files.iter_mut().for_each(|file| prune_at(&mut file.items, places)),
            Body::None | Body::Text(_) | Body::Done => {}
        }
    }
}

/// How many of the outermost directives may not stand in a place: how well a part of a configuration fits there.
pub fn misfits(items: &[Item], place: Place) -> usize {
    let catalogue = catalogue::catalogue();
    let rows = directives(items).filter_map(|directive| catalogue.get(&directive.name.value));
    rows.filter(|row| !row.places.contains(place)).count()
}

struct Check<'a> {
    catalogue: &'static Catalogue,
    options: Options<'a>,
    found: Vec<Diagnostic>,
    /// The sections around, the innermost last.
    within: Vec<Within<'a>>,
    /// For how many more unknown names it is asked what was meant.
    guesses: usize,
}

/// For how many unknown names it is asked what was meant: that compares each with all names there are, and a file with
/// more of them is no configuration.
const MOST_GUESSES: usize = 200;

/// A section around.
#[derive(Clone, Copy)]
struct Within<'a> {
    place: Place,
    section: &'a Directive,
    /// Whether it is one of `<RequireAll>`'s kind, which hold nothing but `Require`.
    authorization: bool,
}

impl<'a> Check<'a> {
    fn items(&mut self, items: &'a [Item]) {
        for directive in directives(items) {
            self.directive(directive);
        }
    }

    fn place(&self) -> Place {
        let outside = if self.options.allowed.is_some() { Place::Htaccess } else { Place::Server };
        self.within.last().map_or(outside, |within| within.place)
    }

    fn directive(&mut self, directive: &'a Directive) {
        let Some(row) = self.catalogue.get(&directive.name.value) else { return self.unknown(directive) };
        // What its reader finds is found after the arguments have been counted.
        let (early, late) = match self.misplaced(directive, row) {
            Some(fault) if fault.message.contains(" cannot occur ") => (None, Some(fault)),
            fault => (fault, None),
        };
        if let Some(fault) = early.or_else(|| wrong_arguments(directive, row)).or(late) {
            self.found.push(fault);
        } else if !self.status(directive, row) {
            // What stands in a section that is refused is of no interest, and may be another language.
            return;
        }
        if let Body::Section(section) = &directive.body {
            let place = section_place(&row.name).unwrap_or_else(|| self.place());
            let authorization =
                matches!(row.name.as_str(), "<RequireAll>" | "<RequireAny>" | "<RequireNone>");
            self.within.push(Within { place, section: directive, authorization });
            self.items(&section.items);
            self.within.pop();
        }
    }

    /// What is wrong with where a directive stands.
    fn misplaced(&self, directive: &Directive, row: &Row) -> Option<Diagnostic> {
        let message = self.misplacement(row)?;
        let places: Vec<&str> = row.places.words().iter().map(|word| described(word)).collect();
        let fault = Diagnostic::error("wrong-context", directive.name.span, message)
            .because(format!("allowed {}", enumerate(&places)));
        Some(match better(&row.name, self.place()) {
            Some(help) => fault.help(help),
            None => fault,
        })
    }

    fn misplacement(&self, row: &Row) -> Option<String> {
        let name = row.name.trim_end_matches('>');
        let here = |within: &Within<'_>| within.section.name.text().into_owned();
        let anywhere_in_sections = !row.places.intersection(sections()).is_empty();
        let Some(inner) = self.within.last() else {
            let allowed = match self.options.allowed {
                Some(allowed) => row.places.contains(Place::Htaccess) && allowed.allows(row),
                None => row.places.contains(Place::Server),
            };
            let where_else =
                if name == "ServerAlias" { "only used in <VirtualHost>" } else { "not allowed here" };
            return (!allowed).then(|| format!("{name} {where_else}"));
        };
        let elsewhere = || Some(format!("{name} not allowed in {}> context", here(inner)));
        if let Some(allowed) = self.options.allowed
            && !(row.places.contains(Place::Htaccess) && allowed.allows(row))
        {
            return elsewhere();
        }
        let authorization =
            row.overrides.contains(catalogue::Override::AuthConfig) && row.overrides != Overrides::all();
        if inner.authorization && !authorization {
            return elsewhere();
        }
        match inner.place {
            Place::Vhost if row.places.contains(Place::Vhost) => return None,
            Place::Vhost if row.places.contains(Place::Server) => {}
            Place::Proxy if row.places.contains(Place::Proxy) => return None,
            Place::Vhost => return elsewhere(),
            _ if !anywhere_in_sections => return elsewhere(),
            _ => {}
        }
        // Here the sections further outside count as well.
        let wrong = self.within.iter().rev().find(|within| {
            !row.places.contains(within.place)
                && (within.place != Place::Vhost || inner.place == Place::Vhost)
        })?;
        let wrong = match wrong.place {
            Place::Limit => "<Limit> or <LimitExcept>".to_owned(),
            _ => format!("{}>", here(wrong)),
        };
        Some(format!("{} cannot occur within {wrong} section", row.name))
    }

    /// Says what becomes of a directive; whether what stands in it counts.
    fn status(&mut self, directive: &Directive, row: &Row) -> bool {
        let name = &row.name;
        if name == "LoadModule" {
            self.foreign_module(directive);
        }
        if !self.options.modules.provides(self.catalogue.module(row)) && row.is_honoured() {
            self.not_loaded(directive, row);
        }
        match &row.status {
            Status::Honoured => {}
            Status::Inert { why } => {
                let message = format!("`{name}` has no effect here");
                let found = Diagnostic::note_at("inert-directive", directive.head(), message);
                self.found.push(found.because(why.clone()));
            }
            // Who lowers it makes it honoured.
            Status::Refused { why } if why == "not yet honoured" && lower::lowers(name) => {}
            Status::Refused { why } => {
                if is_harmless(directive) {
                    let message = format!("`{name}` has no effect here");
                    let found = Diagnostic::note_at("inert-directive", directive.head(), message);
                    self.found.push(found.because("changes nothing with this value"));
                    return true;
                }
                let yet = why.starts_with("not yet honoured");
                let code = if yet { "not-yet-honoured" } else { "refused-directive" };
                let (first, help) = why.split_once("; ").unwrap_or((why, ""));
                let found = Diagnostic::error(code, directive.head(), format!("`{name}` is {first}"));
                let found = if help.is_empty() { found } else { found.help(help) };
                self.found.push(self.lenient(found));
                return yet;
            }
        }
        true
    }

    /// A module that Apache does not come with is not there, whatever is loaded.
    fn foreign_module(&mut self, directive: &Directive) {
        let [id, _] = directive.args.as_slice() else { return };
        if self.catalogue.modules().iter().any(|module| module.id.as_bytes() == id.value) {
            return;
        }
        let name = id.text();
        let message = format!("the module `{name}` is not honoured");
        let found = Diagnostic::warning("third-party-module", id.span, message);
        self.found.push(match self.catalogue.third_parties().iter().find(|module| module.is(&name)) {
            Some(module) => found.help(module.why.clone()),
            None if name.starts_with("mpm_") => return,
            None => found.because("nothing is known of it"),
        });
    }

    /// Apache does not know the directives of a module that is not loaded.
    fn not_loaded(&mut self, directive: &Directive, row: &Row) {
        let module = self.catalogue.module(row);
        let (name, id) = (&module.name, &module.id);
        let message = format!("`{}` belongs to {name}, which this configuration does not load", row.name);
        let found = Diagnostic::warning("module-not-loaded", directive.name.span, message)
            .because("honoured here; Apache refuses it")
            .help(format!(
                "write `LoadModule {id} modules/{name}.so`, or on Debian `a2enmod {}`",
                name.trim_start_matches("mod_")
            ));
        self.found.push(found);
    }

    fn unknown(&mut self, directive: &Directive) {
        let written = directive.name.text();
        let message = format!(
            "Invalid command '{written}', perhaps misspelled or defined by a module not included in the server \
             configuration"
        );
        if let Some(module) = self.catalogue.third_party(&directive.name.value) {
            return self.third_party(directive, module);
        }
        let mut found = Diagnostic::error("unknown-directive", directive.name.span, message);
        if directive.name.value.starts_with(b"\xef\xbb\xbf") {
            found = found
                .because("a byte order mark stands before the name, which Apache takes for a part of it")
                .help("save the file as UTF-8 without a byte order mark");
        } else if let Some(meant) = self.meant(&written) {
            found = found.help(format!("did you mean `{meant}`?"));
        }
        self.found.push(found);
    }

    /// What was probably meant: first of what may stand here.
    fn meant(&mut self, written: &str) -> Option<&'static str> {
        let other = match written.strip_prefix('<') {
            Some(name) => name.to_owned(),
            None => format!("<{written}"),
        };
        if let Some(row) = self.catalogue.get(other.as_bytes()) {
            return Some(&row.name);
        }
        self.guesses = self.guesses.checked_sub(1)?;
        let place = self.place();
        let rows = self.catalogue.rows().iter();
        let here = rows.clone().filter(|row| row.places.contains(place));
        let names = |row: &'static Row| row.name.trim_end_matches('>');
        let near =
            suggest::nearest(written, here.map(names)).or_else(|| suggest::nearest(written, rows.map(names)));
        near.and_then(|near| self.catalogue.get(near.as_bytes())).map(|row| row.name.as_str())
    }

    fn third_party(&mut self, directive: &Directive, module: &ThirdParty) {
        let name = directive.name();
        if module.inert {
            let found = Diagnostic::note_at(
                "inert-directive",
                directive.head(),
                format!("`{name}` has no effect here"),
            );
            return self.found.push(found.because(module.why.clone()));
        }
        let message = format!("`{name}` belongs to {}, which is not honoured", module.module);
        let found = Diagnostic::error("third-party-directive", directive.name.span, message);
        self.found.push(self.lenient(found.because("not honoured").help(module.why.clone())));
    }

    /// What stops a server from starting is a warning for a file that is only looked at.
    fn lenient(&self, found: Diagnostic) -> Diagnostic {
        let severity = if self.options.offline { Severity::Warning } else { found.severity };
        Diagnostic { severity, ..found }
    }
}

/// Every place within a section for a part of the requests but `<Proxy>`, which allows more.
fn sections() -> catalogue::Places {
    [Place::Directory, Place::Location, Place::Files, Place::If, Place::Limit].into_iter().collect()
}

/// The place that a section makes; `None` where it leaves that as it is.
fn section_place(name: &str) -> Option<Place> {
    Some(match name {
        "<VirtualHost>" => Place::Vhost,
        "<Directory>" | "<DirectoryMatch>" => Place::Directory,
        "<Location>" | "<LocationMatch>" => Place::Location,
        "<Files>" | "<FilesMatch>" => Place::Files,
        "<If>" | "<ElseIf>" | "<Else>" => Place::If,
        "<Limit>" | "<LimitExcept>" => Place::Limit,
        "<Proxy>" | "<ProxyMatch>" => Place::Proxy,
        _ => return None,
    })
}

/// What is wrong with the number of arguments.
fn wrong_arguments(directive: &Directive, row: &Row) -> Option<Diagnostic> {
    let message =
        if row.is_section() { section_arguments(directive, row) } else { plain_arguments(directive, row) }?;
    let fault = Diagnostic::error("arguments", directive.head(), message);
    Some(match &row.usage {
        Some(usage) if row.is_section() => {
            fault.help(format!("write `{} {usage}>`", row.name.trim_end_matches('>')))
        }
        Some(usage) => fault.help(format!("write `{} {usage}`", row.name)),
        None => fault,
    })
}

fn plain_arguments(directive: &Directive, row: &Row) -> Option<String> {
    if row.name == "Error" {
        let text = String::from_utf8_lossy(directive.raw());
        return Some(if text.is_empty() {
            "The Error directive was used with no message.".into()
        } else {
            text.into()
        });
    }
    if row.name == "Listen" && !(1..=2).contains(&directive.args.len()) {
        return Some("Listen requires 1 or 2 arguments.".into());
    }
    let words: Vec<&[u8]> = directive.args.iter().map(|word| word.value.as_slice()).collect();
    row.args.fault(&words).map(|fault| format!("{} {fault}", row.name))
}

fn section_arguments(directive: &Directive, row: &Row) -> Option<String> {
    let name = &row.name;
    let raw = directive.raw();
    match name.as_str() {
        "<Else>" => (!raw.is_empty()).then(|| format!("{name} does not take an argument")),
        "<RequireAll>" | "<RequireAny>" | "<RequireNone>" => {
            (!raw.is_empty()).then(|| format!("{name} directive doesn't take additional arguments"))
        }
        _ if raw.is_empty() => Some(format!("{name} directive requires additional arguments")),
        "<Directory>" | "<Location>" | "<Files>"
            if directive.args.first().is_some_and(|word| word.is("~")) =>
        {
            None
        }
        "<Directory>" | "<DirectoryMatch>" | "<Location>" | "<LocationMatch>" | "<Files>"
        | "<FilesMatch>"
            if directive.args.len() > 1 =>
        {
            Some(format!("Multiple {name} arguments not (yet) supported."))
        }
        _ => None,
    }
}

/// Whether a refused directive says that it is off.
fn is_harmless(directive: &Directive) -> bool {
    let off = matches!(directive.args.as_slice(), [word] if word.is("off") || word.is("none"));
    let flag = catalogue::catalogue().get(&directive.name.value).is_some_and(|row| row.args == Args::Flag);
    off && (flag || directive.name() == "MultiviewsMatch")
}

/// A place of the catalogue in a sentence.
fn described(word: &str) -> &'static str {
    match word {
        "dir" => "in <Directory>, <Location> and their kind",
        word => Place::ALL.iter().find(|place| place.word() == word).map_or("", |place| place.description()),
    }
}

/// What to write instead, where people often err.
fn better(name: &str, place: Place) -> Option<&'static str> {
    match (name, place) {
        ("AllowOverride", _) => Some("put it into `<Directory \"/path\"> ... </Directory>`"),
        ("Listen", Place::Vhost) => Some("put it outside of the `<VirtualHost>`"),
        ("ProxyPass", Place::Directory | Place::Files | Place::If | Place::Htaccess) => {
            Some("put it into the `<VirtualHost>`, or use `RewriteRule ... [P]`")
        }
        ("RewriteMap", _) => Some("put it into the `<VirtualHost>`"),
        ("Require", Place::Server | Place::Vhost) => Some("put it into `<Location \"/\"> ... </Location>`"),
        ("<VirtualHost>", Place::Vhost) => Some("close the `<VirtualHost>` before it with `</VirtualHost>`"),
        ("<Directory>", Place::Location) => Some("put it outside of the `<Location>`"),
        _ => None,
    }
}

fn enumerate(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests;
