//! Variables of the environment that change how a request is sent on and answered.
//!
//! | variable | what it does (2.4.71) |
//! |---|---|
//! | `force-proxy-request-1.0` | the request is sent as HTTP/1.0 |
//! | `proxy-nokeepalive` | its connection to the upstream is not kept |
//! | `proxy-interim-response` | `Suppress` keeps interim answers from the client, `RFC` passes them on, as is usual |
//! | `nokeepalive`, `downgrade-1.0` | the client's connection is closed |
//!
//! What has no effect here, nor needs any: `proxy-initial-not-pooled` (a request on a kept connection that was closed
//! meanwhile is sent once more), `proxy-sendcl` and `proxy-sendchunked` (content of known length is sent with it),
//! `force-response-1.0` (no effect was seen on 2.4.71 either).
//!
//! Where no file speaks of a variable, nothing is done about it; `.htaccess` files are taken to speak of none.
//!
//! Reference: <https://httpd.apache.org/docs/2.4/env.html#special>, <https://httpd.apache.org/docs/2.4/mod/mod_proxy.html#envsettings>

use std::time::Duration;

use super::super::{Cx, mapping::when, walk::Steps};
use crate::{
    ir::{Base, Block, Pattern, Scope, Settings, Step, Template, Test},
    source::Span,
};

/// What is changed.
type Change = fn(&mut Settings);

/// The variables, and what they change; with a value only that one does.
const NOTES: [(&str, Option<&str>, Change); 5] = [
    ("force-proxy-request-1.0", None, |set| {
        set.http.version = Some(10);
        set.http.once = Some(true);
    }),
    ("proxy-nokeepalive", None, |set| {
        set.http.once = Some(true);
        set.fastcgi.once = Some(true);
    }),
    ("proxy-interim-response", Some("suppress"), |set| set.http.keep_interim = Some(true)),
    ("nokeepalive", None, |set| set.client.keepalive_timeout = Some(Duration::ZERO)),
    ("downgrade-1.0", None, |set| set.client.keepalive_timeout = Some(Duration::ZERO)),
];

/// The variables that some file speaks of.
pub(in crate::dialect::apache::lower) fn survey(cx: &mut Cx) {
    let spoken = |name: &&str| {
        let mut files = cx.sources.files();
        files
            .any(|(_, file)| memchr::memmem::find(&file.text.to_ascii_lowercase(), name.as_bytes()).is_some())
    };
    cx.names.notes = NOTES.iter().map(|(name, ..)| *name).filter(spoken).collect();
}

/// Puts in force what variables say.
pub(in crate::dialect::apache::lower) fn steps(cx: &mut Cx) -> Steps {
    let span = Span::NONE;
    let mut steps = Steps::new();
    for (name, wanted, change) in NOTES {
        if !cx.names.notes.contains(&name) {
            continue;
        }
        let value = Template::var(cx.env(name.as_bytes()));
        let test = match wanted {
            Some(wanted) => Test::Match {
                subject: value,
                pattern: Pattern { ignore_case: true, ..Pattern::exact(wanted) },
                into: None,
            },
            None => Test::Present(value),
        };
        let mut set = Settings::default();
        change(&mut set);
        let scope = Scope { base: Base::Current, set: Box::new(set) };
        let block = Block { scope: Some(scope), span, ..Block::default() };
        steps.push(when(test, vec![(Step::Do(block), span)]));
    }
    steps
}
