//! The variables of a gateway request: configured ones, then one for each request field that none of them replaces.

use super::super::{
    clock::http_date,
    exchange::Exchange,
    files,
    http1::field::{Field, Known},
    scratch,
};
use crate::plan::ForwardingPlan;

/// Takes a name and its value.
pub type Put<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), String>;

impl Exchange {
    /// Gives each variable to `put`, in order.
    pub fn variables(&mut self, how: &ForwardingPlan, put: Put<'_>) -> Result<(), String> {
        let mut value = scratch::take();
        let mut done = Ok(());
        let any_case = self.settings(&self.serving.plan).files.any_case;
        for (name, template, skip_empty) in &how.params {
            value.clear();
            let present = self.eval(template, &mut value);
            // The program looks for it where case counts.
            if any_case && **name == *b"SCRIPT_FILENAME" {
                files::spelling::correct(&mut value);
            }
            if (value.is_empty() && *skip_empty) || (!present && how.omit_missing) {
                continue;
            }
            done = put(name, &value);
            if done.is_err() {
                break;
            }
        }
        if done.is_ok() && how.pass_fields {
            done = self.field_variables(how, &mut value, put);
        }
        scratch::give(value);
        done
    }

    /// `HTTP_NAME` for each field; repeated ones joined as lists are (RFC 9110 § 5.3).
    fn field_variables(&self, how: &ForwardingPlan, value: &mut Vec<u8>, put: Put<'_>) -> Result<(), String> {
        let facts = &self.facts;
        let fields = &facts.head.fields;
        let mut name = scratch::take();
        let mut done = Ok(());
        for (at, field) in fields.iter().enumerate() {
            let written = facts.slice(field.name);
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
            if how.names.replaced.contains(written) {
                continue;
            }
            let framing = matches!(field.known, Known::ContentLength | Known::TransferEncoding);
            if how.plain_names && (framing || !written.iter().all(plain)) {
                continue;
            }
            let same = |other: &&Field| facts.slice(other.name).eq_ignore_ascii_case(written);
            if fields[..at].iter().any(|other| same(&other)) {
                continue;
            }
            name.clear();
            name.extend_from_slice(b"HTTP_");
            name.extend(
                written.iter().map(|&byte| if byte == b'-' { b'_' } else { byte.to_ascii_uppercase() }),
            );
            if self.caching.is_some() && self.is_for_cache(written) {
                continue;
            }
            if how.params.iter().any(|(param, ..)| param.0 == *name) {
                continue;
            }
            // Who joins fields before anything looks at them joins cookies as all others.
            let separator: &[u8] = if name == b"HTTP_COOKIE" && !how.join_repeated { b"; " } else { b", " };
            value.clear();
            for (nth, other) in fields[at..].iter().filter(same).enumerate() {
                if nth > 0 {
                    value.extend_from_slice(separator);
                }
                value.extend_from_slice(facts.slice(other.value));
            }
            done = put(&name, value);
            if done.is_err() {
                break;
            }
        }
        if done.is_ok() && self.caching.is_some() {
            let (modified, tag) = self.conditions(how);
            if let Some(modified) = modified {
                done = put(b"HTTP_IF_MODIFIED_SINCE", http_date(modified).as_bytes());
            }
            if let (Some(tag), Ok(())) = (tag, &done) {
                done = put(b"HTTP_IF_NONE_MATCH", tag);
            }
        }
        scratch::give(name);
        done
    }
}
