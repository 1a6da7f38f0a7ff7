//! Files as answers: what a path maps to, and how it is sent.
//!
//! References: <https://nginx.org/en/docs/http/ngx_http_core_module.html>,
//! <https://nginx.org/en/docs/http/ngx_http_index_module.html>.

use std::{
    ffi::OsStr,
    fs::{File, Metadata, OpenOptions},
    io,
    ops::Range,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    },
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;

use super::{
    clock::http_date,
    edit,
    exchange::{Exchange, Next},
    facts::param,
    filter,
    forward::system,
    http1::field::decimal,
};
use crate::{
    ir::{
        FileKind, Handler,
        settings::{FileFault, Level, ListingForm, TagForm},
    },
    plan::{Coding, Plan, encode_path},
};

mod beside;
pub mod change;
mod columns;
pub mod condition;
mod deliver;
mod directory;
mod index;
mod index_page;
pub mod kind;
mod links;
pub mod listing;
pub mod locate;
pub mod range;
pub mod send;
pub mod size;
pub mod spelling;
pub mod stepwise;

pub use deliver::{Whole, deliver, not_modified};

use beside::Found;
use condition::{Asked, Verdict};
use kind::Kind;
use range::Selection;
use stepwise::Rule;

/// A piece of what is sent as content.
#[derive(Debug)]
pub enum Piece {
    /// These bytes.
    Bytes(Bytes),
    /// These bytes of a file.
    File(Arc<File>, Range<u64>),
}

impl Piece {
    /// How many they are.
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, range) => range.end - range.start,
        }
    }
}

/// Answers with the file that the path maps to.
pub async fn serve(exchange: &mut Exchange, plan: &Plan) -> Next {
    let film = matches!(exchange.settings(plan).handler.as_deref(), Some(Handler::Film));
    let changes = !film && !exchange.settings(plan).files.changes.is_empty();
    if changes && let Some(next) = Box::pin(change::answer(exchange, plan)).await {
        return next;
    }
    if !matches!(exchange.facts.method(), b"GET" | b"HEAD" | b"POST") {
        return Next::Status(405);
    }
    let mut name = Vec::new();
    if !exchange.run.file_path(plan, &exchange.facts, &mut name) {
        let path = String::from_utf8_lossy(&exchange.run.path).into_owned();
        exchange.log(
            Level::Error,
            format_args!("the rewritten URI \"{path}\" is not in the location of the alias"),
        );
        return Next::Status(500);
    }
    if exchange.settings(plan).files.any_case {
        spelling::correct(&mut name);
    }
    if let Some(refused) = refuse_link(exchange, plan, &name) {
        return refused;
    }
    if exchange.run.path.ends_with(b"/") {
        if exchange.settings(plan).files.random {
            return index::any(exchange, plan, &name).await;
        }
        return match index::find(exchange, plan, name) {
            Ok(next) => next,
            Err(folder) => {
                if exchange.settings(plan).listing.on && exchange.facts.method() != b"POST" {
                    if exchange.settings(plan).listing.form == ListingForm::Columns {
                        return columns::answer(exchange, plan, folder).await;
                    }
                    return directory::answer(exchange, plan, folder).await;
                }
                let folder = String::from_utf8_lossy(&folder);
                exchange.log(Level::Error, format_args!("directory index of \"{folder}\" is forbidden"));
                Next::Status(exchange.settings(plan).files.answer_to(FileFault::NoListing, 403))
            }
        };
    }
    let mut vary = false;
    if exchange.facts.method() != b"POST" && !film {
        match beside::find(exchange, plan, &mut name) {
            Found::Nothing => {}
            Found::ForOthers => vary = true,
            Found::File(coding, file, known, vary) => {
                return respond(exchange, plan, &name, file, &known, (Some(coding), vary)).await;
            }
        }
    }
    let rule = exchange.link_rule(plan, &name);
    let (file, known) = match open_by(rule, &name) {
        Ok(opened) => opened,
        Err(error) => return refuse(exchange, plan, &name, rule, &error),
    };
    if known.is_dir() {
        let mut location = Vec::new();
        encode_path(&exchange.run.path, &mut location);
        location.push(b'/');
        if !exchange.run.query.is_empty() {
            location.push(b'?');
            location.extend_from_slice(&exchange.run.query);
        }
        return exchange.redirect(plan, 301, &location).await;
    }
    if !known.is_file() {
        let name = String::from_utf8_lossy(&name);
        exchange.log(Level::Crit, format_args!("\"{name}\" is not a regular file"));
        return Next::Status(404);
    }
    let settings = exchange.settings(plan);
    if settings.files.known_types && settings.type_of(&exchange.run.path).is_none() {
        let name = String::from_utf8_lossy(&name);
        exchange.log(Level::Info, format_args!("\"{name}\" is of no known type"));
        return Next::Status(settings.files.answer_to(FileFault::UnknownType, 404));
    }
    if exchange.facts.method() == b"POST" {
        return Next::Status(405);
    }
    respond(exchange, plan, &name, file, &known, (None, vary)).await
}

/// Answers with the file of that name alone.
pub async fn serve_one(exchange: &mut Exchange, plan: &Plan) -> Next {
    if !matches!(exchange.facts.method(), b"GET" | b"HEAD" | b"POST") {
        return Next::Status(405);
    }
    let mut name = Vec::new();
    exchange.run.file_path(plan, &exchange.facts, &mut name);
    if let Some(refused) = refuse_link(exchange, plan, &name) {
        return refused;
    }
    let rule = exchange.link_rule(plan, &name);
    let (file, known) = match open_by(rule, &name) {
        Ok(opened) => opened,
        Err(error) => return refuse(exchange, plan, &name, rule, &error),
    };
    if !known.is_file() {
        return Next::Status(404);
    }
    respond(exchange, plan, &name, file, &known, (None, false)).await
}

/// Refuses a name that leads over a symbolic link which settings do not follow.
fn refuse_link(exchange: &mut Exchange, plan: &Plan, name: &[u8]) -> Option<Next> {
    let mode = exchange.settings(plan).files.symlinks;
    if mode == 0 || !links::forbid(mode, &exchange.run.path, name) {
        return None;
    }
    let name = String::from_utf8_lossy(name);
    exchange.log(Level::Error, format_args!("a symbolic link is not followed: \"{name}\""));
    Some(Next::Status(403))
}

/// A file's entity tag (RFC 9110 § 8.8.3).
fn tag(form: Option<TagForm>, known: &Metadata, size: u64) -> Vec<u8> {
    let seconds = known.mtime();
    let Some(TagForm { inode, size: with_size, modified }) = form else {
        let mut tag = Vec::with_capacity(36);
        tag.push(b'"');
        write_hex(seconds.cast_unsigned(), &mut tag);
        tag.push(b'-');
        write_hex(size, &mut tag);
        tag.push(b'"');
        return tag;
    };
    let micros = seconds.saturating_mul(1_000_000).saturating_add(known.mtime_nsec() / 1000);
    let parts = [(inode, known.ino()), (with_size, size), (modified, micros.cast_unsigned())];
    let parts: Vec<_> =
        parts.into_iter().filter(|(on, _)| *on).map(|(_, part)| format!("{part:x}")).collect();
    // What changed within this second may change again without its time doing so.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_micros() as i64);
    let weak = if now - micros > 1_000_000 { "" } else { "W/" };
    format!("{weak}\"{}\"", parts.join("-")).into_bytes()
}

/// A number in hexadecimal digits, as few as it takes.
fn write_hex(number: u64, out: &mut Vec<u8>) {
    let digits = number.checked_ilog2().map_or(1, |highest| highest / 4 + 1);
    out.extend((0..digits).rev().map(|at| b"0123456789abcdef"[(number >> (4 * at) & 15) as usize]));
}

/// A tag with more in it; as the one server does that makes such tags, without a quote at the end.
fn longer(tag: Vec<u8>, more: &[u8]) -> Vec<u8> {
    if more.is_empty() {
        return tag;
    }
    let strong = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_vec();
    let weak = tag.starts_with(b"W/") || more.starts_with(b"W/");
    let bare = strong(&tag);
    let bare = bare.strip_suffix(b"\"").unwrap_or(&bare);
    [if weak { &b"W/"[..] } else { b"" }, bare, b";", &strong(more)].concat()
}

/// Whether there is such a file.
pub fn is(path: &[u8], kind: FileKind) -> bool {
    let path = Path::new(OsStr::from_bytes(path));
    if kind == FileKind::Link {
        return std::fs::symlink_metadata(path).is_ok_and(|known| known.is_symlink());
    }
    std::fs::metadata(path).is_ok_and(|known| is_of(&known, kind))
}

fn is_of(known: &Metadata, kind: FileKind) -> bool {
    match kind {
        FileKind::NonEmpty => known.is_file() && known.len() > 0,
        FileKind::Any | FileKind::Link => true,
        FileKind::File => known.is_file(),
        FileKind::Directory => known.is_dir(),
        FileKind::Executable => known.permissions().mode() & 0o100 != 0,
    }
}

impl Exchange {
    /// Whether the file is there that the plan asks for.
    pub fn is_file(&mut self, plan: &Plan, kind: FileKind) -> bool {
        let name = std::mem::take(&mut self.run.asked);
        let found = match self.link_rule(plan, &name) {
            None => is(&name, kind),
            Some(rule) => is_by(rule, &name, kind).unwrap_or_else(|error| {
                if !matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG)) {
                    let name = String::from_utf8_lossy(&name);
                    self.log(Level::Crit, format_args!("openat() \"{name}\" failed ({})", system(&error)));
                }
                false
            }),
        };
        self.run.asked = name;
        found
    }
}

/// Whether there is such a file, as far as the rule for links allows; why there is none.
fn is_by(rule: Rule, path: &[u8], kind: FileKind) -> io::Result<bool> {
    stepwise::open(rule, path).and_then(|file| file.metadata()).map(|known| is_of(&known, kind))
}

/// Appends a name with symbolic links resolved; `false` when there is no such file.
pub fn real(path: &[u8], out: &mut Vec<u8>) -> bool {
    std::fs::canonicalize(Path::new(OsStr::from_bytes(path))).is_ok_and(|real| {
        out.extend_from_slice(real.as_os_str().as_bytes());
        true
    })
}

/// Appends what stands in a regular file of at most 10 MiB; `false` when it cannot be read. The worker waits for
/// the disk meanwhile, as it does when it opens a file.
pub fn text(name: &[u8], out: &mut Vec<u8>) -> bool {
    const LONGEST: u64 = 10 << 20;
    let Ok((file, known)) = open(name) else { return false };
    let start = out.len();
    let done = known.is_file()
        && known.len() <= LONGEST
        && io::Read::read_to_end(&mut io::Read::take(file, LONGEST), out).is_ok();
    if !done {
        out.truncate(start);
    }
    done
}

/// The length of a file.
pub fn length(name: &[u8]) -> u64 {
    let known = std::fs::metadata(Path::new(OsStr::from_bytes(name)));
    known.map_or(0, |known| if known.is_file() { known.len() } else { 0 })
}

/// Opens without waiting for what is no file: a pipe has no writer, perhaps.
fn open(name: &[u8]) -> io::Result<(File, Metadata)> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(Path::new(OsStr::from_bytes(name)))?;
    let known = file.metadata()?;
    Ok((file, known))
}

/// A file that others than who wrote the configuration may have put there: neither a pipe that nobody writes to nor a
/// device that never ends is read.
pub fn open_plain(path: &Path) -> io::Result<(File, Metadata)> {
    let (file, known) = open(path.as_os_str().as_bytes())?;
    // Reading a folder fails by itself.
    if known.is_file() || known.is_dir() || path == Path::new("/dev/null") {
        return Ok((file, known));
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
}

/// All of such a file.
pub fn read_plain(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (file, _) = open_plain(path)?;
    let mut text = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, most + 1), &mut text)?;
    if text.len() as u64 > most { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

/// The same, as far as the rule for links allows.
fn open_by(rule: Option<Rule>, name: &[u8]) -> io::Result<(File, Metadata)> {
    let Some(rule) = rule else { return open(name) };
    let file = stepwise::open(rule, name)?;
    let known = file.metadata()?;
    Ok((file, known))
}

/// The status for a file that could not be opened.
fn refuse(exchange: &Exchange, plan: &Plan, name: &[u8], rule: Option<Rule>, error: &io::Error) -> Next {
    let status = status_of(error);
    if status != 404 || exchange.settings(plan).files.log_missing {
        let level = if status == 500 { Level::Crit } else { Level::Error };
        let name = String::from_utf8_lossy(name);
        let call = if rule.is_some() { "openat" } else { "open" };
        exchange.log(level, format_args!("{call}() \"{name}\" failed ({})", system(error)));
    }
    Next::Status(status)
}

fn status_of(error: &io::Error) -> u16 {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG) => 404,
        Some(libc::EACCES | libc::ELOOP | libc::EMLINK) => 403,
        // A name with a NUL is no name.
        None if error.kind() == io::ErrorKind::InvalidInput => 404,
        _ => 500,
    }
}

/// Answers with a regular file: whole, in ranges, or not because the client has it.
async fn respond(
    exchange: &mut Exchange,
    plan: &Plan,
    name: &[u8],
    file: File,
    known: &Metadata,
    (coding, vary): (Option<Coding>, bool),
) -> Next {
    let settings = exchange.settings(plan);
    let start = film_start(exchange, plan, known.len());
    let lead: &[u8] = if start > 0 { FILM } else { b"" };
    let (size, modified) = (lead.len() as u64 + known.len() - start, known.mtime());
    let file = Arc::new(file);
    let cut = |range: Range<u64>| cut(lead, &file, start, range);
    let said = match settings.handler.as_deref() {
        Some(Handler::File) => kind::kind(settings, name),
        _ => Kind { of: exchange.type_of_path(plan), ..Kind::default() },
    };
    if exchange.facts.preset == Some(200) {
        exchange.facts.preset = None;
    }
    // What is answered in place of an error stays what it is.
    let plain = exchange.facts.preset.is_none();
    let response = &mut exchange.facts.response;
    response.start(200);
    said.tell(response);
    if plain || settings.answer.dated_errors {
        response.add(b"Last-Modified", http_date(modified).as_bytes());
    }
    let tagged = settings.answer.tag.is_none_or(|form| form != TagForm::default());
    // What has instructions in it has no tag, even where they are not followed.
    let rewriting = &settings.rewriting.settings;
    let instructed = rewriting.includes
        && rewriting.include_in_turn
        && filter::is_of(&exchange.facts.response, &rewriting.include_types);
    if settings.answer.etag && tagged && !instructed {
        let mut tag = tag(settings.answer.tag, known, size);
        if !settings.answer.tag_more.is_empty() {
            tag = longer(tag, &exchange.value(&settings.answer.tag_more));
        }
        exchange.facts.response.add(b"ETag", &tag);
    }
    let response = &mut exchange.facts.response;
    if let Some(coding) = coding {
        response.add(b"Content-Encoding", coding.name());
    }
    response.vary = vary;
    response.length = Some(size);
    response.modified = Some(modified);
    // Of what is coded no ranges are given (observed: nginx 1.22.1).
    response.ranges = coding.is_none() && settings.answer.max_ranges != Some(0);
    if response.ranges && settings.answer.announce_ranges {
        response.add(b"Accept-Ranges", b"bytes");
    }
    let mut selection = Selection::Whole;
    if plain {
        // Ranges have heads of their own, with the whole type in them. The head of a whole gets it last.
        let kind = exchange.facts.response.known(super::http1::field::Known::ContentType).map(<[u8]>::to_vec);
        if Asked::of(&exchange.facts).range.is_some() {
            edit::charset(exchange, plan);
        }
        let asked = Asked::of(&exchange.facts);
        let now = exchange.worker.clock.now().as_secs();
        let since = condition::since(&asked, settings.answer.if_modified_since, now);
        match condition::condition(&asked, &exchange.facts.response, since) {
            Verdict::Answer => {}
            Verdict::NotModified => {
                let response = &mut exchange.facts.response;
                response.status = 304;
                response.length = None;
                response.ranges = false;
                response.remove(b"Content-Type");
                response.remove(b"Content-Encoding");
                return send::send(exchange, plan, name, &[], 0).await;
            }
            Verdict::Failed => return exchange.unmet(),
        }
        let changed = asked.range.is_some() && filter::applies(exchange, plan);
        let asked = Asked::of(&exchange.facts);
        let how = range::How::of(&settings.answer, changed);
        selection = range::ranges(&asked, &exchange.facts.response, how);
        if let Some(kind) = kind
            && asked.range.is_some()
            && !matches!(selection, Selection::Several(_))
        {
            exchange.facts.response.set(b"Content-Type", &kind);
        }
    }
    let pieces = match selection {
        Selection::Whole => cut(0..size),
        Selection::Unsatisfiable => {
            range::unmet(exchange, plan, size);
            return Next::Status(416);
        }
        Selection::One(range) => {
            range::one(&mut exchange.facts.response, &range, size);
            cut(range)
        }
        Selection::Several(ranges) => {
            let boundary = exchange.worker.random() % 100_000_000_000_000_000_000;
            let heads =
                range::several(&mut exchange.facts.response, &ranges, size, &format!("{boundary:020}"));
            let mut pieces = Vec::with_capacity(heads.len() + ranges.len());
            let mut ranges = ranges.into_iter();
            for head in heads {
                pieces.push(Piece::Bytes(head.into()));
                pieces.extend(ranges.next().map(cut).unwrap_or_default());
            }
            pieces
        }
    };
    send::send(exchange, plan, name, &pieces, 0).await
}

/// What an FLV file begins with.
const FILM: &[u8] = b"FLV\x01\x05\0\0\0\x09\0\0\0\0";

/// Where in a file a film begins that is asked for; 0 is at its beginning.
fn film_start(exchange: &Exchange, plan: &Plan, length: u64) -> u64 {
    if !matches!(exchange.settings(plan).handler.as_deref(), Some(Handler::Film)) {
        return 0;
    }
    let asked = param(&exchange.run.query, b"start").and_then(decimal);
    asked.filter(|start| *start < length).unwrap_or(0)
}

/// The pieces of what stands in a file from `start` on behind `lead`.
fn cut(lead: &[u8], file: &Arc<File>, start: u64, range: Range<u64>) -> Vec<Piece> {
    let begin = lead.len() as u64;
    let mut pieces = Vec::new();
    if range.start < begin {
        let end = range.end.min(begin);
        pieces.push(Piece::Bytes(Bytes::copy_from_slice(&lead[range.start as usize..end as usize])));
    }
    if range.end > begin {
        let from = range.start.max(begin) - begin;
        pieces.push(Piece::File(Arc::clone(file), start + from..start + range.end - begin));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_from_folders() {
        let folder = std::env::temp_dir().join(format!("files-is-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("plain");
        std::fs::write(&file, "x").unwrap();
        let (folder_name, file_name) = (folder.as_os_str().as_bytes(), file.as_os_str().as_bytes());
        for (name, kind, expected) in [
            (folder_name, FileKind::Directory, true),
            (folder_name, FileKind::File, false),
            (folder_name, FileKind::Any, true),
            (file_name, FileKind::File, true),
            (file_name, FileKind::Directory, false),
            (file_name, FileKind::Executable, false),
            (b"/nonexistent", FileKind::Any, false),
            (b"/tmp\0x", FileKind::Any, false),
            (b"", FileKind::Any, false),
        ] {
            assert_eq!(is(name, kind), expected, "{} {kind:?}", name.escape_ascii());
        }
        assert_eq!(status_of(&open(b"/nonexistent").unwrap_err()), 404);
        assert_eq!(status_of(&open(b"/tmp\0x").unwrap_err()), 404);
        assert_eq!(status_of(&open(&[file_name, b"/x"].concat()).unwrap_err()), 404);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
