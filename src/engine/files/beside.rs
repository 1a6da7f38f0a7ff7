//! Files that were coded beforehand: `page.html.gz` beside `page.html`.

use std::fs::{File, Metadata};

use super::{
    super::{exchange::Exchange, filter, forward::system},
    open_by,
};
use crate::{
    ir::settings::{Beside, Level},
    plan::{Coding, Plan},
};

/// What lies beside a file.
pub(super) enum Found {
    /// Nothing that changes anything.
    Nothing,
    /// Something that the client does not accept, but others do: the answer says so.
    ForOthers,
    /// This, with its name in place of the file's.
    File(Coding, File, Metadata, bool),
}

/// Looks for a coded file that the client accepts, best coding first.
pub(super) fn find(exchange: &mut Exchange, plan: &Plan, name: &mut Vec<u8>) -> Found {
    let mut found = Found::Nothing;
    for (coding, how) in exchange.settings(plan).codings() {
        if how.beside == Beside::Never {
            continue;
        }
        exchange.facts.response.start(200);
        let accepted = how.beside == Beside::Always || filter::accepted(exchange, plan, coding, how);
        if !accepted && !how.vary {
            continue;
        }
        let length = name.len();
        name.extend_from_slice(coding.extension());
        let rule = exchange.link_rule(plan, name);
        match open_by(rule, name) {
            Ok((file, known)) if known.is_file() => {
                if accepted {
                    return Found::File(coding, file, known, how.vary && how.beside != Beside::Always);
                }
                found = Found::ForOthers;
            }
            Ok(_) => {}
            Err(error) => {
                if !matches!(
                    error.raw_os_error(),
                    Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG) | None
                ) {
                    let name = String::from_utf8_lossy(name);
                    let refused =
                        matches!(error.raw_os_error(), Some(libc::EACCES | libc::ELOOP | libc::EMLINK));
                    let level = if refused { Level::Error } else { Level::Crit };
                    let call = if rule.is_some() { "openat" } else { "open" };
                    exchange.log(level, format_args!("{call}() \"{name}\" failed ({})", system(&error)));
                }
            }
        }
        name.truncate(length);
    }
    found
}
