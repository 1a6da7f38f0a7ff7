//! What is wrong with a farm as it is written: things that no request could go well with.
//!
//! The dialogs of the original let none of these through ("Define and Configure an Application Request Routing Server
//! Farm", "HTTP Health Monitoring and Traffic Routing", "HTTP Load Balancing using Application Request Routing").

use std::net::Ipv6Addr;

use super::Cx;
use crate::{
    diagnostic::Diagnostic,
    dialect::iis::effective::{Item, Value},
};

/// Says what is wrong with a farm.
pub(super) fn examine(cx: &mut Cx, farm: &Item) {
    for server in farm.value.items() {
        address(cx, server);
    }
    if farm.value.items().is_empty() {
        let message = format!("the farm `{}` has no server", farm.value.text("name"));
        let found = Diagnostic::warning("farm-without-server", farm.span, message);
        cx.report(found.because("requests for it are answered with 502.4"));
    }
    let routing = farm.value.part("applicationRequestRouting");
    let affinity = routing.part("affinity");
    let cookie = affinity.text("cookieName");
    if affinity.flag("useCookie") && (cookie.is_empty() || !cookie.bytes().all(is_of_token)) {
        let message = format!("`{cookie}` cannot be the name of a cookie");
        cx.report(Diagnostic::error("invalid-value", affinity.place("cookieName"), message));
    }
    health(cx, &routing.part("healthCheck"));
}

fn health(cx: &mut Cx, check: &Value) {
    // With failures to count they are looked at where they count.
    if check.number("liveTrafficFailures") == 0 {
        super::statuses(cx, check, "liveTrafficFailureCodes");
    }
    let url = check.text("url");
    if url.is_empty() {
        return;
    }
    let lower = url.to_ascii_lowercase();
    let rest = lower.strip_prefix("http://").or_else(|| lower.strip_prefix("https://"));
    if rest.is_none_or(|rest| rest.split('/').next().is_none_or(str::is_empty))
        || url.bytes().any(|byte| byte <= b' ' || byte == 127)
    {
        let found = Diagnostic::error("invalid-value", check.place("url"), "this is no URL to test");
        cx.report(
            found
                .help("write the whole of it: `http://FARM/PATH`")
                .note("each server is asked in place of the host in it"),
        );
    }
    for attribute in ["interval", "timeout"] {
        if check.time(attribute).is_zero() {
            let message = format!("`{attribute}` is one second at least");
            cx.report(Diagnostic::warning("too-short", check.place(attribute), message));
        }
    }
}

fn address(cx: &mut Cx, server: &Item) {
    let place = server.value.place("address");
    let text = server.value.text("address");
    if text.is_empty() || text.contains(['/', '\\', '@', '?', '#', ' ']) {
        let message = format!("`{text}` is no address of a server");
        let found = Diagnostic::error("invalid-value", place, message);
        return cx.report(found.help("write a name or an address alone: `web1.example.com`, `10.0.0.1`"));
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && unbracketed(text).parse::<Ipv6Addr>().is_err()
    {
        let found = Diagnostic::error("invalid-value", place, "an address has no port");
        cx.report(found.help(format!(
            "write `<server address=\"{host}\"><applicationRequestRouting httpPort=\"{port}\" /></server>`"
        )));
    }
}

/// An IPv6 address without its brackets.
fn unbracketed(text: &str) -> &str {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text)
}

/// The address of a server as it stands in a URL.
pub(super) fn host(text: &str) -> String {
    match unbracketed(text).parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => text.to_owned(),
    }
}

fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
