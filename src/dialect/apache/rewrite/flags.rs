//! Flags of rules and conditions: `[NC,R=301]`.
//!
//! Observed (2.4.71): names in any case, `,` always separates, spaces around a flag do not count, the first `=`
//! separates the value, a code that is no word and no number leaves 302, and a status that is no redirect drops the
//! substitution. An empty flag is unknown.

use crate::{
    diagnostic::{Diagnostic, suggest},
    dialect::apache::tree::{Written, is_space},
    source::Span,
};

/// Which bytes of back-references are escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Escapes {
    /// `B`: whether any are.
    pub(super) on: bool,
    /// `B=`: only these.
    pub(super) only: Option<Vec<u8>>,
    /// `BNE=`: all but these.
    pub(super) not: Option<Vec<u8>>,
    /// `BNP`: a space becomes `%20`, not `+`.
    pub(super) no_plus: bool,
    /// `BCTLS`: controls, the space and DEL.
    pub(super) controls: bool,
}

/// The flags of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RuleFlags {
    pub(super) escapes: Escapes,
    pub(super) chain: bool,
    pub(super) cookies: Vec<Written>,
    pub(super) discard_path_info: bool,
    pub(super) env: Vec<Written>,
    pub(super) end: bool,
    /// A status that is answered at once: `F`, `G`, `R` with no redirect's.
    pub(super) status: Option<u16>,
    pub(super) handler: Option<Written>,
    pub(super) last: bool,
    /// `N`: the rounds there may be.
    pub(super) rounds: Option<u32>,
    pub(super) ignore_case: bool,
    pub(super) no_escape: bool,
    /// `NS`: not for requests inside the server.
    pub(super) no_subrequest: bool,
    pub(super) proxy: bool,
    pub(super) pass_through: bool,
    pub(super) query_append: bool,
    pub(super) query_discard: bool,
    pub(super) query_last: bool,
    /// `R`: redirect outside, and where.
    pub(super) redirect: Option<Span>,
    /// The status of redirects.
    pub(super) code: Option<u16>,
    pub(super) skip: u32,
    pub(super) content_type: Option<Written>,
    pub(super) allow_3f: bool,
    pub(super) prefix_stat: bool,
    pub(super) unc: bool,
}

/// The flags of a condition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CondFlags {
    pub(super) ignore_case: bool,
    pub(super) or_next: bool,
    pub(super) no_vary: bool,
}

/// Rounds that `N` may take where it does not say.
const ROUNDS: u32 = 32_000;

/// Statuses that can be answered, besides those from 300 to 399.
const STATUSES: &[u16] = &[
    100, 101, 102, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308,
    400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423,
    424, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
];

/// Flags of rules, for suggestions.
const RULE_FLAGS: &[&str] = &[
    "B",
    "BNP",
    "BNE",
    "BCTLS",
    "backrefescaping",
    "backrefernoplus",
    "C",
    "chain",
    "CO",
    "cookie",
    "DPI",
    "discardpath",
    "E",
    "env",
    "END",
    "F",
    "forbidden",
    "G",
    "gone",
    "H",
    "handler",
    "L",
    "last",
    "N",
    "next",
    "NC",
    "nocase",
    "NE",
    "noescape",
    "NS",
    "nosubreq",
    "P",
    "proxy",
    "PT",
    "passthrough",
    "QSA",
    "qsappend",
    "QSD",
    "qsdiscard",
    "QSL",
    "qslast",
    "R",
    "redirect",
    "S",
    "skip",
    "T",
    "type",
    "UnsafeAllow3F",
    "UnsafePrefixStat",
    "UNC",
];

/// Flags of conditions, for suggestions.
const COND_FLAGS: &[&str] = &["NC", "nocase", "OR", "ornext", "NV", "novary"];

/// One flag: its name in lower case, its value, its place.
struct Flag {
    name: String,
    written: String,
    value: Written,
    span: Span,
}

/// Takes the flags of a third word apart.
fn each(word: &Written) -> Result<Vec<Flag>, Diagnostic> {
    let text = word.bytes();
    if !(text.len() >= 2 && text.starts_with(b"[") && text.ends_with(b"]")) {
        let mut found = Diagnostic::error("bad-flags", word.whole(), "bad flag delimiters")
            .because("flags stand in `[` and `]`, without spaces outside of quotes");
        if text.starts_with(b"[") {
            found = found.help("leave the spaces between the flags out, or put the brackets in quotes");
        }
        return Err(found);
    }
    let mut flags = Vec::new();
    let mut at = 1;
    let end = text.len() - 1;
    loop {
        let comma = text[at..end].iter().position(|byte| *byte == b',').map_or(end, |comma| at + comma);
        let flag = word.slice(at..comma).trimmed();
        let bytes = flag.bytes();
        let equals = bytes.iter().position(|byte| *byte == b'=').unwrap_or(bytes.len());
        let name = String::from_utf8_lossy(&bytes[..equals]).into_owned();
        flags.push(Flag {
            name: name.to_ascii_lowercase(),
            written: name,
            value: flag.slice((equals + 1).min(bytes.len())..bytes.len()),
            span: if bytes.is_empty() {
                word.span(at.min(end)..(comma + 1).min(text.len()))
            } else {
                flag.whole()
            },
        });
        at = comma + 1;
        // What follows a last comma is an empty flag, unless it is white space.
        if at > end || (at < end && text[at..end].iter().all(|byte| is_space(*byte))) {
            return Ok(flags);
        }
    }
}

fn unknown(flag: &Flag, known: &[&str]) -> Diagnostic {
    let message = format!("unknown flag '{}'", flag.written);
    let found = Diagnostic::error("unknown-flag", flag.span, message);
    match suggest::nearest(&flag.written, known.iter().copied()) {
        Some(meant) => found.help(format!("did you mean `{meant}`?")),
        None => found,
    }
}

/// The flags of a rule. What is wrong with one leaves the others alone.
pub(super) fn of_rule(word: &Written, found: &mut Vec<Diagnostic>) -> RuleFlags {
    let mut flags = RuleFlags::default();
    let all = match each(word) {
        Ok(all) => all,
        Err(wrong) => {
            found.push(wrong);
            return flags;
        }
    };
    for flag in all {
        let value = || Some(flag.value.clone()).filter(|value| !value.is_empty());
        match flag.name.as_str() {
            "b" | "backrefescaping" => {
                flags.escapes.on = true;
                flags.escapes.only = value().map(|value| value.bytes().to_vec());
            }
            "bnp" | "backrefernoplus" => flags.escapes.no_plus = true,
            "bctls" => {
                flags.escapes.on = true;
                flags.escapes.controls = true;
            }
            "bne" => {
                flags.escapes.on = true;
                flags.escapes.not = value().map(|value| value.bytes().to_vec());
            }
            "c" | "chain" => flags.chain = true,
            "co" | "cookie" => flags.cookies.push(flag.value),
            "dpi" | "discardpath" => flags.discard_path_info = true,
            "e" | "env" => flags.env.push(flag.value),
            "end" => flags.end = true,
            "f" | "forbidden" => flags.status = Some(403),
            "g" | "gone" => flags.status = Some(410),
            "h" | "handler" => flags.handler = Some(flag.value),
            "l" | "last" => flags.last = true,
            "n" | "next" => {
                let limit = value().map_or(ROUNDS, |value| number(value.bytes()));
                flags.rounds = Some(limit);
            }
            "nc" | "nocase" => flags.ignore_case = true,
            "ne" | "noescape" => flags.no_escape = true,
            "ns" | "nosubreq" => flags.no_subrequest = true,
            "p" | "proxy" => flags.proxy = true,
            "pt" | "passthrough" => flags.pass_through = true,
            "qsa" | "qsappend" => flags.query_append = true,
            "qsd" | "qsdiscard" => flags.query_discard = true,
            "qsl" | "qslast" => flags.query_last = true,
            "r" | "redirect" => redirect(&flag, &mut flags, found),
            "s" | "skip" => flags.skip = number(flag.value.bytes()),
            "t" | "type" => flags.content_type = Some(flag.value),
            "unsafeallow3f" => flags.allow_3f = true,
            "unsafeprefixstat" => flags.prefix_stat = true,
            "unc" => flags.unc = true,
            _ => found.push(unknown(&flag, RULE_FLAGS)),
        }
    }
    flags
}

fn redirect(flag: &Flag, flags: &mut RuleFlags, found: &mut Vec<Diagnostic>) {
    flags.redirect = Some(flag.span);
    let value = flag.value.bytes();
    let code = match value.to_ascii_lowercase().as_slice() {
        b"permanent" => 301,
        b"seeother" => 303,
        [digit, ..] if digit.is_ascii_digit() => {
            let code = number(value);
            let known = u16::try_from(code).ok().filter(|code| STATUSES.contains(code));
            let Some(known) = known else {
                let value = String::from_utf8_lossy(value);
                let message = format!("invalid HTTP response code '{value}' for flag 'R'");
                found.push(Diagnostic::error("invalid-status", flag.span, message));
                return;
            };
            known
        }
        b"" | b"temp" => 302,
        word => {
            let message =
                format!("`{}` names no status: the redirect answers 302", String::from_utf8_lossy(value));
            let mut wrong = Diagnostic::warning("unknown-status", flag.span, message);
            let word = String::from_utf8_lossy(word);
            if let Some(meant) = suggest::nearest(&word, ["permanent", "temp", "seeother"].into_iter()) {
                wrong = wrong.help(format!("did you mean `{meant}`?"));
            }
            found.push(wrong);
            302
        }
    };
    if (300..400).contains(&code) {
        flags.code = Some(code);
    } else {
        flags.status = Some(code);
    }
}

/// C's `atoi`, without sign.
fn number(text: &[u8]) -> u32 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number: u32, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
}

/// The flags of a condition.
pub(super) fn of_condition(word: &Written, found: &mut Vec<Diagnostic>) -> CondFlags {
    let mut flags = CondFlags::default();
    let all = match each(word) {
        Ok(all) => all,
        Err(wrong) => {
            found.push(wrong);
            return flags;
        }
    };
    for flag in all {
        match flag.name.as_str() {
            "nc" | "nocase" => flags.ignore_case = true,
            "or" | "ornext" => flags.or_next = true,
            "nv" | "novary" => flags.no_vary = true,
            _ => found.push(unknown(&flag, COND_FLAGS)),
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileId;

    fn rule(text: &str) -> (RuleFlags, Vec<String>) {
        let mut written = Written::default();
        written.push(text.as_bytes(), Span::new(FileId(0), 0, text.len() as u32));
        let mut found = Vec::new();
        let flags = of_rule(&written, &mut found);
        let shown = found.iter().map(|one| {
            let span = one.labels[0].span;
            format!("{} {}..{} {}", one.message, span.start, span.end, one.helps.join(" "))
        });
        (flags, shown.map(|line| line.trim_end().to_owned()).collect())
    }

    #[test]
    fn what_is_wrong() {
        let table: [(&str, &[&str]); 10] = [
            ("[L]", &[]),
            ("[ r=301 , nc ]", &[]),
            ("[R=foo]", &["`foo` names no status: the redirect answers 302 1..6"]),
            ("[L,]", &["unknown flag '' 3..4"]),
            ("[]", &["unknown flag '' 1..2"]),
            ("[L,Lsat]", &["unknown flag 'Lsat' 3..7 did you mean `last`?"]),
            ("[R=299]", &["invalid HTTP response code '299' for flag 'R' 1..6"]),
            ("[BFoo]", &["unknown flag 'BFoo' 1..5"]),
            ("L", &["bad flag delimiters 0..1"]),
            (
                "[R=301,",
                &[
                    "bad flag delimiters 0..7 leave the spaces between the flags out, or put the brackets in quotes",
                ],
            ),
        ];
        for (text, expected) in table {
            assert_eq!(rule(text).1, expected, "{text}");
        }
    }

    #[test]
    fn values() {
        let flags = rule("[N=7,S=2,R=permanent,E=a:b=c,B=#?,L]").0;
        assert_eq!((flags.rounds, flags.skip, flags.code, flags.last), (Some(7), 2, Some(301), true));
        assert_eq!(flags.env[0].bytes(), b"a:b=c");
        assert_eq!(flags.escapes.only.as_deref(), Some(&b"#?"[..]));
        assert_eq!(rule("[R=404]").0.status, Some(404));
        assert_eq!(rule("[N]").0.rounds, Some(ROUNDS));
    }
}
