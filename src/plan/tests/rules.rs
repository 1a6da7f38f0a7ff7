//! Rules in a row: those that cannot match are passed over, and nobody can tell by what comes out.

use super::*;

const C: Register = Register('c');

#[test]
fn rules_in_a_row() {
    // Each that matches is noted, and each third leads on to one that follows.
    let rule = |n: usize| {
        let mut steps = vec![set(0, &format!("{{$0}}{n},"))];
        if n.is_multiple_of(3) {
            steps.push(to(&format!("/r{}", n + 2)));
        }
        when(matches("{path}", &format!("^/r({n}|{})$", n + 7)), steps)
    };
    let mut steps: Vec<Step> = (0..40).map(rule).collect();
    steps.push(say("{$0}{path}"));
    let plan = planned(host(block(steps)), vec![assigned("noted")]);
    for first in 0..50 {
        let (mut now, mut noted) = (first, String::new());
        for n in 0..40 {
            if now == n || now == n + 7 {
                noted.push_str(&format!("{n},"));
                if n % 3 == 0 {
                    now = n + 2;
                }
            }
        }
        let path = format!("/r{first}");
        assert_eq!(decide(&plan, &Fake::default(), &path), format!("{noted}/r{now}"));
    }
    assert_eq!(decide(&plan, &Fake::default(), "/other"), "/other");
}

/// Hears everything, so that nothing is passed over.
struct Curious;

impl observe::Observer for Curious {}

/// What a run of rules says when somebody watches it.
fn watched(plan: &Plan, path: &str) -> String {
    let mut run = at(path);
    run.start(plan, HostId(0));
    match run.observed(plan, &Fake::default(), &mut Curious) {
        Need::Reply(Reply { content: ReplyContent::Text(text), .. }) => {
            let mut out = Vec::new();
            run.eval(plan, &Fake::default(), text, &mut out);
            String::from_utf8(out).unwrap()
        }
        need => format!("{need:?}"),
    }
}

/// Rules that empty registers first, some of them, and fill them, some of them, as often as they are looked at.
fn emptying(seed: u64, count: usize) -> Plan {
    let mut state = seed;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let captures = |text: &str, into| Test::Match {
        subject: t("{path}"),
        pattern: Pattern::regex(text, false),
        into: Some(into),
    };
    let mut steps = vec![when(captures("^/(.)", C), vec![]), when(captures("^/(.)", M), vec![])];
    for n in 0..count {
        for register in [C, M] {
            if random(3) == 0 {
                steps.push(Step::Forget(register));
            }
        }
        let first = captures(&format!("^/[a-z]*{}", (b'a' + random(12) as u8) as char), M);
        let second = captures(&format!("([a-z]){}?$", (b'a' + random(12) as u8) as char), C);
        let test = if random(2) == 0 { Test::All(vec![first, second]) } else { first };
        let mut note = t(&format!("{{$0}}{n}:{{m.0}}"));
        note.push(Part::Capture(C, 1));
        note.push(Part::Text(",".into()));
        let mut then = vec![Step::Assign { var: VarId(0), value: note }];
        if random(4) == 0 {
            then.push(to(&format!("/{}{}", (b'a' + random(12) as u8) as char, n % 7)));
        }
        if random(9) == 0 {
            then.push(exit("rules"));
        }
        steps.push(when(test, then));
    }
    let mut end = t("{$0}|{m.0}");
    end.push(Part::Capture(C, 1));
    let reply = Reply { status: 200, content: ReplyContent::Text(end) };
    planned(host(block(vec![labelled("rules", steps), Step::Respond(reply)])), vec![assigned("noted")])
}

#[test]
fn what_rules_empty_is_empty_where_they_are_passed_over() {
    for seed in 0..60 {
        let count = [9, 20, 64, 65, 130][seed as usize % 5];
        let plan = emptying(seed, count);
        let rows = (0..plan.code.len()).filter(|at| matches!(plan.code[*at], Op::Likely { .. })).count();
        assert!(rows >= count - 2, "{rows} of {count}");
        for path in ["/a", "/bc", "/kl", "/abcdefghijkl", "/zz", "/l", "/", "/cab\n", "/Q"] {
            assert_eq!(decide(&plan, &Fake::default(), path), watched(&plan, path), "{seed} {path:?}");
        }
    }
}
