//! `Options`: what a directory allows; and what its `.htaccess` may say.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/core.html#options>

use super::{
    super::{
        catalogue::{self, Override},
        check::Allowed,
        tree::{Directive, Item, Word, directives},
    },
    Cx, Lower, Phase, Section,
    mapping::respond,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{Base, Block, Handler, Scope, Settings, Step},
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] =
    &[("AllowOverride", allow_override), ("AllowOverrideList", allow_override_list), ("Options", options)];

/// Options that change something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Option_ {
    Indexes,
    FollowSymLinks,
    SymLinksIfOwnerMatch,
    MultiViews,
    Includes,
    Programs,
}

/// `Options [+|-]option ...`
fn options(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let mut listing = None;
    let mut links = None;
    let mut variants = None;
    let mut includes = None;
    let mut programs = None;
    let mut relative = None;
    for word in &directive.args {
        let text = word.text().to_ascii_lowercase();
        let (sign, name) = match text.as_bytes().first() {
            Some(b'+') => (Some(true), &text[1..]),
            Some(b'-') => (Some(false), &text[1..]),
            _ => (None, &*text),
        };
        if relative.is_some_and(|relative| relative != sign.is_some()) {
            let message = "Either all Options must start with + or -, or no Option may.";
            return cx.report(Diagnostic::error("mixed-options", word.span, message));
        }
        relative = Some(sign.is_some());
        if sign.is_none() {
            listing.get_or_insert(false);
            links.get_or_insert(1);
            variants.get_or_insert(false);
            includes.get_or_insert(false);
            programs.get_or_insert(false);
        }
        let on = sign.unwrap_or(true);
        match name {
            "none" => {}
            "all" => {
                listing = Some(on);
                links = Some(u8::from(!on));
                includes = Some(on);
                programs = Some(on);
            }
            name => match known(name) {
                Some(Option_::Indexes) => listing = Some(on),
                Some(Option_::FollowSymLinks) => links = Some(u8::from(!on)),
                // Following all of them is the wider of the two.
                Some(Option_::SymLinksIfOwnerMatch) => match (on, links) {
                    (true, Some(0)) => {}
                    (true, _) => links = Some(2),
                    (false, _) => links = Some(links.unwrap_or(1)),
                },
                Some(Option_::MultiViews) => variants = Some(on),
                Some(Option_::Includes) => includes = Some(on),
                Some(Option_::Programs) => programs = Some(on),
                None => {
                    let message = format!("Illegal option {}", word.text());
                    return cx.report(Diagnostic::error("invalid-value", word.span, message));
                }
            },
        }
    }
    if let Some(on) = includes.filter(|_| cx.names.includes) {
        section.set.rewriting.includes_forbidden = Some(!on);
    }
    if variants.is_some() {
        section.set.negotiation.on = variants;
    }
    if let Some(on) = listing {
        let on = on && super::directory::has_module(cx, "autoindex_module");
        cx.names.listings |= on;
        let block = if on {
            let set = Settings { handler: Some(Handler::Listing), ..Settings::default() };
            let scope = Scope { base: Base::Current, set: Box::new(set) };
            let value = "httpd/unix-directory".into();
            let steps = vec![(Step::Assign { var: cx.handler(), value }, directive.head())];
            Block { scope: Some(scope), steps, span: directive.head(), ..Block::default() }
        } else {
            Block { steps: super::directory::not_listed(cx), span: directive.head(), ..Block::default() }
        };
        section.replace(Phase::Listing, block);
    }
    if let Some(on) = programs {
        let steps = if on { Vec::new() } else { vec![respond(403)] };
        section.replace(Phase::Program, Block { steps, span: directive.head(), ..Block::default() });
    }
    if let Some(links) = links {
        section.set.files.symlinks = Some(links);
        let steps = if links == 1 { vec![respond(403)] } else { Vec::new() };
        section.replace(Phase::Links, Block { steps, span: directive.head(), ..Block::default() });
    }
}

/// A walk before the lowering: whether any directory allows server-side includes, whether access is asked for anew.
pub(super) fn survey(cx: &mut Cx, items: &[Item]) {
    for directive in directives(items) {
        // A module that looks at each path makes all of them do so (observed).
        cx.names.asks_paths |= directive.name() == "LoadModule"
            && directive.args.iter().any(|word| word.is("allowmethods_module"));
        if directive.name() == "LogLevel" {
            let tells = |word: &Word| super::logs::tells_rules(&word.text().to_ascii_lowercase());
            cx.names.traces |= directive.args.iter().any(|word| tells(word) == Some(true));
        }
        if directive.name() == "Options" {
            let names = ["includes", "includesnoexec", "all"];
            let allows = |word: &Word| {
                let text = word.text().to_ascii_lowercase();
                names.contains(&text.strip_prefix('+').unwrap_or(&text))
            };
            cx.names.includes |= directive.args.iter().any(allows);
        }
        if directive.name() == "AllowOverride" {
            let allows = |word: &Word| {
                let text = word.text().to_ascii_lowercase();
                matches!(text.split('=').next(), Some("all" | "options"))
            };
            cx.names.includes |= directive.args.iter().any(allows);
        }
        survey(cx, directive.block());
    }
}

fn known(name: &str) -> Option<Option_> {
    Some(match name {
        "indexes" => Option_::Indexes,
        "followsymlinks" => Option_::FollowSymLinks,
        "symlinksifownermatch" => Option_::SymLinksIfOwnerMatch,
        "multiviews" => Option_::MultiViews,
        "includes" | "includesnoexec" => Option_::Includes,
        "execcgi" | "runscripts" => Option_::Programs,
        _ => return None,
    })
}

/// `AllowOverride All|None|class ...`
fn allow_override(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let mut allowed = Allowed::default();
    let mut classes = Vec::new();
    for word in &directive.args {
        let text = word.text().to_ascii_lowercase();
        match text.split_once('=') {
            Some(("options", _)) => classes.push(Override::Options),
            Some(("nonfatal", "override" | "unknown" | "all")) => allowed.nonfatal = true,
            _ => match (&*text, Override::from_word(&text)) {
                ("all", _) => classes.extend(Override::ALL),
                ("none", _) => classes.clear(),
                (_, Some(class)) => classes.push(class),
                _ => return illegal(cx, word),
            },
        }
    }
    allowed.overrides = classes.into_iter().collect();
    if let Some(known) = section.own.allowed.take() {
        allowed.list = known.list;
    }
    section.own.allowed = Some(allowed);
}

fn illegal(cx: &mut Cx, word: &Word) {
    let message = format!("Illegal override option {}", word.text());
    cx.report(Diagnostic::error("invalid-value", word.span, message));
}

/// `AllowOverrideList None|directive ...`
fn allow_override_list(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let words = directive.args.iter().filter(|word| !word.is("none"));
    let name =
        |word: &Word| catalogue::usual(&word.value).map_or_else(|| word.text().into_owned(), str::to_owned);
    section.own.allowed.get_or_insert_default().list = words.map(name).collect();
}
