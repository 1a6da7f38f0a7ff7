//! How a request for another target would be answered: the program is run for it, and nothing is sent.

use super::exchange::{Exchange, Next};
use crate::{
    ir::Probe,
    plan::{Plan, Run},
};

impl Exchange {
    /// Answers the plan's question about the target in `run.asked`.
    pub async fn probe(&mut self, plan: &Plan, probe: &Probe) -> Next {
        match self.foresee(plan).await {
            Some((status, fork)) => self.run.probed(probe, status, &fork),
            None => self.run.probed(probe, 500, &Run::default()),
        }
        Next::Decide
    }

    /// The status of the answer to a request for the target in `run.asked`, and the run that led to it.
    pub async fn foresee(&mut self, plan: &Plan) -> Option<(u16, Run)> {
        let fork = self.run.fork(plan, &self.facts)?;
        let outer = std::mem::replace(&mut self.run, fork);
        let method = self.facts.method.replace(b"GET");
        let mut next = Next::Decide;
        let status = loop {
            next = match next {
                Next::Decide => self.decide(plan),
                // What is limited is the request, not what it asks.
                Next::Limit => {
                    self.run.tell(true);
                    Next::Decide
                }
                Next::Authorize => self.authorize(plan).await,
                Next::Ask(question) => {
                    let (lookup, asked) = *question;
                    self.ask(plan, &lookup, asked).await
                }
                Next::Negotiate(negotiate) => self.negotiate(plan, &negotiate).await,
                Next::Probe(inner) => Box::pin(self.probe(plan, &inner)).await,
                Next::Handle => break 200,
                Next::Reply(reply) => break reply.status,
                Next::Status(status) => break status,
                Next::Part | Next::End(_) => break 500,
            };
        };
        self.facts.method = method;
        let fork = std::mem::replace(&mut self.run, outer);
        Some((status, fork))
    }
}
