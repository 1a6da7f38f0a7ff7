//! Text with indentation: what renderers write to.

/// A text under construction.
#[derive(Debug, Default)]
pub struct Page {
    out: String,
    depth: usize,
    step: usize,
}

impl Page {
    /// An empty page whose levels are so many spaces apart.
    pub fn new(step: usize) -> Self {
        Self { out: String::new(), depth: 0, step }
    }

    /// A line.
    pub fn line(&mut self, text: impl AsRef<str>) {
        let text = text.as_ref();
        if text.is_empty() {
            return self.blank();
        }
        for _ in 0..self.depth * self.step {
            self.out.push(' ');
        }
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// A line, and what follows is one level deeper.
    pub fn open(&mut self, text: impl AsRef<str>) {
        self.line(text);
        self.depth += 1;
    }

    /// A line one level less deep.
    pub fn close(&mut self, text: impl AsRef<str>) {
        self.depth = self.depth.saturating_sub(1);
        if self.out.ends_with("\n\n") {
            self.out.pop();
        }
        self.line(text);
    }

    /// An empty line; never two, and none at the beginning of a block.
    pub fn blank(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") && !self.opened() {
            self.out.push('\n');
        }
    }

    fn opened(&self) -> bool {
        let last = self.out.trim_end_matches('\n').rsplit('\n').next().unwrap_or_default();
        let indent = last.len() - last.trim_start().len();
        self.depth > 0 && indent < self.depth * self.step
    }

    /// How much there is.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// The text.
    pub fn finish(mut self) -> String {
        while self.out.ends_with("\n\n") {
            self.out.pop();
        }
        self.out
    }
}
