//! What is told of the server's state: documents below a path, read and never written.
//!
//! The shape is that of an interface which monitoring programs know (see `Figures` in the IR); what it is called there
//! is data. Version by version it had more: what a version does not have is not found in it.

mod documents;

use serde_json::{Map, Value, json};

use super::exchange::{Exchange, Next};
use crate::{ir, plan::Plan};

/// The versions of the interface.
const VERSIONS: std::ops::RangeInclusive<u64> = 1..=9;

/// Why there is no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refused {
    status: u16,
    text: &'static str,
    code: &'static str,
}

const NO_PATH: Refused = Refused { status: 404, text: "path not found", code: "PathNotFound" };
const NO_VERSION: Refused = Refused { status: 404, text: "unknown version", code: "UnknownVersion" };
const NO_METHOD: Refused = Refused { status: 405, text: "method disabled", code: "MethodDisabled" };

impl Exchange {
    /// Answers with the document that the path names.
    pub async fn tell_figures(&mut self, plan: &Plan, figures: &ir::Figures) -> Next {
        let document = match self.facts.method() {
            b"GET" | b"HEAD" => self.document(plan, figures),
            _ => Err(NO_METHOD),
        };
        let (status, document) = match document {
            Ok(document) => (200, document),
            Err(Refused { status, text, code }) => {
                let id = self.value(&ir::Template(vec![ir::Part::Attr(ir::Attr::RequestId)]));
                let document = json!({
                    "error": { "status": status, "text": text, "code": code },
                    "request_id": String::from_utf8_lossy(&id),
                    "href": figures.reference.lossy(),
                });
                (status, document)
            }
        };
        let content = document.to_string();
        self.facts.response.start(status);
        self.facts.response.set_status(status, plan);
        self.facts.response.add(b"Content-Type", b"application/json");
        self.facts.response.length = Some(content.len() as u64);
        self.send_whole(plan, content.as_bytes()).await
    }

    fn document(&self, plan: &Plan, figures: &ir::Figures) -> Result<Value, Refused> {
        let path = self.run.path.get(figures.cut as usize..).unwrap_or_default();
        let path = String::from_utf8_lossy(path);
        let mut names = path.split('/').filter(|name| !name.is_empty());
        let Some(version) = names.next() else {
            return Ok(VERSIONS.collect::<Vec<_>>().into());
        };
        let version = version.parse().ok().filter(|version| VERSIONS.contains(version)).ok_or(NO_VERSION)?;
        let names: Vec<_> = names.collect();
        let fields = fields(&self.run.query);
        documents::find(
            &documents::Asked { exchange: self, plan, figures, version },
            &names,
            fields.as_deref(),
        )
    }
}

/// The fields that a query asks for; `None` where it does not say.
fn fields(query: &[u8]) -> Option<Vec<String>> {
    let mut pairs = query.split(|byte| *byte == b'&');
    let value = pairs.find_map(|pair| pair.strip_prefix(b"fields="))?;
    let names = value.split(|byte| *byte == b',').filter(|name| !name.is_empty());
    Some(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

/// An object with these fields alone.
fn only(value: Value, fields: Option<&[String]>) -> Value {
    match (value, fields) {
        (Value::Object(map), Some(fields)) => {
            Value::Object(map.into_iter().filter(|(name, _)| fields.contains(name)).collect())
        }
        (value, _) => value,
    }
}

/// The objects of a collection with these fields alone; where none are asked for, their names.
fn only_each(collection: Map<String, Value>, fields: Option<&[String]>) -> Value {
    match fields {
        Some([]) => collection.into_iter().map(|(name, _)| Value::String(name)).collect::<Vec<_>>().into(),
        _ => collection.into_iter().map(|(name, value)| (name, only(value, fields))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_chosen() {
        assert_eq!(fields(b"a=b"), None);
        assert_eq!(fields(b"a=b&fields="), Some(Vec::new()));
        let asked = fields(b"fields=a,,b");
        let object = json!({ "a": 1, "b": 2, "c": 3 });
        assert_eq!(only(object.clone(), asked.as_deref()), json!({ "a": 1, "b": 2 }));
        assert_eq!(only(object.clone(), None), object);
        let collection = || Map::from_iter([("x".to_owned(), object.clone())]);
        assert_eq!(only_each(collection(), Some(&[])), json!(["x"]));
        assert_eq!(only_each(collection(), Some(&["c".to_owned()])), json!({ "x": { "c": 3 } }));
    }
}
