//! What must be known of the whole configuration before the first directive is lowered.
//!
//! A variable may be used before the line that defines it. For most names that
//! needs nothing; a name that the server would otherwise provide (`$http_x`,
//! `$ssl_cipher`) means what the configuration defines, wherever it does.

use super::{
    super::tree::{Directive, Item, directives},
    Cx,
    word::group_names,
};

impl Cx<'_> {
    /// Looks for definitions of built-in names, and for `rewrite_log on`.
    pub(super) fn declare(&mut self, items: &[Item]) {
        for directive in directives(items) {
            self.declare_one(directive);
            // The rows of these are no directives.
            if !matches!(
                directive.name(),
                "map" | "geo" | "split_clients" | "types" | "charset_map" | "match"
            ) {
                self.declare(directive.block());
            }
        }
    }

    fn declare_one(&mut self, directive: &Directive) {
        let defined = match directive.name() {
            "set" | "auth_request_set" => directive.args.first(),
            "map" | "geo" | "split_clients" => directive.args.last(),
            "rewrite_log" => {
                self.traces |=
                    directive.args.first().is_some_and(|word| word.value.eq_ignore_ascii_case(b"on"));
                None
            }
            _ => None,
        };
        if let Some([b'$', name @ ..]) = defined.map(|word| word.value.as_slice()) {
            self.vars.shadow(name.to_ascii_lowercase());
        }
        if matches!(directive.name(), "location" | "server_name" | "if" | "rewrite") {
            for word in &directive.args {
                self.declare_groups(&word.value);
            }
        }
        if directive.name() == "map" {
            for row in directives(directive.block()) {
                self.declare_groups(&row.name.value);
            }
        }
    }

    fn declare_groups(&mut self, pattern: &[u8]) {
        for name in group_names(pattern) {
            self.vars.shadow(pattern[name].to_ascii_lowercase());
        }
    }
}
