//! Blocks, steps, handlers and edits.

use super::{Printer, value};
use crate::ir::{
    Asking, Base, Block, Change, Edit, Expiry, Figures, Forward, Handler, Hook, Join, Jump, Locate, Lookup,
    Name, Negotiate, Overview, Probe, Program, Query, Recovery, RecoveryStatus, RecoveryTarget, Route, Scope,
    Settings, Step, Table, Target, Template, Test, Upstream, UrlMatch,
};

impl Printer<'_> {
    /// What a block does, a line each; its label is printed by who names it.
    pub(super) fn block(&mut self, block: &Block) {
        let Block { label, scope, steps, span: _ } = block;
        if let Some(label) = label {
            self.line(&format!("do '{label}"));
            self.inside(|printer| printer.steps(scope.as_ref(), steps));
        } else {
            self.steps(scope.as_ref(), steps);
        }
    }

    /// A block inside the line begun: its label there, the rest below.
    pub(super) fn labelled(&mut self, block: &Block) {
        let Block { label, scope, steps, span: _ } = block;
        if let Some(label) = label {
            self.add(format_args!(" '{label}"));
        }
        self.inside(|printer| printer.steps(scope.as_ref(), steps));
    }

    fn steps(&mut self, scope: Option<&Scope>, steps: &[(Step, crate::source::Span)]) {
        if let Some(Scope { base, set }) = scope {
            self.line(match base {
                Base::Enclosing => "use enclosing",
                Base::Current => "use current",
            });
            self.inside(|printer| printer.settings(set));
        }
        for (step, _) in steps {
            self.line("");
            self.step(step);
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Do(block) => {
                self.add("do");
                self.labelled(block);
            }
            Step::When { test, then, otherwise } => {
                self.add("when ");
                self.test(test, false);
                self.labelled(then);
                if *otherwise != Block::default() {
                    self.line("else");
                    self.labelled(otherwise);
                }
            }
            Step::Route(table) => {
                self.add("route");
                self.table(table);
            }
            Step::Rewrite { path, query } => self.rewrite(path.as_ref(), query),
            Step::Assign { var, value } => {
                let name = self.var_name(*var);
                self.add(format_args!("assign {name} "));
                self.template(value);
            }
            Step::Lookup(lookup) => {
                let Lookup { map, key, default, into } = &**lookup;
                let name = self.var_name(*into);
                let map = self.map_name(*map);
                self.add(format_args!("lookup {name} {map} "));
                self.template(key);
                if !default.is_empty() {
                    self.add(" ");
                    self.word_and("else", default);
                }
            }
            Step::Target(target) => self.word_and("target", target),
            Step::Promise { field, value, always, member } => {
                self.add(if *always { "promise always " } else { "promise " });
                self.add(if *member { "member " } else { "" });
                self.word_and(&field.to_string(), value);
            }
            Step::Unassign(var) => {
                let name = self.var_name(*var);
                self.add(format_args!("unassign {name}"));
            }
            Step::LimitRate(rate) => self.word_and("limit-rate", rate),
            Step::Forget(register) => self.add(format_args!("forget {}", register.0)),
            Step::Edit(edit) => self.edit(edit),
            Step::Admit => self.add("admit"),
            Step::Identify => self.add("identify"),
            Step::Probe(probe) => {
                let Probe { target, status, take } = &**probe;
                let name = self.var_name(*status);
                self.add(format_args!("probe {name} "));
                self.template(target);
                for (from, into) in take {
                    let (from, into) = (self.var_name(*from), self.var_name(*into));
                    self.add(format_args!(" take {from} as {into}"));
                }
            }
            Step::Negotiate(negotiate) => {
                let Negotiate { file, rest, listed, language, plain, into } = &**negotiate;
                let (file, rest) = (self.var_name(*file), self.var_name(*rest));
                let word = if *listed { " listed in" } else { "" };
                self.add(format_args!("negotiate{word} {file} rest {rest}"));
                for (word, template) in [("language", language), ("plain", plain)] {
                    if !template.is_empty() {
                        self.add(" ");
                        self.word_and(word, template);
                    }
                }
                for (noted, into) in into {
                    let into = self.var_name(*into);
                    self.add(format_args!(" {} as {into}", value::word(noted)));
                }
            }
            Step::Detach => self.add("detach"),
            Step::Authorize(Asking::Always) => self.add("authorize"),
            Step::Authorize(Asking::Changed) => self.add("authorize unless asked"),
            Step::Authorize(Asking::Moved) => self.add("authorize unless asked for the path"),
            Step::Respond(reply) => self.reply(reply),
            Step::Jump(jump) => self.jump(jump),
            Step::AtEnd(None) => self.add("at-end nothing"),
            Step::AtEnd(Some(jump)) => {
                self.add("at-end ");
                self.jump(jump);
            }
            Step::Trace(line) => self.word_and("trace", line),
            Step::Complain(topic, line) => {
                self.word_and(&format!("complain {}", value::word(topic)), line);
            }
            Step::Perform(phase) => self.add(format_args!("perform {phase}")),
            Step::Locate(Locate { file, rest, folder, name, kind }) => {
                let [file, rest, folder, name, kind] =
                    [file, rest, folder, name, kind].map(|var| self.var_name(*var));
                self.add(format_args!("locate {file} rest {rest} folder {folder} name {name} kind {kind}"));
            }
            Step::Local(folder) => {
                let folder = self.var_name(*folder);
                self.add(format_args!("local {folder}"));
            }
        }
    }

    fn word_and(&mut self, word: &str, template: &Template) {
        self.add(format_args!("{word} "));
        self.template(template);
    }

    fn table(&mut self, table: &Table) {
        let Table { order, into, routes } = table;
        self.order(*order);
        self.into(*into);
        self.inside(|printer| {
            for Route { path, decisive, body, nested } in routes {
                printer.line("");
                printer.pattern(path);
                printer.add(if *decisive { " decisive" } else { "" });
                printer.labelled(body);
                if let Some(nested) = nested {
                    printer.inside(|printer| {
                        printer.line("nested");
                        printer.table(nested);
                    });
                }
            }
        });
    }

    fn rewrite(&mut self, path: Option<&Template>, query: &Query) {
        self.add("rewrite");
        if let Some(path) = path {
            self.add(" ");
            self.template(path);
        }
        match query {
            Query::Keep => {}
            Query::Replace(query) => {
                self.add(" ");
                self.word_and("query", query);
            }
            Query::Prepend(query) => {
                self.add(" ");
                self.word_and("query-before", query);
            }
        }
    }

    fn jump(&mut self, jump: &Jump) {
        match jump {
            Jump::Exit(label) => self.add(format_args!("exit '{label}")),
            Jump::Repeat(label) => self.add(format_args!("repeat '{label}")),
            Jump::Again(label, times) => self.add(format_args!("again '{label} {times}")),
            Jump::Enter(name) => self.add(format_args!("enter {name}")),
            Jump::Restart => self.add("restart"),
            Jump::Resume => self.add("resume"),
        }
    }

    pub(super) fn test(&mut self, test: &Test, within: bool) {
        let list = |printer: &mut Self, tests: &[Test], word: &str| {
            printer.add(if within { "(" } else { "" });
            for (at, test) in tests.iter().enumerate() {
                if at > 0 {
                    printer.add(format_args!(" {word} "));
                }
                printer.test(test, true);
            }
            printer.add(if within { ")" } else { "" });
        };
        match test {
            Test::All(tests) => list(self, tests, "and"),
            Test::Any(tests) => list(self, tests, "or"),
            Test::Not(test) => {
                self.add("not ");
                self.test(test, true);
            }
            Test::Match { subject, pattern, into } => {
                self.template(subject);
                self.add(" ~ ");
                self.pattern(pattern);
                if let Some(into) = into {
                    self.into(*into);
                }
            }
            Test::Equal(left, right) => {
                self.template(left);
                self.add(" = ");
                self.template(right);
            }
            Test::Compare { left, right, relation, by } => {
                self.template(left);
                self.add(format_args!(" {} {} ", value::word(relation), value::word(by)));
                self.template(right);
            }
            Test::Depends(names) => {
                self.add("depends ");
                self.names(names);
            }
            Test::Present(template) => self.word_and("present", template),
            Test::InNetwork(address, networks) => {
                self.template(address);
                self.add(" in");
                for (network, prefix) in networks {
                    self.add(format_args!(" {network}/{prefix}"));
                }
            }
            Test::Longer(template, bytes) => {
                self.word_and("longer", template);
                self.add(format_args!(" {bytes}"));
            }
            Test::Truthy(template) => self.word_and("true", template),
            Test::File(path, kind) => {
                let word = value::word(kind);
                self.add("exists ");
                self.word_and(&word, path);
            }
            Test::Method(methods) => {
                self.add("method ");
                self.names(methods);
            }
            Test::Status(statuses) => {
                self.add("status ");
                self.statuses(statuses);
            }
            Test::Internal => self.add("internal"),
        }
    }

    pub(super) fn names(&mut self, names: &[Name]) {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        self.add(names.join(","));
    }

    fn statuses(&mut self, statuses: &[u16]) {
        let statuses: Vec<_> = statuses.iter().map(ToString::to_string).collect();
        self.add(statuses.join(","));
    }

    /// Settings that are set, a line each and more for lists of programs.
    pub(super) fn settings(&mut self, settings: &Settings) {
        let Settings {
            handler,
            prepare,
            hooks,
            client: _,
            content: _,
            answer: _,
            files: _,
            access: _,
            logs: _,
            resolve: _,
            http: _,
            uwsgi: _,
            fastcgi: _,
            scgi: _,
            memcached: _,
            grpc: _,
            gzip: _,
            brotli: _,
            zstd: _,
            rewriting: _,
            limits: _,
            listing: _,
            index_page: _,
            negotiation: _,
            client_address: _,
            places: _,
        } = settings;
        if let Some(handler) = handler {
            self.line("");
            self.handler(handler);
        }
        if let Some(prepare) = prepare {
            self.line("prepare");
            self.labelled(prepare);
        }
        for Hook { phase, join, blocks } in hooks {
            self.line(&format!("hook {phase}"));
            self.add(match join {
                Join::Replace => "",
                Join::After => " after",
                Join::Before => " before",
            });
            for block in blocks {
                self.labelled(block);
            }
        }
        settings.each(&mut |group, field, value| {
            self.line(&format!("{group}.{field}"));
            value.print(self);
        });
    }

    fn handler(&mut self, handler: &Handler) {
        match handler {
            Handler::Forward(Forward { protocol, tls, to, target }) => {
                self.add(format_args!("forward {}", value::word(protocol)));
                self.add(if *tls { " tls" } else { "" });
                match to {
                    Upstream::Cluster(id) => {
                        let name = self.cluster_name(*id);
                        self.add(format_args!(" {name}"));
                    }
                    Upstream::Dynamic(authority) => {
                        self.add(" ");
                        self.template(authority);
                    }
                    Upstream::Url(url) => {
                        self.add(" ");
                        self.word_and("url", url);
                    }
                }
                match target {
                    Target::Received => {}
                    Target::Replace { cut, with } => {
                        self.add(format_args!(" cut {cut} "));
                        self.word_and("with", with);
                    }
                    Target::Exact(target) => {
                        self.add(" ");
                        self.word_and("exactly", target);
                    }
                }
            }
            Handler::Files => self.add("files"),
            Handler::File => self.add("file"),
            Handler::Listing => self.add("listing"),
            Handler::Film => self.add("film"),
            Handler::Members(overview) => {
                let Overview { about, paths, lines, prefix: _, namespace: _ } = &**overview;
                self.add(if *lines { "members, for programs: " } else { "members: " });
                self.template(about);
                for (url, path) in paths {
                    self.add(format_args!(" {}={}", path.lossy(), url.lossy()));
                }
            }
            Handler::Figures(Figures { cut, server, version, reference }) => {
                self.add(format_args!("figures below {cut} of {server} {version} \"{reference}\""));
            }
            Handler::Program(Program { file, runs }) => {
                self.add(if *runs { "run " } else { "what a program says: " });
                self.template(file);
            }
            Handler::Respond(reply) => self.reply(reply),
            Handler::Missing(what) => self.add(format_args!("missing {what}")),
        }
    }

    pub(super) fn recovery(&mut self, recovery: &Recovery) {
        let Recovery { statuses, status, to } = recovery;
        self.statuses(statuses);
        match status {
            RecoveryStatus::Keep => {}
            RecoveryStatus::Set(status) => self.add(format_args!(" as {status}")),
            RecoveryStatus::FromAnswer => self.add(" as answered"),
        }
        match to {
            RecoveryTarget::Redirect(to) => {
                self.add(" ");
                self.word_and("redirect", to);
            }
            RecoveryTarget::Enter(name) => self.add(format_args!(" enter {name}")),
            RecoveryTarget::Page => self.add(" page"),
            RecoveryTarget::Text(text) => {
                self.add(" ");
                self.word_and("text", text);
            }
        }
    }

    pub(super) fn edit(&mut self, edit: &Edit) {
        let changed = |printer: &mut Self, word: &str, from: &UrlMatch, to: &Template| {
            printer.add(format_args!("{word} "));
            printer.looked_for(from);
            printer.add(" => ");
            printer.template(to);
        };
        match edit {
            Edit::Set(name, value) => self.word_and(&format!("set {name}"), value),
            Edit::Add(name, value) => self.word_and(&format!("add {name}"), value),
            Edit::Remove(name) => self.add(format_args!("remove {name}")),
            Edit::RemoveNominated => self.add("remove-nominated"),
            Edit::Append(name, value) => self.word_and(&format!("append {name}"), value),
            Edit::Received => self.add("received"),
            Edit::Framing => self.add("framing"),
            Edit::Switch(otherwise) => self.word_and("switch else", otherwise),
            Edit::Reverse { fields, from, to } => {
                self.add("reverse ");
                self.names(fields);
                self.add(" ");
                self.template(from);
                self.add(" => ");
                self.template(to);
            }
            Edit::CookieAttribute { attribute, from, to, ignore_case } => {
                self.add(format_args!("cookie {attribute}"));
                self.add(if *ignore_case { "/i" } else { "" });
                self.add(format_args!(" \"{from}\" => \"{to}\""));
            }
            Edit::Trailer(name, value) => self.word_and(&format!("trailer {name}"), value),
            Edit::Url { fields, from, to } => {
                let names: Vec<String> = fields.iter().map(ToString::to_string).collect();
                // The usual ones go without saying.
                let what = match names.join(", ").as_str() {
                    "Location, Refresh" => "url".to_owned(),
                    others => format!("url of {others}"),
                };
                changed(self, &what, from, to);
            }
            Edit::CookieDomain { from, to } => changed(self, "cookie-domain", from, to),
            Edit::CookiePath { from, to } => changed(self, "cookie-path", from, to),
            Edit::CookieFlags { cookie, flags } => {
                self.add("cookie-flags ");
                self.looked_for(cookie);
                for flag in flags {
                    self.add(" ");
                    self.template(flag);
                }
            }
            Edit::Lifetime { seconds, from_modified } => {
                let from = if *from_modified { "modified" } else { "now" };
                self.add(format_args!("lifetime {from} {seconds:+}s"));
            }
            Edit::Field { name, standing, change } => {
                self.add(format_args!("{} {name} ", value::word(standing)));
                self.change(change);
            }
            Edit::Echo(pattern, standing) => {
                self.add(format_args!("{} echo ", value::word(standing)));
                self.pattern(pattern);
            }
            Edit::Expires(expiry) => {
                self.add("expires ");
                match expiry {
                    Expiry::FromNow(seconds) => self.add(format_args!("now {seconds:+}s")),
                    Expiry::FromModified(seconds) => self.add(format_args!("modified {seconds:+}s")),
                    Expiry::Daily(second) => self.add(format_args!("daily {second}s")),
                    Expiry::Epoch => self.add("epoch"),
                    Expiry::Max => self.add("max"),
                    Expiry::Off => self.add("off"),
                    Expiry::Read(words) => self.template(words),
                    Expiry::ReadFromModified(words) => {
                        self.add("modified ");
                        self.template(words);
                    }
                }
            }
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Set(value) => self.word_and("set", value),
            Change::SetMissing(value) => self.word_and("set-missing", value),
            Change::Add(value) => self.word_and("add", value),
            Change::Append(value) => self.word_and("append", value),
            Change::Merge(value) => self.word_and("merge", value),
            Change::Remove => self.add("remove"),
            Change::Replace { pattern, into, with, all } => {
                self.add(if *all { "replace-all " } else { "replace " });
                self.pattern(pattern);
                self.into(*into);
                self.add(" => ");
                self.template(with);
            }
            Change::Keep(var) => {
                let name = self.var_name(*var);
                self.add(format_args!("keep {name}"));
            }
        }
    }

    fn looked_for(&mut self, from: &UrlMatch) {
        match from {
            UrlMatch::Text(text) => self.template(text),
            UrlMatch::Pattern(pattern, into) => {
                self.pattern(pattern);
                self.into(*into);
            }
        }
    }
}
