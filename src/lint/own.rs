//! Lints that need the text as it is written: the languages find them, here is what they mean.

use super::Lint;

/// One that a language finds by itself.
const fn own(code: &'static str, what: &'static str, why: &'static str, fix: &'static str) -> Lint {
    Lint { code, what, why, fix, bad: &[], good: &[], look: None }
}

/// All of them.
pub const OWN: &[&Lint] = &[
    &own(
        "unknown-map",
        "`${HTTP:...}` where `%{HTTP:...}` was meant.",
        "After a dollar the word in front of the colon is the name of a map. There is none of that name, so that the value is always empty and the condition never holds: WebSockets go where pages go.",
        "write `%{HTTP:Upgrade}`",
    ),
    &own(
        "one-slash",
        "A URL with one slash: `ws:/host`.",
        "It is a path below the scheme, and names no host: the request fails with 500.",
        "write `ws://host`",
    ),
    &own(
        "path-lost",
        "A rule that sends every path to `/`.",
        "The pattern takes the whole path, and the target has none of it.",
        "capture the path and put it behind the host: `/(.*)` and `/$1`",
    ),
    &own(
        "balancer-as-host",
        "The name of a balancer as the host of a URL.",
        "Only URLs that begin with `balancer://` lead to it; this one looks for a machine of that name.",
        "write `balancer://NAME`",
    ),
    &own(
        "no-upstream-tls",
        "An upstream over TLS that is not switched on.",
        "Without the switch requests to `https://` and `wss://` fail with 500.",
        "write `SSLProxyEngine on` into the host",
    ),
    &own(
        "conflicting-server-name",
        "Two hosts of one address with the same name.",
        "The first has it; the other never answers to it.",
        "give each its own names",
    ),
    &own(
        "no-resolver",
        "A name known only when a request comes, and nobody to ask for its address.",
        "Every such request fails with 502.",
        "name a resolver, or write the upstream without variables",
    ),
    &own(
        "unused-condition",
        "A capture of a condition that is not there.",
        "The value is always empty.",
        "add the condition, or leave the capture out",
    ),
    &own(
        "websocket-scheme",
        "A `ws` URL where only `http` and `https` are known.",
        "The rule does not forward to it; WebSockets pass with `http` URLs.",
        "write `http` or `https`",
    ),
    &own(
        "websocket-scheme-missing",
        "A rule for requests that ask for a WebSocket leads to an `http` URL.",
        "The request for the switch is taken out on the way, so that the application is asked for a page: it answers 400 or 404.",
        "write `ws://HOST`, or let the worker pass it on with `upgrade=websocket`",
    ),
    &own(
        "rule-without-match",
        "A rule that does not say what it matches.",
        "A rule for requests is for every path then; one for responses is never taken.",
        "write what it is to match: `<match url=\".*\" />`",
    ),
    &own(
        "certificate-name-unchecked",
        "A certificate whose name nobody compares.",
        "Any certificate of a trusted authority is accepted for this upstream.",
        "let the name be compared",
    ),
];
