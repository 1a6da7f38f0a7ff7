//! Which of several variants is sent.
//!
//! Type and source first, then language, level, character set, coding and length; or, for clients that ask for it, the
//! algorithm of RFC 2296. Reference: <https://httpd.apache.org/docs/2.4/content-negotiation.html#methods>

use super::{
    accept::{self, Accepted},
    variants::{PROGRAM, Variant},
};
use crate::{ir::Text, plan::Effective};

/// What the client says.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) types: Option<Vec<Accepted>>,
    pub(super) encodings: Option<Vec<Accepted>>,
    pub(super) charsets: Option<Vec<Accepted>>,
    pub(super) languages: Option<Vec<Accepted>>,
    /// Whether a type has a quality.
    weighed: bool,
    /// Whether the client knows of lists of variants (RFC 2295).
    pub(super) knows_lists: bool,
    /// Whether it gets the list beside what is chosen.
    pub(super) wants_list: bool,
    /// Whether we may choose.
    may_choose: bool,
    /// Whether by the algorithm of RFC 2296.
    remote: bool,
    /// Whether its fields are taken as they are.
    exact: bool,
    /// The language to prefer, and which codings do not count.
    pub(super) language: Vec<u8>,
    pub(super) plain: Vec<u8>,
    /// Whether programs are preferred.
    pub(super) prefers_programs: bool,
}

impl Wishes {
    /// From the fields of a request.
    pub(super) fn new(field: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Self {
        let read = |name: &[u8]| field(name).map(|text| accept::list(&text));
        let types = read(b"accept");
        Self {
            weighed: types.iter().flatten().any(|one| one.quality < 1.0),
            types,
            encodings: read(b"accept-encoding"),
            charsets: read(b"accept-charset"),
            languages: read(b"accept-language"),
            may_choose: true,
            ..Self::default()
        }
    }

    /// Takes `Negotiate` (RFC 2295 § 8.4) into account.
    pub(super) fn negotiate(&mut self, text: Option<&[u8]>, agent: &[u8]) {
        let Some(text) = text else { return };
        // Some say so and do not know it.
        if text == b"trans" && agent.starts_with(b"Lynx") {
            return;
        }
        self.may_choose = false;
        for word in text.split(|byte| *byte == b',') {
            let word = word.trim_ascii().to_ascii_lowercase();
            let first = word.first().copied().unwrap_or_default();
            if !matches!(word.as_slice(), b"trans" | b"vlist" | b"guess-small" | b"*")
                && !first.is_ascii_digit()
            {
                continue;
            }
            self.knows_lists = true;
            self.wants_list = true;
            if word == b"1.0" {
                (self.may_choose, self.remote, self.exact) = (true, true, true);
            } else if word == b"*" {
                (self.may_choose, self.exact) = (true, true);
            }
        }
    }

    fn with_defaults(&mut self) {
        let any = || vec![Accepted { name: b"*/*".to_vec(), quality: 1.0, ..Accepted::default() }];
        let quality = match (self.remote, self.prefers_programs) {
            (true, _) => 0.0,
            (false, true) => 2.0,
            (false, false) => 0.001,
        };
        let types = self.types.get_or_insert_with(any);
        types.push(Accepted { name: PROGRAM.to_vec(), quality, ..Accepted::default() });
    }
}

/// How good a variant is for the client.
#[derive(Clone, Debug)]
struct Marks {
    of: f32,
    language: f32,
    charset: f32,
    encoding: f32,
    /// Place in the order of languages.
    place: Option<usize>,
    /// The level that was asked for by name.
    level: f32,
    /// Whether nothing had to be guessed.
    definite: bool,
}

/// The variant that is sent, and whether that is certain.
pub(super) fn choose(
    settings: &Effective,
    wishes: &mut Wishes,
    variants: &[Variant],
) -> (Option<usize>, bool) {
    wishes.with_defaults();
    let has_languages = variants.iter().any(|variant| !variant.languages.is_empty());
    let unnamed = if has_languages && !wishes.exact { 0.0001 } else { 1.0 };
    let mut preferred = Some(wishes.language.as_slice()).filter(|language| !language.is_empty());
    loop {
        let mut best: Option<(usize, Marks)> = None;
        let mut quality = 0.0;
        for (at, variant) in variants.iter().enumerate() {
            if is_left_out(wishes, variant) {
                continue;
            }
            if preferred.is_some_and(|language| !variant.languages.iter().any(|known| known == language)) {
                continue;
            }
            let marks = marks(settings, wishes, variant, preferred.is_some(), unnamed);
            if !wishes.may_choose {
                continue;
            }
            let other = best.as_ref().map(|(at, marks)| (&variants[*at], marks));
            let better = if wishes.remote {
                is_better_remotely(variant, &marks, other, &mut quality)
            } else {
                is_better(variant, &marks, other, &mut quality)
            };
            if better {
                best = Some((at, marks));
            }
        }
        let chosen =
            quality > 0.0 && best.as_ref().is_some_and(|(_, marks)| marks.definite || !wishes.remote);
        if preferred.is_some() && !chosen {
            preferred = None;
            continue;
        }
        return (best.map(|(at, _)| at), chosen);
    }
}

fn is_left_out(wishes: &Wishes, variant: &Variant) -> bool {
    let Some(coding) = &variant.encoding else { return false };
    if is_none(coding) || coding == b"identity" {
        return false;
    }
    match wishes.plain.as_slice() {
        b"" => false,
        b"but-html" => !variant.of.starts_with(b"text/html"),
        _ => true,
    }
}

/// Whether a coding is none.
fn is_none(coding: &[u8]) -> bool {
    matches!(coding, b"" | b"7bit" | b"8bit" | b"binary")
}

fn marks(settings: &Effective, wishes: &Wishes, variant: &Variant, preferred: bool, unnamed: f32) -> Marks {
    let mut marks = Marks {
        of: 1.0,
        language: 1.0,
        charset: 1.0,
        encoding: 1.0,
        place: None,
        level: 0.0,
        definite: true,
    };
    by_type(wishes, variant, &mut marks);
    if preferred {
        marks.definite = true;
    } else {
        by_language(settings, wishes, variant, unnamed, &mut marks);
    }
    by_encoding(wishes, variant, &mut marks);
    by_charset(wishes, variant, &mut marks);
    marks
}

fn by_type(wishes: &Wishes, variant: &Variant, marks: &mut Marks) {
    let (mut quality, mut definite, mut exactness) = (0.0, true, 0);
    for accepted in wishes.types.iter().flatten() {
        let found = match accepted.name.as_slice() {
            [b'*', ..] => 1,
            [start @ .., b'*'] if variant.of.starts_with(&start[..start.len().saturating_sub(1)]) => 2,
            name if name == variant.of || (name == b"text/html" && is_html(&variant.of)) => {
                if accepted.level < variant.level {
                    continue;
                }
                marks.level = variant.level;
                3
            }
            _ => continue,
        };
        if found <= exactness {
            continue;
        }
        exactness = found;
        // Wildcards of clients that weigh nothing are not meant so.
        quality = match exactness {
            1 if !wishes.exact && !wishes.weighed => 0.01,
            2 if !wishes.exact && !wishes.weighed => 0.02,
            _ => accepted.quality,
        };
        definite = exactness == 3;
    }
    marks.of = quality;
    marks.definite &= definite;
}

fn is_html(of: &[u8]) -> bool {
    matches!(of, b"text/html" | b"text/x-server-parsed-html" | b"text/x-server-parsed-html3")
}

fn by_language(settings: &Effective, wishes: &Wishes, variant: &Variant, unnamed: f32, marks: &mut Marks) {
    if variant.languages.is_empty() {
        if !wishes.exact {
            marks.language = unnamed;
        }
        return;
    }
    match &wishes.languages {
        None => marks.definite = false,
        Some(accepted) => {
            let star = accepted.iter().find(|one| one.name == b"*");
            let named = || accepted.iter().filter(|one| one.name != b"*");
            let mut best: Option<&Accepted> = None;
            let (mut near, mut by_star) = (0.0, false);
            for tag in &variant.languages {
                let mut of_tag: Option<&Accepted> = None;
                for one in named() {
                    let range = one.name.as_slice();
                    let covers =
                        tag.strip_prefix(range).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"-"));
                    if covers && of_tag.is_none_or(|known| range.len() > known.name.len()) {
                        of_tag = Some(one);
                    }
                    // Who asks for a dialect may like the language.
                    if of_tag.is_none()
                        && !wishes.exact
                        && let Some(dash) = memchr::memchr(b'-', range)
                        && tag.starts_with(&range[..dash])
                    {
                        near = 0.001;
                    }
                }
                if best.is_none()
                    || of_tag.is_some_and(|one| best.is_some_and(|best| one.quality > best.quality))
                {
                    best = of_tag;
                }
                by_star |= of_tag.is_none() && star.is_some();
            }
            if by_star
                && let Some(star) = star
                && best.is_none_or(|best| star.quality > best.quality)
            {
                best = Some(star);
                marks.definite = false;
            }
            marks.language = best.map_or(near, |best| best.quality);
        }
    }
    let negotiation = &settings.negotiation;
    let order: &[Text] = negotiation.languages.as_deref().unwrap_or_default();
    let place = |tag: &Vec<u8>| order.iter().position(|known| tag.starts_with(known));
    let Some(place) = variant.languages.iter().filter_map(place).min() else { return };
    if marks.language > 0.0 {
        if !negotiation.unordered {
            marks.place = Some(place);
        }
    } else if negotiation.falls_back {
        marks.place = Some(place);
        marks.language = 0.0001;
        marks.definite = false;
    }
}

fn by_charset(wishes: &Wishes, variant: &Variant, marks: &mut Marks) {
    const USUAL: &[u8] = b"iso-8859-1";
    let Some(accepted) = &wishes.charsets else {
        marks.definite &= variant.charset.is_empty();
        return;
    };
    let charset = if variant.charset.is_empty() {
        if wishes.exact || !(variant.of.starts_with(b"text/") || is_html(&variant.of)) {
            return;
        }
        USUAL
    } else {
        &variant.charset
    };
    if let Some(one) = accepted.iter().find(|one| one.name == charset) {
        marks.charset = one.quality;
    } else if let Some(star) = accepted.iter().rfind(|one| one.name == b"*") {
        marks.charset = star.quality;
        marks.definite = false;
    } else {
        marks.charset = if charset == USUAL { 1.0 } else { 0.0 };
    }
}

fn by_encoding(wishes: &Wishes, variant: &Variant, marks: &mut Marks) {
    let coding = variant.encoding.as_deref().filter(|coding| !is_none(coding));
    let Some(accepted) = &wishes.encodings else {
        marks.encoding = if coding.is_none() { 1.0 } else { 0.5 };
        return;
    };
    let bare = |name: &[u8]| name.strip_prefix(b"x-").unwrap_or(name).to_vec();
    let name = bare(coding.unwrap_or(b"identity"));
    let exact = accepted.iter().find(|one| bare(&one.name) == name);
    let found = exact.or_else(|| accepted.iter().rfind(|one| one.name == b"*"));
    marks.encoding = match found {
        Some(one) => one.quality,
        None if coding.is_none() => 0.0001,
        None => 0.0,
    };
}

#[expect(clippy::float_cmp, reason = "they come from the same few numbers")]
fn is_better_remotely(
    variant: &Variant,
    marks: &Marks,
    best: Option<(&Variant, &Marks)>,
    known: &mut f32,
) -> bool {
    let quality = marks.of * variant.quality * marks.charset * marks.language;
    if marks.encoding == 0.0 || quality <= 0.0 {
        return false;
    }
    let better = quality > *known
        || (quality == *known && best.is_some_and(|(_, best)| marks.encoding > best.encoding));
    if better {
        *known = quality;
    }
    better
}

#[expect(clippy::float_cmp, reason = "they come from the same few numbers")]
fn is_better(variant: &Variant, marks: &Marks, best: Option<(&Variant, &Marks)>, known: &mut f32) -> bool {
    let Marks { of, language, charset, encoding, place, level, definite: _ } = marks;
    if [*encoding, *language, variant.quality, *charset, *of].contains(&0.0) {
        return false;
    }
    let quality = of * variant.quality;
    if quality == 0.0 || quality < *known {
        return false;
    }
    let Some((other, best)) = best.filter(|_| quality <= *known) else {
        *known = quality;
        return true;
    };
    if *language != best.language {
        return *language > best.language;
    }
    // A place in the order is better than none.
    let (ours, theirs) = (place.unwrap_or(usize::MAX), best.place.unwrap_or(usize::MAX));
    if ours != theirs {
        return ours < theirs;
    }
    let same_kind =
        (is_html(&variant.of) && is_html(&other.of)) || (!is_html(&variant.of) && variant.of == other.of);
    if same_kind && *level != best.level {
        return *level > best.level;
    }
    if same_kind && variant.level != other.level {
        return variant.level < other.level;
    }
    if *charset != best.charset {
        return *charset > best.charset;
    }
    let usual = |charset: &[u8]| matches!(charset, b"" | b"iso-8859-1");
    if !usual(&variant.charset) && usual(&other.charset) {
        return true;
    }
    if *encoding != best.encoding {
        return *encoding > best.encoding;
    }
    let length = |variant: &Variant| variant.length.map_or(-1, u64::cast_signed);
    length(variant) < length(other)
}
