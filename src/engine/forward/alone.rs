//! What would be sent to an upstream, without sending it.

use std::{rc::Rc, sync::Arc};

use super::{super::exchange::Exchange, Destination};
use crate::{
    ir::{Forward, Target, Template, Upstream, settings::Fault},
    plan::{ForwardingPlan, Plan},
};

/// A request to an upstream, ready to be sent.
#[derive(Debug)]
pub struct Composed {
    /// Who is spoken to, and how; of a URL what its member makes of it.
    pub forward: Forward,
    /// The settings in force, a member's over them.
    pub how: Arc<ForwardingPlan>,
    /// Whom it goes to.
    pub to: Destination,
    /// Everything before content.
    pub head: Vec<u8>,
}

impl Exchange {
    /// Writes the request for the first endpoint; `Err` is the status to answer where there is nothing to send.
    pub fn compose_alone(&mut self, plan: &Plan, forward: &Forward) -> Result<Composed, u16> {
        self.facts.upstream_target.clear();
        let (forward, how, to) = match &forward.to {
            Upstream::Url(url) => self.at_first_member(plan, url)?,
            Upstream::Cluster(_) | Upstream::Dynamic(_) => {
                let how = Arc::clone(self.settings(plan).forwarding(forward.protocol));
                let to = self.named_destination(plan, forward)?;
                (forward.clone(), how, to)
            }
        };
        let mut head = Vec::new();
        let replaced = how.content.as_ref().map(|content| self.value(content));
        self.facts.asked_head = self.facts.is_head();
        match self.compose(&how, &forward, &to, replaced.as_deref(), &mut head) {
            Ok(_) => Ok(Composed { forward, how, to, head }),
            Err(_) => Err(500),
        }
    }

    fn at_first_member(
        &mut self,
        plan: &Plan,
        url: &Template,
    ) -> Result<(Forward, Arc<ForwardingPlan>, Destination), u16> {
        let (cluster, rest, _) = self.whose(url)?;
        let group = cluster.group().ok_or(500u16)?;
        let usable = group.members().position(|(_, _, standing)| standing.is_usable());
        let index = usable.unwrap_or(0);
        let (_, member, _) = group.member(index).cloned().ok_or(502u16)?;
        let base = self.settings(plan).forwarding(member.protocol);
        let how = group.forwarding(self.run.settings, base, index);
        if member.tls && how.tls_forbidden {
            return Err(how.answer_to(Fault::NoTls, 502));
        }
        self.name_member(&member, group.whereabouts(index).map_or(0, |at| at.port));
        let forward = Forward {
            protocol: member.protocol,
            tls: member.tls,
            to: Upstream::Dynamic(Template::default()),
            target: Target::Received,
        };
        let mut target = [&*member.base, &*rest].concat();
        if target.first() != Some(&b'/') {
            target.insert(0, b'/');
        }
        let idle = member.reuse.then(|| cluster.idle().copied()).flatten();
        let to = Destination { cluster: Rc::clone(&cluster), tls: member.tls, target: Some(target), idle };
        Ok((forward, how, to))
    }
}
