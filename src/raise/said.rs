//! Settings in the words that people use for them: who may, which fields a response gets, how long it lasts.

use super::value::text_of;
use crate::{
    ir::{
        AddressRange, Attr, Block, Config, Credentials, Edit, Naming, Part, Requirement, Step, Template,
        Test, Text, VarKind, settings::Access,
    },
    source::Span,
};

/// Statuses that a field is added to unless it is added always.
const USUAL: [u16; 10] = [200, 201, 204, 206, 301, 302, 303, 304, 307, 308];

/// An edit of a response.
#[derive(Clone, Debug)]
pub struct Response {
    /// What is asked first.
    pub tests: Vec<Test>,
    /// Whether errors get it too.
    pub always: bool,
    /// What is done.
    pub edit: Edit,
    /// Where it was written.
    pub span: Span,
}

/// A status as any server knows it: one that only tells errors apart is the one that it is sent as.
pub fn sent(config: &Config, status: u16) -> u16 {
    let own = |(own, _): &&(u16, u16)| *own == status && status >= 600;
    config.sent_as.iter().find(own).map_or(status, |(_, sent)| *sent)
}

/// The statuses of a page without those that only tell errors apart, where the one that they are sent as is among them.
pub fn statuses(config: &Config, all: &[u16]) -> Vec<u16> {
    let kept = |status: &&u16| sent(config, **status) == **status || !all.contains(&sent(config, **status));
    all.iter().filter(kept).copied().collect()
}

/// The edits of responses, in order; what is no edit is given back as its place.
pub fn responses(blocks: &[Block], span: Span) -> (Vec<Response>, Vec<Span>) {
    let (mut out, mut others) = (Vec::new(), Vec::new());
    for block in blocks {
        edits(block, &[], true, span, &mut out, &mut others);
    }
    (out, others)
}

fn edits(
    block: &Block,
    tests: &[Test],
    always: bool,
    span: Span,
    out: &mut Vec<Response>,
    others: &mut Vec<Span>,
) {
    for (step, at) in &block.steps {
        let at = if at.is_known() { *at } else { span };
        match step {
            Step::Edit(edit) => {
                out.push(Response { tests: tests.to_vec(), always, edit: edit.clone(), span: at });
            }
            Step::When { test, then, otherwise } => {
                if !otherwise.steps.is_empty() {
                    others.push(at);
                }
                match test {
                    Test::Status(statuses) if statuses.iter().eq(USUAL.iter()) => {
                        edits(then, tests, false, at, out, others);
                    }
                    // A switch of protocols has no fields of its own.
                    Test::Not(inner) if **inner == Test::Status(vec![101]) => {
                        edits(then, tests, always, at, out, others);
                    }
                    test => {
                        let mut inner = tests.to_vec();
                        inner.push(test.clone());
                        edits(then, &inner, always, at, out, others);
                    }
                }
            }
            Step::Do(inner) => edits(inner, tests, always, at, out, others),
            _ => others.push(at),
        }
    }
}

/// Which clients may.
#[derive(Clone, Debug, PartialEq)]
pub enum Clients {
    /// All.
    All,
    /// None.
    None,
    /// These.
    Only(Vec<AddressRange>),
    /// All but these.
    But(Vec<AddressRange>),
    /// The first that matches decides.
    Rules(Vec<(AddressRange, bool)>),
}

/// Which users may.
#[derive(Clone, Debug, PartialEq)]
pub enum Users {
    /// Any that is known.
    Known,
    /// These.
    Named(Vec<Text>),
    /// Those in these groups.
    Groups(Vec<Text>),
}

/// Who may.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Who {
    /// From where.
    pub clients: Option<Clients>,
    /// Who.
    pub users: Option<Users>,
    /// How users are known.
    pub credentials: Option<Credentials>,
    /// Whether either is enough.
    pub either: bool,
    /// Whether there is more that these words cannot say.
    pub more: bool,
}

/// Who may, of settings.
pub fn who(config: &Config, access: &Access) -> Who {
    let Access {
        rules,
        satisfy_any,
        gate,
        required,
        credentials,
        naming,
        forbids_users: _,
        realm,
        passwords,
        ask: _,
        learned: _,
        refusal_delay: _,
        link: _,
        link_text: _,
        link_secret: _,
    } = access;
    let mut who = Who::default();
    if let Some(rules) = rules {
        who.clients = Some(clients(rules));
    }
    who.either = satisfy_any == &Some(true);
    if let Some(Some(gate)) = gate {
        match tested(config, gate) {
            Some(clients) => who.clients = Some(clients),
            None => who.more = true,
        }
    }
    if let Some(Some(credentials)) = credentials {
        who.credentials = Some(credentials.named(naming.as_ref().unwrap_or(&Naming::default())));
    }
    if let (Some(Some(realm)), Some(Some(file))) = (realm, passwords) {
        match (text_of(realm), text_of(file)) {
            (Some(off), _) if off == "off" => {}
            (Some(realm), Some(file)) => {
                who.credentials = Some(Credentials {
                    realm: realm.into(),
                    users: vec![file.into()],
                    groups: Vec::new(),
                    asked: 401,
                    wrong: 401,
                    digest: None,
                });
                who.users = Some(Users::Known);
            }
            _ => who.more = true,
        }
    }
    if let Some(what) = required.as_ref().and_then(|required| required.what.as_ref()) {
        requirement(config, what, &mut who);
    }
    if who.credentials.is_some() && who.users.is_none() && required.is_none() {
        who.users = Some(Users::Known);
    }
    who
}

fn clients(rules: &[(AddressRange, bool)]) -> Clients {
    let split = rules.iter().position(|(range, _)| *range == AddressRange::All);
    let (before, last) = match split {
        Some(at) => (&rules[..at], Some(rules[at].1)),
        None => (rules, None),
    };
    let ranges = || before.iter().map(|(range, _)| *range).collect::<Vec<_>>();
    let all = |allowed: bool| before.iter().all(|(_, one)| *one == allowed);
    match last {
        Some(false) if before.is_empty() => Clients::None,
        _ if before.is_empty() => Clients::All,
        Some(false) if all(true) => Clients::Only(ranges()),
        None | Some(true) if all(false) => Clients::But(ranges()),
        None | Some(true) if all(true) => Clients::All,
        _ => Clients::Rules(rules.to_vec()),
    }
}

fn requirement(config: &Config, what: &Requirement, who: &mut Who) {
    match what {
        Requirement::Any(all) | Requirement::All(all) => {
            let any = matches!(what, Requirement::Any(_));
            if all.is_empty() {
                who.clients = Some(if any { Clients::None } else { Clients::All });
            }
            let mut parts: Vec<Who> = Vec::new();
            for one in all {
                let mut part = Who::default();
                requirement(config, one, &mut part);
                parts.push(part);
            }
            let addresses: Vec<_> = parts.iter().filter_map(|part| part.clients.clone()).collect();
            let users: Vec<_> = parts.iter().filter_map(|part| part.users.clone()).collect();
            who.more |= parts.iter().any(|part| part.more);
            who.either |= any && !addresses.is_empty() && !users.is_empty();
            for one in addresses {
                who.clients = Some(match who.clients.take() {
                    None => one,
                    Some(known) if any => either(known, one),
                    Some(known) => {
                        if let Some(both) = both(known, one) {
                            both
                        } else {
                            who.more = true;
                            Clients::None
                        }
                    }
                });
            }
            for one in users {
                who.users = Some(match (who.users.take(), one) {
                    (None, one) => one,
                    (Some(Users::Named(mut names)), Users::Named(more)) if any => {
                        names.extend(more);
                        Users::Named(names)
                    }
                    (Some(Users::Groups(mut names)), Users::Groups(more)) if any => {
                        names.extend(more);
                        Users::Groups(names)
                    }
                    (Some(known), _) => {
                        who.more = true;
                        known
                    }
                });
            }
        }
        Requirement::Not(inner) => {
            let mut part = Who::default();
            requirement(config, inner, &mut part);
            match part.clients {
                Some(Clients::Only(ranges)) => who.clients = Some(Clients::But(ranges)),
                Some(Clients::All) => who.clients = Some(Clients::None),
                _ => who.more = true,
            }
        }
        Requirement::Holds(template) => match tested(config, template) {
            Some(clients) => who.clients = Some(clients),
            None => who.more = true,
        },
        Requirement::AnyUser => who.users = Some(Users::Known),
        Requirement::Users(names) => who.users = Some(Users::Named(names.clone())),
        Requirement::Groups(names) => who.users = Some(Users::Groups(names.clone())),
        Requirement::Limited { .. } | Requirement::Named(_) | Requirement::At(_) => who.more = true,
    }
}

fn either(one: Clients, other: Clients) -> Clients {
    match (one, other) {
        (Clients::All, _) | (_, Clients::All) => Clients::All,
        (Clients::None, known) | (known, Clients::None) => known,
        (Clients::Only(mut ranges), Clients::Only(more)) => {
            ranges.extend(more);
            Clients::Only(ranges)
        }
        (known, _) => known,
    }
}

fn both(one: Clients, other: Clients) -> Option<Clients> {
    Some(match (one, other) {
        (Clients::None, _) | (_, Clients::None) => Clients::None,
        (Clients::All, known) | (known, Clients::All) => known,
        (Clients::But(mut ranges), Clients::But(more)) => {
            ranges.extend(more);
            Clients::But(ranges)
        }
        _ => return None,
    })
}

/// The clients that a value stands for: not empty for these.
fn tested(config: &Config, template: &Template) -> Option<Clients> {
    if let Some(text) = text_of(template) {
        return Some(if matches!(text.as_str(), "" | "0") { Clients::None } else { Clients::All });
    }
    let [Part::Var(var)] = template.0.as_slice() else { return None };
    let VarKind::Choice { choices, default } = &config.var(*var).kind else { return None };
    let [choice] = choices.as_slice() else { return None };
    if !matches!(text_of(default)?.as_str(), "" | "0") || matches!(text_of(&choice.value)?.as_str(), "" | "0")
    {
        return None;
    }
    test(&choice.test)
}

fn test(test_: &Test) -> Option<Clients> {
    match test_ {
        Test::InNetwork(subject, networks) if *subject == Template::attr(Attr::ClientAddr) => {
            Some(Clients::Only(
                networks.iter().map(|(address, bits)| AddressRange::Network(*address, *bits)).collect(),
            ))
        }
        Test::Not(inner) => match test(inner)? {
            Clients::Only(ranges) => Some(Clients::But(ranges)),
            Clients::But(ranges) => Some(Clients::Only(ranges)),
            Clients::All => Some(Clients::None),
            Clients::None => Some(Clients::All),
            Clients::Rules(_) => None,
        },
        Test::All(tests) if tests.is_empty() => Some(Clients::All),
        Test::Any(tests) if tests.is_empty() => Some(Clients::None),
        Test::Any(tests) | Test::All(tests) => {
            let any = matches!(test_, Test::Any(_));
            let mut found: Option<Clients> = None;
            for one in tests {
                let one = test(one)?;
                found = Some(match found {
                    None => one,
                    Some(known) if any => either(known, one),
                    Some(known) => both(known, one)?,
                });
            }
            found
        }
        _ => None,
    }
}

/// The name of a format that every server knows: by name, or as a file that is a part of a configuration says it.
pub fn log_name(format: &crate::ir::settings::LogFormat) -> Option<&'static str> {
    let is = |name: &str| {
        &*format.name == name.as_bytes()
            || (format.name.is_empty() && format.line.as_text() == Some(name.as_bytes()))
    };
    ["combined", "common", "vhost_combined"].into_iter().find(|name| is(name))
}

/// A network as people write it.
pub fn network(range: AddressRange) -> String {
    match range {
        AddressRange::All => "all".to_owned(),
        AddressRange::Unix => "unix:".to_owned(),
        AddressRange::Network(address, bits) => {
            let whole = if address.is_ipv4() { 32 } else { 128 };
            if bits == whole { address.to_string() } else { format!("{address}/{bits}") }
        }
    }
}

/// A span of time in whole seconds, rounded up; at least one unless it is none.
pub fn seconds(time: std::time::Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
