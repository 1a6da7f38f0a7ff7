//! A folder's listing in columns, as preformatted text or as a table.
//!
//! Observed: Apache httpd 2.4.71, byte for byte.

use std::{cmp::Ordering, ffi::OsStr, os::unix::ffi::OsStrExt as _, os::unix::fs::MetadataExt, path::Path};

use super::{
    super::clock,
    kind,
    listing::{matches, shown},
    size::rounded,
};
use crate::{
    ir::{
        Escape, Text,
        settings::{IndexBy, IndexMark, IndexMarks, IndexPageInForce, IndexSwitch},
    },
    plan::{Effective, Plan, SettingsId, escape},
};

/// Columns of a name, and of a description, where nothing else is said.
const WIDTH: usize = 23;

/// What is shown of a file.
pub(super) struct Entry {
    /// Its name; that of a folder ends in a slash. Empty is the folder above.
    pub(super) name: Vec<u8>,
    /// Seconds since the epoch.
    modified: Option<i64>,
    size: Option<u64>,
    icon: Option<Vec<u8>>,
    alternative: Option<Vec<u8>>,
    description: Option<Vec<u8>>,
}

/// How the page was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// What is on, bits of [`IndexSwitch`].
    switches: u32,
    /// Names that are left out, as patterns.
    pub(super) hidden: Vec<Text>,
    order: u8,
    descending: bool,
    pattern: Option<Vec<u8>>,
    /// What headings repeat.
    repeated: Vec<u8>,
}

impl Asked {
    /// What settings say, unless a query (`C=N;O=D;F=2;V=1;P=*.txt`) says otherwise.
    pub(super) fn read(page: &IndexPageInForce, query: &[u8]) -> Self {
        let (switches, hidden) = page.switches.in_force();
        let mut asked = Self {
            switches,
            hidden,
            order: page.order.first().copied().unwrap_or(b'N'),
            descending: page.descending,
            pattern: None,
            repeated: Vec::new(),
        };
        if asked.has(IndexSwitch::IgnoreQuery) {
            asked.turn(IndexSwitch::NoSorting, true);
            return asked;
        }
        let (mut form, mut version, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
        for part in query.split(|byte| matches!(byte, b';' | b'&')) {
            match part {
                [b'C', b'=', order @ (b'N' | b'M' | b'S' | b'D')] => {
                    asked.order = *order;
                }
                [b'O', b'=', b'A'] => asked.descending = false,
                [b'O', b'=', b'D'] => asked.descending = true,
                [b'F', b'=', how @ b'0'..=b'2'] => {
                    // A plain list has no table; without columns it is not asked for one either.
                    asked.turn(IndexSwitch::Fancy, *how != b'0');
                    asked.turn(IndexSwitch::Table, *how == b'2');
                    form = vec![b';', b'F', b'=', *how];
                }
                [b'V', b'=', how @ (b'0' | b'1')] => {
                    asked.turn(IndexSwitch::VersionSort, *how == b'1');
                    version = vec![b';', b'V', b'=', *how];
                }
                [b'P', b'=', pattern @ ..] => {
                    asked.pattern = None;
                    let mut decoded = Vec::new();
                    if !pattern.is_empty() && is_escaped(pattern) {
                        escape(Escape::Decode, pattern, false, &mut decoded);
                        wanted = b";P=".to_vec();
                        escape(Escape::UriText, &decoded, false, &mut wanted);
                        asked.pattern = Some(decoded);
                    }
                }
                _ => break,
            }
        }
        asked.repeated = [form, version, wanted].concat();
        asked
    }

    /// Whether something is on.
    pub(super) fn has(&self, switch: IndexSwitch) -> bool {
        self.switches & switch.bit() != 0
    }

    /// Whether a name is left out.
    pub(super) fn hides(&self, name: &[u8]) -> bool {
        self.hidden.iter().any(|pattern| matches(pattern, name))
    }

    fn turn(&mut self, switch: IndexSwitch, on: bool) {
        self.switches = self.switches & !switch.bit() | if on { switch.bit() } else { 0 };
    }

    /// Whether a name is asked for.
    pub(super) fn wants(&self, name: &[u8]) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| is_like(pattern, name)) && !self.hides(name)
    }
}

/// What is shown of these names in a folder.
pub(super) fn entries(
    plan: &Plan,
    settings: &Effective,
    folder: &[u8],
    names: &[(Vec<u8>, Option<SettingsId>)],
    parent: bool,
    asked: &Asked,
) -> Vec<Entry> {
    let page = &settings.index_page;
    let mut entries = Vec::with_capacity(names.len() + 1);
    if parent {
        let up = [folder, b".."].concat();
        let folders = |marks: &IndexMarks| {
            by_name(marks, &up).or_else(|| by_name(marks, b"^^DIRECTORY^^")).map(<[u8]>::to_vec)
        };
        entries.push(Entry {
            name: Vec::new(),
            modified: None,
            size: None,
            icon: folders(&page.icons),
            alternative: folders(&page.alternatives).or_else(|| Some(b"PARENTDIR".to_vec())),
            description: described(&page.descriptions, &up).map(<[u8]>::to_vec),
        });
    }
    for (name, inside) in names {
        let path = [folder, name].concat();
        let known = std::fs::metadata(Path::new(OsStr::from_bytes(&path))).ok();
        let is_folder = name.ends_with(b"/");
        let bare = path.strip_suffix(b"/").unwrap_or(&path);
        let mut description = described(&page.descriptions, bare).map(<[u8]>::to_vec);
        let mut kind = None;
        if !is_folder {
            let known = inside.map(|inside| kind::kind(plan.settings(inside), name)).unwrap_or_default();
            if asked.has(IndexSwitch::ScanTitles)
                && description.is_none()
                && known.of.starts_with(b"text/html")
                && known.encoding.is_empty()
            {
                description = title(&path);
            }
            kind = Some(known);
        }
        let mark = |marks: &IndexMarks| {
            let found = match &kind {
                Some(kind) => by_kind(marks, bare, kind),
                None => by_name(marks, bare).or_else(|| by_name(marks, b"^^DIRECTORY^^")),
            };
            found.map(<[u8]>::to_vec)
        };
        let alternative = mark(&page.alternatives).or_else(|| is_folder.then(|| b"DIR".to_vec()));
        entries.push(Entry {
            name: name.clone(),
            modified: known.as_ref().map(MetadataExt::mtime),
            size: known.as_ref().filter(|_| !is_folder).map(MetadataExt::size),
            icon: mark(&page.icons),
            alternative,
            description,
        });
    }
    entries
}

fn by_name<'m>(marks: &'m IndexMarks, path: &[u8]) -> Option<&'m [u8]> {
    let found = marks.0.iter().find(|mark| mark.by == IndexBy::Name && matches(&mark.pattern, path));
    found.map(|mark: &IndexMark| &*mark.mark)
}

fn by_kind<'m>(marks: &'m IndexMarks, path: &[u8], kind: &kind::Kind) -> Option<&'m [u8]> {
    let bare = |text: &[u8]| text.split(|byte| *byte == b';').next().unwrap_or_default().to_ascii_lowercase();
    let (of, encoding) = (bare(&kind.of), kind.encoding.to_ascii_lowercase());
    let found = marks.0.iter().find(|mark| match mark.by {
        IndexBy::Name => matches(&mark.pattern, path),
        IndexBy::Type => {
            encoding.is_empty() && !of.is_empty() && matches(&mark.pattern.to_ascii_lowercase(), &of)
        }
        IndexBy::Encoding => !encoding.is_empty() && matches(&mark.pattern.to_ascii_lowercase(), &encoding),
    });
    found.map(|mark: &IndexMark| &*mark.mark)
}

/// Descriptions are looked for by the last component, unless a pattern has a slash.
fn described<'m>(marks: &'m IndexMarks, path: &[u8]) -> Option<&'m [u8]> {
    let name = &path[memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1)..];
    let found = marks.0.iter().find(|mark| {
        let subject = if mark.pattern.contains(&b'/') { path } else { name };
        matches(&mark.pattern, subject)
    });
    found.map(|mark: &IndexMark| &*mark.mark)
}

/// The title of an HTML file, from its beginning.
fn title(path: &[u8]) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut text = Vec::new();
    let (file, _) = super::open_plain(Path::new(OsStr::from_bytes(path))).ok()?;
    file.take(8191).read_to_end(&mut text).ok()?;
    let lower = text.to_ascii_lowercase();
    let begin = memchr::memmem::find(&lower, b"<title>")? + 7;
    let end = begin + memchr::memmem::find(&lower[begin..], b"</title>")?;
    let flat = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
    Some(text[begin..end].iter().map(flat).collect())
}

/// Sorts, the folder above first.
pub(super) fn sort(entries: &mut [Entry], asked: &Asked) {
    let names = |one: &Entry, other: &Entry| {
        let (one, other) = (&one.name, &other.name);
        let text = |one: &[u8], other: &[u8]| {
            if asked.has(IndexSwitch::VersionSort) { natural(one, other) } else { one.cmp(other) }
        };
        if asked.has(IndexSwitch::IgnoreCase) {
            let lower = text(&one.to_ascii_lowercase(), &other.to_ascii_lowercase());
            return lower.then_with(|| text(one, other));
        }
        text(one, other)
    };
    entries.sort_by(|one, other| {
        let parent = other.name.is_empty().cmp(&one.name.is_empty());
        // Nor is it known what is a folder (observed: Apache httpd 2.4.71).
        let first = asked.has(IndexSwitch::FoldersFirst) && asked.has(IndexSwitch::Fancy);
        let folders = |entry: &Entry| first && entry.name.ends_with(b"/");
        let first = parent.then_with(|| folders(other).cmp(&folders(one)));
        let by = match asked.order {
            // Of what is not shown nothing is known.
            _ if !asked.has(IndexSwitch::Fancy) => Ordering::Equal,
            b'M' => one.modified.cmp(&other.modified),
            b'S' => one.size.cmp(&other.size),
            b'D' => one
                .description
                .as_deref()
                .unwrap_or_default()
                .cmp(other.description.as_deref().unwrap_or_default()),
            _ => Ordering::Equal,
        };
        let by = by.then_with(|| names(one, other));
        first.then(if asked.descending { by.reverse() } else { by })
    });
}

/// Compares texts with the numbers in them as numbers.
fn natural(one: &[u8], other: &[u8]) -> Ordering {
    let (mut left, mut right) = (one, other);
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let bare = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == b'0').count();
        number[zeros..].to_vec()
    };
    loop {
        let (of_left, of_right) = (digits(left), digits(right));
        if of_left > 0 && of_right > 0 {
            let numbers = (bare(&left[..of_left]), bare(&right[..of_right]));
            let order = numbers.0.len().cmp(&numbers.1.len()).then_with(|| numbers.0.cmp(&numbers.1));
            if order != Ordering::Equal {
                return order;
            }
            (left, right) = (&left[of_left..], &right[of_right..]);
            continue;
        }
        match (left.split_first(), right.split_first()) {
            (Some((first, rest)), Some((second, others))) if first == second => {
                (left, right) = (rest, others);
            }
            (first, second) => return first.map(|one| one.0).cmp(&second.map(|one| one.0)),
        }
    }
}

/// Writes the entries.
#[expect(clippy::too_many_lines, reason = "one page from top to bottom")]
pub(super) fn write(
    page: &IndexPageInForce,
    asked: &Asked,
    path: &[u8],
    entries: &[Entry],
    out: &mut Vec<u8>,
) {
    let html = |text: &[u8], out: &mut Vec<u8>| escape(Escape::Html, text, false, out);
    let name_of =
        |entry: &Entry| if entry.name.is_empty() { b"Parent Directory".to_vec() } else { entry.name.clone() };
    let width = match page.name_width {
        0 => WIDTH,
        u32::MAX => entries.iter().map(|entry| name_of(entry).len()).max().unwrap_or(0).max(WIDTH),
        width => width as usize,
    };
    let mut size = String::new();
    if page.icon_width > 0 {
        size.push_str(&format!(" width=\"{}\"", page.icon_width));
    }
    if page.icon_height > 0 {
        size.push_str(&format!(" height=\"{}\"", page.icon_height));
    }
    let (end, rule) = if asked.has(IndexSwitch::Xhtml) { (" />", "<hr />") } else { (">", "<hr>") };
    let heading = |order: u8, text: &str| {
        if asked.has(IndexSwitch::NoSorting) {
            return text.to_owned();
        }
        let way = if order == asked.order && !asked.descending { 'D' } else { 'A' };
        let repeated = String::from_utf8_lossy(&asked.repeated).into_owned();
        format!("<a href=\"?C={};O={way}{repeated}\">{text}</a>", char::from(order))
    };
    let blank = by_name(&page.icons, b"^^BLANKICON^^");
    let mut columns = 1;
    let styled = !page.style_sheet.is_empty();
    // With a style sheet each cell has a class, without one it has its own look.
    let opened = |tag: &str, class: &str, look: &str| {
        if styled { format!("<{tag} class=\"indexcol{class}\">") } else { format!("<{tag}{look}>") }
    };
    let broken = if styled { "   <tr class=\"indexbreakrow\">" } else { "   <tr>" };
    if asked.has(IndexSwitch::Table) {
        out.extend_from_slice(if styled {
            b"  <table id=\"indexlist\">\n   <tr class=\"indexhead\">"
        } else {
            b"  <table>\n   <tr>"
        });
        if !asked.has(IndexSwitch::NoIcons) {
            columns += 1;
            out.extend_from_slice(opened("th", "icon", " valign=\"top\"").as_bytes());
            match blank {
                Some(icon) => {
                    out.extend_from_slice(b"<img src=\"");
                    html(icon, out);
                    out.extend_from_slice(format!("\" alt=\"[ICO]\"{size}{end}</th>").as_bytes());
                }
                None => out.extend_from_slice(b"&nbsp;</th>"),
            }
        }
        for (order, text, class, off) in [
            (b'N', "Name", "name", false),
            (b'M', "Last modified", "lastmod", asked.has(IndexSwitch::NoTimes)),
            (b'S', "Size", "size", asked.has(IndexSwitch::NoSizes)),
            (b'D', "Description", "desc", asked.has(IndexSwitch::NoDescriptions)),
        ] {
            if !off {
                columns += usize::from(order != b'N');
                out.extend_from_slice(
                    format!("{}{}</th>", opened("th", class, ""), heading(order, text)).as_bytes(),
                );
            }
        }
        out.extend_from_slice(b"</tr>\n");
        if !asked.has(IndexSwitch::NoRules) {
            out.extend_from_slice(format!("{broken}<th colspan=\"{columns}\">{rule}</th></tr>\n").as_bytes());
        }
    } else {
        out.extend_from_slice(b"<pre>");
        if !asked.has(IndexSwitch::NoIcons) {
            match blank {
                Some(icon) => {
                    out.extend_from_slice(b"<img src=\"");
                    html(icon, out);
                    out.extend_from_slice(format!("\" alt=\"Icon \"{size}{end} ").as_bytes());
                }
                None => out.extend_from_slice(b"      "),
            }
        }
        out.extend_from_slice(heading(b'N', "Name").as_bytes());
        out.resize(out.len() + width.saturating_sub(4) + 1, b' ');
        if !asked.has(IndexSwitch::NoTimes) {
            out.extend_from_slice(format!("{}      ", heading(b'M', "Last modified")).as_bytes());
        }
        if !asked.has(IndexSwitch::NoSizes) {
            out.extend_from_slice(format!("{}  ", heading(b'S', "Size")).as_bytes());
        }
        if !asked.has(IndexSwitch::NoDescriptions) {
            out.extend_from_slice(heading(b'D', "Description").as_bytes());
        }
        out.extend_from_slice(if asked.has(IndexSwitch::NoRules) { b"\n" } else { rule.as_bytes() });
    }
    for (at, entry) in entries.iter().enumerate() {
        let name = name_of(entry);
        let mut target = Vec::new();
        if entry.name.is_empty() {
            let here = shown(path);
            let above = memchr::memrchr(b'/', here).map_or(0, |slash| slash + 1);
            escape(Escape::UriText, &here[..above], false, &mut target);
        } else {
            escape(Escape::UriText, &entry.name, false, &mut target);
        }
        let mut anchor = b"<a href=\"".to_vec();
        html(&target, &mut anchor);
        anchor.extend_from_slice(b"\">");
        let mut icon = Vec::new();
        if asked.has(IndexSwitch::IconLinks) {
            icon.extend_from_slice(&anchor);
        }
        let image = entry.icon.as_deref().or(Some(&*page.default_icon).filter(|icon| !icon.is_empty()));
        match image {
            Some(image) => {
                icon.extend_from_slice(b"<img src=\"");
                html(image, &mut icon);
                icon.extend_from_slice(b"\" alt=\"[");
                icon.extend_from_slice(entry.alternative.as_deref().unwrap_or(b"   "));
                icon.extend_from_slice(format!("]\"{size}{end}").as_bytes());
            }
            None => icon.extend_from_slice(if asked.has(IndexSwitch::Table) { b"&nbsp;" } else { b"     " }),
        }
        if asked.has(IndexSwitch::IconLinks) {
            icon.extend_from_slice(b"</a>");
        }
        let mut link = anchor;
        if name.len() > width {
            let cut = [&name[..width.saturating_sub(3)], b"..>"].concat();
            html(&cut, &mut link);
        } else {
            html(&name, &mut link);
        }
        link.extend_from_slice(b"</a>");
        if !(asked.has(IndexSwitch::Table) && page.name_width == u32::MAX) {
            link.resize(link.len() + width.saturating_sub(name.len()), b' ');
        }
        let time = entry.modified.map(|modified| {
            let t = clock::local(modified.max(0).cast_unsigned());
            let (year, month) = (t.tm_year + 1900, t.tm_mon + 1);
            if asked.has(IndexSwitch::OldTimes) {
                let month = clock::MONTHS.get(t.tm_mon as usize).copied().unwrap_or_default();
                format!("{:02}-{month}-{year:04} {:02}:{:02}  ", t.tm_mday, t.tm_hour, t.tm_min)
            } else {
                format!("{year:04}-{month:02}-{:02} {:02}:{:02}  ", t.tm_mday, t.tm_hour, t.tm_min)
            }
        });
        let description = entry.description.as_deref().map(|text| terminated(page, asked, text));
        if asked.has(IndexSwitch::Table) {
            let parity = if at % 2 == 0 { "even" } else { "odd" };
            let alternative =
                entry.alternative.as_deref().filter(|_| asked.has(IndexSwitch::AlternativeClass));
            match (styled, alternative) {
                (true, Some(alternative)) => {
                    out.extend_from_slice(format!("   <tr class=\"{parity}-").as_bytes());
                    out.extend(alternative.iter().map(u8::to_ascii_lowercase));
                    out.extend_from_slice(b"\">");
                }
                (true, None) => out.extend_from_slice(format!("   <tr class=\"{parity}\">").as_bytes()),
                (false, _) => out.extend_from_slice(b"<tr>"),
            }
            if !asked.has(IndexSwitch::NoIcons) {
                out.extend_from_slice(opened("td", "icon", " valign=\"top\"").as_bytes());
                out.extend_from_slice(&icon);
                out.extend_from_slice(b"</td>");
            }
            out.extend_from_slice(opened("td", "name", "").as_bytes());
            out.extend_from_slice(&link);
            out.extend_from_slice(b"</td>");
            if !asked.has(IndexSwitch::NoTimes) {
                let time = time.map_or_else(
                    || format!("{}&nbsp;</td>", opened("td", "lastmod", "")),
                    |time| format!("{}{time}</td>", opened("td", "lastmod", " align=\"right\"")),
                );
                out.extend_from_slice(time.as_bytes());
            }
            if !asked.has(IndexSwitch::NoSizes) {
                let size = rounded(entry.size);
                let open = opened("td", "size", " align=\"right\"");
                out.extend_from_slice(format!("{open}{size}</td>").as_bytes());
            }
            if !asked.has(IndexSwitch::NoDescriptions) {
                out.extend_from_slice(opened("td", "desc", "").as_bytes());
                out.extend_from_slice(description.as_deref().unwrap_or(b"&nbsp;"));
                out.extend_from_slice(b"</td>");
            }
            out.extend_from_slice(b"</tr>\n");
        } else {
            if !asked.has(IndexSwitch::NoIcons) {
                out.extend_from_slice(&icon);
                out.push(b' ');
            }
            out.extend_from_slice(&link);
            out.push(b' ');
            if !asked.has(IndexSwitch::NoTimes) {
                out.extend_from_slice(time.unwrap_or_else(|| " ".repeat(19)).as_bytes());
            }
            if !asked.has(IndexSwitch::NoSizes) {
                out.extend_from_slice(format!("{}  ", rounded(entry.size)).as_bytes());
            }
            if !asked.has(IndexSwitch::NoDescriptions) {
                out.extend_from_slice(description.as_deref().unwrap_or_default());
            }
            out.push(b'\n');
        }
    }
    if asked.has(IndexSwitch::Table) {
        if !asked.has(IndexSwitch::NoRules) {
            out.extend_from_slice(format!("{broken}<th colspan=\"{columns}\">{rule}</th></tr>\n").as_bytes());
        }
        out.extend_from_slice(b"</table>\n");
    } else {
        if !asked.has(IndexSwitch::NoRules) {
            out.extend_from_slice(rule.as_bytes());
        }
        out.extend_from_slice(b"</pre>\n");
    }
}

/// Whether each percent sign begins two digits of a byte that is not 0.
fn is_escaped(text: &[u8]) -> bool {
    let digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_hexdigit);
    memchr::memchr_iter(b'%', text).all(|at| {
        digit(at + 1)
            && digit(at + 2)
            && text[at + 1..at + 3] != *b"00"
            && text[at + 1..at + 3] != *b"2F"
            && text[at + 1..at + 3] != *b"2f"
    })
}

/// Whether a name is like a pattern with `*`, `?` and classes; a dot at its beginning is matched by a dot alone.
fn is_like(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut at, mut seen, mut star) = (0, 0, None);
    while seen < name.len() {
        let one = match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'[') => match class(&pattern[at..], name[seen]) {
                Some((length, true)) => Some(length),
                Some((_, false)) => None,
                None => (name[seen] == b'[').then_some(1),
            },
            Some(byte) => (*byte == name[seen]).then_some(1),
            None => None,
        };
        match (one, star) {
            (Some(length), _) => {
                at += length;
                seen += 1;
            }
            (None, Some((back, taken))) => {
                star = Some((back, taken + 1));
                (at, seen) = (back + 1, taken + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// How long the class is that a pattern begins with, and whether a byte is in it; `None` where it has no end.
fn class(pattern: &[u8], byte: u8) -> Option<(usize, bool)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = if negated { 2 } else { 1 };
    let mut at = first;
    let mut found = false;
    loop {
        match pattern.get(at..)? {
            [b']', ..] if at > first => return Some((at + 1, found != negated)),
            [from, b'-', to, ..] if *to != b']' => {
                found |= (*from..=*to).contains(&byte);
                at += 3;
            }
            [one, ..] => {
                found |= *one == byte;
                at += 1;
            }
            [] => return None,
        }
    }
}

/// As much of a description as there is room for: tags take none, a reference is one character.
fn terminated(page: &IndexPageInForce, asked: &Asked, text: &[u8]) -> Vec<u8> {
    let mut room = match page.description_width {
        0 => {
            WIDTH
                + 6 * usize::from(asked.has(IndexSwitch::NoIcons))
                + 19 * usize::from(asked.has(IndexSwitch::NoTimes))
                + 7 * usize::from(asked.has(IndexSwitch::NoSizes))
        }
        u32::MAX => usize::MAX,
        width => width as usize,
    };
    let mut at = 0;
    while at < text.len() && (room > 0 || text[at] == b'<') {
        let close = match text[at] {
            b'<' => Some(b'>'),
            b'&' => Some(b';'),
            _ => None,
        };
        if text[at] != b'<' {
            room -= 1;
        }
        match close.map(|close| memchr::memchr(close, &text[at..])) {
            Some(Some(length)) => at += length + 1,
            Some(None) => return text.to_vec(),
            None => at += 1,
        }
    }
    let mut out = text[..at].to_vec();
    if at < text.len()
        && let Some(last) = out.last_mut()
    {
        *last = b'>';
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_a_query() {
        for (pattern, name, expected) in [
            ("[ab].txt", "a.txt", true),
            ("[!z].txt", "a.txt", true),
            ("[!a].txt", "a.txt", false),
            ("[a-c]*t", "b.html.t", true),
            ("*", ".hid", false),
            ("?hid", ".hid", false),
            ("[.]hid", ".hid", false),
            (".*", ".hid", true),
            ("[ab", "[ab", true),
            ("[]a]", "]", true),
            ("*[0-9]*[b]", "x1y2b", true),
        ] {
            assert_eq!(is_like(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn numbers_in_names_are_numbers() {
        assert_eq!(natural(b"a9", b"a10"), Ordering::Less);
        assert_eq!(natural(b"a10b", b"a10"), Ordering::Greater);
        assert_eq!(natural(b"b1", b"a2"), Ordering::Greater);
    }
}
