//! Visits everything that a configuration consists of.
//!
//! Every struct is taken apart without `..`: what is added to the IR does not
//! compile until somebody has said here where it is.

mod answer;
mod cluster;

use super::{
    Balance, Block, Change, Choice, Cluster, Config, Edit, Expiry, Forward, Handler, Hook, Host, Jump,
    Locate, Lookup, Overview, Pattern, Program, Protocol, Query, Recovery, Register, Reply, ReplyContent,
    Required, Requirement, Route, Scope, Settings, Step, Table, Target, Template, Test, Upstream, UrlMatch,
    Var, VarId, VarKind,
    settings::{
        Access, AccessLog, Alias, Client, ErrorForm, ErrorLines, ErrorLog, ErrorPiece, ErrorWord, Files,
        Forwarding, LogFormat, LogTarget, Logs,
    },
};
use crate::source::Span;
use answer::{answer, compress, rewriting};

/// Something visited.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each is what it is called")]
pub enum Item<'c> {
    Template(&'c Template),
    Pattern(&'c Pattern),
    /// A block about to be visited; the flag says whether only response steps may occur in it.
    Block(&'c Block, bool),
    Step(&'c Step),
    Edit(&'c Edit),
    Reply(&'c Reply),
    Recovery(&'c Recovery),
    Handler(&'c Handler),
    Settings(&'c Settings),
    /// A register that is written here.
    Into(Register),
    /// A variable that a step writes.
    Assign(VarId),
    Jump(&'c Jump),
    Test(&'c Test),
}

/// What is called for each item, with the nearest span around it.
pub type Visit<'a, 'c> = &'a mut dyn FnMut(Item<'c>, Span);

/// Visits a configuration.
pub fn config<'c>(config: &'c Config, visit: Visit<'_, 'c>) {
    let Config {
        process: _,
        base,
        reasons: _,
        phrases,
        pages,
        failures,
        listeners,
        hosts,
        clusters,
        vars,
        maps: _,
        common,
        sent_as: _,
        charsets: _,
        recodings: _,
        zones,
        tallies: _,
        counts: _,
        targets_by_connection: _,
        caches: _,
    } = config;
    for failure in failures {
        visit(Item::Template(&failure.page), Span::NONE);
    }
    for zone in zones {
        let super::Zone { name: _, key, rate: _, entries: _ } = zone;
        visit(Item::Template(key), Span::NONE);
    }
    settings(base, Span::NONE, visit);
    settings(common, Span::NONE, visit);
    for (_, page) in phrases.iter().chain(pages) {
        visit(Item::Template(page), Span::NONE);
    }
    for listener in listeners {
        visit(Item::Into(listener.into), listener.span);
    }
    for each in hosts {
        host(each, visit);
    }
    for cluster in clusters {
        let Cluster {
            name: _,
            declared: _,
            balance,
            idle: _,
            resolve: _,
            shared: _,
            affinity,
            queue: _,
            watches,
            endpoints,
            group,
            span,
        } = cluster;
        if let Some(affinity) = affinity {
            cluster::affinity(affinity, *span, visit);
        }
        for watch in watches {
            cluster::watch(watch, visit);
        }
        if let Some(key) = group.as_ref().and_then(|group| group.key.as_ref()) {
            visit(Item::Template(key), *span);
        }
        match balance {
            Balance::Hash(key) | Balance::ConsistentHash(key) => visit(Item::Template(key), *span),
            Balance::RoundRobin
            | Balance::LeastConnections
            | Balance::ClientAddress
            | Balance::Random
            | Balance::RandomTwo(_)
            | Balance::LeastTime(_) => {}
        }
        for member in endpoints.iter().filter_map(|endpoint| endpoint.member.as_deref()) {
            forwarding(&member.settings, *span, visit);
            if let Some(good) = member.check.as_ref().and_then(|check| check.good.as_ref()) {
                visit(Item::Template(good), *span);
            }
        }
    }
    for each in vars {
        var(each, visit);
    }
}

/// Visits a virtual host.
pub fn host<'c>(host: &'c Host, visit: Visit<'_, 'c>) {
    let Host { name: _, names, tls, request, named, span } = host;
    for computed in tls.iter().flat_map(|tls| &tls.computed) {
        visit(Item::Template(&computed.certificate), computed.span);
        visit(Item::Template(&computed.key), computed.span);
    }
    for name in names {
        visit(Item::Pattern(name), *span);
    }
    block(request, false, visit);
    for (_, named) in named {
        block(named, false, visit);
    }
}

fn var<'c>(var: &'c Var, visit: Visit<'_, 'c>) {
    let Var { name: _, kind, span } = var;
    match kind {
        VarKind::Assigned | VarKind::Optional => {}
        VarKind::Choice { choices, default } => {
            visit(Item::Template(default), *span);
            for Choice { test: question, value } in choices {
                test(question, *span, visit);
                visit(Item::Template(value), *span);
            }
        }
        VarKind::Table { key, order: _, rows, default, once: _, into } => {
            visit(Item::Template(key), *span);
            visit(Item::Template(default), *span);
            visit(Item::Into(*into), *span);
            for row in rows {
                visit(Item::Pattern(&row.pattern), *span);
                visit(Item::Template(&row.value), *span);
            }
        }
        VarKind::Network { key, rows: _, default: _, proxies: _, recursive: _ }
        | VarKind::Split { key, buckets: _ } => visit(Item::Template(key), *span),
    }
}

/// Visits a block and everything in it.
pub fn block<'c>(block: &'c Block, response: bool, visit: Visit<'_, 'c>) {
    visit(Item::Block(block, response), block.span);
    let Block { label: _, scope, steps, span } = block;
    if let Some(Scope { base: _, set }) = scope {
        settings(set, *span, visit);
    }
    for (each, span) in steps {
        step(each, *span, response, visit);
    }
}

fn step<'c>(step: &'c Step, span: Span, response: bool, visit: Visit<'_, 'c>) {
    visit(Item::Step(step), span);
    match step {
        Step::Do(inner) => block(inner, response, visit),
        Step::When { test: question, then, otherwise } => {
            test(question, span, visit);
            block(then, response, visit);
            block(otherwise, response, visit);
        }
        Step::Route(routes) => table(routes, span, response, visit),
        Step::Rewrite { path, query } => {
            if let Some(path) = path {
                visit(Item::Template(path), span);
            }
            match query {
                Query::Keep => {}
                Query::Replace(query) | Query::Prepend(query) => visit(Item::Template(query), span),
            }
        }
        Step::Assign { var, value } => {
            visit(Item::Template(value), span);
            visit(Item::Assign(*var), span);
        }
        Step::LimitRate(template)
        | Step::Trace(template)
        | Step::Complain(_, template)
        | Step::Target(template) => {
            visit(Item::Template(template), span);
        }
        Step::Edit(change) => edit(change, span, visit),
        Step::Respond(answer) => reply(answer, span, visit),
        Step::Jump(jump) | Step::AtEnd(Some(jump)) => visit(Item::Jump(jump), span),
        Step::Lookup(lookup) => {
            let Lookup { map: _, key, default, into } = &**lookup;
            visit(Item::Template(key), span);
            visit(Item::Template(default), span);
            visit(Item::Assign(*into), span);
        }
        Step::Promise { field: _, value, always: _, member: _ } => visit(Item::Template(value), span),
        Step::Probe(probe) => {
            let super::Probe { target, status, take } = &**probe;
            visit(Item::Template(target), span);
            visit(Item::Assign(*status), span);
            for (_, into) in take {
                visit(Item::Assign(*into), span);
            }
        }
        Step::Negotiate(negotiate) => {
            let super::Negotiate { file: _, rest: _, listed: _, language, plain, into } = &**negotiate;
            visit(Item::Template(language), span);
            visit(Item::Template(plain), span);
            for (_, into) in into {
                visit(Item::Assign(*into), span);
            }
        }
        Step::Locate(Locate { file, rest, folder, name, kind }) => {
            for var in [file, rest, folder, name, kind] {
                visit(Item::Assign(*var), span);
            }
        }
        Step::Unassign(var) => visit(Item::Assign(*var), span),
        Step::Forget(_)
        | Step::Local(_)
        | Step::Admit
        | Step::Identify
        | Step::Detach
        | Step::Authorize(_)
        | Step::AtEnd(None)
        | Step::Perform(_) => {}
    }
}

fn table<'c>(table: &'c Table, span: Span, response: bool, visit: Visit<'_, 'c>) {
    let Table { order: _, into, routes } = table;
    visit(Item::Into(*into), span);
    for route in routes {
        let Route { path, decisive: _, body, nested } = route;
        visit(Item::Pattern(path), body.span);
        block(body, response, visit);
        if let Some(nested) = nested {
            self::table(nested, body.span, response, visit);
        }
    }
}

fn test<'c>(test: &'c Test, span: Span, visit: Visit<'_, 'c>) {
    visit(Item::Test(test), span);
    match test {
        Test::All(tests) | Test::Any(tests) => {
            for each in tests {
                self::test(each, span, visit);
            }
        }
        Test::Not(inner) => self::test(inner, span, visit),
        Test::Match { subject, pattern, into } => {
            visit(Item::Template(subject), span);
            visit(Item::Pattern(pattern), span);
            if let Some(into) = into {
                visit(Item::Into(*into), span);
            }
        }
        Test::Equal(left, right) | Test::Compare { left, right, relation: _, by: _ } => {
            visit(Item::Template(left), span);
            visit(Item::Template(right), span);
        }
        Test::Truthy(template)
        | Test::File(template, _)
        | Test::Present(template)
        | Test::Longer(template, _)
        | Test::InNetwork(template, _) => {
            visit(Item::Template(template), span);
        }
        Test::Depends(_) | Test::Method(_) | Test::Status(_) | Test::Internal => {}
    }
}

fn reply<'c>(reply: &'c Reply, span: Span, visit: Visit<'_, 'c>) {
    visit(Item::Reply(reply), span);
    let Reply { status: _, content } = reply;
    match content {
        ReplyContent::Text(template) | ReplyContent::Location(template) => {
            visit(Item::Template(template), span);
        }
        ReplyContent::Page | ReplyContent::Empty | ReplyContent::Close => {}
    }
}

/// Visits an edit.
pub fn edit<'c>(edit: &'c Edit, span: Span, visit: Visit<'_, 'c>) {
    visit(Item::Edit(edit), span);
    let looked_for = |from: &'c UrlMatch, visit: Visit<'_, 'c>| match from {
        UrlMatch::Text(template) => visit(Item::Template(template), span),
        UrlMatch::Pattern(pattern, into) => {
            visit(Item::Pattern(pattern), span);
            visit(Item::Into(*into), span);
        }
    };
    match edit {
        Edit::Set(_, value)
        | Edit::Add(_, value)
        | Edit::Trailer(_, value)
        | Edit::Append(_, value)
        | Edit::Switch(value) => {
            visit(Item::Template(value), span);
        }
        Edit::Reverse { fields: _, from, to } => {
            visit(Item::Template(from), span);
            visit(Item::Template(to), span);
        }
        Edit::Url { fields: _, from, to }
        | Edit::CookieDomain { from, to }
        | Edit::CookiePath { from, to } => {
            looked_for(from, visit);
            visit(Item::Template(to), span);
        }
        Edit::CookieFlags { cookie, flags } => {
            looked_for(cookie, visit);
            for flag in flags {
                visit(Item::Template(flag), span);
            }
        }
        Edit::Expires(Expiry::Read(template) | Expiry::ReadFromModified(template)) => {
            visit(Item::Template(template), span);
        }
        Edit::Field { name: _, standing: _, change } => match change {
            Change::Set(value)
            | Change::SetMissing(value)
            | Change::Add(value)
            | Change::Append(value)
            | Change::Merge(value) => visit(Item::Template(value), span),
            Change::Replace { pattern, into, with, all: _ } => {
                visit(Item::Pattern(pattern), span);
                visit(Item::Into(*into), span);
                visit(Item::Template(with), span);
            }
            Change::Keep(var) => visit(Item::Assign(*var), span),
            Change::Remove => {}
        },
        Edit::Echo(pattern, _) => visit(Item::Pattern(pattern), span),
        Edit::Remove(_)
        | Edit::RemoveNominated
        | Edit::Lifetime { seconds: _, from_modified: _ }
        | Edit::Received
        | Edit::Framing
        | Edit::CookieAttribute { .. }
        | Edit::Expires(
            Expiry::FromNow(_)
            | Expiry::FromModified(_)
            | Expiry::Daily(_)
            | Expiry::Epoch
            | Expiry::Max
            | Expiry::Off,
        ) => {}
    }
}

fn handler<'c>(handler: &'c Handler, span: Span, visit: Visit<'_, 'c>) {
    visit(Item::Handler(handler), span);
    match handler {
        Handler::Forward(Forward { protocol: _, tls: _, to, target }) => {
            match to {
                Upstream::Cluster(_) => {}
                Upstream::Dynamic(template) | Upstream::Url(template) => {
                    visit(Item::Template(template), span);
                }
            }
            match target {
                Target::Received => {}
                Target::Replace { cut: _, with: template } | Target::Exact(template) => {
                    visit(Item::Template(template), span);
                }
            }
        }
        Handler::Members(overview) => {
            let Overview { about, paths: _, lines: _, prefix: _, namespace: _ } = &**overview;
            visit(Item::Template(about), span);
        }
        Handler::Program(Program { file, runs: _ }) => visit(Item::Template(file), span),
        Handler::Respond(answer) => reply(answer, span, visit),
        Handler::Files
        | Handler::File
        | Handler::Film
        | Handler::Listing
        | Handler::Figures(_)
        | Handler::Missing(_) => {}
    }
}

/// Visits settings.
pub fn settings<'c>(all: &'c Settings, span: Span, visit: Visit<'_, 'c>) {
    visit(Item::Settings(all), span);
    let Settings {
        handler: answered_by,
        prepare,
        hooks,
        client,
        content: _,
        answer: answers,
        files,
        access,
        logs: lines,
        resolve: _,
        http: _,
        uwsgi: _,
        fastcgi: _,
        scgi: _,
        memcached: _,
        grpc: _,
        gzip,
        brotli,
        zstd,
        rewriting: rewritten,
        limits: _,
        listing,
        index_page: _,
        negotiation: _,
        client_address,
        places: _,
    } = all;
    if let Some(answered_by) = answered_by {
        handler(answered_by, span, visit);
    }
    if let Some(prepare) = prepare {
        block(prepare, false, visit);
    }
    for Hook { phase: _, join: _, blocks } in hooks {
        for each in blocks {
            block(each, false, visit);
        }
    }
    let Client {
        head_timeout: _,
        head_buffer: _,
        large_head_buffers: _,
        ignore_invalid_fields: _,
        underscores: _,
        single_fields: _,
        traced: _,
        merge_slashes: _,
        backslashes: _,
        asterisk: _,
        keep_slashes: _,
        keepalive_timeout: _,
        keepalive_announce: _,
        keepalive_when_asked: _,
        close_after: _,
        keepalive_requests: _,
        keepalive_time: _,
        http2: _,
        http2_streams: _,
        keepalive_min_timeout: _,
        closing: _,
        keepalive_disable: _,
        send_timeout: _,
        lingering: _,
        lingering_time: _,
        lingering_timeout: _,
        reset_timed_out: _,
        limit_rate,
        limit_rate_after,
        no_delay: _,
        line_limit: _,
        field_limit: _,
        fields_limit: _,
        strict: _,
        keep_expectant: _,
        redirects: _,
        nested: _,
    } = &**client;
    for template in [limit_rate, limit_rate_after].into_iter().flatten() {
        visit(Item::Template(template), span);
    }
    answer(answers, span, visit);
    let Files {
        root,
        alias,
        index,
        known_types: _,
        any_case: _,
        log_missing: _,
        random: _,
        symlinks: _,
        stepwise: _,
        stepwise_from,
        changes: _,
        change_access: _,
        change_makes_folders: _,
        change_depth: _,
        chunk: _,
        faults: _,
    } = &**files;
    for template in root.iter().chain(stepwise_from).chain(index.iter().flatten()) {
        visit(Item::Template(template), span);
    }
    if let Some(Some(Alias { with, cut: _, rewritten: _ })) = alias {
        visit(Item::Template(with), span);
    }
    let Access {
        rules: _,
        satisfy_any: _,
        gate,
        required,
        credentials: _,
        naming: _,
        forbids_users: _,
        realm,
        passwords,
        ask: _,
        learned,
        refusal_delay: _,
        link,
        link_text,
        link_secret: _,
    } = &**access;
    let passwords = passwords.iter().flatten();
    for template in realm.iter().flatten().chain(passwords).chain(link).chain(link_text) {
        visit(Item::Template(template), span);
    }
    for (var, value) in learned.iter().flatten() {
        visit(Item::Template(value), span);
        visit(Item::Assign(*var), span);
    }
    if let Some(Some(gate)) = gate {
        visit(Item::Template(gate), span);
    }
    if let Some(Required { what: Some(what), joined: _ }) = required {
        requirement(what, span, visit);
    }
    logs(lines, span, visit);
    for protocol in Protocol::ALL {
        forwarding(all.forwarding(protocol), span, visit);
    }
    rewriting(rewritten, span, visit);
    let super::settings::Listing { on: _, form: _, exact_size: _, local_time: _, callback, columns: _ } =
        &**listing;
    if let Some(callback) = callback {
        visit(Item::Template(callback), span);
    }
    let super::settings::ClientAddress {
        told: _,
        announcement_first: _,
        trusted: _,
        trusts_all: _,
        chained: _,
        loose: _,
        only_public: _,
        consumed: _,
        passed: _,
        passed_into,
    } = &**client_address;
    if let Some(Some(var)) = passed_into {
        visit(Item::Assign(*var), span);
    }
    for coding in [gzip, brotli, zstd] {
        compress(coding, span, visit);
    }
}

fn requirement<'c>(what: &'c Requirement, span: Span, visit: Visit<'_, 'c>) {
    match what {
        Requirement::All(all) | Requirement::Any(all) => {
            for one in all {
                requirement(one, span, visit);
            }
        }
        Requirement::Not(of) | Requirement::Limited { methods: _, except: _, of } => {
            requirement(of, span, visit);
        }
        Requirement::Holds(template) => visit(Item::Template(template), span),
        Requirement::AnyUser
        | Requirement::Users(_)
        | Requirement::Groups(_)
        | Requirement::Named(_)
        | Requirement::At(_) => {}
    }
}

fn logs<'c>(logs: &'c Logs, span: Span, visit: Visit<'_, 'c>) {
    let to = |target: &'c LogTarget, visit: Visit<'_, 'c>| match target {
        LogTarget::File(template, at) => visit(Item::Template(template), *at),
        LogTarget::Stderr | LogTarget::Syslog(_) | LogTarget::Series(..) => {}
    };
    let Logs { access, errors, lines, levels: _, rewrite: _, subrequests: _, uninitialized: _ } = logs;
    for log in access.iter().flatten() {
        let AccessLog { to: target, format, when, buffer: _, flush: _, gzip: _ } = log;
        let LogFormat { name: _, escape: _, line } = format;
        to(target, visit);
        visit(Item::Template(line), span);
        if let Some(when) = when {
            visit(Item::Template(when), span);
        }
    }
    for log in errors.iter().flatten() {
        let ErrorLog { to: target, level: _ } = log;
        to(target, visit);
    }
    let Some(Some(ErrorLines { line, request, connection, names: _ })) = lines else { return };
    for ErrorForm(pieces) in std::iter::once(line).chain(request).chain(connection) {
        for ErrorPiece { field: _, word, missing: _, worst: _ } in pieces {
            if let ErrorWord::Of(template) = word {
                visit(Item::Template(template), span);
            }
        }
    }
}

fn forwarding<'c>(forwarding: &'c Forwarding, span: Span, visit: Visit<'_, 'c>) {
    let Forwarding {
        version: _,
        edits,
        params,
        omit_missing: _,
        plain_names: _,
        name_statuses: _,
        needs_length: _,
        modifiers: _,
        packet_tail: _,
        script_index: _,
        script_split,
        keep_connection: _,
        fatal_stderr: _,
        key,
        gzip_flag: _,
        method,
        content,
        pass_fields: _,
        pass_content: _,
        hide: _,
        controls: _,
        response_edits,
        upgrade: _,
        buffering: _,
        buffer_size: _,
        buffers: _,
        busy_size: _,
        max_temp_file: _,
        temp_write: _,
        temp_path: _,
        once: _,
        keep_interim: _,
        request_buffering: _,
        connect_timeout: _,
        send_timeout: _,
        read_timeout: _,
        faults: _,
        own_errors: _,
        join_repeated: _,
        hide_nominated: _,
        content_ahead: _,
        tunnel_timeout: _,
        ping: _,
        head_needed: _,
        tls_forbidden: _,
        tls_match_name: _,
        tls_any_name: _,
        tls_match_time: _,
        retry: _,
        tries: _,
        retry_timeout: _,
        intercept_errors: _,
        bind,
        bind_transparent: _,
        tcp_keepalive: _,
        receive_buffer,
        send_buffer,
        store,
        store_access: _,
        limit_rate,
        ignore_client_abort: _,
        force_ranges: _,
        pass_trailers: _,
        cache,
        cache_key,
        cache_bypass,
        cache_skip,
        cache_valid: _,
        cache_min_uses: _,
        cache_range_offset: _,
        cache_stale: _,
        cache_methods: _,
        cache_lock: _,
        cache_lock_timeout: _,
        cache_lock_age: _,
        cache_revalidate: _,
        cache_head_as_get: _,
        cache_background: _,
        cache_ignores: _,
        tls_verify: _,
        tls_verify_depth: _,
        tls_name,
        tls_server_name: _,
        tls_trusted: _,
        tls_certificate: _,
        tls_key: _,
        tls_computed,
        tls_versions: _,
        tls_passwords: _,
        tls_revoked: _,
        tls_suites: _,
        tls_groups: _,
        tls_session_reuse: _,
    } = forwarding;
    for each in edits.iter().flatten().chain(response_edits.iter().flatten()) {
        edit(each, span, visit);
    }
    for (_, value, _) in params.iter().flatten() {
        visit(Item::Template(value), span);
    }
    let tests = cache_bypass.iter().chain(cache_skip).flatten();
    let single = [method, key, bind, limit_rate, tls_name, cache, receive_buffer, send_buffer, store];
    let single = single.into_iter().flatten();
    for template in single.chain(cache_key.iter().flatten()).chain(tests) {
        visit(Item::Template(template), span);
    }
    if let Some(Some(computed)) = tls_computed {
        visit(Item::Template(&computed.certificate), computed.span);
        visit(Item::Template(&computed.key), computed.span);
    }
    if let Some(Some(content)) = content {
        visit(Item::Template(content), span);
    }
    if let Some(Some(split)) = script_split {
        visit(Item::Pattern(split), span);
    }
}
