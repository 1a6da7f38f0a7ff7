//! Settings as nginx's directives.
//!
//! Every group is taken apart whole: a setting that is added to one does not compile here until it is said or lost.

use super::{Render, quote, size, time};
use crate::{
    ir::settings::{
        Access, Client, ClientAddress, Compress, Content, Files, Forwarding, Limits, Listing, Logs, Resolve,
        Rewriting,
    },
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
            self.page.line(format!("client_header_timeout {};", time(*v)));
        }
        if let Some(v) = head_buffer {
            self.page.line(format!("client_header_buffer_size {};", size(*v)));
        }
        if let Some(v) = large_head_buffers {
            self.page.line(format!("large_client_header_buffers {} {};", v.0, size(v.1)));
        }
        if let Some(v) = underscores {
            self.page.line(format!("underscores_in_headers {};", switch(*v)));
        }
        if let Some(v) = merge_slashes {
            self.page.line(format!("merge_slashes {};", switch(*v)));
        }
        if let Some(v) = keepalive_timeout {
            self.page.line(format!("keepalive_timeout {};", time(*v)));
        }
        if let Some(v) = keepalive_requests {
            self.page.line(format!("keepalive_requests {};", if *v == 0 { 1_000_000 } else { *v }));
        }
        if let Some(v) = keepalive_time {
            self.page.line(format!("keepalive_time {};", time(*v)));
        }
        if let Some(v) = send_timeout {
            self.page.line(format!("send_timeout {};", time(*v)));
        }
        if let Some(v) = limit_rate {
            self.templated("limit_rate", v, span);
        }
        if let Some(v) = limit_rate_after {
            self.templated("limit_rate_after", v, span);
        }
        if let Some(v) = no_delay {
            self.page.line(format!("tcp_nodelay {};", switch(*v)));
        }
        self.left_out(
            "",
            &[
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
                ("client.http2", http2.is_some()),
                ("client.http2_streams", http2_streams.is_some()),
                ("client.line_limit", line_limit.is_some()),
                ("client.field_limit", field_limit.is_some()),
                ("client.fields_limit", fields_limit.is_some()),
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
            self.page.line(format!("client_max_body_size {};", size(*v)));
        }
        if let Some(v) = buffer_size {
            self.page.line(format!("client_body_buffer_size {};", size(*v)));
        }
        if let Some(v) = timeout {
            self.page.line(format!("client_body_timeout {};", time(*v)));
        }
        self.left_out(
            "",
            &[("content.temp_path", temp_path.is_some()), ("content.in_file", in_file.is_some())],
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
        if let Some(v) = log_missing {
            self.page.line(format!("log_not_found {};", switch(*v)));
        }
        // Said where the place is.
        let _ = (change_access, change_makes_folders, change_depth);
        let _ = (root, alias, index);
        self.left_out("", &[("files.chunk", chunk.is_some())], span);
        self.lost(
            "",
            &[
                ("files.faults", faults.is_some()),
                ("files.known_types", known_types.is_some()),
                ("files.any_case", any_case.is_some()),
                ("files.symlinks", symlinks.is_some()),
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
        // Said where the place is.
        let _ = (rules, satisfy_any, gate, required, credentials, naming, forbids_users);
        self.left_out("", &[("access.refusal_delay", refusal_delay.is_some())], span);
        self.lost(
            "",
            &[
                ("access.realm", realm.is_some()),
                ("access.passwords", passwords.is_some()),
                ("access.ask", ask.is_some()),
                ("access.learned", learned.is_some()),
                ("access.link", link.is_some()),
                ("access.link_text", link_text.is_some()),
                ("access.link_secret", link_secret.is_some()),
            ],
            span,
        );
    }

    pub(super) fn logs(&mut self, set: &Logs, span: Span) {
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
        if let Some(v) = servers
            && !v.is_empty()
        {
            let all: Vec<_> = v.iter().map(|one| one.lossy().into_owned()).collect();
            self.page.line(format!("resolver {};", all.join(" ")));
        }
        self.left_out(
            "",
            &[
                ("resolve.valid", valid.is_some()),
                ("resolve.timeout", timeout.is_some()),
                ("resolve.ipv4", ipv4.is_some()),
                ("resolve.ipv6", ipv6.is_some()),
            ],
            span,
        );
    }

    pub(super) fn forwarding(&mut self, group: &str, set: &Forwarding, span: Span) {
        let prefix = if group == "http" { "proxy" } else { group };
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
        if let Some(v) = params {
            self.params(prefix, v, span);
        }
        if let Some(v) = script_index
            && !v.is_empty()
        {
            self.page.line(format!("fastcgi_index {};", v.lossy()));
        }
        if let Some(v) = pass_fields {
            self.page.line(format!("{prefix}_pass_request_headers {};", switch(*v)));
        }
        if let Some(v) = pass_content {
            self.page.line(format!("{prefix}_pass_request_body {};", switch(*v)));
        }
        if let Some(v) = hide {
            for name in v.iter().filter(|name| !is_own_field(&name.lossy())) {
                self.page.line(format!("{prefix}_hide_header {};", name.lossy()));
            }
        }
        if let Some(v) = buffering {
            self.page.line(format!("{prefix}_buffering {};", switch(*v)));
        }
        if let Some(v) = request_buffering {
            self.page.line(format!("{prefix}_request_buffering {};", switch(*v)));
        }
        if let Some(v) = connect_timeout {
            self.page.line(format!("{prefix}_connect_timeout {};", time(*v)));
        }
        if let Some(v) = send_timeout {
            self.page.line(format!("{prefix}_send_timeout {};", time(*v)));
        }
        if let Some(v) = read_timeout {
            self.page.line(format!("{prefix}_read_timeout {};", time(*v)));
        }
        if let Some(v) = intercept_errors {
            self.page.line(format!("{prefix}_intercept_errors {};", switch(*v)));
        }
        if let Some(v) = ignore_client_abort {
            self.page.line(format!("{prefix}_ignore_client_abort {};", switch(*v)));
        }
        if let Some(v) = tls_verify {
            self.page.line(format!("{prefix}_ssl_verify {};", switch(*v)));
        }
        if let Some(v) = tls_server_name {
            self.page.line(format!("{prefix}_ssl_server_name {};", switch(*v)));
        }
        if let Some(v) = tls_trusted {
            for path in v.iter().take(1) {
                self.page.line(format!(
                    "{prefix}_ssl_trusted_certificate {};",
                    quote(&path.display().to_string())
                ));
            }
            if v.len() > 1 {
                self.losses.lose(span, "a second file of trusted certificates", "nginx reads one");
            }
        }
        let fixed = !tls_computed.as_ref().is_some_and(Option::is_some);
        if let Some(v) = tls_certificate
            && fixed
            && let Some(path) = v
        {
            self.page.line(format!("{prefix}_ssl_certificate {};", quote(&path.display().to_string())));
        }
        if let Some(v) = tls_key
            && fixed
            && let Some(path) = v
        {
            self.page.line(format!("{prefix}_ssl_certificate_key {};", quote(&path.display().to_string())));
        }
        if let Some(Some(computed)) = tls_computed {
            for (directive, name) in
                [("certificate", &computed.certificate), ("certificate_key", &computed.key)]
            {
                if let Some(name) = self.value(name, span) {
                    self.page.line(format!("{prefix}_ssl_{directive} {name};"));
                }
            }
        }
        for path in tls_passwords.iter().flatten() {
            self.page.line(format!("{prefix}_ssl_password_file {};", quote(&path.display().to_string())));
        }
        if let Some(Some(path)) = tls_revoked {
            self.page.line(format!("{prefix}_ssl_crl {};", quote(&path.display().to_string())));
        }
        // Said where the place is.
        let _ = (version, edits, response_edits, upgrade, tls_match_name, tls_any_name, tls_match_time);
        self.left_out(
            group,
            &[
                ("keep_connection", keep_connection.is_some()),
                ("controls", controls.is_some()),
                ("buffer_size", buffer_size.is_some()),
                ("buffers", buffers.is_some()),
                ("busy_size", busy_size.is_some()),
                ("max_temp_file", max_temp_file.is_some()),
                ("temp_write", temp_write.is_some()),
                ("temp_path", temp_path.is_some()),
                ("join_repeated", join_repeated.is_some()),
                ("hide_nominated", hide_nominated.is_some()),
                ("content_ahead", content_ahead.is_some()),
                ("faults", faults.is_some()),
                ("tcp_keepalive", tcp_keepalive.is_some()),
                ("head_needed", head_needed.is_some()),
                ("tls_forbidden", tls_forbidden.is_some()),
                ("tls_versions", tls_versions.is_some()),
                ("tls_session_reuse", tls_session_reuse.is_some()),
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
                ("script_split", script_split.is_some()),
                ("fatal_stderr", fatal_stderr.is_some()),
                ("key", key.is_some()),
                ("gzip_flag", gzip_flag.is_some()),
                ("method", method.is_some()),
                ("content", content.is_some()),
                ("once", once.is_some()),
                ("keep_interim", keep_interim.is_some()),
                ("retry", retry.is_some()),
                ("tries", tries.is_some()),
                ("retry_timeout", retry_timeout.is_some()),
                ("own_errors", own_errors.is_some()),
                ("bind", bind.is_some()),
                ("bind_transparent", bind_transparent.is_some()),
                ("limit_rate", limit_rate.is_some()),
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
                ("tls_verify_depth", tls_verify_depth.is_some()),
                ("tls_name", tls_name.is_some()),
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
        if let Some(v) = on {
            if group == "gzip" {
                self.page.line(format!("gzip {};", switch(*v)));
            } else {
                self.lost(group, &[("on", *v)], span);
            }
        }
        if let Some(v) = level
            && group == "gzip"
        {
            self.page.line(format!("gzip_comp_level {v};"));
        }
        if let Some(v) = types
            && group == "gzip"
        {
            self.compressed(v);
        }
        if let Some(v) = min_length
            && group == "gzip"
        {
            self.page.line(format!("gzip_min_length {v};"));
        }
        self.left_out(
            group,
            &[
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

    pub(super) fn limits(&mut self, set: &Limits, span: Span) {
        let Limits {
            rates,
            rate_status,
            rate_level,
            rate_dry_run,
            concurrent,
            concurrent_status,
            concurrent_level,
            concurrent_dry_run,
            host_tally,
            tally,
        } = set;
        self.lost(
            "",
            &[
                ("limits.rates", rates.is_some()),
                ("limits.rate_status", rate_status.is_some()),
                ("limits.rate_level", rate_level.is_some()),
                ("limits.rate_dry_run", rate_dry_run.is_some()),
                ("limits.concurrent", concurrent.is_some()),
                ("limits.concurrent_status", concurrent_status.is_some()),
                ("limits.concurrent_level", concurrent_level.is_some()),
                ("limits.concurrent_dry_run", concurrent_dry_run.is_some()),
                ("limits.host_tally", host_tally.is_some()),
                ("limits.tally", tally.is_some()),
            ],
            span,
        );
    }

    pub(super) fn listing(&mut self, set: &Listing, span: Span) {
        let Listing { on, form, exact_size, local_time, callback, columns } = set;
        if let Some(v) = on {
            if *v || self.listed {
                self.page.line(format!("autoindex {};", switch(*v)));
            }
            self.listed |= *v;
        }
        if let Some(v) = exact_size {
            self.page.line(format!("autoindex_exact_size {};", switch(*v)));
        }
        if let Some(v) = local_time {
            self.page.line(format!("autoindex_localtime {};", switch(*v)));
        }
        self.lost(
            "",
            &[
                ("listing.form", form.is_some()),
                ("listing.callback", callback.is_some()),
                ("listing.columns", columns.is_some()),
            ],
            span,
        );
    }

    pub(super) fn client_address(&mut self, set: &ClientAddress, span: Span) {
        let ClientAddress {
            told,
            announcement_first,
            trusted,
            trusts_all,
            chained,
            loose,
            only_public,
            consumed,
            passed,
            passed_into,
        } = set;
        if let Some(v) = told {
            self.told(v, set, span);
        }
        // Said where the place is.
        let _ = (trusted, chained);
        self.left_out(
            "",
            &[
                ("client_address.announcement_first", announcement_first.is_some()),
                ("client_address.trusts_all", trusts_all.is_some()),
                ("client_address.loose", loose.is_some()),
                ("client_address.only_public", only_public.is_some()),
                ("client_address.consumed", consumed.is_some()),
                ("client_address.passed", passed.is_some()),
                ("client_address.passed_into", passed_into.is_some()),
            ],
            span,
        );
    }
}

/// `on` or `off`.
pub(super) fn switch(flag: bool) -> &'static str {
    if flag { "on" } else { "off" }
}

/// Fields that a server hides without being told.
fn is_own_field(name: &str) -> bool {
    let own = [
        "Date",
        "Server",
        "X-Pad",
        "Keep-Alive",
        "Proxy-Authenticate",
        "TE",
        "Trailer",
        "Upgrade",
        "Transfer-Encoding",
    ];
    name.starts_with("X-Accel-") || own.iter().any(|one| one.eq_ignore_ascii_case(name))
}
