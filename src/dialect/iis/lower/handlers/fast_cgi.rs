//! What a `FastCGI` program is told, and how requests are sent to it.

use std::time::Duration;

use super::{
    super::{Cx, Place, path_text, root_of, vars},
    Script,
};
use crate::ir::{Attr, Name, Template, Upgrade, settings::Forwarding};

/// The variables of CGI as the original sets them (<https://learn.microsoft.com/iis/web-dev-reference/server-variables>).
pub(super) fn forwarding(cx: &mut Cx, place: &Place, script: Option<Script>) -> Forwarding {
    let attr = Template::attr;
    let (name, file) = script.map_or((attr(Attr::Path), attr(Attr::FilePath)), |(name, file)| {
        (Template::var(name), Template::var(file))
    });
    let rewritten = Template::var(super::rewritten(cx));
    let original = Template::var(super::original(cx));
    let root = root_of(place.site, &place.path).map(|root| root.folder.clone()).unwrap_or_default();
    let mut params: Vec<(&str, Template, bool)> = vec![
        ("GATEWAY_INTERFACE", "CGI/1.1".into(), false),
        ("SERVER_SOFTWARE", "Microsoft-IIS/10.0".into(), false),
        ("REDIRECT_STATUS", "200".into(), false),
        ("REQUEST_METHOD", attr(Attr::Method), false),
        ("SCRIPT_NAME", name, false),
        ("SCRIPT_FILENAME", file, false),
        ("PATH_TRANSLATED", attr(Attr::FilePath), false),
        ("PATH_INFO", attr(Attr::Path), false),
        ("URL", attr(Attr::Path), false),
        ("QUERY_STRING", attr(Attr::Query), false),
        ("REQUEST_URI", attr(Attr::Target), false),
        ("HTTP_X_ORIGINAL_URL", original, true),
        ("IIS_WasUrlRewritten", rewritten, true),
        ("UNENCODED_URL", attr(Attr::Target), false),
        ("DOCUMENT_ROOT", path_text(&root), false),
        ("APPL_PHYSICAL_PATH", path_text(&root), false),
        ("CONTENT_TYPE", attr(Attr::Field("content-type".into())), false),
        ("CONTENT_LENGTH", attr(Attr::ContentLength), false),
        ("SERVER_PROTOCOL", attr(Attr::Protocol), false),
        ("SERVER_NAME", attr(Attr::Host), false),
        ("SERVER_PORT", attr(Attr::ServerPort), false),
        ("LOCAL_ADDR", attr(Attr::ServerAddr), false),
        ("REMOTE_ADDR", attr(Attr::ClientAddr), false),
        ("REMOTE_HOST", attr(Attr::ClientAddr), false),
        ("REMOTE_PORT", attr(Attr::ClientPort), false),
        ("REMOTE_USER", attr(Attr::User), true),
        // What says to WordPress and others that addresses can be rewritten (`iis7_supports_permalinks`).
        ("IIS_UrlRewriteModule", "7,1,1993,2351".into(), false),
    ];
    let of_rules = [
        "HTTPS",
        "SERVER_PORT_SECURE",
        "AUTH_TYPE",
        "AUTH_USER",
        "LOGON_USER",
        "INSTANCE_ID",
        "INSTANCE_NAME",
    ];
    for name in of_rules.into_iter().chain(["INSTANCE_META_PATH", "APPL_MD_PATH"]) {
        params.extend(vars::read(cx, name, false).map(|value| (name, value, false)));
    }
    let mut params: Vec<_> =
        params.into_iter().map(|(name, value, skip)| (Name::from(name), value, skip)).collect();
    // What rules set stands for what there was.
    for (name, var) in vars::all_written(cx) {
        if let Some(at) = params.iter().position(|(known, ..)| known.eq_ignore_ascii_case(name.as_bytes())) {
            params[at].1 = Template::var(var);
        } else if vars::field(&name, "HTTP_").is_some() {
            params.push((Name::from(name), Template::var(var), true));
        }
    }
    let limit = Duration::from_mins(2);
    Forwarding {
        params: Some(params),
        pass_fields: Some(true),
        pass_content: Some(true),
        hide: Some(Vec::new()),
        upgrade: Some(Upgrade::Never),
        buffering: Some(false),
        buffer_size: Some(64 << 10),
        buffers: Some((8, 8 << 10)),
        busy_size: Some(16 << 10),
        max_temp_file: Some(0),
        temp_write: Some(16 << 10),
        temp_path: Some(std::env::temp_dir().join("triglot-responses")),
        request_buffering: Some(true),
        connect_timeout: Some(limit),
        send_timeout: Some(limit),
        read_timeout: Some(limit),
        ..Forwarding::default()
    }
}
