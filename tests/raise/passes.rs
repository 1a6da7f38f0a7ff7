//! Each pass of `raise` alone: what it makes of a configuration decides as the configuration does, over all fixtures.
//!
//! A pass on programs, tests or values is done to the IR in place, and both are rehearsed. One on outlines is rendered in its
//! own language with the pass and without, and both texts are lowered. What a pass takes for granted is what requests are
//! left out for: `usual` are those that no server takes in its own way.
#![expect(clippy::print_stdout, reason = "how often a pass did something")]
#![expect(clippy::redundant_closure_for_method_calls, reason = "the methods' names fit one lifetime only")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use triglot::{
    cli::load,
    compare::{self, Probe, Reactions, Tolerance, generate},
    dialect::{Dialect, Options},
    ir::{
        AddressRange, Attr, Block, Config, Forward, Handler, Part, Query, Reply, ReplyContent, Required,
        Scope, Settings, Step, Target, Template, Test, Upstream, VarKind,
    },
    plan,
    raise::{
        Act, Area, Clients, FallbackTo, Item, Losses, Match, Notes, Outline, Pass, PassPath, Scheme, To,
        all_vars, as_written, fallback, guarded, outline, passes, plain, resolve, responses, sections,
        simplified, used_clusters, who,
    },
    source::{SourceMap, Span},
};

use super::{
    all,
    alter::{self, Change},
    lowered, of_match, paths, patterns, request, root,
};

/// Requests that are tried.
const MOST: usize = 40;

/// What went wrong, and how often a pass did something.
#[derive(Default)]
struct Found {
    wrong: Vec<String>,
    done: usize,
    asked: usize,
}

/// Does this for every fixture, on all cores, and fails for what was found; `least` is how often something has to be done.
fn each(least: usize, of: impl Fn(&Path, Dialect, &mut Found) + Sync) {
    let mut cases = all();
    // What is told to each client anew.
    cases.retain(|(path, _)| !["digest.conf", "userid.conf"].iter().any(|name| path.ends_with(name)));
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Found::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from).min(8) {
            scope.spawn(|| {
                while let Some((path, dialect)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut found = Found::default();
                    of(path, *dialect, &mut found);
                    let name = path.strip_prefix(root()).unwrap_or(path).display();
                    let mut total = total.lock().expect("nobody panicked");
                    total.done += found.done;
                    total.asked += found.asked;
                    total.wrong.extend(found.wrong.iter().map(|line| format!("{name}: {line}")));
                }
            });
        }
    });
    let mut total = total.into_inner().expect("nobody panicked");
    total.wrong.sort();
    println!("{} times, {} requests", total.done, total.asked);
    let shown = total.wrong.iter().take(30).cloned().collect::<Vec<_>>().join("\n");
    assert!(total.wrong.is_empty(), "{} of {}:\n{shown}", total.wrong.len(), total.asked);
    assert!(total.done >= least || std::env::var_os("CASE").is_some(), "only {} times", total.done);
}

/// What two configurations decide differently about requests of this kind.
fn apart(old: &Config, new: &Config, fit: &dyn Fn(&Probe) -> bool, may: &[&str], found: &mut Found) {
    apart_but(old, new, fit, may, found, &|_| false);
}

/// The same but for some changes.
fn apart_but(
    old: &Config,
    new: &Config,
    fit: &dyn Fn(&Probe) -> bool,
    may: &[&str],
    found: &mut Found,
    but: &dyn Fn(&compare::Change) -> bool,
) {
    let Ok(before) = plan::compile(old.clone()).map(Arc::new) else { return };
    let after = match plan::compile(new.clone()) {
        Ok(after) => Arc::new(after),
        Err(faults) => {
            let told = faults.first().map_or_else(String::new, |fault| fault.message.clone());
            return found.wrong.push(format!("cannot be run any more: {told}"));
        }
    };
    let mut probes = generate::requests(old, MOST);
    probes.retain(|probe| fit(probe));
    found.asked += probes.len();
    let options = compare::Options {
        most: 0,
        tolerance: Tolerance(may.iter().map(|name| (*name).to_owned()).collect()),
        reactions: Reactions::Places,
        groups: 3,
        ..compare::Options::default()
    };
    match compare::compare_plans(&before, &after, probes, &options) {
        Ok(all) => {
            for one in all.differences {
                if one.changes.iter().all(but) {
                    continue;
                }
                let change = one.changes.first().map_or_else(String::new, |change| format!("{change:?}"));
                found.wrong.push(format!("{}: {change}", one.request.shown()));
            }
        }
        Err(faults) => found.wrong.extend(faults.into_iter().map(|fault| fault.message)),
    }
}

/// Any request.
fn any(_: &Probe) -> bool {
    true
}

/// One that no server takes in its own way.
fn usual(probe: &Probe) -> bool {
    !probe.is_odd() && probe.host.is_some()
}

/// One in whose URL nothing has to be escaped.
fn unescaped(probe: &Probe) -> bool {
    let safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._~?=&".contains(byte);
    usual(probe) && probe.target.iter().all(safe)
}

/// A URL with all that is escaped in it as what it stands for.
fn decoded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(byte.map_or('%', char::from));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    out + rest
}

/// Changes every host's program, and says how often something was.
fn changed(
    config: &Config,
    mut change: impl FnMut(&Config, usize, &mut Config, &mut usize),
) -> (Config, usize) {
    let (mut new, mut times) = (config.clone(), 0);
    for at in 0..config.hosts.len() {
        change(config, at, &mut new, &mut times);
    }
    (new, times)
}

#[test]
fn questions_that_leave_are_conditions() {
    each(20, |path, dialect, found| {
        let (_, config) = lowered(path, dialect);
        let (new, times) = changed(&config, |_, at, new, times| {
            let mut block = |block: &mut Block| {
                let Some((before, test, rest, span)) = guarded(block) else { return };
                *times += 1;
                let mut steps = before.steps;
                // What comes first may leave as well: the name stays where it was.
                let rest = Block { label: None, ..rest };
                steps.push((Step::When { test, then: rest, otherwise: Block::default() }, span));
                *block = Block { steps, ..block.clone() };
            };
            alter::host(
                new,
                at,
                &mut Change { block: &mut block, test: &mut |_, _| {}, value: &mut |_, _| {} },
            );
        });
        found.done += times;
        if times > 0 {
            apart(&config, &new, &any, &[], found);
        }
    });
}

#[test]
fn known_values_are_what_they_stand_for() {
    each(20, |path, dialect, found| {
        let (_, config) = lowered(path, dialect);
        let known = BTreeMap::new();
        let (new, times) = changed(&config, |config, at, new, times| {
            let mut value = |value: &mut Template, _: bool| {
                let with = resolve(config, &known, value);
                *times += usize::from(with != *value);
                *value = with;
            };
            alter::host(new, at, &mut Change { block: &mut |_| {}, test: &mut |_, _| {}, value: &mut value });
        });
        found.done += times;
        if times > 0 {
            apart(&config, &new, &usual, &[], found);
        }
    });
}

#[test]
fn escapes_of_urls_are_for_what_has_to_be_escaped() {
    each(100, |path, dialect, found| {
        let (_, config) = lowered(path, dialect);
        let (new, times) = changed(&config, |_, at, new, times| {
            let mut value = |value: &mut Template, url: bool| {
                let with = plain(value);
                if url && with != *value {
                    *times += 1;
                    *value = with;
                }
            };
            alter::host(new, at, &mut Change { block: &mut |_| {}, test: &mut |_, _| {}, value: &mut value });
        });
        found.done += times;
        if times > 0 {
            // A page repeats where it leads, with what is escaped in HTML.
            let tolerance = ["page", "field content-length"];
            // What a rule writes by itself may have to be escaped as well.
            let escaped = |change: &compare::Change| {
                let decoded = |text: &Option<String>| text.as_ref().map(|text| decoded(text));
                change.aspect.ends_with("field location") && decoded(&change.old) == decoded(&change.new)
            };
            apart_but(&config, &new, &unescaped, &tolerance, found, &escaped);
        }
    });
}

#[test]
fn fewer_words_ask_the_same() {
    each(100, |path, dialect, found| {
        let (sources, config) = lowered(path, dialect);
        let notes = Notes::new(&sources);
        let (new, times) = changed(&config, |config, at, new, times| {
            let mut test = |test: &mut Test, span: Span| {
                // What a server asks for itself is in no file.
                if is_internal(test) || !notes.is_written(span) || Notes::same(span, config.hosts[at].span) {
                    return;
                }
                let with =
                    simplified(config, &config.hosts[at], test).unwrap_or_else(|| Test::Any(Vec::new()));
                *times += usize::from(with != *test);
                *test = with;
            };
            alter::host(new, at, &mut Change { block: &mut |_| {}, test: &mut test, value: &mut |_, _| {} });
        });
        found.done += times;
        if times > 0 {
            apart(&config, &new, &usual, &[], found);
        }
    });
}

fn is_internal(test: &Test) -> bool {
    match test {
        Test::All(tests) | Test::Any(tests) => tests.iter().any(is_internal),
        Test::Not(test) => is_internal(test),
        test => matches!(test, Test::Internal),
    }
}

/// Changes the settings of all scopes.
fn of_scopes(config: &Config, mut of: impl FnMut(&mut Settings, Span)) -> Config {
    let mut new = config.clone();
    of(&mut new.common, Span::NONE);
    for at in 0..new.hosts.len() {
        let mut block = |block: &mut Block| {
            let span = block.span;
            if let Some(Scope { set, .. }) = &mut block.scope {
                of(set, span);
            }
        };
        alter::host(
            &mut new,
            at,
            &mut Change { block: &mut block, test: &mut |_, _| {}, value: &mut |_, _| {} },
        );
    }
    new
}

#[test]
fn edits_of_responses_are_made_when_they_say() {
    const USUAL: [u16; 10] = [200, 201, 204, 206, 301, 302, 303, 304, 307, 308];
    each(100, |path, dialect, found| {
        let (_, config) = lowered(path, dialect);
        let mut times = 0;
        let new = of_scopes(&config, |set, span| {
            for block in set.answer.on_response.iter_mut().flatten() {
                let (edits, others) = responses(std::slice::from_ref(block), span);
                if !others.is_empty() || block.scope.is_some() || block.label.is_some() {
                    continue;
                }
                times += edits.len();
                block.steps = edits
                    .into_iter()
                    .map(|one| {
                        let mut tests = one.tests;
                        if !one.always {
                            tests.insert(0, Test::Status(USUAL.to_vec()));
                        }
                        let then =
                            Block { steps: vec![(Step::Edit(one.edit), one.span)], ..Block::default() };
                        let when = Step::When { test: Test::All(tests), then, otherwise: Block::default() };
                        (when, one.span)
                    })
                    .collect();
            }
        });
        found.done += times;
        if times > 0 {
            // A switch of protocols has no fields of its own.
            apart(&config, &new, &usual, &["on 101: *"], found);
        }
    });
}

#[test]
fn clients_are_let_in_as_before() {
    each(40, |path, dialect, found| {
        let (_, config) = lowered(path, dialect);
        let mut times = 0;
        let new = of_scopes(&config, |set, _| {
            let who = who(&config, &set.access);
            let Some(clients) = who.clients.filter(|_| who.users.is_none() && !who.more && !who.either)
            else {
                return;
            };
            let with = |ranges: Vec<AddressRange>, allowed: bool| {
                let mut rules: Vec<_> = ranges.into_iter().map(|range| (range, allowed)).collect();
                rules.push((AddressRange::All, !allowed));
                rules
            };
            let rules = match clients {
                Clients::All => vec![(AddressRange::All, true)],
                Clients::None => vec![(AddressRange::All, false)],
                Clients::Only(ranges) => with(ranges, true),
                Clients::But(ranges) => with(ranges, false),
                Clients::Rules(rules) => rules,
            };
            times += 1;
            // A requirement takes the place of one that is in force; so does what comes for it.
            if set.access.required.is_some() {
                set.access.required = Some(Required::default());
            }
            if set.access.gate.is_some() {
                set.access.gate = Some(None);
            }
            set.access.rules = Some(rules);
        });
        found.done += times;
        if times > 0 {
            apart(&config, &new, &any, &[], found);
        }
    });
}

#[test]
fn what_is_not_used_can_be_anything() {
    each(5, |path, dialect, found| {
        let (sources, config) = lowered(path, dialect);
        let notes = Notes::new(&sources);
        let mut losses = Losses::default();
        let outline = outline(&config, None, &notes, &mut losses);
        if !losses.all.is_empty() {
            // What is lost may use them.
            return;
        }
        let (vars, clusters) = (all_vars(&outline), used_clusters(&outline));
        let mut new = config.clone();
        for (at, cluster) in new.clusters.iter_mut().enumerate() {
            let sent_to = passes(&outline).iter().any(|pass| matches!(&pass.to, To::Authority(_)));
            if cluster.declared && !sent_to && !clusters.iter().any(|id| id.0 as usize == at) {
                for endpoint in &mut cluster.endpoints {
                    endpoint.address = "unused.example:1".into();
                    found.done += 1;
                }
            }
        }
        for (at, var) in new.vars.iter_mut().enumerate() {
            let written = notes.is_written(var.span);
            if let VarKind::Table { key, rows, default, .. } = &mut var.kind
                && written
                // That a WebSocket is let through is said without the table that it takes in some languages.
                && *key != Template::attr(Attr::Field("upgrade".into()))
                && !vars.iter().any(|id| id.0 as usize == at)
            {
                rows.iter_mut().for_each(|row| row.value = Template::text("unused"));
                *default = Template::text("unused");
                found.done += 1;
            }
        }
        if found.done > 0 {
            apart(&config, &new, &any, &[], found);
        }
    });
}

#[test]
fn fallbacks_try_the_same_files() {
    each(40, |path, dialect, found| {
        let (_, config) = lowered(path, dialect);
        let mut times = 0;
        let new = of_scopes(&config, |set, _| {
            let Some(block) = &set.prepare else { return };
            let Some(tried) = fallback(&config, block) else { return };
            // The root that a name began with is the one that the block had.
            let Some(first) = first_root(block) else { return };
            times += 1;
            let step = |step: Step| Block { steps: vec![(step, Span::NONE)], ..Block::default() };
            let page = |status: u16| Step::Respond(Reply { status, content: ReplyContent::Page });
            let mut out = match &tried.to {
                FallbackTo::Status(status) => step(page(*status)),
                FallbackTo::Named(name) => step(Step::Jump(triglot::ir::Jump::Enter(name.clone()))),
                FallbackTo::Path(to, query) => Block {
                    steps: vec![
                        (Step::Rewrite { path: Some(to.clone()), query: query.clone() }, Span::NONE),
                        (Step::Jump(triglot::ir::Jump::Restart), Span::NONE),
                    ],
                    ..Block::default()
                },
            };
            let found = found_of(block);
            for one in tried.existing.iter().rev() {
                let mut name = Template(vec![first.clone()]);
                one.path.0.iter().for_each(|part| name.push(part.clone()));
                let rewrite = Step::Rewrite { path: Some(one.path.clone()), query: Query::Keep };
                // Where the file is the path's own, it stays what it is.
                let then =
                    if one.path == Template::attr(Attr::Path) { Block::default() } else { step(rewrite) };
                let then = if found { then } else { Block::default() };
                let when = Step::When { test: Test::File(name, one.kind), then, otherwise: out };
                out = step(when);
            }
            set.prepare = Some(out);
        });
        found.done += times;
        if times > 0 {
            apart(&config, &new, &usual, &[], found);
        }
    });
}

fn first_root(block: &Block) -> Option<Part> {
    block.steps.iter().find_map(|(step, _)| match step {
        Step::When { test: Test::File(name, _), .. } => name.0.first().cloned(),
        Step::Do(inner) => first_root(inner),
        _ => None,
    })
}

/// Whether what is found becomes the path.
fn found_of(block: &Block) -> bool {
    block.steps.iter().any(|(step, _)| match step {
        Step::When { then, otherwise, .. } => {
            then.steps.iter().any(|(step, _)| matches!(step, Step::Rewrite { .. })) || found_of(otherwise)
        }
        Step::Do(inner) => found_of(inner),
        _ => false,
    })
}

/// The places of an outline that forward, with their paths.
fn forwards<'o>(area: &'o Area, at: &Match, into: &mut Vec<(Match, &'o Pass)>) {
    into.extend(area.pass.as_ref().map(|pass| (at.clone(), pass)));
    for item in &area.items {
        match item {
            Item::Place(place) => forwards(&place.area, &place.at, into),
            Item::Rule(rule) => {
                for act in &rule.acts {
                    if let Act::Pass(pass) = act {
                        into.push((rule.at.clone().unwrap_or_else(Match::any), pass));
                    }
                }
            }
        }
    }
}

#[test]
fn forwards_lead_where_they_led() {
    each(100, |path, dialect, found| {
        let (sources, config) = lowered(path, dialect);
        let notes = Notes::new(&sources);
        let mut losses = Losses::default();
        let outline = outline(&config, None, &notes, &mut losses);
        let mut all = Vec::new();
        for server in &outline.servers {
            forwards(&server.area, &Match::any(), &mut all);
            server.named.iter().for_each(|(_, area)| forwards(area, &Match::any(), &mut all));
        }
        let of = |span: Span| {
            let same = |one: Span| {
                one.is_known() && (one.file, one.start, one.end) == (span.file, span.start, span.end)
            };
            let mut fit = all.iter().filter(|(_, pass)| same(pass.span));
            fit.next().filter(|one| fit.all(|other| other.1 == one.1))
        };
        let mut times = 0;
        let new = of_scopes(&config, |set, span| {
            let Some(Handler::Forward(forward)) = &mut set.handler else { return };
            let Some((at, pass)) = of(span) else { return };
            if let Some(same) = again(&config, forward, at, pass) {
                times += 1;
                *forward = same;
            }
        });
        found.done += times;
        if times > 0 {
            apart(&config, &new, &unescaped, &[], found);
        }
    });
}

/// The forward that an outline's is.
fn again(config: &Config, old: &Forward, at: &Match, pass: &Pass) -> Option<Forward> {
    let named = |text: &str| {
        let fit = |one: &triglot::ir::Cluster| one.name.is_field(text.as_bytes());
        config.clusters.iter().position(fit).map(|id| triglot::ir::ClusterId(id as u32))
    };
    let to = match (&pass.to, &old.to) {
        (To::Cluster(id), Upstream::Cluster(_)) => Upstream::Cluster(*id),
        (To::Authority(text), Upstream::Cluster(_)) => Upstream::Cluster(named(text)?),
        _ => return None,
    };
    let target = match &pass.path {
        PassPath::Same => Target::Received,
        PassPath::Replace(with) => {
            Target::Replace { cut: at.text.len() as u32, with: Template::text(with.as_str()) }
        }
        PassPath::Exact(path, query) => {
            let mut path = path.clone();
            if *query {
                path.push(Part::Attr(Attr::QueryMark));
                path.push(Part::Attr(Attr::Query));
            }
            Target::Exact(path)
        }
    };
    Some(Forward { protocol: pass.protocol, tls: pass.scheme == Scheme::Tls, to, target })
}

/// A text of the same language that stands where the fixture does, lowered.
fn meant(path: &Path, dialect: Dialect, text: &str) -> Config {
    let mut sources = SourceMap::new();
    sources.add(path.to_path_buf(), text.as_bytes().to_vec());
    let prefix = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let options = Options { prefix, offline: true, ..Options::default() };
    let request = load::Request { path: PathBuf::from(path), dialect: Some(dialect), options, listen: None };
    load::lower(&mut sources, &request).config
}

/// An outline in its own language before a pass and after it, where the pass does something: both mean the same.
fn rendered(
    path: &Path,
    dialect: Dialect,
    found: &mut Found,
    pass: impl Fn(&mut Outline<'_>),
    fit: &dyn Fn(&Probe) -> bool,
    may: &[&str],
) {
    let (sources, config) = lowered(path, dialect);
    let text = |pass: &dyn Fn(&mut Outline<'_>)| {
        let notes = Notes::new(&sources);
        let mut losses = Losses::default();
        let mut outline = as_written(&config, None, &notes, &mut losses);
        pass(&mut outline);
        let shape = dialect.shape(
            &request(path, dialect).path,
            sources.files().next().map_or(&[][..], |(_, file)| &file.text),
        );
        (dialect.render(&outline, &notes, &mut losses, shape), losses.all.len())
    };
    let (before, after) = (text(&|_| {}), text(&pass));
    if before.0 == after.0 {
        return;
    }
    found.done += 1;
    if after.1 > before.1 {
        // It is told that it is not the same any more.
        return;
    }
    // What the head says is the rule's only where the language's rules can say it.
    let tolerance = [&["setting *", "upstream field *"], may].concat();
    apart(&meant(path, dialect, &before.0), &meant(path, dialect, &after.0), fit, &tolerance, found);
}

#[test]
fn one_forward_for_websockets_and_all_else_is_two() {
    each(2, |path, dialect, found| {
        rendered(path, dialect, found, |outline| outline.merge_upgrades(), &usual, &[]);
    });
}

#[test]
fn blocks_that_only_forward_are_rules() {
    each(3, |path, dialect, found| {
        if dialect.enters_blocks() {
            // Where upstreams' redirects lead depends on the place of a forward in such languages.
            rendered(
                path,
                dialect,
                found,
                |outline| outline.inline_forwards(),
                &usual,
                &["on *: field location"],
            );
        }
    });
}

#[test]
fn edits_of_requests_are_made_where_they_are_sent_on() {
    each(1, |path, dialect, found| {
        let (sources, config) = lowered(path, dialect);
        let notes = Notes::new(&sources);
        let mut losses = Losses::default();
        let mut outline = as_written(&config, None, &notes, &mut losses);
        let before: Vec<Pass> = passes(&outline).into_iter().cloned().collect();
        outline.hoist_edits();
        let after: Vec<Pass> = passes(&outline).into_iter().cloned().collect();
        if before == after {
            return;
        }
        found.done += 1;
        let shape = dialect.shape(path, sources.files().next().map_or(&[][..], |(_, file)| &file.text));
        let text = dialect.render(&outline, &notes, &mut losses, shape);
        if !losses.all.is_empty() {
            return;
        }
        let new = meant(path, dialect, &text);
        // Only of what is sent in the head is something said.
        apart(&config, &new, &usual, &["setting *", "on *", "field *", "page*", "content"], found);
    });
}

#[test]
fn sets_of_paths_cover_and_meet_as_their_paths_do() {
    each(1000, |path, dialect, found| {
        let (sources, config) = lowered(path, dialect);
        let notes = Notes::new(&sources);
        let mut losses = Losses::default();
        let outline = outline(&config, None, &notes, &mut losses);
        let mut all = Vec::new();
        for server in &outline.servers {
            matches(&server.area, &mut all);
        }
        let mut tried = std::collections::BTreeSet::from(["/".to_owned()]);
        patterns(&config).iter().for_each(|(pattern, _)| paths(pattern, &mut tried));
        let all: Vec<_> = all.into_iter().filter_map(|at| Some((of_match(&at)?, at))).take(24).collect();
        for (one, a) in &all {
            for (other, b) in &all {
                found.done += 1;
                let (covers, meets) = (a.covers(b), a.meets(b));
                for path in tried.iter().take(150).filter(|path| !path.ends_with('\n')) {
                    found.asked += 1;
                    let holds = |matcher: &plan::Matcher, at: &Match| {
                        matcher.is_match(path.as_bytes()) == Ok(!at.negated)
                    };
                    let (in_one, in_other) = (holds(one, a), holds(other, b));
                    if in_other && ((covers && !in_one) || (!meets && in_one)) {
                        found.wrong.push(format!(
                            "{:?} `{}` and {:?} `{}`: {path} (covers {covers}, meets {meets})",
                            a.how, a.text, b.how, b.text
                        ));
                    }
                }
            }
        }
    });
}

fn matches(area: &Area, into: &mut Vec<Match>) {
    for item in &area.items {
        match item {
            Item::Place(place) => {
                if place.at.how != triglot::raise::How::FileName && !into.contains(&place.at) {
                    into.push(place.at.clone());
                }
                matches(&place.area, into);
            }
            Item::Rule(rule) => into.extend(rule.at.clone()),
        }
    }
}

#[test]
fn places_are_chosen_or_sections() {
    each(300, |path, dialect, found| {
        let (sources, config) = lowered(path, dialect);
        let notes = Notes::new(&sources);
        let mut losses = Losses::default();
        for server in &outline(&config, None, &notes, &mut losses).servers {
            let places = server.area.items.iter().filter(|item| matches!(item, Item::Place(_))).count();
            let (chosen, lying) = (super::first_match(&server.area).len(), sections(&server.area).len());
            found.done += places;
            if chosen + lying != places {
                found.wrong.push(format!("{chosen} and {lying} of {places}"));
            }
        }
    });
}
