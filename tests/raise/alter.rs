//! Changing a configuration in place: each block, each table and each value of its programs.

use triglot::{
    ir::{Block, Config, Part, Query, Reply, ReplyContent, Settings, Step, Table, Template, Test},
    source::Span,
};

/// What is done to each part; what is not said is left alone.
pub(crate) struct Change<'f> {
    /// To a block, before what is in it.
    pub(crate) block: &'f mut dyn FnMut(&mut Block),
    /// To a test that a step asks, with the place of that.
    pub(crate) test: &'f mut dyn FnMut(&mut Test, Span),
    /// To a value that a step writes or a test looks at; the flag is for those that become URLs of clients or upstreams.
    pub(crate) value: &'f mut dyn FnMut(&mut Template, bool),
}

/// Changes one host's program.
pub(crate) fn host(config: &mut Config, at: usize, change: &mut Change<'_>) {
    let host = &mut config.hosts[at];
    block(&mut host.request, change);
    host.named.iter_mut().for_each(|(_, named)| block(named, change));
}

fn settings(all: &mut Settings, change: &mut Change<'_>) {
    let phases = all.hooks.iter_mut().flat_map(|hook| &mut hook.blocks);
    phases.chain(&mut all.prepare).for_each(|one| block(one, change));
    // What edits of responses ask for is no program's question.
    let mut edits = Change { block: change.block, test: &mut |_, _| {}, value: change.value };
    all.answer.on_response.iter_mut().flatten().for_each(|one| block(one, &mut edits));
}

fn block(one: &mut Block, change: &mut Change<'_>) {
    (change.block)(one);
    if let Some(scope) = &mut one.scope {
        settings(&mut scope.set, change);
    }
    for (step, span) in &mut one.steps {
        match step {
            Step::Do(inner) => block(inner, change),
            Step::When { test: asked, then, otherwise } => {
                (change.test)(asked, *span);
                values(asked, change);
                block(then, change);
                block(otherwise, change);
            }
            Step::Route(routes) => table(routes, change),
            Step::Rewrite { path, query } => {
                path.iter_mut().for_each(|path| (change.value)(path, false));
                if let Query::Replace(query) | Query::Prepend(query) = query {
                    (change.value)(query, false);
                }
            }
            Step::Assign { value, .. } => {
                let url = value.0.iter().any(
                    |part| matches!(part, Part::Text(text) if memchr::memmem::find(text, b"://").is_some()),
                );
                (change.value)(value, url);
            }
            Step::Respond(Reply { content, .. }) => match content {
                ReplyContent::Location(value) => (change.value)(value, true),
                ReplyContent::Text(value) => (change.value)(value, false),
                ReplyContent::Page | ReplyContent::Empty | ReplyContent::Close => {}
            },
            _ => {}
        }
    }
}

fn table(all: &mut Table, change: &mut Change<'_>) {
    for route in &mut all.routes {
        block(&mut route.body, change);
        route.nested.iter_mut().for_each(|nested| table(nested, change));
    }
}

fn values(one: &mut Test, change: &mut Change<'_>) {
    match one {
        Test::All(tests) | Test::Any(tests) => tests.iter_mut().for_each(|test| values(test, change)),
        Test::Not(inner) => values(inner, change),
        Test::Match { subject, .. } => (change.value)(subject, false),
        Test::Equal(left, right) | Test::Compare { left, right, .. } => {
            (change.value)(left, false);
            (change.value)(right, false);
        }
        Test::Truthy(value)
        | Test::File(value, _)
        | Test::Present(value)
        | Test::Longer(value, _)
        | Test::InNetwork(value, _) => (change.value)(value, false),
        Test::Depends(_) | Test::Method(_) | Test::Status(_) | Test::Internal => {}
    }
}
