//! Expansions as templates: variables, captures, look-ups.

use super::{
    Cx, Scene, Steps,
    expansion::{Lookup, Piece},
    flags::Escapes,
    maps,
};
use crate::{
    diagnostic::{Diagnostic, suggest},
    dialect::apache::{
        lower::{CONDITION, RULE},
        tree::Written,
        vars::{self, Meaning},
    },
    ir::{Attr, Choice, Encoding, Escape, Part, Pattern, Step, Template, Test, Var, VarId, VarKind},
    source::Span,
};

/// A text as a template. What has to be looked up first goes to `before`.
pub(super) fn template(
    cx: &mut Cx,
    scene: &Scene,
    pieces: &[Piece],
    escapes: Option<&Escapes>,
    before: &mut Steps,
) -> Template {
    let mut out = Template::default();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push(Part::Text(text.as_slice().into())),
            Piece::Rule(group) => out.push(capture(Part::Capture(RULE, *group), escapes)),
            Piece::Condition(group) => out.push(capture(Part::Capture(CONDITION, *group), escapes)),
            Piece::Variable(name) => {
                for part in variable(cx, scene, name).0 {
                    out.push(part);
                }
            }
            Piece::Map(lookup) => {
                for part in looked_up(cx, scene, lookup, before).0 {
                    out.push(part);
                }
            }
        }
    }
    out
}

/// A back-reference, escaped where flags say so.
fn capture(part: Part, escapes: Option<&Escapes>) -> Part {
    let Some(escapes) = escapes.filter(|escapes| escapes.on) else { return part };
    Part::Escape(Escape::Encode(encoding(escapes)), Template(vec![part]))
}

/// What `B` and its kin encode.
pub(super) fn encoding(escapes: &Escapes) -> Encoding {
    let wanted = |byte: u8| {
        let kept = escapes.not.as_ref().is_some_and(|not| not.contains(&byte));
        let controls = escapes.controls && (byte <= b' ' || byte == 0x7f);
        let rest = match &escapes.only {
            Some(only) => only.contains(&byte),
            None => !escapes.controls && !byte.is_ascii_alphanumeric() && byte != b'_',
        };
        !kept && (controls || rest)
    };
    Encoding::of(wanted, !escapes.no_plus)
}

/// `%{NAME}`
pub(super) fn variable(cx: &mut Cx, scene: &Scene, name: &Written) -> Template {
    let bytes = name.bytes();
    let prefix = |length: usize| bytes.get(..length).map(<[u8]>::to_ascii_uppercase);
    let rest = |from: usize| bytes.get(from..).unwrap_or_default();
    match (prefix(4).as_deref(), prefix(5).as_deref()) {
        (Some(b"ENV:"), _) => return Template::var(cx.env(rest(4))),
        (Some(b"SSL:"), _) => {
            return vars::tls(rest(4)).map_or_else(Template::default, |found| meaning(cx, scene, found));
        }
        (_, Some(b"HTTP:")) => {
            let field = rest(5);
            let attr = if field.eq_ignore_ascii_case(b"host") {
                Attr::Authority
            } else {
                Attr::FieldList(field.into())
            };
            return Template::attr(attr);
        }
        (_, Some(kind @ (b"LA-U:" | b"LA-F:"))) => {
            return ahead(cx, scene, &name.slice(5..bytes.len()), kind == b"LA-F:", name);
        }
        _ => {}
    }
    if let Some(found) = vars::in_rule(bytes) {
        return meaning(cx, scene, found);
    }
    let shown = String::from_utf8_lossy(bytes).into_owned();
    let mut wrong = Diagnostic::warning(
        "unknown-variable",
        name.whole(),
        format!("`%{{{shown}}}` is no variable of rules: it is always empty"),
    );
    if let Some(field) = shown.to_ascii_uppercase().strip_prefix("HTTP_") {
        wrong = wrong.help(format!("a request field is `%{{HTTP:{}}}`", field_name(field)));
    } else if let Some(meant) = suggest::nearest(&shown, vars::names()) {
        wrong = wrong.help(format!("did you mean `%{{{meant}}}`?"));
    }
    cx.report(wrong);
    Template::default()
}

/// `X_FORWARDED_PROTO` as `X-Forwarded-Proto`.
fn field_name(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let mut letters = word.chars();
        let first: String = letters.next().into_iter().collect();
        first + &letters.as_str().to_ascii_lowercase()
    });
    words.collect::<Vec<_>>().join("-")
}

/// `%{LA-U:NAME}`: a variable as it will be once the path is mapped.
fn ahead(cx: &mut Cx, scene: &Scene, name: &Written, by_file: bool, whole: &Written) -> Template {
    let upper = name.bytes().to_ascii_uppercase();
    match upper.as_slice() {
        b"REQUEST_FILENAME" | b"SCRIPT_FILENAME" if scene.dir.is_none() && !by_file => {
            let mut out = scene.root.clone();
            for part in scene.file(cx).0 {
                out.push(part);
            }
            out
        }
        b"REMOTE_USER" if scene.dir.is_some() => Template::attr(Attr::KnownUser),
        b"REMOTE_USER" => {
            let shown = String::from_utf8_lossy(whole.bytes()).into_owned();
            let message = format!("`%{{{shown}}}` is the user that the request names, not yet believed");
            cx.report(
                Diagnostic::warning("look-ahead", whole.whole(), message)
                    .because("no request is made inside the server to ask for the password first")
                    .help("write the rule into the section that asks for the password, and `%{REMOTE_USER}`"),
            );
            Template::attr(Attr::User)
        }
        b"REQUEST_FILENAME" | b"SCRIPT_FILENAME" | b"REQUEST_URI" => variable(cx, scene, name),
        _ => {
            let shown = String::from_utf8_lossy(whole.bytes()).into_owned();
            cx.report(
                Diagnostic::warning(
                    "look-ahead",
                    whole.whole(),
                    format!("`%{{{shown}}}` is read as it is when the rule runs"),
                )
                .because("no request is made inside the server to find out what it will be"),
            );
            variable(cx, scene, name)
        }
    }
}

fn meaning(cx: &mut Cx, scene: &Scene, meaning: Meaning) -> Template {
    let on_off = |cx: &mut Cx, name: &'static str, test: Test| {
        choice(cx, name, vec![(test, "on".into())], "off".into())
    };
    match meaning {
        Meaning::Attr(attr) => Template::attr(attr),
        Meaning::Else(attr, text) => {
            let attr = Template::attr(attr);
            choice(cx, "@else", vec![(Test::Longer(attr.clone(), 0), attr)], text.into())
        }
        meaning @ Meaning::Chosen { .. } => cx.meaning(&meaning),
        Meaning::Text(text) => text.into(),
        Meaning::File => scene.file(cx),
        Meaning::PathInfo => match &scene.dir {
            Some(_) => Template::var(cx.path_info()),
            None => Template::default(),
        },
        // Sections see how the path was mapped.
        meaning @ (Meaning::ContextPrefix | Meaning::ContextRoot)
            if scene.dir.is_some() && (cx.proxy.contexts || cx.names.own("@context_prefix").is_some()) =>
        {
            cx.meaning(&meaning)
        }
        Meaning::DocumentRoot | Meaning::ContextRoot => scene.root.clone(),
        Meaning::ContextPrefix
        | Meaning::Handler
        | Meaning::ContentType
        | Meaning::Status
        | Meaning::LastModified => Template::default(),
        Meaning::ServerName => Template::attr(Attr::Host),
        Meaning::ServerPort => port(cx, scene),
        Meaning::ServerAdmin => "[no address given]".into(),
        Meaning::ServerSoftware => Template::attr(Attr::ServerToken),
        Meaning::Subrequest => {
            let asked = Test::Truthy(Template::var(cx.subrequest()));
            choice(cx, "@is_subrequest", vec![(asked, "true".into())], "false".into())
        }
        Meaning::User => match &scene.dir {
            Some(_) => Template::attr(Attr::KnownUser),
            None => Template::default(),
        },
        Meaning::AuthType => match &scene.dir {
            Some(_) => {
                let known = Test::Longer(Template::attr(Attr::KnownUser), 0);
                let digest = Test::Truthy(Template::var(cx.own(crate::dialect::apache::lower::DIGEST)));
                let by_digest = (Test::All(vec![known.clone(), digest]), "Digest".into());
                choice(cx, "@auth-type", vec![by_digest, (known, "Basic".into())], Template::default())
            }
            None => Template::default(),
        },
        Meaning::RemoteHost => Template::attr(Attr::ClientAddr),
        Meaning::Https => on_off(cx, "@https", Test::Truthy(Template::attr(Attr::Https))),
        Meaning::Ipv6 => {
            let subject = Template::attr(Attr::ClientAddr);
            on_off(cx, "@ipv6", Test::Match { subject, pattern: Pattern::whole(":", false), into: None })
        }
        Meaning::Http2 => "off".into(),
        Meaning::Owner(group) => {
            let how = if group { Escape::OwnerGroup } else { Escape::Owner };
            let owner = Template(vec![Part::Escape(how, scene.file(cx))]);
            let name = match (group, scene.file_is_path()) {
                (false, true) => "@path-owner",
                (false, false) => "@owner",
                (true, true) => "@path-group",
                (true, false) => "@group",
            };
            choice(cx, name, vec![(Test::Present(owner.clone()), owner)], "<unknown>".into())
        }
    }
}

/// A value that depends on tests.
pub(super) fn choice(cx: &mut Cx, name: &str, choices: Vec<(Test, Template)>, default: Template) -> Template {
    let choices = choices.into_iter().map(|(test, value)| Choice { test, value }).collect();
    let kind = VarKind::Choice { choices, default };
    let vars = &mut cx.config.vars;
    let known = vars.iter().position(|var| *var.name == *name.as_bytes() && var.kind == kind);
    let at = known.unwrap_or_else(|| {
        vars.push(Var { name: name.into(), kind, span: Span::NONE });
        vars.len() - 1
    });
    Template::var(VarId(at as u32))
}

/// The port of URLs that lead to this server.
fn port(cx: &mut Cx, scene: &Scene) -> Template {
    let named = Template::attr(Attr::AuthorityPort);
    let own = if let Some(port) = scene.names.port {
        Template::text(port.to_string())
    } else {
        let https = Test::Truthy(Template::attr(Attr::Https));
        choice(cx, "@default-port", vec![(https, "443".into())], "80".into())
    };
    choice(cx, "@port", vec![(Test::Present(named.clone()), named)], own)
}

/// Scheme, host and port of URLs that lead to this server, as the client named it.
pub(super) fn origin(cx: &mut Cx, scene: &Scene) -> Template {
    let attr = Template::attr;
    let port = Template::attr(Attr::AuthorityPort);
    let is_own = |scheme: &str, number: &str| {
        Test::All(vec![
            Test::Equal(attr(Attr::Scheme), scheme.into()),
            Test::Equal(port.clone(), number.into()),
        ])
    };
    let with = |port: Template| {
        let mut url =
            Template(vec![Part::Attr(Attr::Scheme), Part::Text("://".into()), Part::Attr(Attr::Host)]);
        for part in port.0 {
            url.push(part);
        }
        url
    };
    let with_port = |port: Template| {
        let mut text = Template::text(":");
        for part in port.0 {
            text.push(part);
        }
        with(text)
    };
    let plain = with(Template::default());
    let mut choices = vec![
        (Test::Any(vec![is_own("http", "80"), is_own("https", "443")]), plain.clone()),
        (Test::Present(port.clone()), with_port(port.clone())),
    ];
    if let Some(own) = scene.names.port {
        let number = own.to_string();
        let same = match own {
            80 => Some("http"),
            443 => Some("https"),
            _ => None,
        };
        if let Some(scheme) = same {
            choices.push((Test::Equal(attr(Attr::Scheme), scheme.into()), plain.clone()));
        }
        choices.push((Test::All(Vec::new()), with_port(number.as_str().into())));
    }
    choice(cx, "@origin", choices, plain)
}

/// `${map:key|default}`
fn looked_up(cx: &mut Cx, scene: &Scene, lookup: &Lookup, before: &mut Steps) -> Template {
    let key = template(cx, scene, &lookup.key, None, before);
    let known = maps::find(cx, scene, lookup.map.bytes());
    if let Some(maps::Kind::Own(how)) = known {
        return Template(vec![Part::Escape(how, key)]);
    }
    let default = template(cx, scene, &lookup.default, None, before);
    let Some(maps::Kind::Outside(map)) = known else {
        cx.report(maps::unknown(cx, lookup));
        return default;
    };
    let number = cx.config.vars.len() as u32;
    cx.config.vars.push(Var {
        name: "@looked-up".into(),
        kind: VarKind::Assigned,
        span: lookup.whole.whole(),
    });
    let into = VarId(number);
    let step = Step::Lookup(Box::new(crate::ir::Lookup { map, key, default, into }));
    before.push((step, lookup.whole.whole()));
    Template::var(into)
}
