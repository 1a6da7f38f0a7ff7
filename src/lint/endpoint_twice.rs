//! Endpoints that stand twice in a group.

use super::{Context, Lint, warn};
use crate::{diagnostic::Diagnostic, ir::Endpoint};

pub(super) const LINT: Lint = Lint {
    code: "endpoint-twice",
    what: r"The same address stands twice in a group.",
    why: r"It gets twice its share, and when it fails it is tried again at once.",
    fix: r"write it once, with a weight",
    bad: &[
        r"upstream a { server 10.0.0.1:80; server 10.0.0.1:80; } server { listen 80; location / { proxy_pass http://a; } }",
        r"<Proxy balancer://a>
BalancerMember http://10.0.0.1
BalancerMember http://10.0.0.1
</Proxy>
<VirtualHost *:80>
ServerName a.example
ProxyPass / balancer://a/
</VirtualHost>",
    ],
    good: &[
        r"upstream a { server 10.0.0.1:80; server 10.0.0.2:80; } server { listen 80; location / { proxy_pass http://a; } }",
    ],
    look: Some(look),
};

fn look(cx: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for cluster in &cx.config.clusters {
        for (at, endpoint) in cluster.endpoints.iter().enumerate() {
            let same = |other: &&Endpoint| {
                other.address == endpoint.address
                    && other.default_port == endpoint.default_port
                    && other.role == endpoint.role
            };
            let member = |one: &Endpoint| one.member.as_ref().map(|member| member.url.clone());
            let first =
                cluster.endpoints[..at].iter().filter(same).find(|other| member(other) == member(endpoint));
            if let Some(first) = first {
                found.push(
                    warn(&LINT, endpoint.span, format!("{} stands here twice", endpoint.address))
                        .label(first.span, "first here"),
                );
            }
        }
    }
}
