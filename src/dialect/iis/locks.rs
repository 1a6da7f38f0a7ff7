//! Which sections a deeper file may write.
//!
//! The server's file says so by `overrideModeDefault` of a section, which its locations change for a path; a web.config's
//! location with `overrideMode="Deny"` keeps files below it out. Only the level that locked can unlock, and a file with a
//! locked section is refused whatever it says (reference 2.5, 2.6, from "How to use locking in IIS configuration").

use super::{
    file::Written,
    schema::{self, Unlock},
    site::{Layer, Site, is_below},
};
use crate::diagnostic::Diagnostic;

/// Says which sections of a site's files may not stand there. `host` is the server's own file, where there is one; without
/// it, what a stock server locks is a warning.
pub(super) fn check(site: &Site, host: Option<&Written>, found: &mut Vec<Diagnostic>) {
    for layer in site.written.iter().filter(|layer| layer.file_depth.is_some()) {
        let Some(section) = schema::schema().section(&layer.fragment.section) else { continue };
        if section.unlock == Unlock::Machine {
            // Said when the file was read.
            continue;
        }
        let name = &layer.fragment.section;
        let span = layer.fragment.element.name_span;
        match locker(site, host, section.unlock, layer) {
            Lock::None => {}
            Lock::By(other) => {
                let message = format!("`{name}` is locked");
                let found_lock = Diagnostic::error("section-locked", span, message)
                    .because("an outer file does not let this one write it");
                found.push(found_lock.label(other.fragment.element.name_span, "locked here"));
            }
            Lock::Default => {
                let message = format!("`{name}` is locked");
                found.push(
                    Diagnostic::error("section-locked", span, message)
                        .because("applicationHost.config does not let other files write it")
                        .help(format!(
                            "there, put it into `<location path=\"...\" overrideMode=\"Allow\">`, or move `{name}` there"
                        )),
                );
            }
            Lock::Stock => {
                let message = format!("`{name}` is locked on a stock server");
                found.push(
                    Diagnostic::warning("section-locked", span, message)
                        .because("taken as unlocked")
                        .note("an administrator has to unlock it there, else the server answers 500.19"),
                );
            }
        }
    }
}

/// What keeps a file from writing a section.
enum Lock<'a> {
    None,
    /// A location.
    By(&'a Layer),
    /// The section's own default in the server's file.
    Default,
    /// That of a stock server, which is only assumed.
    Stock,
}

fn locker<'a>(site: &'a Site, host: Option<&Written>, stock: Unlock, layer: &Layer) -> Lock<'a> {
    let fragment = &layer.fragment;
    let declared =
        host.and_then(|host| host.declared.iter().rev().find(|(name, ..)| *name == fragment.section));
    let mut lock = match (host, declared) {
        (Some(_), Some((_, unlock, _))) if *unlock != Unlock::Everywhere => Lock::Default,
        (Some(_), None) if stock != Unlock::Everywhere => Lock::Default,
        (None, _) if stock == Unlock::Locked => Lock::Stock,
        _ => Lock::None,
    };
    let mut outer: Vec<&Layer> = site
        .written
        .iter()
        .filter(|other| !other.assumed && other.fragment.unlocks.is_some())
        .filter(|other| other.fragment.section == fragment.section && is_below(&layer.path, &other.path))
        .filter(|other| other.file_depth < layer.file_depth)
        .collect();
    outer.sort_by_key(|other| (other.file_depth, other.path.len()));
    for other in outer {
        match (other.fragment.unlocks, other.file_depth) {
            (Some(false), _) => lock = Lock::By(other),
            // Only the server's own file takes its locks back.
            (Some(true), None) => lock = Lock::None,
            _ => {}
        }
    }
    lock
}
