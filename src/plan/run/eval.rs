//! Values of templates and variables.

use super::{Failure, Find, Plan, Register, Run, View, memory::part};
use crate::{
    ir::{Attr, Escape, Part, Protocol, Template, VarId, settings::Alias},
    plan::{
        escape::{escape, restore_slashes},
        pattern::Spans,
        var::{self, TableVar, VarPlan},
    },
};

/// Tables that read tables: deeper than this they read themselves.
const DEPTH: u8 = 100;

impl Run {
    /// Appends the value of a template; `false` when it is a single part and that is missing.
    pub fn eval(&mut self, plan: &Plan, view: &impl View, template: &Template, out: &mut Vec<u8>) -> bool {
        if let [part] = &*template.0 {
            return self.part(plan, view, part, out);
        }
        if plan.some_clobber {
            self.read_ahead(plan, view, &template.0);
        }
        for part in &template.0 {
            self.part(plan, view, part, out);
        }
        true
    }

    /// An empty buffer, to be given back.
    pub(in crate::plan) fn take(&mut self) -> Vec<u8> {
        self.values.take()
    }

    /// Takes a buffer back.
    pub(in crate::plan) fn give_back(&mut self, buffer: Vec<u8>) {
        self.values.give_back(buffer);
    }

    /// The value of a template in a buffer that is to be given back.
    pub(super) fn value(&mut self, plan: &Plan, view: &impl View, template: &Template) -> Vec<u8> {
        let mut value = self.values.take();
        self.eval(plan, view, template, &mut value);
        value
    }

    /// A capture that stands before a table shows what the table's pattern matched: all variables are read
    /// before the first byte is written (nginx 1.22.1, `ngx_http_complex_value`).
    fn read_ahead(&mut self, plan: &Plan, view: &impl View, parts: &[Part]) {
        let clobbers = |part: &Part| match part {
            Part::Var(var) => {
                matches!(plan.vars.get(var.0 as usize), Some(VarPlan::Table(table)) if table.clobbers)
            }
            _ => false,
        };
        let Some(capture) =
            parts.iter().position(|part| matches!(part, Part::Capture(..) | Part::Escape(..)))
        else {
            return;
        };
        for part in parts[capture..].iter().filter(|part| clobbers(part)) {
            let mut unused = self.values.take();
            self.part(plan, view, part, &mut unused);
            self.values.give_back(unused);
        }
    }

    fn part(&mut self, plan: &Plan, view: &impl View, part: &Part, out: &mut Vec<u8>) -> bool {
        match part {
            Part::Text(text) => out.extend_from_slice(text),
            Part::Attr(attr) => return self.attr(plan, view, attr, out),
            Part::Var(var) => return self.var(plan, view, *var, out),
            Part::Capture(register, group) => {
                out.extend_from_slice(self.registers.group(*register, u32::from(*group)));
            }
            Part::Start { of, before } => {
                let value = self.value(plan, view, of);
                let ending = self.value(plan, view, before);
                out.extend_from_slice(value.strip_suffix(ending.as_slice()).unwrap_or(&value));
                self.values.give_back(ending);
                self.values.give_back(value);
            }
            Part::Rest { of, after } => {
                let value = self.value(plan, view, of);
                let prefix = self.value(plan, view, after);
                out.extend_from_slice(value.strip_prefix(prefix.as_slice()).unwrap_or(&value));
                self.values.give_back(prefix);
                self.values.give_back(value);
            }
            Part::Escape(how, inner) => {
                let value = self.value(plan, view, inner);
                let present = match how {
                    Escape::FileText => view.file_text(&value, out),
                    Escape::FileSize => view.file_size(&value, out),
                    Escape::Owner => view.file_owner(&value, false, out),
                    Escape::OwnerGroup => view.file_owner(&value, true, out),
                    Escape::CookieDate => view.cookie_date(&value, out),
                    how => {
                        let from = out.len();
                        escape(*how, &value, view.received_encoded(), out);
                        if matches!(how, Escape::ForwardPath | Escape::ForwardUrl)
                            && plan.settings(plan.host_settings(self.host)).client.keep_slashes
                        {
                            restore_slashes(out, from);
                        }
                        true
                    }
                };
                self.values.give_back(value);
                return present;
            }
        }
        true
    }

    fn attr(&mut self, plan: &Plan, view: &impl View, attr: &Attr, out: &mut Vec<u8>) -> bool {
        match attr {
            Attr::Root => {
                let root = &plan.settings(self.settings).files.root;
                return self.eval(plan, view, root, out);
            }
            Attr::DocumentRoot => return self.document_root(plan, view, out),
            Attr::DocumentRootReal => {
                let mut root = self.values.take();
                let real = self.document_root(plan, view, &mut root) && view.real_path(&root, out);
                self.values.give_back(root);
                return real;
            }
            Attr::FilePath => return self.file_path(plan, view, out),
            Attr::OwnHost | Attr::OwnPort => {
                let mut authority = self.values.take();
                if let Some(template) = &plan.settings(self.settings).answer.own_authority {
                    self.eval(plan, view, template, &mut authority);
                }
                let bracket = memchr::memrchr(b']', &authority).unwrap_or(0);
                let colon = memchr::memrchr(b':', &authority).filter(|colon| *colon > bracket);
                if *attr == Attr::OwnHost {
                    out.extend_from_slice(&authority[..colon.unwrap_or(authority.len())]);
                } else if let Some(colon) = colon {
                    out.extend_from_slice(&authority[colon + 1..]);
                } else {
                    let mut scheme = self.values.take();
                    view.attr(self, &Attr::Scheme, &mut scheme);
                    out.extend_from_slice(if scheme == b"https" { b"443" } else { b"80" });
                    self.values.give_back(scheme);
                }
                self.values.give_back(authority);
            }
            Attr::Contact => out.extend_from_slice(&plan.settings(self.settings).answer.contact),
            Attr::Signature => {
                self.eval(plan, view, &plan.settings(self.settings).answer.signature, out);
            }
            Attr::SignedLink => return self.signed_link(plan, view, out),
            Attr::IdentifierGot => return self.identifier(plan, view, false, out),
            Attr::IdentifierSet => return self.identifier(plan, view, true, out),
            Attr::SignedLinkExpires => return self.signed_link_expires(plan, view, out),
            Attr::ScriptName => self.script(plan, false, out),
            Attr::ScriptRest => self.script(plan, true, out),
            Attr::Path => out.extend_from_slice(&self.path),
            Attr::PathRest => out.extend_from_slice(self.path.get(self.path_rest..).unwrap_or_default()),
            Attr::PathWithout(var) => {
                let mut end = self.values.take();
                self.var(plan, view, *var, &mut end);
                let length = self.path.len().checked_sub(end.len()).unwrap_or(self.path.len());
                out.extend_from_slice(&self.path[..length]);
                self.values.give_back(end);
            }
            // A log shows a missing query as a dash.
            Attr::Query if self.query.is_empty() => return false,
            Attr::Query => out.extend_from_slice(&self.query),
            Attr::QueryMark => {
                if !self.query.is_empty() {
                    out.push(b'?');
                }
            }
            Attr::Param(name) => match param(&self.query, name) {
                Some(value) => out.extend_from_slice(value),
                None => return false,
            },
            Attr::HostName => out.extend_from_slice(&plan.config.host(self.host).name),
            Attr::LimitRate => match self.limit_rate {
                Some(rate) => out.extend_from_slice(itoa::Buffer::new().format(rate).as_bytes()),
                None => return view.attr(self, attr, out),
            },
            _ => return view.attr(self, attr, out),
        }
        true
    }

    /// Appends the name of the gateway's program in the path, or what follows it.
    fn script(&self, plan: &Plan, rest: bool, out: &mut Vec<u8>) {
        let how = plan.settings(self.settings).forwarding(Protocol::FastCgi);
        let mut spans = Spans::new();
        let (name, after) = match &how.split {
            Some(find) if find.matcher.find(&self.path, find.keep, &mut spans) == Ok(true) => {
                (part(&self.path, &spans, 1), part(&self.path, &spans, 2))
            }
            _ => (self.path.as_slice(), &b""[..]),
        };
        if rest {
            return out.extend_from_slice(after);
        }
        out.extend_from_slice(name);
        if name.last() == Some(&b'/') {
            out.extend_from_slice(&how.script_index);
        }
    }

    /// Appends the directory that paths are mapped to; `false` when there is none.
    pub fn document_root(&mut self, plan: &Plan, view: &impl View, out: &mut Vec<u8>) -> bool {
        let files = &plan.settings(self.settings).files;
        let template = files.alias.as_ref().map_or(&files.root, |alias| &alias.with);
        // A root that speaks of itself has no value.
        if self.depth == DEPTH {
            return false;
        }
        self.depth += 1;
        let start = out.len();
        self.eval(plan, view, template, out);
        self.depth -= 1;
        out.len() > start
    }

    /// Appends the name of the file that the path maps to; `false` when the path was rewritten and the mapping
    /// is not for that, or it is shorter than the prefix which the mapping replaces.
    pub fn file_path(&mut self, plan: &Plan, view: &impl View, out: &mut Vec<u8>) -> bool {
        self.document_root(plan, view, out);
        let files = &plan.settings(self.settings).files;
        let cut = match &files.alias {
            Some(Alias { rewritten: false, .. }) if self.moved => return false,
            Some(Alias { cut: None, .. }) => return true,
            Some(Alias { cut: Some(cut), .. }) => *cut as usize,
            None => 0,
        };
        self.path.get(cut..).is_some_and(|rest| {
            out.extend_from_slice(rest);
            true
        })
    }

    /// The value of a variable, where it has been written.
    pub fn known(&self, var: VarId) -> Option<&[u8]> {
        self.values.get(var)
    }

    fn var(&mut self, plan: &Plan, view: &impl View, var: VarId, out: &mut Vec<u8>) -> bool {
        if let Some(value) = self.values.get(var) {
            out.extend_from_slice(value);
            return true;
        }
        let Some(kind) = plan.vars.get(var.0 as usize) else { return false };
        match kind {
            VarPlan::Assigned { by_groups: true } => return false,
            VarPlan::Assigned { by_groups: false } => {
                if plan.settings(self.settings).logs.uninitialized && !self.unset_reads.contains(&var) {
                    self.unset_reads.push(var);
                }
            }
            VarPlan::Choice { choices, default } => {
                if self.depth == DEPTH {
                    return false;
                }
                self.depth += 1;
                let holds = |(question, _): &&_| self.holds(plan, view, question);
                let value = choices.iter().find(holds).map_or(default, |(_, value)| value);
                let present = self.eval(plan, view, value, out);
                self.depth -= 1;
                return present;
            }
            VarPlan::Table(table) => {
                if self.depth == DEPTH {
                    return false;
                }
                self.depth += 1;
                self.table(plan, view, var, table, out);
                self.depth -= 1;
            }
            VarPlan::Network(network) => {
                let key = self.value(plan, view, &network.key);
                let mut address = var::address(&key);
                self.values.give_back(key);
                if !network.proxies.is_empty() {
                    let mut list = self.values.take();
                    view.attr(self, &Attr::Field("X-Forwarded-For".into()), &mut list);
                    address = network.forwarded(address, &list);
                    self.values.give_back(list);
                }
                out.extend_from_slice(network.find(address));
            }
            VarPlan::Split { key, buckets } => {
                let key = self.value(plan, view, key);
                out.extend_from_slice(var::share(buckets, &key));
                self.values.give_back(key);
            }
        }
        true
    }

    /// The identifier that the client brought, or the one that it gets.
    fn identifier(&mut self, plan: &Plan, view: &impl View, given: bool, out: &mut Vec<u8>) -> bool {
        let Some(which) = &plan.settings(self.settings).answer.identifier else { return false };
        let anew = which.reset.as_ref().is_some_and(|reset| {
            let value = self.value(plan, view, reset);
            let anew = !matches!(value.as_slice(), b"" | b"0");
            self.give_back(value);
            anew
        });
        view.identifier(which, anew, given, out)
    }

    fn table(&mut self, plan: &Plan, view: &impl View, var: VarId, table: &TableVar, out: &mut Vec<u8>) {
        let key = self.value(plan, view, &table.key);
        let hit = table.names.find(&key);
        let value = match hit {
            Ok(Some(hit)) => {
                if let Some(find) = hit.find
                    && let Err(failure) = self.find(find, table.into, &key)
                {
                    self.failure = Some(failure);
                }
                &table.values[hit.place as usize]
            }
            Ok(None) => &table.default,
            Err(failure) => {
                self.failure = Some(failure);
                &table.default
            }
        };
        self.values.give_back(key);
        let start = out.len();
        self.eval(plan, view, value, out);
        if table.once {
            self.values.set(var, &out[start..]);
        }
    }

    /// Matches a template's value; the path itself is not copied for it.
    pub(in crate::plan) fn compare(
        &mut self,
        plan: &Plan,
        view: &impl View,
        subject: &Template,
        find: &Find,
        into: Option<Register>,
        observe: impl FnOnce(&[u8], Result<bool, Failure>),
    ) -> Result<bool, Failure> {
        let is_path = matches!(&*subject.0, [Part::Attr(Attr::Path)]);
        let value = if is_path { std::mem::take(&mut self.path) } else { self.value(plan, view, subject) };
        let outcome = if let Some(into) = into {
            self.find(find, into, &value)
        } else {
            self.assign_groups(find, &value);
            find.matcher.is_match(&value)
        };
        observe(&value, outcome);
        if is_path {
            self.path = value;
        } else {
            self.values.give_back(value);
        }
        outcome
    }
}

/// The first query parameter of a name, undecoded; case matters not.
fn param<'q>(query: &'q [u8], name: &[u8]) -> Option<&'q [u8]> {
    query.split(|byte| *byte == b'&').find_map(|pair| {
        let (key, value) = pair.split_at_checked(name.len())?;
        let value = value.strip_prefix(b"=")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}
