//! Who may: `authorization`, for requests without a user and for those whom `basicAuthentication` knows.
//!
//! A rule that denies counts before all that allow; who is in no rule is refused (the pages "Understanding IIS URL
//! Authorization" and "Authorization rules" of IIS's help). `*` is everybody, `?` who is nobody. Users are not Windows
//! accounts here but those of the file that `--htpasswd` names, roles the groups of `--htgroup`. Both are asked after the
//! rules of the place ran, as authentication is later than URL Rewrite in the original's pipeline; of a request that a rule
//! changed, where it leads to now counts. Refused are: who says no name, 401.2; who says a wrong password, or may not, 401.1
//! and 401.2.

use super::{Cx, Place, block, status::own};
use crate::{
    diagnostic::Diagnostic,
    dialect::iis::effective::Item,
    ir::{
        Asking, Base, Block, Credentials, Joined, Name, Reply, ReplyContent, Required, Requirement, Scope,
        Settings, Step, Template, Test, Text, settings::Access,
    },
    source::Span,
};

type Steps = Vec<(Step, Span)>;

/// What is asked of a request of a place, once it is known where it leads.
pub(super) fn steps(cx: &mut Cx, place: &Place) -> Steps {
    let mut found = Vec::new();
    let mut of = |name: &str| {
        place.site.section(&format!("system.webServer/security/{name}"), &place.path, &mut found)
    };
    let authorization = of("authorization");
    let (anonymous, basic) =
        (of("authentication/anonymousAuthentication"), of("authentication/basicAuthentication"));
    cx.found.append(&mut found);

    // A server without URL Authorization has no rules.
    let everybody = authorization.items().is_empty() && !authorization.written;
    let mut rules: Vec<Rule> = authorization.items().iter().map(Rule::of).collect();
    if everybody {
        rules.push(Rule::everybody());
    }
    if anonymous.flag("enabled") && is_open(&rules) {
        return Steps::new();
    }
    let span = if anonymous.flag("enabled") { authorization.span } else { anonymous.span };
    if basic.flag("enabled") {
        if let Some(users) = cx.options.machine.users.clone() {
            let credentials = Credentials {
                realm: match basic.text("realm") {
                    "" => place.site.name.as_str().into(),
                    realm => realm.into(),
                },
                users: vec![users],
                groups: cx.options.machine.groups.iter().cloned().collect(),
                asked: own(401, 2),
                wrong: own(401, 1),
                digest: None,
            };
            return vec![(known(&rules, anonymous.flag("enabled"), credentials), span)];
        }
        let message = "basic authentication needs a file of users";
        let place = basic.place("enabled");
        let found = if cx.options.offline {
            Diagnostic::note_at("no-users", place, message)
        } else {
            Diagnostic::error("no-users", place, message)
        };
        cx.report(
            found
                .because("there are no Windows accounts here")
                .help("name one, with lines as `htpasswd` writes them: `--htpasswd FILE`"),
        );
    }
    if !anonymous.flag("enabled") {
        let message = "requests without a user are refused here";
        let found = Diagnostic::warning("no-anonymous-access", anonymous.place("enabled"), message);
        cx.report(found.because("there are no Windows accounts, so all requests are answered with 401"));
        return vec![(Step::Respond(refusal()), span)];
    }
    if let Some(rule) = rules.iter().find(|rule| rule.is_of_known() && !rule.denies) {
        let message = "no request is one of a user here";
        let found = Diagnostic::warning("no-users", rule.span, message);
        cx.report(found.because("`basicAuthentication` is not enabled, and there are no Windows accounts"));
    }
    let refused = nobody_may(&rules);
    let then = block(vec![(Step::Respond(refusal()), span)]);
    vec![(Step::When { test: refused, then, otherwise: Block::default() }, span)]
}

fn refusal() -> Reply {
    Reply { status: own(401, 2), content: ReplyContent::Page }
}

/// A rule of `authorization`.
struct Rule {
    denies: bool,
    everybody: bool,
    nobody: bool,
    users: Vec<Text>,
    roles: Vec<Text>,
    verbs: Vec<Name>,
    span: Span,
}

impl Rule {
    fn of(item: &Item) -> Self {
        let names = |attribute: &str| -> Vec<String> {
            let text = item.value.text(attribute);
            text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect()
        };
        let mut users = names("users");
        let mut take = |sign: &str| {
            let before = users.len();
            users.retain(|user| user != sign);
            users.len() < before
        };
        let (everybody, nobody) = (take("*"), take("?"));
        // A user's name may come with that of a domain, which a file of users has not.
        let bare = |user: &String| Text::from(user.rsplit('\\').next().unwrap_or_default());
        Self {
            denies: item.value.is("accessType", "Deny"),
            everybody,
            nobody,
            users: users.iter().map(bare).collect(),
            roles: names("roles").iter().map(bare).collect(),
            verbs: names("verbs").iter().map(|verb| Name::from(verb.as_str())).collect(),
            span: item.span,
        }
    }

    /// The one of a stock server.
    fn everybody() -> Self {
        Self {
            denies: false,
            everybody: true,
            nobody: false,
            users: Vec::new(),
            roles: Vec::new(),
            verbs: Vec::new(),
            span: Span::NONE,
        }
    }

    /// Whether it is about a request without a user.
    fn is_of_nobody(&self) -> bool {
        self.everybody || self.nobody
    }

    /// Whether it is about users alone.
    fn is_of_known(&self) -> bool {
        !(self.is_of_nobody() || self.users.is_empty() && self.roles.is_empty())
    }
}

/// Whether every request may, whoever sends it.
fn is_open(rules: &[Rule]) -> bool {
    rules.iter().any(|rule| !rule.denies && rule.everybody && rule.verbs.is_empty())
        && !rules.iter().any(|rule| rule.denies)
}

/// Whether a request without a user may not.
fn nobody_may(rules: &[Rule]) -> Test {
    let about = |denies: bool| -> Vec<Test> {
        let of = |rule: &&Rule| rule.denies == denies && rule.is_of_nobody();
        let test = |rule: &Rule| {
            if rule.verbs.is_empty() { Test::All(Vec::new()) } else { Test::Method(rule.verbs.clone()) }
        };
        rules.iter().filter(of).map(test).collect()
    };
    let mut tests = about(true);
    tests.push(Test::Not(Box::new(Test::Any(about(false)))));
    Test::Any(tests)
}

/// Asks for a user where the rules need one to know.
fn known(rules: &[Rule], anonymous: bool, credentials: Credentials) -> Step {
    let always = || Requirement::Holds(Template::text("1"));
    let never = || Requirement::Not(Box::new(always()));
    let limited = |rule: &Rule, of: Requirement| {
        if rule.verbs.is_empty() {
            return of;
        }
        Requirement::Limited { methods: rule.verbs.clone(), except: false, of: Box::new(of) }
    };
    let mut all = Vec::new();
    if !anonymous {
        all.push(Requirement::AnyUser);
    }
    for rule in rules.iter().filter(|rule| rule.denies) {
        let mut kinds = Vec::new();
        if rule.everybody {
            kinds.push(never());
        }
        if rule.nobody {
            kinds.push(Requirement::AnyUser);
        }
        if !rule.users.is_empty() {
            kinds.push(Requirement::Not(Box::new(Requirement::Users(rule.users.clone()))));
        }
        if !rule.roles.is_empty() {
            kinds.push(Requirement::Not(Box::new(Requirement::Groups(rule.roles.clone()))));
        }
        all.extend(kinds.into_iter().map(|kind| limited(rule, kind)));
    }
    // What no rule is about is missed.
    let mut any = vec![never()];
    for rule in rules.iter().filter(|rule| !rule.denies) {
        let mut kinds = Vec::new();
        if rule.is_of_nobody() {
            kinds.push(always());
        }
        if !rule.users.is_empty() {
            kinds.push(Requirement::Users(rule.users.clone()));
        }
        if !rule.roles.is_empty() {
            kinds.push(Requirement::Groups(rule.roles.clone()));
        }
        any.extend(kinds.into_iter().map(|kind| limited(rule, kind)));
    }
    all.push(Requirement::Any(any));
    let access = Access {
        required: Some(Required { what: Some(Requirement::All(all)), joined: Joined::Alone }),
        credentials: Some(Some(credentials)),
        forbids_users: Some(false),
        ..Access::default()
    };
    let set = Settings { access: access.into(), ..Settings::default() };
    Step::Do(Block {
        scope: Some(Scope { base: Base::Current, set: Box::new(set) }),
        steps: vec![(Step::Authorize(Asking::Always), Span::NONE)],
        ..Block::default()
    })
}
