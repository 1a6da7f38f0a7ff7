//! Folders of users: `UserDir`.
//!
//! `/~NAME/rest` lies in a folder that is found by the name: below a folder (`/home/www`, `/home/*/www`), in the home of
//! that account (`public_html`), or elsewhere (`http://host/~*/`: 302). Of several the first that exists is taken, the
//! last without a look. Names that no enabled list has, where `disabled` stands alone, names in a disabled list, and
//! those that begin with a dot and one or two more are left to whoever maps paths otherwise. It comes before `Alias`
//! and after `RewriteRule` and `ProxyPass`. A virtual host that says nothing has what the main server says; one
//! that says anything has lists of its own alone (observed, 2.4.71).
//!
//! Homes are those of `/etc/passwd`, read again when it changes.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/mod/mod_userdir.html>

use super::{
    super::tree::{Directive, Word},
    Cx, Lower, Phase, Section,
    mapping::when,
    walk::Steps,
};
use crate::{
    ir::{
        Attr, FileKind, Jump, Lookup, Map, MapId, MapSource, Part, Pattern, Register, Reply, ReplyContent,
        Step, Template, Test, Text,
    },
    source::Span,
};

/// The directives of this file.
pub(super) const TABLE: &[(&str, Lower)] = &[("UserDir", user_dir)];

/// Captures of ours: the name and the rest of the path.
const OWN: Register = Register('U');

/// What is remembered of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    folders: Option<(Vec<Text>, Span)>,
    /// Whether all are disabled but for those that are enabled.
    closed: Option<bool>,
    /// Whether it says anything.
    speaks: bool,
    enabled: Option<Vec<Text>>,
    disabled: Option<Vec<Text>>,
}

/// `UserDir folder ...|disabled [user ...]|enabled user ...`
fn user_dir(cx: &mut Cx, section: &mut Section, directive: &Directive) {
    let own = &mut section.own.userdir;
    own.speaks = true;
    let Some((first, rest)) = directive.args.split_first() else {
        let message = "UserDir requires an argument.";
        return cx.error("arguments", directive.head(), message);
    };
    let names =
        |words: &[Word]| words.iter().map(|word| Text::from(word.value.as_slice())).collect::<Vec<_>>();
    if first.is("disable") || first.is("disabled") {
        if rest.is_empty() {
            own.closed = Some(true);
        } else {
            own.disabled.get_or_insert_default().extend(names(rest));
        }
    } else if first.is("enable") || first.is("enabled") {
        if rest.is_empty() {
            let message = "UserDir \"enable\" keyword requires a list of usernames";
            return cx.error("arguments", directive.head(), message);
        }
        own.enabled.get_or_insert_default().extend(names(rest));
    } else {
        own.folders = Some((names(&directive.args), directive.head()));
    }
}

/// A virtual host has what the main server has unless it says otherwise.
pub(super) fn join(_: &mut Cx, main: &Section, host: &mut Section) {
    let (main, own) = (&main.own.userdir, &mut host.own.userdir);
    own.folders = own.folders.take().or_else(|| main.folders.clone());
    own.closed = own.closed.or(main.closed);
    if !own.speaks {
        own.enabled.clone_from(&main.enabled);
        own.disabled.clone_from(&main.disabled);
    }
}

/// Puts the steps before those of aliases.
pub(super) fn finish(cx: &mut Cx, host: &mut Section) {
    let own = host.own.userdir.clone();
    let Some((folders, span)) = own.folders else { return };
    let user = || Template(vec![Part::Capture(OWN, 1)]);
    let pattern = |text: &str| Pattern::whole(text, false);
    let named = |names: &[Text]| {
        Test::Any(names.iter().map(|name| Test::Equal(user(), Template::text(name.clone()))).collect())
    };
    let not = |test| Test::Not(Box::new(test));
    let path = Test::Match {
        subject: Template::attr(Attr::Path),
        pattern: pattern("^/~([^/]+)(/.*)?$"),
        into: Some(OWN),
    };
    let mut tests =
        vec![path, not(Test::Match { subject: user(), pattern: pattern(r"^.\.\.?$"), into: None })];
    if let Some(names) = &own.disabled {
        tests.push(not(named(names)));
    }
    if own.closed == Some(true) {
        tests.push(named(own.enabled.as_deref().unwrap_or_default()));
    }
    let mut steps = Steps::new();
    let last = folders.len().saturating_sub(1);
    for (at, folder) in folders.iter().enumerate() {
        steps.extend(one(cx, folder, at == last, span));
    }
    host.steps.entry(Phase::Alias).or_default().insert(0, when(Test::All(tests), steps));
}

/// Looks in one folder.
fn one(cx: &mut Cx, folder: &Text, last: bool, span: Span) -> Steps {
    let text = |bytes: &[u8]| Part::Text(Text::from(bytes));
    let (user, rest) = (Part::Capture(OWN, 1), Part::Capture(OWN, 2));
    let (before, behind) = match memchr::memchr(b'*', folder) {
        Some(at) => (&folder[..at], Some(&folder[at + 1..])),
        None => (&folder[..], None),
    };
    if folder.starts_with(b"/") {
        let mut name = Template(vec![text(before)]);
        match behind {
            Some(behind) => {
                name.push(user);
                name.push(text(behind));
            }
            None => {
                name.push(text(b"/"));
                name.push(user);
            }
        }
        return found(cx, name, last, span);
    }
    if behind.is_some() && before.contains(&b':') {
        let location = Template(vec![text(before), user, rest]);
        let reply = Reply { status: 302, content: ReplyContent::Location(location) };
        return vec![(Step::Respond(reply), span)];
    }
    let home = cx.own("@home");
    let map = accounts(cx, span);
    let key = Template(vec![user]);
    let look = Step::Lookup(Box::new(Lookup { map, key, default: Template::default(), into: home }));
    let name = Template(vec![Part::Var(home), Part::Text(Text::from([b"/", &folder[..]].concat()))]);
    let steps = found(cx, name, last, span);
    vec![(look, span), when(Test::Truthy(Template::var(home)), steps)]
}

/// Maps the path into a folder; if others follow, only where it exists.
fn found(cx: &mut Cx, folder: Template, last: bool, span: Span) -> Steps {
    let mut file = folder.clone();
    file.push(Part::Capture(OWN, 2));
    let mut steps = Steps::new();
    if cx.proxy.contexts {
        let prefix = Template(vec![Part::Text("/~".into()), Part::Capture(OWN, 1)]);
        steps.push((Step::Assign { var: cx.own("@context_prefix"), value: prefix }, span));
        steps.push((Step::Assign { var: cx.own("@context_root"), value: folder.clone() }, span));
    }
    steps.push((Step::Assign { var: cx.file(), value: file }, span));
    steps.push((Step::Jump(Jump::Exit("translate".into())), span));
    if last { steps } else { vec![when(Test::File(folder, FileKind::Any), steps)] }
}

/// The table of homes.
fn accounts(cx: &mut Cx, span: Span) -> MapId {
    let source = MapSource::Accounts { path: "/etc/passwd".into() };
    let maps = &mut cx.config.maps;
    let at = maps.iter().position(|map| map.source == source).unwrap_or_else(|| {
        maps.push(Map { name: "homes".into(), source, span });
        maps.len() - 1
    });
    MapId(at as u32)
}
