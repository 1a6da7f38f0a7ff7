//! Visits what settings say of answers and their content.

use super::{Item, Visit, block, test};
use crate::{
    ir::{
        Recovery, RecoveryTarget,
        settings::{self, Answer},
    },
    source::Span,
};

pub(super) fn answer<'c>(answer: &'c Answer, span: Span, visit: Visit<'_, 'c>) {
    let Answer {
        server: _,
        on_response,
        errors,
        recursive_errors: _,
        first_error: _,
        absolute_redirect: _,
        port_in_redirect: _,
        host_name_in_redirect: _,
        in_order: _,
        chunked: _,
        types: _,
        encodings: _,
        languages: _,
        default_language: _,
        charsets: _,
        forced_type: _,
        tag: _,
        tag_more,
        own_authority,
        contact: _,
        signature,
        announce_ranges: _,
        default_type,
        charset,
        charset_types: _,
        override_charset: _,
        source_charset,
        hints,
        identifier,
        etag: _,
        page_type: _,
        head_pages_have_length: _,
        empty_lengths: _,
        raw_pages: _,
        join_vary: _,
        dated_errors: _,
        if_modified_since: _,
        conditional_text: _,
        max_ranges: _,
        join_ranges: _,
        max_joined_ranges: _,
        max_reversed_ranges: _,
        part_size: _,
        modified: _,
        msie_padding: _,
        msie_refresh: _,
    } = answer;
    for each in on_response.iter().flatten() {
        block(each, true, visit);
    }
    for each in errors.iter().flatten() {
        visit(Item::Recovery(each), span);
        let Recovery { statuses: _, status: _, to } = each;
        match to {
            RecoveryTarget::Redirect(template) | RecoveryTarget::Text(template) => {
                visit(Item::Template(template), span);
            }
            RecoveryTarget::Enter(_) | RecoveryTarget::Page => {}
        }
    }
    let reset = identifier.iter().flatten().filter_map(|identifier| identifier.reset.as_ref());
    let fixed = [default_type, charset, signature, source_charset, tag_more].into_iter().flatten();
    for template in fixed.chain(reset).chain(hints.iter().flatten()) {
        visit(Item::Template(template), span);
    }
    if let Some(Some(template)) = own_authority {
        visit(Item::Template(template), span);
    }
}

pub(super) fn rewriting<'c>(rewriting: &'c settings::Rewriting, span: Span, visit: Visit<'_, 'c>) {
    let settings::Rewriting {
        texts,
        once: _,
        edits,
        edits_first: _,
        when,
        max_line: _,
        types: _,
        keep_modified: _,
        keep_tag: _,
        tells_unmodified: _,
        whole: _,
        parts_last: _,
        charset: _,
        coded: _,
        before: _,
        after: _,
        around_types: _,
        includes: _,
        include_types: _,
        include_silently: _,
        include_value_length: _,
        include_keeps_modified: _,
        includes_forbidden: _,
        include_in_turn: _,
        include_begin: _,
        include_end: _,
        include_message: _,
        include_undefined: _,
        include_time: _,
        include_values,
    } = rewriting;
    for (_, value) in include_values.iter().flatten() {
        visit(Item::Template(value), span);
    }
    if let Some(Some(when)) = when {
        visit(Item::Template(when), span);
    }
    for (find, with) in texts.iter().flatten() {
        visit(Item::Template(find), span);
        visit(Item::Template(with), span);
    }
    for edit in edits.iter().flatten() {
        let settings::ContentEdit { place: _, find, with, when, given, most: _, last: _ } = edit;
        match find {
            settings::ContentMatch::Text(..) => {}
            settings::ContentMatch::Pattern(pattern, into) => {
                visit(Item::Pattern(pattern), span);
                visit(Item::Into(*into), span);
            }
            settings::ContentMatch::Not(pattern) => visit(Item::Pattern(pattern), span),
        }
        visit(Item::Template(with), span);
        if let Some(when) = when {
            visit(Item::Template(when), span);
        }
        if let Some(given) = given {
            test(given, span, visit);
        }
    }
}

pub(super) fn compress<'c>(compress: &'c settings::Compress, span: Span, visit: Visit<'_, 'c>) {
    let settings::Compress {
        on: _,
        level: _,
        types: _,
        min_length: _,
        statuses: _,
        version: _,
        proxied: _,
        unless,
        vary: _,
        tag: _,
        beside: _,
        keep_ranges: _,
        silent: _,
        decode: _,
        decode_all: _,
    } = compress;
    if let Some(unless) = unless {
        visit(Item::Template(unless), span);
    }
}
