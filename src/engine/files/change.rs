//! Files and folders that requests make, remove, copy and move: `PUT`, `DELETE`, `MKCOL`, `COPY`, `MOVE`
//! (RFC 9110 § 9.3.4 and § 9.3.5, RFC 4918 § 9).
//!
//! Content is read whole first. What is done on the disk is done on another thread; a file that is put appears in its
//! place whole. No symbolic link is followed within folders that are copied or removed.
//!
//! Reference: <https://nginx.org/en/docs/http/ngx_http_dav_module.html>; observed: nginx 1.22.1,
//! fixtures/nginx/files/dav.conf.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, File, FileTimes, OpenOptions, Permissions},
    io,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{
    super::{
        content::{Refused, failed, temporary},
        exchange::{Exchange, Next},
        forward::system,
        http1::target,
        respond::split_query,
    },
    condition,
};
use crate::{
    ir::settings::Level,
    plan::{Plan, encode_path},
};

/// What came of a change: a status, and a line for the log where it failed.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    log: Option<(Level, String)>,
}

/// How deep a request reaches (RFC 4918 § 10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    Zero,
    One,
    Infinity,
    /// It says none of these.
    Invalid,
}

/// Content on its way to a file.
#[derive(Debug)]
enum Source {
    Memory(Vec<u8>, PathBuf),
    File(PathBuf),
}

impl Outcome {
    fn ok(status: u16) -> Self {
        Self { status, log: None }
    }

    fn refused(status: u16, message: String) -> Self {
        Self { status, log: Some((Level::Error, message)) }
    }

    /// By what the system says; `missing` is the status for what is not there.
    fn failed(call: &str, path: &Path, error: &io::Error, missing: u16) -> Self {
        let (level, status) = match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG) => (Level::Error, missing),
            Some(libc::EACCES | libc::EPERM) => (Level::Error, 403),
            Some(libc::EEXIST) => (Level::Error, 405),
            Some(libc::ENOSPC) => (Level::Crit, 507),
            _ => (Level::Crit, 500),
        };
        Self { status, log: Some((level, failed(call, path, error))) }
    }
}

/// Answers a request that changes files, where settings allow its method; `None` where it is none.
pub(super) async fn answer(exchange: &mut Exchange, plan: &Plan) -> Option<Next> {
    let settings = std::sync::Arc::clone(&exchange.settings(plan).files);
    let method = exchange.facts.method();
    if !settings.changes.iter().any(|known| *known.0 == *method) {
        return None;
    }
    let method = method.to_vec();
    let access = settings.change_access;
    let with_content = exchange.facts.head.chunked || exchange.facts.head.content_length.unwrap_or(0) > 0;
    if method != b"PUT" && with_content {
        let which = match &*method {
            b"DELETE" => "DELETE with body is",
            b"MKCOL" => "MKCOL with body is",
            _ => "COPY and MOVE with body are",
        };
        exchange.log(Level::Error, format_args!("{which} unsupported"));
        return Some(Next::Status(415));
    }
    let Some(path) = mapped(exchange, plan, None) else { return Some(Next::Status(500)) };
    let folder = exchange.run.path.ends_with(b"/");
    let outcome = match &*method {
        b"PUT" => match prepare_put(exchange, plan, folder).await {
            Ok((source, date)) => {
                let make = settings.change_makes_folders;
                work(move || put(source, &path, access, make, date)).await
            }
            Err(next) => return Some(next),
        },
        b"DELETE" => match check_delete(exchange, settings.change_depth) {
            Ok(depth) => work(move || delete(&path, folder, depth)).await,
            Err(outcome) => outcome,
        },
        b"MKCOL" if !folder => Outcome::refused(409, "MKCOL can create a collection only".to_owned()),
        b"MKCOL" => work(move || make_folder(&trimmed(&path), access)).await,
        _ => match prepare_copy(exchange, plan, &method, folder) {
            Ok(way) => work(move || copy(&path, &way, access)).await,
            Err(outcome) => outcome,
        },
    };
    if let Some((level, message)) = &outcome.log {
        exchange.log(*level, format_args!("{message}"));
    }
    if outcome.status >= 300 {
        return Some(Next::Status(outcome.status));
    }
    exchange.facts.response.start(outcome.status);
    if outcome.status == 201 && matches!(&*method, b"PUT" | b"MKCOL") {
        let mut location = Vec::new();
        encode_path(&exchange.run.path, &mut location);
        let absolute = exchange.absolute(plan, &location);
        exchange.facts.response.own_location = absolute.is_some();
        exchange.facts.response.add(b"Location", absolute.as_deref().unwrap_or(&location));
    }
    exchange.facts.response.length = Some(0);
    Some(exchange.send_whole(plan, b"").await)
}

/// Does what waits for a disk.
async fn work(job: impl FnOnce() -> Outcome + Send + 'static) -> Outcome {
    let failed = |error| Outcome { status: 500, log: Some((Level::Alert, format!("{error}"))) };
    tokio::task::spawn_blocking(job).await.unwrap_or_else(failed)
}

/// The file that the request's path maps to, or another one.
fn mapped(exchange: &mut Exchange, plan: &Plan, other: Option<Vec<u8>>) -> Option<PathBuf> {
    let own = other.map(|other| std::mem::replace(&mut exchange.run.path, other));
    let mut name = Vec::new();
    let found = exchange.run.file_path(plan, &exchange.facts, &mut name);
    if let Some(own) = own {
        exchange.run.path = own;
    }
    (found && !name.contains(&0)).then(|| PathBuf::from(OsStr::from_bytes(&name)))
}

/// Reads the content that is put.
async fn prepare_put(
    exchange: &mut Exchange,
    plan: &Plan,
    folder: bool,
) -> Result<(Source, Option<SystemTime>), Next> {
    if folder {
        exchange.log(Level::Error, format_args!("cannot PUT to a collection"));
        return Err(Next::Status(409));
    }
    if exchange.facts.fields(b"content-range").next().is_some() {
        exchange.log(Level::Error, format_args!("PUT with range is unsupported"));
        return Err(Next::Status(501));
    }
    let head = &exchange.facts.head;
    if head.content_length.is_none() && !head.chunked {
        // A file without content is one of the length 0 that is said.
        exchange.log(Level::Error, format_args!("PUT request body must be in a file"));
        return Err(Next::Status(500));
    }
    if let Err(Refused(status)) = exchange.read_content(plan).await {
        exchange.give_content_up();
        return Err(Next::Status(status));
    }
    let date = exchange.facts.fields(b"date").next().and_then(condition::date);
    let date = date.and_then(|date| u64::try_from(date).ok());
    let date = date.and_then(|date| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(date)));
    let source = if let Some(file) = &exchange.facts.content_file {
        Source::File(file.clone())
    } else {
        let folder = exchange.settings(plan).content.temp_path.clone();
        Source::Memory(exchange.facts.content.clone(), folder)
    };
    Ok((source, date))
}

/// Puts content in its place.
fn put(source: Source, path: &Path, access: u32, makes_folders: bool, date: Option<SystemTime>) -> Outcome {
    let fail = |message: String| Outcome { status: 500, log: Some((Level::Crit, message)) };
    let status = match fs::metadata(path) {
        Ok(known) if known.is_dir() => {
            let is_folder = io::Error::from_raw_os_error(libc::EISDIR);
            let message = format!("\"{}\" could not be created ({})", path.display(), system(&is_folder));
            return Outcome::refused(409, message);
        }
        Ok(_) => 204,
        Err(_) => 201,
    };
    let temp = match source {
        Source::File(temp) => temp,
        Source::Memory(content, folder) => match temporary(&folder) {
            Ok((mut file, temp)) => {
                if let Err(error) = io::Write::write_all(&mut file, &content) {
                    let _ = fs::remove_file(&temp);
                    return Outcome::failed("write", &temp, &error, 500);
                }
                temp
            }
            Err(message) => return fail(message),
        },
    };
    let prepared = fs::set_permissions(&temp, Permissions::from_mode(access)).and_then(|()| match date {
        Some(date) => File::options()
            .write(true)
            .open(&temp)?
            .set_times(FileTimes::new().set_accessed(date).set_modified(date)),
        None => Ok(()),
    });
    if let Err(error) = prepared {
        let _ = fs::remove_file(&temp);
        return fail(failed("chmod", &temp, &error));
    }
    match put_in_place(&temp, path, access, makes_folders) {
        Ok(()) => Outcome::ok(status),
        Err(message) => {
            let _ = fs::remove_file(&temp);
            fail(message)
        }
    }
}

/// Renames a file; folders that are missing are made where that is wanted. Between file systems it is copied.
fn put_in_place(from: &Path, to: &Path, access: u32, makes_folders: bool) -> Result<(), String> {
    let renamed = match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && makes_folders => {
            let parent = to.parent().unwrap_or(to);
            let made = DirBuilder::new().recursive(true).mode(searchable(access)).create(parent);
            made.map_err(|error| failed("mkdir", parent, &error))?;
            fs::rename(from, to)
        }
        renamed => renamed,
    };
    let done = match renamed {
        Err(error) if error.raw_os_error() == Some(libc::EXDEV) => {
            let mut name = to.as_os_str().to_owned();
            name.push(format!(".{:?}", std::thread::current().id()));
            let beside = PathBuf::from(name);
            let times = fs::metadata(from).and_then(|known| known.modified());
            let copied = copy_file(from, &beside, access, times.ok()).and_then(|()| fs::rename(&beside, to));
            if copied.is_err() {
                let _ = fs::remove_file(&beside);
            } else {
                let _ = fs::remove_file(from);
            }
            copied
        }
        renamed => renamed,
    };
    let text = |error: io::Error| {
        format!("rename() \"{}\" to \"{}\" failed ({})", from.display(), to.display(), system(&error))
    };
    done.map_err(text)
}

/// Copies a file over one that may be there.
fn copy_file(from: &Path, to: &Path, access: u32, modified: Option<SystemTime>) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(access).open(to)?;
    io::copy(&mut source, &mut file)?;
    match modified {
        Some(time) => file.set_times(FileTimes::new().set_accessed(time).set_modified(time)),
        None => Ok(()),
    }
}

/// Who may read what is in a folder may look into it.
fn searchable(access: u32) -> u32 {
    access | (access & 0o444) >> 2
}

/// The same name without slashes at its end.
fn trimmed(path: &Path) -> PathBuf {
    let bytes = path.as_os_str().as_bytes();
    let end = bytes.iter().rposition(|byte| *byte != b'/').map_or(1, |at| at + 1).min(bytes.len());
    PathBuf::from(OsStr::from_bytes(&bytes[..end]))
}

fn make_folder(path: &Path, access: u32) -> Outcome {
    match DirBuilder::new().mode(searchable(access)).create(path) {
        Ok(()) => Outcome::ok(201),
        Err(error) => Outcome::failed("mkdir", path, &error, 409),
    }
}

/// How deep a request that removes reaches.
fn check_delete(exchange: &Exchange, least: u32) -> Result<Depth, Outcome> {
    let depth = depth(exchange);
    let path = &exchange.run.path;
    let slashes = path.iter().take(path.len().saturating_sub(1)).filter(|byte| **byte == b'/').count();
    if slashes < least as usize {
        let all = slashes + usize::from(path.ends_with(b"/"));
        return Err(Outcome::refused(409, format!("insufficient URI depth:{all} to DELETE")));
    }
    Ok(depth)
}

fn depth(exchange: &Exchange) -> Depth {
    match exchange.facts.fields(b"depth").next() {
        None | Some(b"infinity") => Depth::Infinity,
        Some(b"0") => Depth::Zero,
        Some(b"1") => Depth::One,
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            exchange.log(Level::Error, format_args!("client sent invalid \"Depth\" header: \"{other}\""));
            Depth::Invalid
        }
    }
}

fn delete(path: &Path, folder: bool, depth: Depth) -> Outcome {
    let known = match fs::symlink_metadata(path) {
        Ok(known) => known,
        Err(error) => {
            let missing = if error.raw_os_error() == Some(libc::ENOTDIR) { 409 } else { 404 };
            return Outcome::failed("lstat", path, &error, missing);
        }
    };
    if known.is_dir() {
        if !folder {
            let is_folder = io::Error::from_raw_os_error(libc::EISDIR);
            return Outcome::refused(
                409,
                format!("DELETE \"{}\" failed ({})", path.display(), system(&is_folder)),
            );
        }
        if depth != Depth::Infinity {
            return Outcome::refused(400, "\"Depth\" header must be infinity".to_owned());
        }
    } else if matches!(depth, Depth::One | Depth::Invalid) {
        return Outcome::refused(400, "\"Depth\" header must be 0 or infinity".to_owned());
    }
    remove(&trimmed(path), known.is_dir())
}

fn remove(path: &Path, folder: bool) -> Outcome {
    if !folder {
        return match fs::remove_file(path) {
            Ok(()) => Outcome::ok(204),
            Err(error) => Outcome::failed("unlink", path, &error, 404),
        };
    }
    match fs::remove_dir_all(path) {
        Ok(()) => Outcome::ok(204),
        Err(error) => {
            let level = if error.raw_os_error() == Some(libc::EACCES) { Level::Error } else { Level::Crit };
            Outcome { status: 500, log: Some((level, failed("rmdir", path, &error))) }
        }
    }
}

/// Reads where to copy or move to, and whether what is there may be replaced.
fn prepare_copy(exchange: &mut Exchange, plan: &Plan, method: &[u8], folder: bool) -> Result<Way, Outcome> {
    let refused = |status: u16, message: String| Err(Outcome::refused(status, message));
    let Some(said) = exchange.facts.fields(b"destination").next().map(<[u8]>::to_vec) else {
        return refused(400, "client sent no \"Destination\" header".to_owned());
    };
    let invalid =
        || format!("client sent invalid \"Destination\" header: \"{}\"", String::from_utf8_lossy(&said));
    let target = if said.starts_with(b"/") {
        &said[..]
    } else {
        let scheme: &[u8] = if exchange.facts.client.tls.is_some() { b"https://" } else { b"http://" };
        let host = exchange.facts.host.as_slice();
        let Some(rest) = said.strip_prefix(scheme).filter(|_| !host.is_empty()) else {
            return refused(400, invalid());
        };
        let Some(rest) = rest.strip_prefix(host) else {
            let said = String::from_utf8_lossy(&said);
            let what = "is handled by different repository than the source URI";
            return refused(400, format!("\"Destination\" URI \"{said}\" {what}"));
        };
        match memchr::memchr(b'/', rest) {
            Some(at) => &rest[at..],
            None => return refused(400, invalid()),
        }
    };
    let (raw, _) = split_query(target);
    let mut path = Vec::new();
    target::decode(raw, &mut path);
    let climbs = path.split(|byte| *byte == b'/').any(|segment| segment == b"..");
    if path.first() != Some(&b'/') || path.contains(&0) || climbs {
        let path = String::from_utf8_lossy(&path);
        exchange.log(Level::Error, format_args!("unsafe URI \"{path}\" was detected"));
        return refused(400, invalid());
    }
    if folder != target.ends_with(b"/") {
        let what = "should be either collections or non-collections";
        let (own, other) = (String::from_utf8_lossy(&exchange.run.path), String::from_utf8_lossy(target));
        return refused(409, format!("both URI \"{own}\" and \"Destination\" URI \"{other}\" {what}"));
    }
    match depth(exchange) {
        Depth::Infinity => {}
        Depth::Zero if method == b"COPY" => {}
        _ if method == b"COPY" => {
            return refused(400, "\"Depth\" header must be 0 or infinity".to_owned());
        }
        _ => return refused(400, "\"Depth\" header must be infinity".to_owned()),
    }
    let overwrite = match exchange.facts.fields(b"overwrite").next() {
        None | Some(b"T" | b"t") => true,
        Some(b"F" | b"f") => false,
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            return refused(400, format!("client sent invalid \"Overwrite\" header: \"{other}\""));
        }
    };
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    let paths = (text(&exchange.run.path), text(target));
    match mapped(exchange, plan, Some(path)) {
        Some(to) => Ok(Way { to, folder, overwrite, moves: method == b"MOVE", paths }),
        None => refused(500, invalid()),
    }
}

/// What a copy or a move is asked for.
#[derive(Debug)]
struct Way {
    to: PathBuf,
    /// Whether the path is one of a folder.
    folder: bool,
    /// Whether what is there may be replaced.
    overwrite: bool,
    moves: bool,
    /// The paths as they were asked for.
    paths: (String, String),
}

/// Copies or moves what is there to another place.
fn copy(from: &Path, way: &Way, access: u32) -> Outcome {
    let Way { to, folder, overwrite, moves, paths } = way;
    let (folder, overwrite, moves) = (*folder, *overwrite, *moves);
    let ends = to.as_os_str().as_bytes().ends_with(b"/");
    let (to, source) = (trimmed(to), from);
    let there = match fs::symlink_metadata(&to) {
        Ok(known) => Some(known.is_dir()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Outcome::failed("lstat", &to, &error, 404),
    };
    if let Some(there) = there {
        let (text, done) = (to.display(), if moves { "MOVE" } else { "COPY" });
        if there && !ends {
            let message = format!("\"{}\" could not be {done}ed to collection \"{}\"", paths.0, paths.1);
            return Outcome::refused(409, message);
        }
        if !overwrite {
            let exists = io::Error::from_raw_os_error(libc::EEXIST);
            let message = format!("\"{text}\" could not be created ({})", system(&exists));
            return Outcome::refused(412, message);
        }
    }
    let known = match fs::symlink_metadata(source) {
        Ok(known) => known,
        Err(error) => return Outcome::failed("lstat", source, &error, 404),
    };
    let modified = known.modified().ok();
    if !known.is_dir() {
        if moves {
            return match put_in_place(source, &to, access, true) {
                Ok(()) => Outcome::ok(204),
                Err(message) => Outcome { status: 500, log: Some((Level::Crit, message)) },
            };
        }
        return match copy_file(source, &to, access, modified) {
            Ok(()) => Outcome::ok(204),
            Err(error) => Outcome { status: 500, log: Some((Level::Crit, failed("open", &to, &error))) },
        };
    }
    if !folder {
        return Outcome::refused(400, format!("\"{}\" is collection", paths.0));
    }
    let from = trimmed(from);
    if to.starts_with(&from) {
        // It would be copied into itself without end.
        return Outcome::refused(409, format!("\"{}\" is within \"{}\"", to.display(), from.display()));
    }
    if let Some(there) = there {
        let removed = remove(&to, there);
        if removed.status != 204 {
            return removed;
        }
    }
    if moves && fs::rename(&from, &to).is_ok() {
        return Outcome::ok(201);
    }
    if let Err(outcome) = copy_folder(&from, &to) {
        return outcome;
    }
    if moves {
        let removed = remove(&from, true);
        if removed.status != 204 {
            return removed;
        }
    }
    Outcome::ok(201)
}

/// Copies a folder with what is in it, but for what is neither file nor folder.
fn copy_folder(from: &Path, to: &Path) -> Result<(), Outcome> {
    let mut folders = vec![(from.to_owned(), to.to_owned())];
    let mut made = Vec::new();
    while let Some((from, to)) = folders.pop() {
        let known =
            fs::symlink_metadata(&from).map_err(|error| Outcome::failed("lstat", &from, &error, 404))?;
        DirBuilder::new()
            .mode(known.permissions().mode() & 0o777)
            .create(&to)
            .map_err(|error| Outcome::failed("mkdir", &to, &error, 404))?;
        let inner = |error: &io::Error| Outcome {
            status: 500,
            log: Some((Level::Crit, failed("open", &from, error))),
        };
        for entry in fs::read_dir(&from).map_err(|error| inner(&error))? {
            let entry = entry.map_err(|error| inner(&error))?;
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            let known = fs::symlink_metadata(&source).map_err(|error| inner(&error))?;
            if known.is_dir() {
                folders.push((source, target));
            } else if known.is_file() {
                copy_file(&source, &target, known.permissions().mode() & 0o777, known.modified().ok())
                    .map_err(|error| inner(&error))?;
            }
        }
        made.push((to, known.modified().ok()));
    }
    // Their times count once everything is in them.
    for (folder, modified) in made {
        if let (Some(time), Ok(file)) = (modified, File::open(&folder)) {
            let _ = file.set_times(FileTimes::new().set_accessed(time).set_modified(time));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_copied_and_moved_whole() {
        let base = std::env::temp_dir().join(format!("triglot-change-{}", std::process::id()));
        let _ = fs::remove_dir_all(&base);
        fs::create_dir_all(base.join("a/b/c")).unwrap();
        fs::write(base.join("a/b/file"), "x").unwrap();
        std::os::unix::fs::symlink("file", base.join("a/b/link")).unwrap();
        let at = |name: &str| base.join(name);
        let copied = |from: &str, to: &str, overwrite, moves| {
            let way =
                Way { to: at(to), folder: true, overwrite, moves, paths: (String::new(), String::new()) };
            copy(&at(from), &way, 0o600)
        };
        assert_eq!(copied("a/", "copy/", true, false), Outcome::ok(201));
        assert_eq!(fs::read(at("copy/b/file")).unwrap(), b"x");
        assert!(at("copy/b/c").is_dir() && !at("copy/b/link").exists());
        assert_eq!(copied("a/", "a/b/inside/", true, false).status, 409);
        assert_eq!(copied("copy/", "moved/", true, true), Outcome::ok(201));
        assert!(!at("copy").exists() && at("moved/b/file").exists());
        assert_eq!(copied("a/", "moved/", false, false).status, 412);
        assert_eq!(delete(&at("moved/"), true, Depth::Zero).status, 400);
        assert_eq!(delete(&at("moved"), false, Depth::Infinity).status, 409);
        assert_eq!(delete(&at("moved/"), true, Depth::Infinity), Outcome::ok(204));
        assert_eq!(delete(&at("moved/"), true, Depth::Infinity).status, 404);
        let put_it = |name: &str, make| {
            put(Source::Memory(b"new".to_vec(), base.clone()), &at(name), 0o644, make, None)
        };
        assert_eq!(put_it("new", false), Outcome::ok(201));
        assert_eq!(put_it("new", false), Outcome::ok(204));
        assert_eq!(put_it("a", false).status, 409);
        assert_eq!(put_it("x/y/z", false).status, 500);
        assert_eq!(put_it("x/y/z", true), Outcome::ok(201));
        assert_eq!(fs::metadata(at("x/y/z")).unwrap().permissions().mode() & 0o777, 0o644);
        fs::remove_dir_all(&base).unwrap();
    }
}
