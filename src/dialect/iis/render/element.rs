//! Elements of XML that are written.

use crate::raise::Page;

/// An element.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) children: Vec<Self>,
    /// Comments above it.
    pub(super) comments: Vec<String>,
}

impl Element {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    #[must_use]
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.attributes.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub(super) fn holding(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    pub(super) fn push(&mut self, child: Self) {
        self.children.push(child);
    }

    /// Whether a text stands in an attribute of it, or of what is in it.
    pub(super) fn mentions(&self, text: &str) -> bool {
        self.attributes.iter().any(|(_, value)| value.contains(text))
            || self.children.iter().any(|child| child.mentions(text))
    }

    pub(super) fn print(&self, page: &mut Page) {
        for comment in self.comments.iter().filter(|comment| !comment.is_empty()) {
            // Two dashes would end it.
            page.line(format!("<!-- {} -->", comment.replace("--", "- -").trim_end_matches('-')));
        }
        let attributes: String =
            self.attributes.iter().map(|(name, value)| format!(" {name}=\"{}\"", escape(value))).collect();
        if self.children.is_empty() {
            page.line(format!("<{}{attributes} />", self.name));
            return;
        }
        page.open(format!("<{}{attributes}>", self.name));
        self.children.iter().for_each(|child| child.print(page));
        page.close(format!("</{}>", self.name));
    }
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            // What no XML document holds.
            c if c < ' ' => {}
            c => out.push(c),
        }
    }
    out
}
