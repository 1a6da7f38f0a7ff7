//! stub
use super::{exchange::Exchange, forward::Trouble, stream::Stream};
use crate::{
    ir::Forward,
    plan::{ForwardingPlan, Plan},
};
use std::time::Duration;
#[derive(Debug)]
pub struct Client;
impl Client {
    pub fn digest(&self) -> u64 {
        1
    }
    pub async fn handshake(self, s: Stream, _: Duration) -> Result<Stream, Trouble> {
        Ok(s)
    }
}
pub fn of(_: &mut Exchange, _: &Plan, _: &ForwardingPlan, _: &Forward) -> Client {
    Client
}
