//! Compares a section with the schema: elements, attributes, types, what is required, what is there twice.
//!
//! The original answers 500.19 for whatever is wrong here; we say so before serving. Names are compared with regard to
//! case, values of enumerations and booleans without (reference 2.2, 2.3).

use std::collections::HashMap;

use super::{
    schema::{self, Collection, Section, Status, Wrong},
    tree::{Attribute, Element, Node},
};
use crate::{
    diagnostic::{Diagnostic, suggest},
    ir::case::fold,
};

/// Attributes that may stand on every element: they lock parts of it.
pub(super) fn is_lock(name: &str) -> bool {
    const LOCKS: [&str; 5] =
        ["lockAttributes", "lockElements", "lockAllAttributesExcept", "lockAllElementsExcept", "lockItem"];
    LOCKS.contains(&name)
}

/// What there is to say about a section of this path.
pub(super) fn section(path: &str, element: &Element, found: &mut Vec<Diagnostic>) {
    let Some(section) = schema::schema().section(path) else { return };
    match &section.status {
        Status::Honoured => {}
        Status::Inert(why) => {
            let message = format!("`{path}` has no effect");
            found.push(Diagnostic::note_at("inert-section", element.name_span, message).because(why.clone()));
        }
        Status::Refused(why, instead) => refused_section(section, element, why, instead.as_deref(), found),
    }
    if let Some(schema) = &section.element {
        one(element, schema, &element.name, found);
    }
}

fn refused_section(
    section: &Section,
    element: &Element,
    why: &str,
    instead: Option<&str>,
    found: &mut Vec<Diagnostic>,
) {
    let attributes = element.attributes.iter().map(|one| (one.name.as_str(), one.value.as_str()));
    let path = &section.name;
    if section.is_harmless(attributes) {
        let message = format!("`{path}` has no effect");
        found.push(Diagnostic::note_at("inert-section", element.name_span, message).because("it is off"));
        return;
    }
    let code = if why.starts_with("not yet") { "not-yet-honoured" } else { "refused-section" };
    let mut refusal = Diagnostic::error(code, element.name_span, format!("`{path}` is refused")).because(why);
    if let Some(instead) = instead {
        refusal = refusal.help(format!("instead: {instead}"));
    }
    found.push(refusal);
}

/// An element of a section and all that is in it.
fn one(element: &Element, schema: &schema::Element, path: &str, found: &mut Vec<Diagnostic>) {
    attributes(element, schema, path, found);
    let mut seen: Vec<(&str, &Element)> = Vec::new();
    for node in &element.children {
        let inner = match node {
            Node::Element(inner) => inner,
            Node::Comment(..) => continue,
            Node::Text(_, span) => {
                let message = format!("text in `<{}>`", element.name);
                found.push(
                    Diagnostic::error("unexpected-text", *span, message)
                        .because("a configuration has no use for text"),
                );
                continue;
            }
        };
        let name = inner.name.as_str();
        let below = format!("{path}/{name}");
        let collection = schema.collection.as_ref();
        if let Some(item) = collection.and_then(|collection| collection.add.get(name)) {
            status(inner, &item.status, found);
            one(inner, item, &below, found);
        } else if name == "remove" && collection.is_some_and(|collection| collection.remove) {
            remove(inner, collection.iter().flat_map(|one| one.add.values()), &below, found);
        } else if name == "clear" && collection.is_some_and(|collection| collection.clear) {
            for attribute in inner.attributes.iter().filter(|one| !is_lock(&one.name)) {
                found.push(unknown_attribute(attribute, "clear", std::iter::empty()));
            }
        } else if let Some(part) = schema.elements.get(name) {
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == name) {
                let message = format!("`<{name}>` stands here twice");
                let twice = Diagnostic::error("duplicate-element", inner.name_span, message);
                found.push(twice.label(first.name_span, "first here"));
            }
            seen.push((name, inner));
            status(inner, &part.status, found);
            one(inner, part, &below, found);
        } else {
            found.push(unknown_element(inner, schema, &element.name));
        }
    }
    if let Some(collection) = &schema.collection {
        duplicates(element, collection, found);
    }
}

fn status(element: &Element, status: &Status, found: &mut Vec<Diagnostic>) {
    let name = &element.name;
    match status {
        Status::Honoured => {}
        Status::Inert(why) => {
            let message = format!("`<{name}>` has no effect");
            found.push(Diagnostic::note_at("inert-element", element.name_span, message).because(why.clone()));
        }
        Status::Refused(why, instead) => {
            let refusal =
                Diagnostic::error("refused-element", element.name_span, format!("`<{name}>` is refused"));
            let refusal = refusal.because(why.clone());
            found.push(match instead {
                Some(instead) => refusal.help(format!("instead: {instead}")),
                None => refusal,
            });
        }
    }
}

fn attributes(element: &Element, schema: &schema::Element, path: &str, found: &mut Vec<Diagnostic>) {
    for attribute in element.attributes.iter().filter(|one| !is_lock(&one.name)) {
        let Some(known) = schema.attributes.get(&attribute.name) else {
            let names = schema.attributes.keys().map(String::as_str);
            found.push(unknown_attribute(attribute, &element.name, names));
            continue;
        };
        value(attribute, known, path, found);
    }
    for (name, known) in
        schema.attributes.iter().filter(|(_, known)| known.required && known.default.is_none())
    {
        if element.attribute(name).is_none() {
            let message = format!("`<{}>` needs an attribute `{name}`", element.name);
            let mut missing = Diagnostic::error("missing-attribute", element.head, message);
            if let schema::Kind::Enum(_) | schema::Kind::Bool = known.kind {
                missing = missing.help(format!("one of {}", known.kind.names().join(", ")));
            }
            found.push(missing);
        }
    }
}

/// What IIS Manager calls a value, and the value.
const SHOWN: [(&str, &str); 12] = [
    ("LeastCurrentRequest", "LeastRequests"),
    ("LeastCurrentRequests", "LeastRequests"),
    ("ServerVariableHash", "RequestHash"),
    ("QueryStringHash", "RequestHash"),
    ("WeightedTotalBytes", "WeightedTotalTraffic"),
    ("RegularExpressions", "ECMAScript"),
    ("RegularExpression", "ECMAScript"),
    ("Regex", "ECMAScript"),
    ("Wildcards", "Wildcard"),
    ("Exact", "ExactMatch"),
    ("MovedPermanently", "Permanent"),
    ("TemporaryRedirect", "Temporary"),
];

fn value(attribute: &Attribute, known: &schema::Attribute, path: &str, found: &mut Vec<Diagnostic>) {
    let Attribute { name, value, value_span, .. } = attribute;
    if let Err(why) = known.kind.check(value) {
        let mut wrong = Diagnostic::error("invalid-value", *value_span, format!("invalid value of `{name}`"))
            .because(why.to_string());
        if let Wrong::Names(names) = &why {
            let shown = SHOWN.iter().find(|(shown, name)| {
                shown.eq_ignore_ascii_case(value) && names.iter().any(|known| known == name)
            });
            if let Some((_, name)) = shown {
                wrong = wrong
                    .help(format!("did you mean `{name}`?"))
                    .note("what is written is the name that IIS Manager shows");
            } else if let Some(near) = suggest::nearest(value, names.iter().map(String::as_str)) {
                wrong = wrong.help(format!("did you mean `{near}`?"));
            }
        }
        found.push(wrong);
    } else if known.nonempty && value.is_empty() {
        found.push(Diagnostic::error(
            "invalid-value",
            attribute.name_span,
            format!("`{name}` must not be empty"),
        ));
    } else if known.trimmed && value.trim() != value {
        let message = format!("white space at an end of `{name}`");
        found.push(Diagnostic::error("invalid-value", *value_span, message));
    }
    match &known.status {
        Status::Honoured => {}
        // The value in force anyway is no news.
        Status::Inert(_) | Status::Refused(..) if known.default.as_deref() == Some(value.as_str()) => {}
        Status::Refused(..) if known.default.is_none() && value.is_empty() => {}
        Status::Inert(why) => {
            let message = format!("`{name}` has no effect");
            found.push(
                Diagnostic::note_at("inert-attribute", attribute.name_span, message).because(why.clone()),
            );
        }
        Status::Refused(why, instead) => {
            let message = format!("`{name}` of `{path}` is refused");
            let refusal =
                Diagnostic::error("refused-attribute", attribute.name_span, message).because(why.clone());
            found.push(match instead {
                Some(instead) => refusal.help(format!("instead: {instead}")),
                None => refusal,
            });
        }
    }
}

/// `<remove>`: the key of an item and nothing else.
fn remove<'s>(
    element: &Element,
    items: impl Iterator<Item = &'s schema::Element> + Clone,
    path: &str,
    found: &mut Vec<Diagnostic>,
) {
    let mut any = false;
    for attribute in element.attributes.iter().filter(|one| !is_lock(&one.name)) {
        let key = items.clone().flat_map(schema::Element::key).find(|(name, _)| *name == attribute.name);
        if let Some((_, known)) = key {
            any = true;
            value(attribute, known, path, found);
        } else {
            let names = items.clone().flat_map(schema::Element::key).map(|(name, _)| name);
            found.push(unknown_attribute(attribute, "remove", names));
        }
    }
    if !any {
        let names: Vec<&str> = items.flat_map(schema::Element::key).map(|(name, _)| name).collect();
        let message = "`<remove>` does not say what";
        let missing = Diagnostic::error("missing-attribute", element.head, message);
        found.push(missing.help(format!("its key is {}", names.join(", "))));
    }
}

/// Items with the same key in one place, unless one is removed in between.
fn duplicates(element: &Element, collection: &Collection, found: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<Vec<String>, &Element> = HashMap::new();
    for inner in element.elements() {
        match inner.name.as_str() {
            "clear" if collection.clear => seen.clear(),
            "remove" if collection.remove => {
                for item in collection.add.values() {
                    seen.remove(&key(inner, item));
                }
            }
            name => {
                let Some(item) = collection.add.get(name) else { continue };
                if item.key().next().is_none() {
                    continue;
                }
                let mut own = key(inner, item);
                if let Some(first) = seen.get(&own) {
                    let shown = own.drain(..).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
                    let message = format!("`{shown}` is in the collection already");
                    let twice = Diagnostic::error("duplicate-entry", inner.head, message);
                    found.push(
                        twice
                            .label(first.head, "first here")
                            .help("remove one of the two, or write `<remove>` before it"),
                    );
                    continue;
                }
                seen.insert(own, inner);
            }
        }
    }
}

/// The key of an item, in the order of the attributes' names, folded where case does not count.
pub(super) fn key(element: &Element, item: &schema::Element) -> Vec<String> {
    item.key()
        .map(|(name, known)| {
            let value = element.attribute(name).map(|attribute| attribute.value.as_str());
            let value = value.or(known.default.as_deref()).unwrap_or_default();
            if known.key == Some(true) { value.to_owned() } else { fold(value) }
        })
        .collect()
}

/// An attribute that the schema does not know.
pub(super) fn unknown_attribute<'n>(
    attribute: &Attribute,
    element: &str,
    names: impl Iterator<Item = &'n str>,
) -> Diagnostic {
    let names: Vec<&str> = names.collect();
    let message = format!("`<{element}>` has no attribute `{}`", attribute.name);
    let unknown = Diagnostic::error("unknown-attribute", attribute.name_span, message);
    // Names compare with regard to case, which is the commonest slip.
    let same = names.iter().find(|name| name.eq_ignore_ascii_case(&attribute.name));
    let near = same.copied().or_else(|| suggest::nearest(&attribute.name, names.iter().copied()));
    match near {
        Some(near) => unknown.help(format!("did you mean `{near}`?")),
        None if names.is_empty() => unknown,
        None => unknown.note(format!("its attributes are {}", names.join(", "))),
    }
}

fn unknown_element(element: &Element, schema: &schema::Element, outer: &str) -> Diagnostic {
    let mut names: Vec<&str> = schema.elements.keys().map(String::as_str).collect();
    if let Some(collection) = &schema.collection {
        names.extend(collection.add.keys().map(String::as_str));
        names.extend(collection.remove.then_some("remove"));
        names.extend(collection.clear.then_some("clear"));
    }
    let message = format!("`<{outer}>` has no element `<{}>`", element.name);
    let unknown = Diagnostic::error("unknown-element", element.name_span, message);
    let same = names.iter().find(|name| name.eq_ignore_ascii_case(&element.name));
    match same.copied().or_else(|| suggest::nearest(&element.name, names.iter().copied())) {
        Some(near) => unknown.help(format!("did you mean `<{near}>`?")),
        None if names.is_empty() => unknown.note("it has none"),
        None => unknown.note(format!("its elements are {}", names.join(", "))),
    }
}
