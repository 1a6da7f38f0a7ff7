//! Settings as Apache's directives. Groups are taken apart whole: a new setting has to be said or lost here.

use super::{Render, quote};
use crate::{
    ir::settings::{
        Access, Answer, Client, Compress, Content, Files, Forwarding, Listing, Logs, Resolve, Rewriting,
    },
    raise::seconds,
    source::Span,
};

impl Render<'_, '_> {
    pub(super) fn client(&mut self, set: &Client, span: Span) {
        let Client {
            head_timeout,
            head_buffer,
            large_head_buffers,
            ignore_invalid_fields,
            underscores,
            single_fields,
            traced,
            merge_slashes,
            backslashes,
            asterisk,
            keep_slashes,
            keepalive_timeout,
            keepalive_announce,
            keepalive_when_asked,
            close_after,
            keepalive_requests,
            keepalive_time,
            http2,
            http2_streams,
            keepalive_min_timeout,
            closing,
            keepalive_disable,
            send_timeout,
            lingering,
            lingering_time,
            lingering_timeout,
            reset_timed_out,
            limit_rate,
            limit_rate_after,
            no_delay,
            line_limit,
            field_limit,
            fields_limit,
            strict,
            keep_expectant,
            redirects,
            nested,
        } = set;
        if let Some(v) = head_timeout {
            self.need("reqtimeout");
            self.page.line(format!("RequestReadTimeout header={}", seconds(*v)));
        }
        if let Some(v) = merge_slashes {
            self.page.line(format!("MergeSlashes {}", switch(*v)));
        }
        if let Some(v) = keepalive_timeout {
            if v.is_zero() {
                self.page.line("KeepAlive Off");
            } else {
                self.page.line(format!("KeepAliveTimeout {}", seconds(*v)));
            }
        }
        if let Some(v) = keepalive_requests {
            self.page.line(format!("MaxKeepAliveRequests {v}"));
        }
        if let Some(v) = line_limit {
            self.page.line(format!("LimitRequestLine {v}"));
        }
        if let Some(v) = field_limit {
            self.page.line(format!("LimitRequestFieldSize {v}"));
        }
        if let Some(v) = fields_limit {
            self.page.line(format!("LimitRequestFields {v}"));
        }
        self.left_out(
            "",
            &[
                ("client.head_buffer", head_buffer.is_some()),
                ("client.large_head_buffers", large_head_buffers.is_some()),
                ("client.ignore_invalid_fields", ignore_invalid_fields.is_some()),
                ("client.single_fields", single_fields.is_some()),
                ("client.traced", traced.is_some()),
                ("client.backslashes", backslashes.is_some()),
                ("client.asterisk", asterisk.is_some()),
                ("client.keep_slashes", keep_slashes.is_some()),
                ("client.keepalive_announce", keepalive_announce.is_some()),
                ("client.keepalive_when_asked", keepalive_when_asked.is_some()),
                ("client.close_after", close_after.is_some()),
                ("client.keepalive_min_timeout", keepalive_min_timeout.is_some()),
                ("client.closing", closing.is_some()),
                ("client.keepalive_disable", keepalive_disable.is_some()),
                ("client.lingering", lingering.is_some()),
                ("client.lingering_time", lingering_time.is_some()),
                ("client.lingering_timeout", lingering_timeout.is_some()),
                ("client.reset_timed_out", reset_timed_out.is_some()),
                ("client.no_delay", no_delay.is_some()),
                ("client.strict", strict.is_some()),
                ("client.keep_expectant", keep_expectant.is_some()),
                ("client.redirects", redirects.is_some()),
                ("client.nested", nested.is_some()),
            ],
            span,
        );
        self.lost(
            "",
            &[
                ("client.underscores", underscores.is_some()),
                ("client.keepalive_time", keepalive_time.is_some()),
                ("client.http2", http2.is_some()),
                ("client.http2_streams", http2_streams.is_some()),
                ("client.send_timeout", send_timeout.is_some()),
                ("client.limit_rate", limit_rate.is_some()),
                ("client.limit_rate_after", limit_rate_after.is_some()),
            ],
            span,
        );
    }

    pub(super) fn content(&mut self, set: &Content, span: Span) {
        let Content { max_length, buffer_size, timeout, temp_path, in_file, copies, copies_content } = set;
        self.lost(
            "",
            &[("content.copies", copies.is_some()), ("content.copies_content", copies_content.is_some())],
            span,
        );
        if let Some(v) = max_length {
            self.page.line(format!("LimitRequestBody {v}"));
        }
        if let Some(v) = timeout {
            self.need("reqtimeout");
            self.page.line(format!("RequestReadTimeout body={}", seconds(*v)));
        }
        self.left_out(
            "",
            &[
                ("content.buffer_size", buffer_size.is_some()),
                ("content.temp_path", temp_path.is_some()),
                ("content.in_file", in_file.is_some()),
            ],
            span,
        );
    }

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
        if let Some(v) = types {
            self.types(v, span);
        }
        if let Some(v) = forced_type {
            self.page.line(format!(
                "ForceType {}",
                v.as_ref().map_or_else(|| "None".to_owned(), |kind| kind.lossy().into_owned())
            ));
        }
        let mut untyped = false;
        if let Some(v) = default_type {
            untyped = !self.default_type(v);
        }
        if let Some(v) = charset {
            self.charset(v, span);
        }
        if let Some(v) = etag {
            self.page.line(format!("FileETag {}", if *v { "MTime Size" } else { "None" }));
        }
        // Said where the place is.
        let _ = (on_response, errors, own_authority);
        self.lost("", &[("answer.default_type", untyped)], span);
        self.left_out(
            "",
            &[
                ("answer.server", server.is_some()),
                ("answer.contact", contact.is_some()),
                ("answer.signature", signature.is_some()),
                ("answer.announce_ranges", announce_ranges.is_some()),
                ("answer.in_order", in_order.is_some()),
                ("answer.chunked", chunked.is_some()),
                ("answer.charset_types", charset_types.is_some()),
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
                ("answer.recursive_errors", recursive_errors.is_some()),
                ("answer.absolute_redirect", absolute_redirect.is_some()),
                ("answer.port_in_redirect", port_in_redirect.is_some()),
                ("answer.host_name_in_redirect", host_name_in_redirect.is_some()),
                ("answer.encodings", encodings.is_some()),
                ("answer.languages", languages.is_some()),
                ("answer.default_language", default_language.is_some()),
                ("answer.charsets", charsets.is_some()),
                ("answer.override_charset", override_charset.is_some()),
                ("answer.source_charset", source_charset.is_some()),
                ("answer.hints", hints.is_some()),
                ("answer.identifier", identifier.is_some()),
                ("answer.if_modified_since", if_modified_since.is_some()),
                ("answer.max_ranges", max_ranges.is_some()),
                ("answer.join_ranges", join_ranges.is_some()),
                ("answer.max_joined_ranges", max_joined_ranges.is_some()),
                ("answer.max_reversed_ranges", max_reversed_ranges.is_some()),
                ("answer.part_size", part_size.is_some()),
            ],
            span,
        );
    }

    pub(super) fn files(&mut self, set: &Files, span: Span) {
        let Files {
            root,
            alias,
            index,
            known_types,
            any_case,
            log_missing,
            random,
            symlinks,
            stepwise,
            stepwise_from,
            changes,
            change_access,
            change_makes_folders,
            change_depth,
            chunk,
            faults,
        } = set;
        self.lost(
            "",
            &[
                ("files.random", random.is_some()),
                ("files.changes", changes.is_some()),
                ("files.stepwise", stepwise.is_some()),
                ("files.stepwise_from", stepwise_from.is_some()),
            ],
            span,
        );
        // Said where the place is.
        let _ = (change_access, change_makes_folders, change_depth, root, alias, index, symlinks);
        self.left_out(
            "",
            &[("files.log_missing", log_missing.is_some()), ("files.chunk", chunk.is_some())],
            span,
        );
        self.lost(
            "",
            &[
                ("files.faults", faults.is_some()),
                ("files.known_types", known_types.is_some()),
                ("files.any_case", any_case.is_some()),
            ],
            span,
        );
    }

    pub(super) fn access(&mut self, set: &Access, span: Span) {
        let Access {
            rules,
            satisfy_any,
            gate,
            required,
            credentials,
            naming,
            forbids_users,
            realm,
            passwords,
            ask,
            learned,
            refusal_delay,
            link,
            link_text,
            link_secret,
        } = set;
        let _ = (rules, satisfy_any, gate, required, credentials, naming, forbids_users, realm, passwords);
        self.left_out("", &[("access.refusal_delay", refusal_delay.is_some())], span);
        self.lost(
            "",
            &[
                ("access.ask", ask.is_some()),
                ("access.learned", learned.is_some()),
                ("access.link", link.is_some()),
                ("access.link_text", link_text.is_some()),
                ("access.link_secret", link_secret.is_some()),
            ],
            span,
        );
    }

    pub(super) fn logs_of(&mut self, set: &Logs, span: Span) {
        let Logs { access, errors, lines, levels, rewrite, subrequests, uninitialized } = set;
        if let Some(v) = access {
            self.access_logs(v, span);
        }
        if let Some(v) = errors {
            self.error_logs(v, span);
        }
        self.left_out(
            "",
            &[
                ("logs.lines", lines.is_some()),
                ("logs.levels", levels.is_some()),
                ("logs.rewrite", rewrite.is_some()),
                ("logs.subrequests", subrequests.is_some()),
                ("logs.uninitialized", uninitialized.is_some()),
            ],
            span,
        );
    }

    pub(super) fn resolve(&mut self, set: &Resolve, span: Span) {
        let Resolve { servers, valid, timeout, ipv4, ipv6 } = set;
        self.left_out(
            "",
            &[
                ("resolve.servers", servers.is_some()),
                ("resolve.valid", valid.is_some()),
                ("resolve.timeout", timeout.is_some()),
                ("resolve.ipv4", ipv4.is_some()),
                ("resolve.ipv6", ipv6.is_some()),
            ],
            span,
        );
    }

    pub(super) fn forwarding(&mut self, group: &str, set: &Forwarding, span: Span) {
        let Forwarding {
            version,
            edits,
            params,
            omit_missing,
            plain_names,
            name_statuses,
            needs_length,
            modifiers,
            packet_tail,
            script_index,
            script_split,
            keep_connection,
            fatal_stderr,
            key,
            gzip_flag,
            method,
            content,
            pass_fields,
            pass_content,
            hide,
            controls,
            response_edits,
            upgrade,
            buffering,
            buffer_size,
            buffers,
            busy_size,
            max_temp_file,
            temp_write,
            temp_path,
            join_repeated,
            hide_nominated,
            content_ahead,
            once,
            keep_interim,
            request_buffering,
            connect_timeout,
            send_timeout,
            read_timeout,
            faults,
            retry,
            tries,
            retry_timeout,
            own_errors,
            intercept_errors,
            bind,
            bind_transparent,
            tcp_keepalive,
            receive_buffer,
            send_buffer,
            store,
            store_access,
            limit_rate,
            ignore_client_abort,
            force_ranges,
            pass_trailers,
            cache,
            cache_key,
            cache_bypass,
            cache_skip,
            cache_valid,
            cache_min_uses,
            cache_range_offset,
            cache_stale,
            cache_methods,
            cache_lock,
            cache_lock_timeout,
            cache_lock_age,
            cache_revalidate,
            cache_head_as_get,
            cache_background,
            cache_ignores,
            tunnel_timeout,
            ping,
            head_needed,
            tls_forbidden,
            tls_match_name,
            tls_any_name,
            tls_match_time,
            tls_verify,
            tls_verify_depth,
            tls_name,
            tls_server_name,
            tls_trusted,
            tls_certificate,
            tls_key,
            tls_computed,
            tls_versions,
            tls_passwords,
            tls_revoked,
            tls_suites,
            tls_groups,
            tls_session_reuse,
        } = set;
        if let Some(v) = hide {
            for name in v.iter().filter(|name| !is_own_field(&name.lossy())) {
                self.need("headers");
                self.page.line(format!("Header unset {}", name.lossy()));
            }
        }
        if let Some(v) = intercept_errors
            && (*v || group != "http")
        {
            self.page.line(format!("ProxyErrorOverride {}", switch(*v)));
        }
        if let Some(v) = tls_match_name
            && !*v
        {
            self.page.line("SSLProxyCheckPeerCN Off");
        }
        if let Some(v) = tls_any_name
            && *v
        {
            self.page.line("SSLProxyCheckPeerName Off");
        }
        if let Some(v) = tls_verify {
            self.page.line(format!("SSLProxyVerify {}", if *v { "require" } else { "none" }));
        }
        if let Some(v) = tls_trusted {
            for path in v {
                self.page.line(format!("SSLProxyCACertificateFile {}", quote(&path.display().to_string())));
            }
        }
        if let Some(v) = tls_certificate
            && let Some(path) = v
        {
            self.page.line(format!("SSLProxyMachineCertificateFile {}", quote(&path.display().to_string())));
        }
        // Said where the place is.
        let _ = (version, edits, params, response_edits, upgrade);
        let _ = (connect_timeout, send_timeout, read_timeout, tls_key);
        self.left_out(
            group,
            &[
                ("keep_connection", keep_connection.is_some()),
                ("controls", controls.is_some()),
                ("buffering", buffering.is_some()),
                ("buffer_size", buffer_size.is_some()),
                ("buffers", buffers.is_some()),
                ("busy_size", busy_size.is_some()),
                ("max_temp_file", max_temp_file.is_some()),
                ("temp_write", temp_write.is_some()),
                ("temp_path", temp_path.is_some()),
                ("join_repeated", join_repeated.is_some()),
                ("hide_nominated", hide_nominated.is_some()),
                ("content_ahead", content_ahead.is_some()),
                ("request_buffering", request_buffering.is_some()),
                ("faults", faults.is_some()),
                ("tcp_keepalive", tcp_keepalive.is_some()),
                ("head_needed", head_needed.is_some()),
                ("tls_forbidden", tls_forbidden.is_some()),
                ("tls_versions", tls_versions.is_some()),
                ("tls_session_reuse", tls_session_reuse.is_some()),
                ("tls_passwords", tls_passwords.is_some()),
                ("tls_revoked", tls_revoked.is_some()),
                ("tls_computed", tls_computed.as_ref().is_some_and(Option::is_some)),
                ("tls_suites", tls_suites.is_some()),
                ("tls_groups", tls_groups.is_some()),
            ],
            span,
        );
        self.lost(
            group,
            &[
                ("tunnel_timeout", tunnel_timeout.is_some()),
                ("ping", ping.is_some()),
                ("omit_missing", omit_missing.is_some()),
                ("plain_names", plain_names.is_some()),
                ("name_statuses", name_statuses.is_some()),
                ("needs_length", needs_length.is_some()),
                ("modifiers", modifiers.is_some()),
                ("packet_tail", packet_tail.is_some()),
                ("script_index", script_index.is_some()),
                ("script_split", script_split.is_some()),
                ("fatal_stderr", fatal_stderr.is_some()),
                ("key", key.is_some()),
                ("gzip_flag", gzip_flag.is_some()),
                ("method", method.is_some()),
                ("content", content.is_some()),
                ("pass_fields", pass_fields.is_some()),
                ("pass_content", pass_content.is_some()),
                ("once", once.is_some()),
                ("keep_interim", keep_interim.is_some()),
                ("retry", retry.is_some()),
                ("tries", tries.is_some()),
                ("retry_timeout", retry_timeout.is_some()),
                ("own_errors", own_errors.is_some()),
                ("bind", bind.is_some()),
                ("bind_transparent", bind_transparent.is_some()),
                ("limit_rate", limit_rate.is_some()),
                ("ignore_client_abort", ignore_client_abort.is_some()),
                ("force_ranges", force_ranges.is_some()),
                ("pass_trailers", pass_trailers.is_some()),
                ("cache", cache.is_some()),
                ("receive_buffer", receive_buffer.is_some()),
                ("send_buffer", send_buffer.is_some()),
                ("store", store.is_some()),
                ("store_access", store_access.is_some()),
                ("cache_key", cache_key.is_some()),
                ("cache_bypass", cache_bypass.is_some()),
                ("cache_skip", cache_skip.is_some()),
                ("cache_valid", cache_valid.is_some()),
                ("cache_min_uses", cache_min_uses.is_some()),
                ("cache_range_offset", cache_range_offset.is_some()),
                ("cache_stale", cache_stale.is_some()),
                ("cache_methods", cache_methods.is_some()),
                ("cache_lock", cache_lock.is_some()),
                ("cache_lock_timeout", cache_lock_timeout.is_some()),
                ("cache_lock_age", cache_lock_age.is_some()),
                ("cache_revalidate", cache_revalidate.is_some()),
                ("cache_head_as_get", cache_head_as_get.is_some()),
                ("cache_background", cache_background.is_some()),
                ("cache_ignores", cache_ignores.is_some()),
                ("tls_match_time", tls_match_time.is_some()),
                ("tls_verify_depth", tls_verify_depth.is_some()),
                ("tls_name", tls_name.is_some()),
                ("tls_server_name", tls_server_name.is_some()),
            ],
            span,
        );
    }

    pub(super) fn compress(&mut self, group: &str, set: &Compress, span: Span) {
        let Compress {
            on,
            level,
            types,
            min_length,
            statuses,
            version,
            proxied,
            unless,
            silent,
            vary,
            keep_ranges,
            tag,
            beside,
            decode,
            decode_all,
        } = set;
        if let Some(v) = types {
            self.compressed(group, set.on == Some(true), v);
        }
        // Said where the place is.
        let _ = (on,);
        self.left_out(
            group,
            &[
                ("level", level.is_some()),
                ("min_length", min_length.is_some()),
                ("statuses", statuses.is_some()),
                ("version", version.is_some()),
                ("proxied", proxied.is_some()),
                ("unless", unless.is_some()),
                ("silent", silent.is_some()),
                ("vary", vary.is_some()),
                ("keep_ranges", keep_ranges.is_some()),
                ("tag", tag.is_some()),
                ("decode", decode.is_some()),
                ("decode_all", decode_all.is_some()),
            ],
            span,
        );
        self.lost(group, &[("beside", beside.is_some())], span);
    }

    pub(super) fn rewriting(&mut self, set: &Rewriting, span: Span) {
        let Rewriting {
            texts,
            once,
            edits,
            edits_first,
            when,
            max_line,
            types,
            keep_modified,
            keep_tag,
            tells_unmodified,
            whole,
            parts_last,
            before,
            after,
            around_types,
            includes,
            include_types,
            include_silently,
            include_value_length,
            include_keeps_modified,
            includes_forbidden,
            include_in_turn,
            include_begin,
            include_end,
            include_message,
            include_undefined,
            include_time,
            include_values,
            charset: _,
            coded: _,
        } = set;
        self.left_out("", &[("rewriting.include_values", include_values.is_some())], span);
        self.lost(
            "",
            &[
                ("rewriting.before", before.is_some()),
                ("rewriting.after", after.is_some()),
                ("rewriting.around_types", around_types.is_some()),
                ("rewriting.includes", includes.is_some()),
                ("rewriting.include_types", include_types.is_some()),
                ("rewriting.include_silently", include_silently.is_some()),
                ("rewriting.include_value_length", include_value_length.is_some()),
                ("rewriting.include_keeps_modified", include_keeps_modified.is_some()),
                ("rewriting.includes_forbidden", includes_forbidden.is_some()),
                ("rewriting.include_in_turn", include_in_turn.is_some()),
                ("rewriting.include_begin", include_begin.is_some()),
                ("rewriting.include_end", include_end.is_some()),
                ("rewriting.include_message", include_message.is_some()),
                ("rewriting.include_undefined", include_undefined.is_some()),
                ("rewriting.include_time", include_time.is_some()),
            ],
            span,
        );
        if let Some(v) = texts {
            self.substitutions(v, span);
        }
        // Said where the place is.
        let _ = (once, types, keep_modified);
        self.left_out(
            "",
            &[
                ("rewriting.edits_first", edits_first.is_some()),
                ("rewriting.keep_tag", keep_tag.is_some()),
                ("rewriting.tells_unmodified", tells_unmodified.is_some()),
                ("rewriting.whole", whole.is_some()),
                ("rewriting.parts_last", parts_last.is_some()),
            ],
            span,
        );
        self.lost(
            "",
            &[
                ("rewriting.edits", edits.is_some()),
                ("rewriting.when", when.is_some()),
                ("rewriting.max_line", max_line.is_some()),
            ],
            span,
        );
    }

    pub(super) fn listing(&mut self, set: &Listing, span: Span) {
        let Listing { on, form, exact_size, local_time, callback, columns } = set;
        if let Some(v) = on {
            self.need("autoindex");
            self.page.line(format!("Options {}Indexes", if *v { "+" } else { "-" }));
        }
        self.left_out("", &[("listing.local_time", local_time.is_some())], span);
        self.lost(
            "",
            &[
                ("listing.form", form.is_some()),
                ("listing.exact_size", exact_size.is_some()),
                ("listing.callback", callback.is_some()),
                ("listing.columns", columns.is_some()),
            ],
            span,
        );
    }
}

/// `On` or `Off`.
fn switch(flag: bool) -> &'static str {
    if flag { "On" } else { "Off" }
}

/// Fields that a server hides without being told.
fn is_own_field(name: &str) -> bool {
    name.starts_with("X-Accel-")
        || ["Date", "Server", "X-Pad"].iter().any(|one| one.eq_ignore_ascii_case(name))
}
