//! Settings of answers as nginx's directives.

use super::settings::switch;
use super::{Render, quote};
use crate::{
    ir::settings::{Answer, Identifier, Issue, Lifetime},
    source::Span,
};

impl Render<'_, '_> {
    pub(super) fn answer(&mut self, set: &Answer, span: Span) {
        let Answer {
            server,
            on_response,
            errors,
            recursive_errors,
            first_error,
            absolute_redirect,
            own_authority,
            contact,
            signature,
            announce_ranges,
            port_in_redirect,
            host_name_in_redirect,
            in_order,
            chunked,
            types,
            encodings,
            languages,
            default_language,
            charsets,
            forced_type,
            default_type,
            charset,
            charset_types,
            override_charset,
            source_charset,
            hints,
            identifier,
            etag,
            tag,
            tag_more,
            page_type,
            head_pages_have_length,
            empty_lengths,
            raw_pages,
            join_vary,
            dated_errors,
            if_modified_since,
            conditional_text,
            max_ranges,
            join_ranges,
            max_joined_ranges,
            max_reversed_ranges,
            part_size,
            modified,
            msie_padding,
            msie_refresh,
        } = set;
        if let Some(v) = recursive_errors {
            self.page.line(format!("recursive_error_pages {};", switch(*v)));
        }
        if let Some(v) = absolute_redirect {
            self.page.line(format!("absolute_redirect {};", switch(*v)));
        }
        if let Some(v) = port_in_redirect {
            self.page.line(format!("port_in_redirect {};", switch(*v)));
        }
        if let Some(v) = host_name_in_redirect {
            self.page.line(format!("server_name_in_redirect {};", switch(*v)));
        }
        if let Some(v) = types {
            self.types(v, span);
        }
        if let Some(v) = forced_type
            && let Some(kind) = v
        {
            self.page.line("types { }");
            self.page.line(format!("default_type {};", kind.lossy()));
        }
        if let Some(v) = default_type {
            self.templated("default_type", v, span);
        }
        if let Some(v) = charset {
            if v.0.is_empty() {
                self.page.line("charset off;");
            } else {
                self.templated("charset", v, span);
            }
        }
        if let Some(v) = charset_types {
            self.listed("charset_types", v);
        }
        if let Some(v) = override_charset {
            self.page.line(format!("override_charset {};", switch(*v)));
        }
        if let Some(v) = hints.as_ref().filter(|hints| !hints.is_empty()) {
            let words: Vec<_> = v.iter().filter_map(|hint| self.value(hint, span)).collect();
            let words: Vec<_> = words.iter().map(|word| quote(word)).collect();
            self.page.line(format!("early_hints {};", words.join(" ")));
        }
        if let Some(v) = source_charset.as_ref().filter(|charset| !charset.0.is_empty()) {
            self.templated("source_charset", v, span);
        }
        if let Some(v) = identifier {
            self.identifier(v.as_ref());
        }
        if let Some(v) = etag {
            self.page.line(format!("etag {};", switch(*v)));
        }
        let when = if_modified_since.and_then(|when| ["off", "exact", "before"].get(usize::from(when)));
        if let Some(when) = when {
            self.page.line(format!("if_modified_since {when};"));
        }
        if let Some(v) = max_ranges {
            // There is no word for as many as one likes.
            self.page.line(format!("max_ranges {};", v.unwrap_or(i32::MAX as u32)));
        }
        // Said where the place is.
        let _ = (on_response, errors, own_authority);
        self.left_out(
            "",
            &[
                ("answer.server", server.is_some()),
                ("answer.contact", contact.is_some()),
                ("answer.signature", signature.is_some()),
                ("answer.announce_ranges", announce_ranges.is_some()),
                ("answer.in_order", in_order.is_some()),
                ("answer.chunked", chunked.is_some()),
                ("answer.tag", tag.is_some()),
                ("answer.tag_more", tag_more.is_some()),
                ("answer.page_type", page_type.is_some()),
                ("answer.head_pages_have_length", head_pages_have_length.is_some()),
                ("answer.empty_lengths", empty_lengths.is_some()),
                ("answer.raw_pages", raw_pages.is_some()),
                ("answer.first_error", first_error.is_some()),
                ("answer.join_vary", join_vary.is_some()),
                ("answer.dated_errors", dated_errors.is_some()),
                ("answer.modified", modified.is_some()),
                ("answer.conditional_text", conditional_text.is_some()),
                ("answer.msie_padding", msie_padding.is_some()),
                ("answer.msie_refresh", msie_refresh.is_some()),
            ],
            span,
        );
        self.lost(
            "",
            &[
                ("answer.encodings", encodings.is_some()),
                ("answer.languages", languages.is_some()),
                ("answer.default_language", default_language.is_some()),
                ("answer.charsets", charsets.is_some()),
                (
                    "answer.source_charset",
                    source_charset.as_ref().is_some_and(|charset| charset.0.is_empty()),
                ),
                ("answer.if_modified_since", if_modified_since.is_some() && when.is_none()),
                ("answer.join_ranges", join_ranges.is_some()),
                ("answer.max_joined_ranges", max_joined_ranges.is_some()),
                ("answer.max_reversed_ranges", max_reversed_ranges.is_some()),
                ("answer.part_size", part_size.is_some()),
            ],
            span,
        );
    }

    fn identifier(&mut self, identifier: Option<&Identifier>) {
        let Some(Identifier { cookie, issue, service, mark, lasts, domain, path, flags, policy, reset: _ }) =
            identifier
        else {
            self.page.line("userid off;");
            return;
        };
        let how = match issue {
            None => "log",
            Some(Issue::LeastFirst) => "v1",
            Some(Issue::GreatestFirst) => "on",
        };
        self.page.line(format!("userid {how};"));
        self.page.line(format!("userid_name {};", quote(&cookie.lossy())));
        self.page.line(format!("userid_path {};", quote(&path.lossy())));
        match lasts {
            Lifetime::Session => {}
            Lifetime::Longest => self.page.line("userid_expires max;"),
            Lifetime::For(time) => self.page.line(format!("userid_expires {}s;", time.as_secs())),
        }
        if let Some(service) = service {
            self.page.line(format!("userid_service {service};"));
        }
        if let Some(mark) = mark {
            self.page.line(format!("userid_mark {};", char::from(*mark)));
        }
        for (name, text) in [("userid_domain", domain), ("userid_p3p", policy)] {
            if !text.is_empty() {
                self.page.line(format!("{name} {};", quote(&text.lossy())));
            }
        }
        if !flags.is_empty() {
            let flags: Vec<_> = flags.iter().map(|flag| flag.lossy()).collect();
            self.page.line(format!("userid_flags {};", flags.join(" ")));
        }
    }
}
