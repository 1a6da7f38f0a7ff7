//! Where a group's members are, as far as that is known before a request comes.

use std::rc::Rc;

use super::super::{Place, Spot};
use crate::ir;

/// Where a member is.
#[derive(Debug)]
pub struct Whereabouts {
    /// The port of its address; 0 for a socket in the file system.
    pub port: u16,
    /// Its place with what logs call that; `None` where a name is to be looked up.
    pub known: Option<(Place, Rc<str>)>,
    /// Whether nothing lies over the settings in force.
    pub plain: bool,
}

impl Whereabouts {
    /// Of a member.
    pub fn of(endpoint: &ir::Endpoint, member: &ir::Member) -> Self {
        let (port, place) = match Spot::of(&endpoint.address, endpoint.default_port) {
            Spot::Known(address) => (address.port(), Some(Place::Tcp(address))),
            Spot::Name(_, port) => (port, None),
            Spot::Unix(path) => (0, Some(Place::Unix(path))),
        };
        let known = place.map(|place| {
            let label = place.to_string().into();
            (place, label)
        });
        Self { port, known, plain: member.settings.is_empty() }
    }
}
