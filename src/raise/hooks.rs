//! Settings as an area says them: handlers as forwards, what runs at a phase as what it was written for.

use super::{
    Area, Existing, Fallback, FallbackTo, How, Item, Losses, Match, Notes, Outline, Place, PlaceKind, Rule,
    forward::Around, program::Walk, value::text_of,
};
use crate::{
    ir::{
        Attr, Block, Change, Config, Edit, Handler, Hook, Jump, Part, Query, Reply, ReplyContent, Settings,
        Step, Template, Test,
    },
    source::{SourceMap, Span},
};

impl Walk<'_, '_> {
    /// What settings say of an area.
    pub(super) fn area(&mut self, set: &Settings, at: &Match, span: Span) -> Area {
        let mut settings = set.clone();
        let mut area = Area { span, ..Area::default() };
        match settings.handler.take() {
            None => {}
            Some(Handler::Forward(forward)) => {
                let around = Around {
                    config: self.config,
                    effective: self.chain.last().unwrap_or(&self.config.base),
                    base: &self.config.base,
                    known: &self.known,
                    span,
                };
                area.pass = Some(around.handler(&forward, at, self.losses));
            }
            Some(Handler::Files) => area.files = true,
            Some(Handler::Listing | Handler::File) => {}
            Some(Handler::Film) => {
                self.losses.lose(span, "films from a point in them", "they are sent from their beginning");
                area.files = true;
            }
            Some(Handler::Members(_)) => self.losses.lose(
                span,
                "a page on the members of clusters",
                "what they do is told by the servers' own means only",
            ),
            Some(Handler::Figures(_)) => {
                self.losses.lose(span, "documents about the state of the server", "watch it in another way");
            }
            Some(Handler::Program(_)) => {
                self.losses.lose(
                    span,
                    "a program that is started for each request",
                    "run it as a service of its own and forward to it",
                );
            }
            Some(Handler::Respond(reply)) => {
                let acts = self.acts(
                    &Block { steps: vec![(Step::Respond(reply), span)], ..Block::default() },
                    Span::NONE,
                );
                super::program::push_acts(&mut area, acts, span);
            }
            Some(Handler::Missing(name)) => {
                self.losses.lose(
                    span,
                    format!("the handler `{}`", name.lossy()),
                    "nothing answers in its place",
                );
            }
        }
        if let Some(block) = settings.prepare.take() {
            match self.fallback(&block, span) {
                Some(fallback) => area.fallback = Some(fallback),
                None => self.losses.lose(
                    span,
                    "what is looked for before the answer",
                    "it is no list of files with one way out",
                ),
            }
        }
        for hook in std::mem::take(&mut settings.hooks) {
            self.hook(&hook, &mut settings, &mut area, at, span);
        }
        // What a forward says is said with it.
        settings.http.edits = None;
        settings.http.response_edits = None;
        settings.http.upgrade = None;
        settings.http.version = None;
        area.settings = settings;
        tidy(&mut area.settings);
        area
    }

    /// Files that are tried, and what comes when there is none.
    pub(super) fn fallback(&self, block: &Block, span: Span) -> Option<Fallback> {
        let mut fallback = Fallback { existing: Vec::new(), to: FallbackTo::Status(404), span };
        let mut block = block;
        loop {
            match block.steps.as_slice() {
                [(Step::When { test: Test::File(name, kind), then, otherwise }, _)] => {
                    if !then
                        .steps
                        .iter()
                        .all(|(step, _)| matches!(step, Step::Rewrite { .. } | Step::Jump(_)))
                    {
                        return None;
                    }
                    let mut path = name.clone();
                    if matches!(path.0.first(), Some(Part::Attr(Attr::DocumentRoot | Attr::Root))) {
                        path.0.remove(0);
                    } else {
                        return None;
                    }
                    fallback.existing.push(Existing { path, kind: *kind });
                    block = otherwise;
                }
                [
                    (Step::Rewrite { path: Some(path), query }, _),
                    (Step::Jump(Jump::Restart | Jump::Resume | Jump::Repeat(_)), _),
                ] => {
                    fallback.to = FallbackTo::Path(self.value(path), query.clone());
                    return Some(fallback);
                }
                [(Step::Respond(Reply { status, content: ReplyContent::Page }), _)] => {
                    fallback.to = FallbackTo::Status(*status);
                    return Some(fallback);
                }
                [(Step::Jump(Jump::Enter(name)), _)] => {
                    fallback.to = FallbackTo::Named(name.clone());
                    return Some(fallback);
                }
                [(Step::Do(inner), _)] if inner.scope.is_none() => block = inner,
                _ => return None,
            }
        }
    }

    /// What runs at a phase.
    fn hook(&mut self, hook: &Hook, settings: &mut Settings, area: &mut Area, at: &Match, span: Span) {
        let Hook { phase, join: _, blocks } = hook;
        match &**phase {
            b"fields" | b"early" => {
                for block in blocks {
                    self.fields(block, area);
                }
            }
            b"env" => {
                for (step, at) in blocks.iter().flat_map(|block| &block.steps) {
                    let Step::Assign { var, value } = step else {
                        self.lose_step(*at, "an environment variable");
                        continue;
                    };
                    self.known.insert(*var, Some(value.clone()));
                }
            }
            b"proxy" => {
                for block in blocks {
                    let mut inner = Area::default();
                    self.level(block, &mut inner);
                    for item in inner.items {
                        match item {
                            // A path that says for itself where it leads.
                            Item::Place(place)
                                if place.at == *at
                                    && place.area.pass.is_some()
                                    && place.area.items.is_empty() =>
                            {
                                super::program::join(area, place.area);
                            }
                            Item::Place(Place { span, .. }) | Item::Rule(Rule { span, .. }) => {
                                self.lose_step(span, "where a section leads");
                            }
                        }
                    }
                }
            }
            b"index" => {
                let names: Vec<Template> =
                    blocks.iter().filter_map(|block| self.index(block)).flatten().collect();
                if !names.is_empty() {
                    settings.files.index = Some(names);
                }
            }
            b"fallback" => {
                for block in blocks {
                    if let Some(path) = fallback_path(block) {
                        use crate::ir::FileKind;
                        let existing = [FileKind::File, FileKind::Directory];
                        let existing =
                            existing.map(|kind| Existing { path: Template::attr(Attr::Path), kind }).to_vec();
                        area.fallback =
                            Some(Fallback { existing, to: FallbackTo::Path(path, Query::Keep), span });
                    } else if !block.steps.is_empty() {
                        self.lose_step(span, "the fallback");
                    }
                }
            }
            b"filters" | b"deflated" | b"brotlied" | b"substituted" => {
                for block in blocks {
                    let inner = block.steps.iter().filter_map(|(step, _)| match step {
                        Step::Do(inner) => inner.scope.as_ref(),
                        _ => None,
                    });
                    for scope in block.scope.iter().chain(inner) {
                        settings.lay(&scope.set, true);
                    }
                }
            }
            b"listing" => {
                // A refusal may ask for the method first.
                let refuses = |block: &Block| {
                    block.steps.iter().any(|(step, _)| match step {
                        Step::Respond(_) => true,
                        Step::When { then, .. } => {
                            then.steps.iter().any(|(step, _)| matches!(step, Step::Respond(_)))
                        }
                        _ => false,
                    })
                };
                let refused = blocks.iter().any(refuses);
                settings.listing.on = Some(!refused);
            }
            b"rules" => {
                for block in blocks {
                    self.folder_rules(block, area);
                }
            }
            b"files" => {
                for block in blocks {
                    for (step, at) in &block.steps {
                        let Step::When { test, then, otherwise } = step else {
                            self.lose_step(*at, "a section on files");
                            continue;
                        };
                        let mut inner = Area::default();
                        self.file_section(test, then, otherwise, *at, &mut inner);
                        area.items.extend(inner.items);
                    }
                }
            }
            // Switches that rules are run at all, slashes and links: what they do to a path is the server's own way.
            b"answering" | b"engine" | b"links" | b"slash" | b"path-info" | b"handled-index"
            | b"go-to-index" => {}
            _ => {
                for block in blocks {
                    let at = block.steps.first().map_or(span, |(_, span)| *span);
                    if self.is_written(at) {
                        self.lose_step(at, "what is done at this phase");
                    }
                }
            }
        }
    }

    fn file_section(&mut self, test: &Test, then: &Block, otherwise: &Block, span: Span, into: &mut Area) {
        let Test::Match { subject, pattern, into: register } = test else {
            return self.lose_step(span, "a section on files");
        };
        let name = matches!(subject.0.as_slice(), [Part::Var(var)] if self.vars.name.contains(var));
        if !name || !otherwise.steps.is_empty() {
            return self.lose_step(span, "a section on files");
        }
        let (found, _) = super::matching::of_pattern(pattern, *register, false);
        let text = if found.how == How::Regex { found.text.clone() } else { found.to_regex() };
        let at = Match { how: How::FileName, text, ..found };
        let place: Place = self.place_of(at, PlaceKind::Every, then, span);
        into.items.push(Item::Place(place));
    }

    /// Rules of a folder.
    fn folder_rules(&mut self, block: &Block, area: &mut Area) {
        for (step, span) in &block.steps {
            match step {
                Step::Do(inner) => self.folder_rules(inner, area),
                Step::When { test, then, otherwise } if self.is_written(*span) && !is_end(test) => {
                    let rules = self.rules(test, then, otherwise, *span);
                    area.items.extend(rules.into_iter().map(Item::Rule));
                }
                _ => {}
            }
        }
    }

    /// Edits of the request's head.
    fn fields(&mut self, block: &Block, area: &mut Area) {
        for (step, span) in &block.steps {
            match step {
                Step::Edit(Edit::Field { name, change, .. }) => {
                    let edit = match change {
                        Change::Set(value) => Edit::Set(name.clone(), self.value(value)),
                        Change::Add(value) => Edit::Add(name.clone(), self.value(value)),
                        Change::Append(value) => Edit::Append(name.clone(), self.value(value)),
                        Change::Remove => Edit::Remove(name.clone()),
                        Change::SetMissing(_)
                        | Change::Merge(_)
                        | Change::Replace { .. }
                        | Change::Keep(_) => {
                            self.lose_step(*span, "an edit of a request field");
                            continue;
                        }
                    };
                    area.edits.push(edit);
                }
                Step::Edit(edit) => area.edits.push(edit.clone()),
                Step::When { test, then, otherwise } => {
                    let known = super::value::holds(self.config, &self.known, test, 0);
                    match known {
                        Some(true) => self.fields(then, area),
                        Some(false) => self.fields(otherwise, area),
                        None => {
                            let mut inner = Area::default();
                            self.fields(then, &mut inner);
                            let acts = vec![super::Act::Set(Box::new(inner))];
                            area.items.push(Item::Rule(Rule {
                                at: None,
                                tests: vec![test.clone()],
                                acts,
                                span: *span,
                            }));
                        }
                    }
                }
                Step::Do(inner) => self.fields(inner, area),
                _ => self.lose_step(*span, "an edit of the request"),
            }
        }
    }

    fn index(&self, block: &Block) -> Option<Vec<Template>> {
        let mut names = Vec::new();
        for (step, _) in &block.steps {
            if let Step::When { test: Test::File(name, _), .. } = step
                && let [Part::Var(_), Part::Text(text)] = name.0.as_slice()
            {
                names.push(Template::text(text.clone()));
            } else if let Step::When { test: Test::File(name, _), .. } = step
                && let Some(text) = text_of(name)
            {
                names.push(Template::text(text.as_str()));
            } else if let Step::Assign { value, .. } = step {
                // Asked for by its path.
                match value.0.as_slice() {
                    [Part::Attr(Attr::Path), Part::Text(text)] => {
                        names.push(Template::text(text.clone()));
                    }
                    [Part::Text(text)] if text.starts_with(b"/") => {
                        names.push(Template::text(text.clone()));
                    }
                    _ => {}
                }
            }
        }
        (!names.is_empty()).then_some(names)
    }

    fn lose_step(&mut self, span: Span, what: &str) {
        let what = match self.notes.words(span).filter(|_| self.notes.is_written(span)) {
            Some(words) if !words.is_empty() => format!("`{words}`"),
            _ => what.to_owned(),
        };
        self.losses.lose(span, what, "it is run at a phase of the request that the target does not have");
    }
}

/// Whether a condition only keeps rules from being run twice.
fn is_end(test: &Test) -> bool {
    match test {
        Test::Any(tests) => tests.iter().any(is_end),
        Test::Truthy(template) => matches!(template.0.as_slice(), [Part::Var(_)]),
        _ => false,
    }
}

fn fallback_path(block: &Block) -> Option<Template> {
    block.steps.iter().find_map(|(step, _)| match step {
        Step::Rewrite { path: Some(path), .. } => Some(path.clone()),
        Step::When { then, .. } => fallback_path(then),
        Step::Do(inner) => fallback_path(inner),
        _ => None,
    })
}

/// Takes out what says nothing.
fn tidy(settings: &mut Settings) {
    if settings.files.alias == Some(None) {
        settings.files.alias = None;
    }
    let own = |template: &Template| {
        template.0.iter().any(|part| matches!(part, Part::Attr(Attr::Host | Attr::HostName)))
    };
    if settings.answer.own_authority.as_ref().is_some_and(|value| value.as_ref().is_none_or(own)) {
        settings.answer.own_authority = None;
    }
    if settings.answer.on_response.as_ref().is_some_and(Vec::is_empty) {
        settings.answer.on_response = None;
    }
    if settings.answer.errors.as_ref().is_some_and(Vec::is_empty) {
        settings.answer.errors = None;
    }
}

impl Outline<'_> {
    /// Edits of requests that are made whoever answers become those of the forwards below.
    ///
    /// What is sent is the same: who is not forwarded shows no one the fields of the request.
    pub fn hoist_edits(&mut self) {
        for server in &mut self.servers {
            push_edits(&mut server.area, &[]);
        }
    }
}

/// Files that are tried and what comes when there is none, of a block that does nothing else.
pub fn fallback(config: &Config, block: &Block) -> Option<Fallback> {
    let sources = SourceMap::new();
    let (notes, mut losses) = (Notes::new(&sources), Losses::default());
    Walk::new(config, None, &notes, &mut losses).fallback(block, block.span)
}

fn push_edits(area: &mut Area, above: &[Edit]) {
    let mut edits = above.to_vec();
    edits.append(&mut area.edits);
    let apply = |pass: &mut super::Pass| {
        for edit in &edits {
            match edit {
                Edit::Set(name, value) => {
                    pass.head.set.retain(|(known, ..)| !known.is_field(name));
                    pass.head.remove.retain(|known| !known.is_field(name));
                    pass.head.set.push((name.clone(), value.clone(), false));
                }
                Edit::Add(name, value) | Edit::Append(name, value) => {
                    pass.head.set.push((name.clone(), value.clone(), true));
                }
                Edit::Remove(name) => {
                    pass.head.set.retain(|(known, ..)| !known.is_field(name));
                    pass.head.remove.push(name.clone());
                }
                _ => {}
            }
        }
    };
    if let Some(pass) = &mut area.pass {
        apply(pass);
    }
    // Sections reach the places that are chosen apart from them.
    let sections: Vec<(Match, Vec<Edit>)> = area
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Place(place @ Place { at, area, .. })
                if place.kind == PlaceKind::Every && !area.edits.is_empty() =>
            {
                Some((at.clone(), area.edits.clone()))
            }
            _ => None,
        })
        .collect();
    for item in &mut area.items {
        match item {
            Item::Place(place) => {
                let mut mine = edits.clone();
                if !place.is_section() {
                    for (at, more) in &sections {
                        if at.covers(&place.at) {
                            mine.extend(more.iter().cloned());
                        }
                    }
                }
                if place.is_section() {
                    // They stay with the section, for places of their own.
                    let own = place.area.edits.clone();
                    push_edits(&mut place.area, &[]);
                    place.area.edits = own;
                } else {
                    push_edits(&mut place.area, &mine);
                }
            }
            Item::Rule(rule) => {
                for act in &mut rule.acts {
                    if let super::Act::Pass(pass) = act {
                        apply(pass);
                    }
                }
            }
        }
    }
    // What remains has nobody to be sent to.
    area.edits = Vec::new();
}
