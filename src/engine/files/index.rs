//! Paths that end in `/`: the first index file that exists takes over.

use std::{ffi::OsStr, io, os::unix::ffi::OsStrExt as _};

use super::{
    super::{
        exchange::{Exchange, Next},
        forward::system,
    },
    stepwise::{self, Rule},
};
use crate::{ir::settings::Level, plan::Plan};

/// Redirects internally to the index file of a folder; `Err` is the name of one that has none.
pub(super) fn find(exchange: &mut Exchange, plan: &Plan, folder: Vec<u8>) -> Result<Next, Vec<u8>> {
    let mut name = folder;
    let length = name.len();
    let mut tested = false;
    for template in &exchange.settings(plan).files.index {
        name.truncate(length);
        let begin = name.len();
        exchange.run.eval(plan, &exchange.facts, template, &mut name);
        let query = exchange.run.query.clone();
        // A name that is a path is redirected to as it is.
        if name[begin..].starts_with(b"/") {
            return Ok(exchange.restart(plan, &name[begin..], &query));
        }
        if exchange.settings(plan).files.any_case {
            super::spelling::correct(&mut name);
        }
        let rule = exchange.link_rule(plan, &name);
        let Err(error) = known(rule, &name) else {
            let path = [&exchange.run.path, &name[begin..]].concat();
            return Ok(exchange.restart(plan, &path, &query));
        };
        match error.raw_os_error() {
            Some(libc::ELOOP | libc::EMLINK) if rule.is_some() => return Ok(Next::Status(403)),
            Some(libc::ENOENT) => {
                if !tested && let Some(next) = test_folder(exchange, plan, &name, length) {
                    return Ok(next);
                }
                tested = true;
            }
            Some(libc::ENOTDIR | libc::ENAMETOOLONG | libc::EACCES) => {
                return Ok(refuse(exchange, plan, &name, &error));
            }
            None if error.kind() == io::ErrorKind::InvalidInput => return Ok(Next::Status(404)),
            _ => return Ok(fail(exchange, &name, &error)),
        }
    }
    name.truncate(length);
    Err(name)
}

/// Redirects internally to any of the files in a folder that do not begin with a dot.
pub(super) async fn any(exchange: &mut Exchange, plan: &Plan, folder: &[u8]) -> Next {
    let place = std::path::PathBuf::from(OsStr::from_bytes(folder));
    let listed = tokio::task::spawn_blocking(move || {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(place)? {
            let entry = entry?;
            let name = entry.file_name().into_encoded_bytes();
            if name.first() != Some(&b'.') && entry.metadata().is_ok_and(|known| known.is_file()) {
                names.push(name);
            }
        }
        Ok(names)
    });
    let names = listed.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    let names = match names {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return refuse(exchange, plan, folder, &error);
        }
        Err(error) => return fail(exchange, folder, &error),
    };
    if names.is_empty() {
        let folder = String::from_utf8_lossy(folder);
        exchange.log(Level::Error, format_args!("directory index of \"{folder}\" is forbidden"));
        return Next::Status(403);
    }
    let chosen = exchange.worker.random() % names.len() as u128;
    let name = names.get(chosen as usize).map(Vec::as_slice).unwrap_or_default();
    let path = [&exchange.run.path, name].concat();
    let query = exchange.run.query.clone();
    exchange.restart(plan, &path, &query)
}

/// Ends the search when the folder itself is not there.
fn test_folder(exchange: &mut Exchange, plan: &Plan, name: &[u8], length: usize) -> Option<Next> {
    let rule = exchange.link_rule(plan, &name[..length]);
    match known(rule, &name[..length]) {
        Ok(known) if known.is_dir() => None,
        Ok(_) => {
            let folder = String::from_utf8_lossy(&name[..length]);
            exchange.log(Level::Error, format_args!("\"{folder}\" is not a directory"));
            Some(Next::Status(500))
        }
        Err(error) => match error.raw_os_error() {
            Some(libc::ELOOP | libc::EMLINK) if rule.is_some() => Some(Next::Status(403)),
            Some(libc::ENOENT) => Some(refuse(exchange, plan, name, &error)),
            // Its files could be asked for, so it can be searched.
            Some(libc::EACCES) => None,
            _ => Some(fail(exchange, &name[..length], &error)),
        },
    }
}

/// What is known of a file, as far as the rule for links allows.
fn known(rule: Option<Rule>, name: &[u8]) -> io::Result<std::fs::Metadata> {
    match rule {
        Some(rule) => stepwise::open(rule, name)?.metadata(),
        None => std::fs::metadata(OsStr::from_bytes(name)),
    }
}

fn refuse(exchange: &Exchange, plan: &Plan, name: &[u8], error: &io::Error) -> Next {
    let (name, reason) = (String::from_utf8_lossy(name), system(error));
    if error.raw_os_error() == Some(libc::EACCES) {
        exchange.log(Level::Error, format_args!("\"{name}\" is forbidden ({reason})"));
        return Next::Status(403);
    }
    if exchange.settings(plan).files.log_missing {
        exchange.log(Level::Error, format_args!("\"{name}\" is not found ({reason})"));
    }
    Next::Status(404)
}

fn fail(exchange: &Exchange, name: &[u8], error: &io::Error) -> Next {
    let (name, reason) = (String::from_utf8_lossy(name), system(error));
    exchange.log(Level::Crit, format_args!("open() \"{name}\" failed ({reason})"));
    Next::Status(500)
}
