//! Choosing one of several files that stand for one name, by what the client accepts (RFC 9110 § 12.1, RFC 2295).
//!
//! What is told is what Apache httpd 2.4.71 tells: a resource is negotiated openly (`TCN`, `Content-Location`) where it
//! is got and all variants lie in its folder. One that cannot be had is 406, with a list; clients that know of such
//! lists get it as 300. Not looked at is whether the client may have each of the variants: the one that is chosen is
//! checked as any other file.

mod accept;
mod choose;
mod tell;
mod variants;

use choose::Wishes;

use super::{
    exchange::{Exchange, Next},
    facts::Facts,
};
use crate::{
    ir::{Escape, Negotiate, Noted, Template, settings::Level},
    plan::{Plan, escape},
};

impl Exchange {
    /// Answers the plan's question for the variant that is sent.
    pub async fn negotiate(&mut self, plan: &Plan, negotiate: &Negotiate) -> Next {
        let noted = self.noted(plan, negotiate).await;
        self.run.chosen(negotiate, &noted);
        Next::Decide
    }

    /// What comes out.
    async fn noted(&mut self, plan: &Plan, negotiate: &Negotiate) -> Vec<(Noted, Vec<u8>)> {
        let path = self.value(&Template::var(negotiate.file));
        let rest = self.value(&Template::var(negotiate.rest));
        let settings = self.settings(plan).clone();
        if !negotiate.listed && !settings.negotiation.on {
            return Vec::new();
        }
        let (asked, listed, in_force) = (path.clone(), negotiate.listed, settings.clone());
        // Nobody else waits for a large folder.
        let read = tokio::task::spawn_blocking(move || {
            if listed { variants::listed(&asked) } else { variants::beside(&in_force, &asked) }
        });
        let Ok(found) = read.await else { return vec![(Noted::Outcome, b"500".to_vec())] };
        if let Some(said) = &found.said {
            self.log(Level::Error, format_args!("{said}"));
        }
        if let Some(status) = found.status {
            return vec![(Noted::Outcome, status.to_string().into_bytes())];
        }
        let all = &found.variants;
        if all.is_empty() && !listed {
            return Vec::new();
        }
        let got = matches!(self.facts.method(), b"GET" | b"HEAD");
        let apart = all.iter().any(|variant| variant.content.is_some() || variant.name.contains(&b'/'));
        let open = got && rest.is_empty() && !apart;
        let mut wishes = Wishes::new(|name| field(&self.facts, name));
        wishes.language = self.value(&negotiate.language).to_ascii_lowercase();
        wishes.plain = self.value(&negotiate.plain);
        wishes.prefers_programs = !(listed || got && self.run.query.is_empty() && rest.is_empty());
        if open {
            let agent = field(&self.facts, b"user-agent").unwrap_or_default();
            wishes.negotiate(field(&self.facts, b"negotiate").as_deref(), &agent);
        }
        let (best, chosen) = choose::choose(&settings, &mut wishes, all);
        let mut noted = Vec::new();
        let mut note = |what, value: Vec<u8>| noted.push((what, value));
        let as_list = !chosen && (open && wishes.knows_lists || best.is_none());
        if tell::goes_out(&wishes, chosen) {
            note(Noted::Alternates, tell::alternates(all));
        }
        note(Noted::Vary, tell::vary(all, open));
        note(Noted::Tag, found.tag.clone());
        if open {
            note(Noted::Manner, if chosen { b"choice".to_vec() } else { b"list".to_vec() });
        }
        let best = best.filter(|_| !as_list).and_then(|best| all.get(best));
        let Some(best) = best else {
            note(Noted::List, tell::list(all));
            let status = if open && wishes.knows_lists { "300" } else { "406" };
            if status == "406" {
                let path = path.escape_ascii();
                self.log(Level::Error, format_args!("no acceptable variant: {path}"));
            }
            note(Noted::Outcome, status.as_bytes().to_vec());
            return noted;
        };
        if open {
            let mut location = Vec::new();
            tell::segment(&best.name, &mut location);
            note(Noted::Location, location);
        }
        if let Some(content) = &best.content {
            let mut of = best.of.clone();
            if !best.charset.is_empty() {
                of.extend_from_slice(b"; charset=");
                of.extend_from_slice(&best.charset);
            }
            note(Noted::Type, of);
            note(Noted::Language, best.languages.join(&b", "[..]));
            note(Noted::Coding, best.encoding.clone().unwrap_or_default());
            note(Noted::Content, content.clone());
            note(Noted::Outcome, b"content".to_vec());
            return noted;
        }
        let folder = &path[..memchr::memrchr(b'/', &path).map_or(0, |slash| slash + 1)];
        note(Noted::File, [folder, &best.name].concat());
        let last = memchr::memrchr(b'/', &best.name).map_or(0, |slash| slash + 1);
        note(Noted::Name, best.name[last..].to_vec());
        let asked = self.run.path.strip_suffix(rest.as_slice()).unwrap_or(&self.run.path);
        let above = &asked[..memchr::memrchr(b'/', asked).map_or(0, |slash| slash + 1)];
        note(Noted::Path, [above, &best.name].concat());
        let mut target = Vec::new();
        escape(Escape::UriText, above, false, &mut target);
        target.extend_from_slice(&best.name);
        escape(Escape::UriText, &rest, false, &mut target);
        if !self.run.query.is_empty() {
            target.push(b'?');
            target.extend_from_slice(&self.run.query);
        }
        note(Noted::Target, target);
        let near = !best.name.contains(&b'/');
        note(Noted::Outcome, if near { b"choice".to_vec() } else { b"elsewhere".to_vec() });
        noted
    }
}

/// A field of the request, all of its lines as one.
fn field(facts: &Facts, name: &[u8]) -> Option<Vec<u8>> {
    let fields = facts.head.fields.iter().filter(|field| facts.slice(field.name).eq_ignore_ascii_case(name));
    let lines: Vec<_> = fields.map(|field| facts.slice(field.value)).collect();
    (!lines.is_empty()).then(|| lines.join(&b", "[..]))
}
