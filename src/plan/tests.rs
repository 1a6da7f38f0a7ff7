//! Programs written by hand, decided with a table in place of an exchange.

use super::*;
use crate::ir::{
    Address, Asking, Attr, Base, Block, Config, Edit, FileKind, Handler, Host, Jump, Kind, Listener, Order,
    Part, Pattern, Protocol, Query, Register, Reply, ReplyContent, Route, Row, Scope, Settings,
    SocketOptions, Step, Table, Test, Text, Var, VarId, VarKind,
};

mod rules;

const M: Register = Register('m');

#[derive(Default)]
struct Fake {
    fields: Vec<(&'static str, &'static str)>,
    status: u16,
    encoded: bool,
    length: Option<u64>,
    files: Vec<&'static str>,
    denied: bool,
}

impl View for Fake {
    fn attr(&self, _: &Run, attr: &Attr, out: &mut Vec<u8>) -> bool {
        let Attr::Field(name) = attr else { return false };
        let field = self.fields.iter().find(|(other, _)| name.is_field(other.as_bytes()));
        field.is_some_and(|(_, value)| {
            out.extend_from_slice(value.as_bytes());
            true
        })
    }

    fn method(&self) -> &[u8] {
        b"GET"
    }

    fn content_length(&self) -> Option<u64> {
        self.length
    }

    fn status(&self) -> u16 {
        self.status
    }

    fn received_encoded(&self) -> bool {
        self.encoded
    }
}

/// Text with `{path}`, `{query}`, `{rest}`, `{m.1}`, `{$0}` (a variable by its index), `{field x}`.
fn t(text: &str) -> Template {
    let mut template = Template::default();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        template.push(Part::Text(rest[..at].into()));
        let end = rest.find('}').unwrap();
        let inner = &rest[at + 1..end];
        template.push(match inner {
            "path" => Part::Attr(Attr::Path),
            "query" => Part::Attr(Attr::Query),
            "rest" => Part::Attr(Attr::PathRest),
            _ if inner.starts_with('$') => Part::Var(VarId(inner[1..].parse().unwrap())),
            _ if inner.starts_with("m.") => Part::Capture(M, inner[2..].parse().unwrap()),
            _ => Part::Attr(Attr::Field(inner["field ".len()..].into())),
        });
        rest = &rest[end + 1..];
    }
    template.push(Part::Text(rest.into()));
    template
}

fn block(steps: Vec<Step>) -> Block {
    let steps = steps.into_iter().map(|step| (step, Span::NONE)).collect();
    Block { steps, ..Block::default() }
}

fn labelled(label: &str, steps: Vec<Step>) -> Step {
    Step::Do(Block { label: Some(label.into()), ..block(steps) })
}

fn scoped(base: Base, set: Settings, steps: Vec<Step>) -> Block {
    Block { scope: Some(Scope { base, set: Box::new(set) }), ..block(steps) }
}

fn when(test: Test, steps: Vec<Step>) -> Step {
    Step::When { test, then: block(steps), otherwise: Block::default() }
}

fn matches(subject: &str, pattern: &str) -> Test {
    Test::Match { subject: t(subject), pattern: Pattern::regex(pattern, false), into: Some(M) }
}

fn say(text: &str) -> Step {
    Step::Respond(Reply { status: 200, content: ReplyContent::Text(t(text)) })
}

fn exit(label: &str) -> Step {
    Step::Jump(Jump::Exit(label.into()))
}

fn set(var: u32, value: &str) -> Step {
    Step::Assign { var: VarId(var), value: t(value) }
}

fn to(path: &str) -> Step {
    Step::Rewrite { path: Some(t(path)), query: Query::Keep }
}

fn route(path: Pattern, body: Block) -> Route {
    Route { path, decisive: false, body, nested: None }
}

fn routes(order: Order, routes: Vec<Route>) -> Step {
    Step::Route(Table { order, into: M, routes })
}

/// Settings told apart by their answer.
fn answers(text: &str) -> Settings {
    let reply = Reply { status: 200, content: ReplyContent::Text(t(text)) };
    Settings { handler: Some(Handler::Respond(reply)), ..Settings::default() }
}

/// Settings told apart by a list.
fn lists(index: &str) -> Settings {
    let mut settings = Settings::default();
    settings.files.index = Some(vec![t(index)]);
    settings
}

fn host(request: Block) -> Host {
    Host { name: "h".into(), names: Vec::new(), tls: None, request, named: Vec::new(), span: Span::NONE }
}

fn assigned(name: &str) -> Var {
    Var { name: name.into(), kind: VarKind::Assigned, span: Span::NONE }
}

fn rows(key: &str, once: bool, rows: Vec<(Pattern, &str)>, default: &str) -> Var {
    let rows = rows.into_iter().map(|(pattern, value)| Row { pattern, value: t(value) }).collect();
    let kind =
        VarKind::Table { key: t(key), order: Order::Specific, rows, default: t(default), once, into: M };
    Var { name: "table".into(), kind, span: Span::NONE }
}

fn planned(host: Host, vars: Vec<Var>) -> Plan {
    compile(Config { hosts: vec![host], vars, ..Config::default() }).unwrap()
}

fn at(path: &str) -> Run {
    let mut run = Run::default();
    run.path.extend_from_slice(path.as_bytes());
    run
}

/// Runs a program to its end and says what that is.
fn decide(plan: &Plan, view: &Fake, path: &str) -> String {
    let mut run = Run::default();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    run.path = path.into();
    run.query = query.into();
    run.start(plan, HostId(0));
    decided(plan, view, &mut run)
}

fn decided(plan: &Plan, view: &Fake, run: &mut Run) -> String {
    let reply = |run: &mut Run, reply: &Reply| match &reply.content {
        ReplyContent::Text(text) => {
            let mut out = Vec::new();
            run.eval(plan, view, text, &mut out);
            String::from_utf8(out).unwrap()
        }
        _ => reply.status.to_string(),
    };
    loop {
        match run.step(plan, view) {
            Need::File(FileKind::File) => {
                let exists = view.files.iter().any(|file| file.as_bytes() == run.asked);
                run.tell(exists);
            }
            Need::Access => run.tell(!view.denied),
            Need::Reply(answer) => return reply(run, answer),
            Need::Handle => {
                let settings = plan.settings(run.settings);
                return match settings.handler.as_deref() {
                    Some(Handler::Respond(answer)) => reply(run, answer),
                    _ => format!(
                        "{:?}",
                        settings.files.index.iter().map(Template::as_text).collect::<Vec<_>>()
                    ),
                };
            }
            Need::NoBlock(name) => return format!("no {name}"),
            need => return format!("{need:?}"),
        }
    }
}

fn gives(plan: &Plan, cases: &[(&str, &str)]) {
    for (path, answer) in cases {
        assert_eq!(decide(plan, &Fake::default(), path), *answer, "{path}");
    }
}

#[test]
fn settings_of_siblings_are_dropped() {
    let sibling = |pattern: &str, text: &str| {
        let then = scoped(Base::Enclosing, answers(text), vec![set(0, "{$0}+")]);
        Step::When { test: matches("{path}", pattern), then, otherwise: Block::default() }
    };
    let steps = vec![sibling("a", "one {$0}"), sibling("b", "two {$0}"), set(0, "{$0}!")];
    let plan = planned(host(scoped(Base::Enclosing, answers("none {$0}"), steps)), vec![assigned("x")]);
    gives(&plan, &[("/a", "one +!"), ("/b", "two +!"), ("/ab", "two ++!"), ("/", "none !")]);
    let mut outer = lists("outer");
    outer.answer.etag = Some(true);
    let inner = scoped(Base::Enclosing, lists("inner"), vec![]);
    let plan = planned(host(scoped(Base::Enclosing, outer, vec![Step::Do(inner)])), vec![]);
    let mut run = Run::default();
    run.start(&plan, HostId(0));
    assert!(plan.settings(run.settings).answer.etag);
    assert_eq!(decided(&plan, &Fake::default(), &mut run), "[Some([105, 110, 110, 101, 114])]");
    assert!(plan.settings(run.settings).answer.etag);
}

#[test]
fn settings_accumulate() {
    let section = |pattern: &str, index: &str| {
        let then = scoped(Base::Current, lists(index), vec![]);
        Step::When { test: matches("{path}", pattern), then, otherwise: Block::default() }
    };
    let inner = Step::Do(scoped(
        Base::Current,
        Settings::default(),
        vec![Step::Do(scoped(Base::Enclosing, lists("e"), vec![]))],
    ));
    let steps = vec![
        section("a", "a"),
        section("b", "b"),
        section("a", "c"),
        when(matches("{path}", "e"), vec![inner]),
    ];
    let plan = planned(host(scoped(Base::Enclosing, lists("0"), steps)), vec![]);
    let list = |texts: &[u8]| format!("{:?}", texts.iter().map(|text| Some(vec![*text])).collect::<Vec<_>>());
    for _ in 0..2 {
        gives(
            &plan,
            &[("/a", &list(b"0ac")), ("/b", &list(b"0b")), ("/ab", &list(b"0abc")), ("/", &list(b"0"))],
        );
        gives(&plan, &[("/e", &list(b"e")), ("/be", &list(b"e"))]);
    }
}

/// The program of a host whose location is chosen again after a rewrite.
fn located(server: Vec<Step>, table: Vec<Route>) -> Host {
    let mut steps = server;
    steps.push(labelled("locate", vec![routes(Order::Specific, table)]));
    steps.push(Step::Authorize(Asking::Always));
    host(scoped(Base::Enclosing, Settings::default(), steps))
}

fn again() -> Step {
    Step::AtEnd(Some(Jump::Repeat("locate".into())))
}

#[test]
fn rewrites_choose_again() {
    let table = vec![
        route(Pattern::prefix("/last"), block(vec![to("/end"), again(), exit("locate"), set(0, "never")])),
        route(Pattern::prefix("/break"), block(vec![to("/end"), Step::AtEnd(None), exit("locate")])),
        route(Pattern::prefix("/plain"), block(vec![to("/mid"), again(), set(0, "{$0}on")])),
        route(Pattern::prefix("/mid"), block(vec![to("/end"), again()])),
        route(Pattern::prefix("/loop"), block(vec![set(0, "{$0}."), to("/loop"), again()])),
        route(Pattern::prefix("/empty"), block(vec![to("")])),
        route(Pattern::prefix("/end"), scoped(Base::Enclosing, answers("end {path} {$0}"), vec![])),
    ];
    let plan = planned(located(vec![set(0, "{$0}s")], table), vec![assigned("x")]);
    gives(
        &plan,
        &[
            ("/last", "end /end s"),
            ("/plain", "end /end son"),
            ("/break", "[]"),
            ("/loop", "Exhausted"),
            ("/empty", "EmptyPath"),
        ],
    );
    let mut run = at("/loop");
    run.start(&plan, HostId(0));
    decided(&plan, &Fake::default(), &mut run);
    let mut dots = Vec::new();
    run.eval(&plan, &Fake::default(), &t("{$0}"), &mut dots);
    assert_eq!(dots, b"s...........");
    assert!(run.rewritten && run.internal);
    // The same run serves the next request.
    run.reset();
    run.path = b"/last".to_vec();
    run.start(&plan, HostId(0));
    assert_eq!(decided(&plan, &Fake::default(), &mut run), "end /end s");
}

#[test]
fn internal_redirects_run_the_host_again() {
    let table = vec![
        route(Pattern::prefix("/b"), scoped(Base::Enclosing, answers("{$0} {m.1} {$1} {$2}"), vec![])),
        route(Pattern::regex("^/a/(.*)", false), block(vec![set(3, "{$1}{$2}"), Step::Jump(Jump::Restart)])),
    ];
    let vars = vec![
        assigned("srv"),
        rows("{path}", true, vec![(Pattern::exact("/a/x"), "A")], "B"),
        rows("{path}", false, vec![(Pattern::exact("/a/x"), "A")], "B"),
        assigned("y"),
    ];
    let mut host = located(vec![set(0, "{$0}.s")], table);
    host.named.push(("n".into(), block(vec![say("{$0} {path}")])));
    let plan = planned(host, vars);
    let mut run = at("/a/x");
    run.start(&plan, HostId(0));
    // The redirect goes to the same path ten times: then the budget is spent.
    assert_eq!(decided(&plan, &Fake::default(), &mut run), "Exhausted");
    run.reset();
    run.path = b"/a/x".to_vec();
    run.start(&plan, HostId(0));
    let mut out = Vec::new();
    run.eval(&plan, &Fake::default(), &t("{$1}{$2}"), &mut out);
    assert_eq!(out, b"AA");
    assert!(run.restart(&plan, b"/b", b""));
    // The table read once keeps its answer, the other does not; the server's steps ran once in this run.
    assert_eq!(decided(&plan, &Fake::default(), &mut run), ".s  A B");
    assert!(run.restart(&plan, b"/b", b""));
    assert_eq!(decided(&plan, &Fake::default(), &mut run), ".s.s  A B");
    assert_eq!(run.enter(&plan, b"n"), Ok(true));
    assert_eq!(decided(&plan, &Fake::default(), &mut run), ".s.s /b");
    assert_eq!(run.enter(&plan, b"missing"), Err(NoSuchBlock));
    while run.enter(&plan, b"n") == Ok(true) {}
    assert!(!run.restart(&plan, b"/b", b""));
}

#[test]
fn values_do_not_grow_for_ever() {
    let table = vec![
        route(Pattern::prefix("/var"), block(vec![set(0, "{$0}{$0}{$0}{$0}{$0}{$0}{$0}{$0}"), again()])),
        route(
            Pattern::prefix("/path"),
            block(vec![to("{path}{path}{path}{path}{path}{path}{path}"), again()]),
        ),
    ];
    let plan = planned(located(vec![set(0, "0123456789")], table), vec![assigned("x")]);
    gives(&plan, &[("/var", "Failed(TooLong)"), ("/path", "Failed(TooLong)")]);
}

#[test]
fn captures_are_clobbered() {
    let vars = vec![
        rows("{field x}", true, vec![(Pattern::regex("^(q)", false), "t")], "d"),
        rows("{field y}", true, vec![(Pattern::regex("^(z)", false), "t")], "d"),
    ];
    let fails = |steps| Step::When {
        test: matches("{path}", "nope"),
        then: Block::default(),
        otherwise: block(steps),
    };
    let steps = vec![
        when(matches("{path}", "^/a/(\\w+)"), vec![say("{m.1} {$0}")]),
        when(matches("{path}", "^/b/(\\w+)"), vec![say("{m.1} {$1}")]),
        when(matches("{path}", "^/c/(\\w+)"), vec![fails(vec![Step::Forget(M)]), say("[{m.1}]")]),
        when(matches("{path}", "^/d/(\\w+)"), vec![fails(vec![]), say("[{m.1}]")]),
    ];
    let plan = planned(host(block(steps)), vars);
    let view = Fake { fields: vec![("X", "qq"), ("Y", "yy")], ..Fake::default() };
    // A table's regex that matches overwrites the capture that stands before it, one that fails does not.
    assert_eq!(decide(&plan, &view, "/a/w"), "q t");
    assert_eq!(decide(&plan, &view, "/b/w"), "w d");
    assert_eq!(decide(&plan, &view, "/c/w"), "[]");
    assert_eq!(decide(&plan, &view, "/d/w"), "[w]");
}

#[test]
fn answers_before_access_and_after() {
    let steps = vec![
        when(matches("{path}", "^/early"), vec![say("early")]),
        Step::Authorize(Asking::Always),
        when(matches("{path}", "^/late"), vec![say("late")]),
    ];
    let plan = planned(host(scoped(Base::Enclosing, answers("handled"), steps)), vec![]);
    let denied = Fake { denied: true, ..Fake::default() };
    assert_eq!(decide(&plan, &denied, "/early"), "early");
    assert_eq!(decide(&plan, &denied, "/late"), "Refused");
    gives(&plan, &[("/late", "late"), ("/x", "handled")]);
}

#[test]
fn leaving_blocks_and_first_match() {
    let pass =
        |path: &str, text: &str| route(Pattern::prefix(path), scoped(Base::Current, answers(text), vec![]));
    let steps = vec![labelled(
        "translate",
        vec![
            labelled(
                "rules",
                vec![
                    when(matches("{path}", "^/plain(.*)"), vec![to("/ws{m.1}"), exit("translate")]),
                    when(matches("{path}", "^/pt(.*)"), vec![to("/ws{m.1}"), exit("rules")]),
                ],
            ),
            routes(Order::First, vec![pass("/w", "short {rest}"), pass("/ws/", "long"), pass("/x", "x")]),
        ],
    )];
    let plan = planned(host(scoped(Base::Enclosing, answers("none {path}"), steps)), vec![]);
    gives(&plan, &[("/plain/1", "none /ws/1"), ("/pt/1", "short s/1"), ("/ws/1", "short s/1"), ("/xy", "x")]);
}

#[test]
fn registers_are_apart() {
    let c = Register('c');
    let both = Test::All(vec![
        matches("{path}", "^/(\\w+)"),
        Test::Any(vec![
            Test::Match { subject: t("{query}"), pattern: Pattern::regex("^no", false), into: Some(c) },
            Test::Match { subject: t("{query}"), pattern: Pattern::regex("(\\d+)$", false), into: Some(c) },
        ]),
        Test::Not(Box::new(Test::Equal(t("{path}"), t("/not")))),
    ]);
    let mut answer = t("{m.1} ");
    answer.push(Part::Capture(c, 1));
    let reply = Step::Respond(Reply { status: 200, content: ReplyContent::Text(answer) });
    let plan = planned(host(scoped(Base::Enclosing, answers("no"), vec![when(both, vec![reply])])), vec![]);
    gives(&plan, &[("/a?x=12", "a 12"), ("/a?x", "no"), ("/not?1", "no"), ("/b?no", "b ")]);
}

#[test]
fn the_most_specific_location() {
    let body = |text: &str| scoped(Base::Enclosing, answers(text), vec![]);
    let at = |path: Pattern, text: &str| route(path, body(text));
    let within = |path: Pattern, text: &str, nested: Vec<Route>| Route {
        nested: Some(Table { order: Order::Specific, into: M, routes: nested }),
        ..at(path, text)
    };
    let regex = |text: &str| Pattern::regex(text, false);
    let prefix = |text: &str| Pattern::prefix(text);
    let plan = planned(
        located(
            vec![],
            vec![
                at(prefix("/"), "root"),
                at(Pattern::exact("/"), "= root"),
                within(
                    prefix("/a"),
                    "a",
                    vec![
                        within(prefix("/a/n"), "n", vec![at(regex("z"), "z")]),
                        at(regex("q"), "q"),
                        Route { body: block(vec![]), ..at(prefix("/a/none"), "") },
                    ],
                ),
                at(regex("\\.php$"), "php"),
                Route { decisive: true, ..within(prefix("/s/"), "s", vec![at(regex("\\.x"), "s.x")]) },
                at(prefix("/s/t/"), "t"),
                within(
                    regex("^/r/(.*)"),
                    "r {m.1}",
                    vec![at(prefix("/r/in"), "in {m.1}"), at(regex("o(o)"), "oo {m.1}")],
                ),
                at(regex("(b)"), "b {m.1}"),
            ],
        ),
        vec![],
    );
    gives(
        &plan,
        &[
            ("/", "= root"),
            ("/x", "root"),
            ("/a/nz", "z"),
            ("/a/nq", "q"),
            ("/a/q.php", "q"),
            ("/a/x.php", "php"),
            ("/a/n", "n"),
            ("/a/c", "a"),
            ("/ab", "b b"),
            ("/s/x.php", "s"),
            ("/s/a.x", "s.x"),
            ("/s/t/x.php", "php"),
            ("/s/t/", "t"),
            ("/r/z", "r z"),
            ("/r/inn", "in inn"),
            ("/r/foo", "oo o"),
            ("x", "[]"),
            // Who answers is not inherited by a nested route.
            ("/a/none", "[]"),
        ],
    );
}

#[test]
fn many_regexes_take_the_first() {
    let at = |text: String| {
        route(Pattern::regex(text.as_str(), false), scoped(Base::Enclosing, answers(&text), vec![]))
    };
    let table =
        (0..300).map(|n| at(format!("^/p{n}/(\\d+)$"))).chain([at("^/p7".into()), at("(?!/)z".into())]);
    let plan = planned(located(vec![], table.collect()), vec![]);
    gives(
        &plan,
        &[
            ("/p7/1", "^/p7/(\\d+)$"),
            ("/p7/x", "^/p7"),
            ("/p299/5\n", "^/p299/(\\d+)$"),
            ("/z", "(?!/)z"),
            ("/n", "[]"),
        ],
    );
}

#[test]
fn files_and_what_prepares() {
    let tried = |path: &str, steps| when(Test::File(t(path), FileKind::File), steps);
    let prepare = block(vec![labelled(
        "try",
        vec![
            tried("{path}.html", vec![to("{path}.html"), exit("try")]),
            tried("/other", vec![to("/other"), Step::Jump(Jump::Restart)]),
            Step::Jump(Jump::Enter("named".into())),
        ],
    )]);
    let settings = Settings { prepare: Some(prepare), ..answers("handled {path}") };
    let table = vec![
        route(Pattern::prefix("/t"), scoped(Base::Enclosing, settings, vec![])),
        route(Pattern::prefix("/other"), scoped(Base::Enclosing, answers("other"), vec![])),
    ];
    let mut host = located(vec![], table);
    host.named.push(("named".into(), block(vec![say("named {path}")])));
    let plan = planned(host.clone(), vec![]);
    let files = |files| Fake { files, ..Fake::default() };
    assert_eq!(decide(&plan, &files(vec!["/t.html", "/other"]), "/t"), "handled /t.html");
    assert_eq!(decide(&plan, &files(vec!["/other"]), "/t"), "other");
    assert_eq!(decide(&plan, &files(vec![]), "/t"), "named /t");
    host.named.clear();
    assert_eq!(decide(&planned(host, vec![]), &files(vec![]), "/t"), "no named");
}

#[test]
fn limits_of_content() {
    let mut settings = Settings::default();
    settings.content.max_length = Some(10);
    let plan = planned(host(scoped(Base::Enclosing, settings, vec![Step::Admit])), vec![]);
    assert_eq!(decide(&plan, &Fake { length: Some(11), ..Fake::default() }, "/"), "TooLarge");
    assert_eq!(decide(&plan, &Fake { length: Some(10), ..Fake::default() }, "/"), "[]");
}

#[test]
fn response_steps() {
    let add = |name: &str| Step::Edit(Edit::Add(name.into(), t("v")));
    let mut settings = Settings::default();
    settings.answer.on_response = Some(vec![
        block(vec![when(Test::Status(vec![200, 301]), vec![add("a")]), add("b")]),
        block(vec![labelled("l", vec![when(matches("{path}", "x"), vec![exit("l")]), add("c")]), add("d")]),
    ]);
    settings.http.response_edits = Some(vec![Edit::Url {
        fields: vec!["Location".into()],
        from: ir::UrlMatch::Pattern(Pattern::regex("^http://(b)/", true), M),
        to: t("/{m.1}"),
    }]);
    let plan = planned(host(scoped(Base::Enclosing, settings, vec![])), vec![]);
    let names = |status, path: &str| {
        let mut run = at(path);
        run.start(&plan, HostId(0));
        let edits = run.response_edits(&plan, &Fake { status, ..Fake::default() });
        let name = |edit: &&EditOp| match &edit.edit {
            Edit::Add(name, _) => name.to_string(),
            other => format!("{other:?}"),
        };
        edits.iter().map(name).collect::<String>()
    };
    assert_eq!(names(200, "/"), "abcd");
    assert_eq!(names(404, "/x"), "bd");
    let mut run = Run::default();
    run.start(&plan, HostId(0));
    let edit = &plan.settings(run.settings).forwarding(Protocol::Http).response_edits[0];
    let (find, into) = edit.pattern.as_ref().unwrap();
    assert_eq!(run.find(find, *into, b"HTTP://B/x"), Ok(true));
    assert_eq!(run.capture(M, 1), b"B");
}

#[test]
fn hosts_by_name() {
    let named = |names: Vec<Pattern>| Host { names, ..host(Block::default()) };
    let wild = |text: &str| Pattern { kind: Kind::Wildcard, ignore_case: true, ..Pattern::exact(text) };
    let exact = |text: &str| Pattern { ignore_case: true, ..Pattern::exact(text) };
    let grouped =
        Pattern { groups: vec![("num".into(), VarId(0))], ..Pattern::regex("^r(?<num>\\d+)\\.com$", true) };
    let hosts = vec![
        named(vec![]),
        named(vec![wild("www.*"), wild("*.w.com")]),
        named(vec![exact("A.com"), wild("*.x.w.com")]),
        named(vec![grouped]),
        named(vec![exact("")]),
    ];
    let listener = Listener {
        address: Address::Unix("/s".into()),
        tls: false,
        http2: false,
        announced: None,
        options: SocketOptions::default(),
        default: HostId(0),
        chosen: false,
        hosts: (0..5).map(HostId).collect(),
        paths: Vec::new(),
        order: Order::Specific,
        into: M,
        span: Span::NONE,
    };
    let config = Config {
        hosts,
        listeners: vec![listener.clone(), listener],
        vars: vec![assigned("num")],
        ..Config::default()
    };
    let plan = compile(config).unwrap();
    let mut run = Run::default();
    for (name, host) in [
        (Some("a.com"), 2),
        (Some("b.x.w.com"), 2),
        (Some("b.w.com"), 1),
        (Some("www.w.com"), 1),
        (Some("www.z"), 1),
        (Some("w.com"), 0),
        (Some("r12.com"), 3),
        (Some(""), 4),
        (None, 4),
    ] {
        assert_eq!(plan.select(1, name.map(str::as_bytes), &mut run), HostId(host), "{name:?}");
    }
    let mut out = Vec::new();
    assert!(run.eval(&plan, &Fake::default(), &t("{$0}"), &mut out));
    assert_eq!(out, b"12");
    run.reset();
    // Written by groups alone, it is missing until one has matched.
    assert!(!run.eval(&plan, &Fake::default(), &t("{$0}"), &mut out));
}

#[test]
fn mistakes_are_reported() {
    let steps = vec![
        when(matches("{path}", "(a"), vec![]),
        when(matches("{path}", "(a"), vec![]),
        exit("nowhere"),
        routes(Order::First, vec![route(Pattern::regex("[", false), Block::default())]),
    ];
    let config = Config { hosts: vec![host(block(steps))], ..Config::default() };
    let codes: Vec<_> = compile(config).unwrap_err().iter().map(|found| found.code).collect();
    assert_eq!(codes, ["invalid-pattern", "broken-jump", "invalid-pattern"]);
}

#[test]
fn tables_of_values() {
    let fold = |text: &str| Pattern { ignore_case: true, ..Pattern::exact(text) };
    let wild = |text: &str| Pattern { kind: Kind::Wildcard, ..Pattern::exact(text) };
    let vars = vec![
        rows(
            "{path}",
            false,
            vec![
                (Pattern::regex("^x", false), "regex"),
                (fold("XYZ"), "exact"),
                (wild("*.ex.com"), "sub"),
                (fold("ex.com"), "name"),
                (Pattern::regex("(c)o", false), "{m.1}{$1}"),
            ],
            "else",
        ),
        rows("{$0}", false, vec![], "loop"),
        rows("{$2}", false, vec![(Pattern::exact(""), "end")], "never"),
    ];
    let plan = planned(host(block(vec![say("{$0}{$2}")])), vars);
    let mut cases = vec![("xyz", "exact"), ("xy", "regex"), ("a.ex.com.", "sub"), ("EX.COM", "name")];
    cases.extend([("q", "else"), ("aco", "cloop")]);
    for (key, value) in cases {
        let answer = decide(&plan, &Fake::default(), key);
        assert_eq!(answer.strip_suffix("never").or(answer.strip_suffix("end")), Some(value), "{key}");
    }
}

#[test]
fn settings_are_shared() {
    let mut set = Settings::default();
    set.http.hide = Some(vec![Text::from("X")]);
    let table = (0..100)
        .map(|n| {
            route(Pattern::prefix(format!("/{n}").as_str()), scoped(Base::Enclosing, set.clone(), vec![]))
        })
        .collect();
    let plan = planned(located(vec![], table), vec![]);
    let of = |path: &str| {
        let mut run = at(path);
        run.start(&plan, HostId(0));
        decided(&plan, &Fake::default(), &mut run);
        plan.settings(run.settings).clone()
    };
    assert!(Arc::ptr_eq(of("/1").forwarding(Protocol::Http), of("/99").forwarding(Protocol::Http)));
    assert!(Arc::ptr_eq(&of("/1").client, &of("x").client));
    assert!(!Arc::ptr_eq(of("/1").forwarding(Protocol::Http), of("x").forwarding(Protocol::Http)));
}
