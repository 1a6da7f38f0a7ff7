//! Listings of directories: `IndexOptions` and what stands beside files.
//!
//! What 2.4.71 does, observed: icons, texts in their place and descriptions are looked for in turn, those of inner
//! sections first, and the first that matches counts. A name without wildcards stands for all that end in it; in
//! descriptions, for all that have it in them. An option without a sign takes all others back, widths and what has a
//! value stay. Each name is asked for as a client would: what it may not have is left out, unless `ShowForbidden`.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_autoindex.html>

use super::{
    super::tree::{Directive, Word},
    Cx, Lower, Section,
    section::Kind,
};
use crate::{
    diagnostic::Diagnostic,
    ir::{
        Text,
        settings::{IndexBy, IndexChange, IndexMark, IndexMarks, IndexPage, IndexSwitch, IndexSwitches},
    },
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[
    ("AddAlt", alternative),
    ("AddAltByEncoding", alternative),
    ("AddAltByType", alternative),
    ("AddDescription", description),
    ("AddIcon", icon),
    ("AddIconByEncoding", icon),
    ("AddIconByType", icon),
    ("DefaultIcon", text),
    ("HeaderName", text),
    ("IndexHeadInsert", text),
    ("IndexIgnore", ignore),
    ("IndexIgnoreReset", forget_ignored),
    ("IndexOptions", options),
    ("IndexOrderDefault", order),
    ("IndexStyleSheet", text),
    ("ReadmeName", text),
];

/// What a directive's names are compared with.
fn by(directive: &Directive) -> IndexBy {
    match directive.name() {
        name if name.ends_with("ByEncoding") => IndexBy::Encoding,
        name if name.ends_with("ByType") => IndexBy::Type,
        _ => IndexBy::Name,
    }
}

fn mark(by: IndexBy, name: &Word, mark: &[u8]) -> IndexMark {
    let name = name.value.as_slice();
    let pattern = if by == IndexBy::Name && !name.iter().any(|byte| matches!(byte, b'*' | b'?')) {
        Text::from([b"*", name].concat())
    } else {
        Text::from(name)
    };
    IndexMark { by, pattern, mark: mark.into() }
}

/// `AddIcon (alt,url)|url name ...` and its kin.
fn icon(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    if !applies(cx, section, directive) {
        return;
    }
    let Some((word, names)) = directive.args.split_first() else { return };
    let by = by(directive);
    let mut url = word.value.as_slice();
    let page = page(section);
    if let Some(inside) = url.strip_prefix(b"(") {
        let comma = memchr::memchr(b',', inside);
        let Some((text, rest)) = comma.map(|at| inside.split_at(at)) else {
            let message = "missing closing parenthesis, or no comma in it";
            return cx.report(Diagnostic::error("invalid-value", word.span, message));
        };
        url = rest[1..].strip_suffix(b")").unwrap_or(&rest[1..]);
        let alternatives = &mut page.alternatives.get_or_insert_default().0;
        alternatives.extend(names.iter().map(|name| mark(by, name, text)));
    }
    page.icons.get_or_insert_default().0.extend(names.iter().map(|name| mark(by, name, url)));
}

/// `AddAlt text name ...` and its kin.
fn alternative(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    if !applies(cx, section, directive) {
        return;
    }
    let Some((word, names)) = directive.args.split_first() else { return };
    let by = by(directive);
    let IndexMarks(marks) = page(section).alternatives.get_or_insert_default();
    marks.extend(names.iter().map(|name| mark(by, name, &word.value)));
}

/// `AddDescription text name ...`
fn description(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let Some((word, names)) = directive.args.split_first() else { return };
    let IndexMarks(marks) = page(section).descriptions.get_or_insert_default();
    marks.extend(names.iter().map(|name| {
        let name = name.value.as_slice();
        let pattern =
            if name.contains(&b'/') { [b"*/", name, b"*"].concat() } else { [b"*", name, b"*"].concat() };
        IndexMark { by: IndexBy::Name, pattern: pattern.into(), mark: word.value.as_slice().into() }
    }));
}

/// Directives that take a text.
fn text(_: &mut Cx, section: &mut Section, directive: &Directive) {
    let [word] = directive.args.as_slice() else { return };
    let page = page(section);
    let value = Text::from(word.value.as_slice());
    match directive.name() {
        "DefaultIcon" => page.default_icon = Some(value),
        "HeaderName" => page.header = Some(value),
        "IndexHeadInsert" => page.head = Some(value),
        "IndexStyleSheet" => page.style_sheet = Some(value),
        _ => page.readme = Some(value),
    }
}

/// `IndexIgnore name ...`: what listings leave out; several add up.
fn ignore(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    if applies(cx, section, directive)
        && let Some(change) = change(section)
    {
        change.hidden.extend(directive.args.iter().map(|word| Text::from(last_component(&word.value))));
    }
}

/// `IndexIgnoreReset On|Off`: what outer sections leave out is shown again, unless the section leaves it out, too.
fn forget_ignored(_: &mut Cx, section: &mut Section, directive: &Directive) {
    if let Some(change) = change(section) {
        change.shown = directive.args.first().is_some_and(|word| word.is("on"));
    }
}

/// What the section says of switches and names.
fn change(section: &mut Section) -> Option<&mut IndexChange> {
    page(section).switches.as_mut().and_then(|switches| switches.0.first_mut())
}

fn last_component(path: &[u8]) -> &[u8] {
    &path[memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1)..]
}

/// Whether what stands beside files counts in the section: it is compared with the section's path, which is that of
/// a folder in `<Directory>` alone.
fn applies(cx: &mut Cx, section: &mut Section, directive: &Directive) -> bool {
    page(section);
    let applies = matches!(section.kind, Kind::Server | Kind::VirtualHost | Kind::Directory | Kind::Htaccess);
    if !applies {
        let message = format!("{} has no effect in this section", directive.name());
        let help =
            "it is compared with the section's text as a folder; write it into <Directory> or the server";
        cx.report(Diagnostic::warning("no-effect", directive.span, message).help(help));
    }
    applies
}

/// `IndexOrderDefault Ascending|Descending Name|Date|Size|Description`
fn order(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let [way, by] = directive.args.as_slice() else { return };
    let descending = match &*way.text().to_ascii_lowercase() {
        "ascending" => false,
        "descending" => true,
        _ => {
            let message = "First keyword must be 'Ascending' or 'Descending'";
            return cx.report(Diagnostic::error("invalid-value", way.span, message));
        }
    };
    let by = match &*by.text().to_ascii_lowercase() {
        "name" => "N",
        "date" => "M",
        "size" => "S",
        "description" => "D",
        _ => {
            let message = "Second keyword must be 'Name', 'Date', 'Size', or 'Description'";
            return cx.report(Diagnostic::error("invalid-value", by.span, message));
        }
    };
    page(section).order = Some(by.into());
    page(section).descending = Some(descending);
}

/// The switch that an option is.
fn switch(name: &str) -> Option<IndexSwitch> {
    Some(match name {
        "fancyindexing" => IndexSwitch::Fancy,
        "htmltable" => IndexSwitch::Table,
        "iconsarelinks" => IndexSwitch::IconLinks,
        "foldersfirst" => IndexSwitch::FoldersFirst,
        "ignorecase" => IndexSwitch::IgnoreCase,
        "versionsort" => IndexSwitch::VersionSort,
        "suppressicon" => IndexSwitch::NoIcons,
        "suppresslastmodified" => IndexSwitch::NoTimes,
        "suppresssize" => IndexSwitch::NoSizes,
        "suppressdescription" => IndexSwitch::NoDescriptions,
        "suppressrules" => IndexSwitch::NoRules,
        "suppresshtmlpreamble" => IndexSwitch::NoPreamble,
        "suppresscolumnsorting" => IndexSwitch::NoSorting,
        "ignoreclient" => IndexSwitch::IgnoreQuery,
        "showforbidden" => IndexSwitch::ShowsForbidden,
        "scanhtmltitles" => IndexSwitch::ScanTitles,
        "trackmodified" => IndexSwitch::Tracked,
        "xhtml" => IndexSwitch::Xhtml,
        "useolddateformat" => IndexSwitch::OldTimes,
        "addaltclass" => IndexSwitch::AlternativeClass,
        "none" => IndexSwitch::None,
        _ => return None,
    })
}

/// The group of a section that says something of listings: even one that says nothing of switches has its part in
/// how those of others are put together.
fn page(section: &mut Section) -> &mut IndexPage {
    let turn = match section.kind {
        Kind::Server | Kind::VirtualHost => 0,
        Kind::Directory | Kind::DirectoryMatch | Kind::Htaccess => 1,
        Kind::Files => 2,
        Kind::Location | Kind::Proxy => 3,
        Kind::If => 4,
    };
    let page = &mut *section.set.index_page;
    let switches = &mut page.switches.get_or_insert_default().0;
    if switches.is_empty() {
        switches.push(IndexChange { turn, ..IndexChange::default() });
    }
    page
}

/// `IndexOptions [+|-]option[=value] ...`
fn options(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let page = page(section);
    let said = page.switches.as_ref().and_then(|switches| switches.0.first());
    let mut change = said.cloned().unwrap_or_default();
    for word in &directive.args {
        let text = word.text().into_owned();
        let (sign, option) = match text.split_at_checked(1) {
            Some((sign @ ("+" | "-"), option)) => (Some(sign == "+"), option),
            _ => (None, text.as_str()),
        };
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name.to_ascii_lowercase(), Some(value)),
            None => (option.to_ascii_lowercase(), None),
        };
        let fault = match (switch(&name), value) {
            (Some(IndexSwitch::None), None) if sign.is_some() => {
                Some("Cannot combine '+' or '-' with 'None' keyword".to_owned())
            }
            (Some(switch), None) => {
                match sign {
                    None => (change.fixed, change.on, change.off) = (change.fixed | switch.bit(), 0, 0),
                    Some(true) => {
                        change.on |= switch.bit();
                        change.off &= !switch.bit();
                    }
                    Some(false) => {
                        change.off |= switch.bit();
                        change.on &= !switch.bit();
                    }
                }
                None
            }
            _ => valued(page, sign, &name, value, &text).err(),
        };
        if let Some(message) = fault {
            return cx.report(Diagnostic::error("invalid-value", word.span, message));
        }
    }
    let none = IndexSwitch::None.bit();
    if change.fixed & none != 0 && change.fixed & !none != 0 {
        let message = "Cannot combine other IndexOptions keywords with 'None'";
        return cx.report(Diagnostic::error("invalid-value", directive.span, message));
    }
    page.switches = Some(IndexSwitches(vec![change]));
}

/// An option that is no switch; one without its value takes it back, icons have a usual size.
fn valued(
    page: &mut IndexPage,
    sign: Option<bool>,
    name: &str,
    value: Option<&str>,
    text: &str,
) -> Result<(), String> {
    if sign == Some(false) && value.is_some() {
        return Err(format!("Cannot combine '-' with {}", text.trim_start_matches('-')));
    }
    // What begins like a number counts, as far as it is one.
    let number = |value: &str| -> u32 {
        let end = value.bytes().take_while(u8::is_ascii_digit).count();
        value[..end].parse().unwrap_or(0)
    };
    match (name, value) {
        ("charset", Some(value)) => page.charset = Some(value.into()),
        ("type", Some(value)) => page.kind = Some(value.into()),
        ("iconheight", Some(value)) => page.icon_height = Some(number(value)),
        ("iconwidth", Some(value)) => page.icon_width = Some(number(value)),
        ("iconheight", None) => page.icon_height = Some(if sign == Some(false) { 0 } else { 22 }),
        ("iconwidth", None) => page.icon_width = Some(if sign == Some(false) { 0 } else { 20 }),
        ("namewidth" | "descriptionwidth", None) if sign != Some(false) => {
            let bare = text.trim_start_matches('+');
            return Err(format!("{bare} with no value may only appear as '-{bare}'"));
        }
        ("namewidth" | "descriptionwidth", value) => {
            let (least, width) = match name {
                "namewidth" => (5, &mut page.name_width),
                _ => (12, &mut page.description_width),
            };
            *width = Some(match value {
                None => 0,
                Some("*") => u32::MAX,
                Some(value) => match number(value) {
                    // One more than any row has room for stands for the usual one.
                    number if number != 0 && number < least => {
                        return Err(format!("{text}: the value must be greater than {least}"));
                    }
                    number => number,
                },
            });
        }
        _ => return Err("Invalid directory indexing option".to_owned()),
    }
    Ok(())
}
