//! A walk before the lowering: the members of all balancers, which `ProxyPassReverse` may name before they are.

use super::{super::Cx, target::Url};
use crate::dialect::apache::tree::{Directive, Item, directives};

/// Remembers the members of all balancers.
pub(crate) fn survey(cx: &mut Cx, items: &[Item]) {
    for directive in directives(items) {
        let inside = directive.block();
        if directive.name() == "ProxyPass" && directive.args.first().is_some_and(|word| word.value == b"!") {
            cx.proxy.excluded = true;
        }
        if let ("ProxyPass", [path, url, ..]) = (directive.name(), directive.args.as_slice())
            && let Some(name) = balancer(&url.value)
        {
            let url = [b"balancer://", &name[..]].concat();
            cx.proxy.paths.push((url.into(), path.value.as_slice().into()));
        }
        if directive.name() == "<Proxy>"
            && let Some(name) = directive.args.first().and_then(|word| balancer(&word.value))
        {
            for member in directives(inside).filter(|inner| inner.name() == "BalancerMember") {
                remember(cx, &name, member, 0);
            }
        } else if directive.name() == "BalancerMember"
            && let Some(name) = directive.args.first().and_then(|word| balancer(&word.value))
        {
            remember(cx, &name, directive, 1);
        } else {
            survey(cx, inside);
        }
    }
}

fn remember(cx: &mut Cx, name: &[u8], directive: &Directive, at: usize) {
    if let Some(url) = directive.args.get(at).and_then(|word| Url::read(&word.value)) {
        cx.proxy.members.push((name.to_vec(), url.text()));
    }
}

/// The name of a balancer as its URL says it.
pub(super) fn balancer(url: &[u8]) -> Option<Vec<u8>> {
    Url::read(url).filter(|url| url.scheme == b"balancer").map(|url| url.authority)
}
