//! Settings of whose address is the client's where connections come from proxies that tell it.

use serde::Serialize;

use super::{Setting, Value};
use crate::ir::{AddressRange, Name, VarId};

settings! {
    /// Whose address is the client's. They count where [`crate::ir::Step::Identify`] stands, until it is known.
    ClientAddress, ClientAddressInForce {
        /// Where proxies tell it.
        told: Telling,
        /// Whether what the PROXY protocol's header says is believed before that, whoever sent it.
        announcement_first: bool,
        /// The proxies that are believed.
        trusted: Vec<TrustedProxy>,
        /// Whether every proxy is believed where none is named.
        trusts_all: bool,
        /// Whether the address that a proxy tells, if it is that of another proxy that is believed, is taken for one,
        /// and so on from the last to the first; else the last is the client's.
        chained: bool,
        /// Whether addresses are separated by spaces, too, and may have ports.
        loose: bool,
        /// Whether of the addresses that a proxy outside tells only public ones count.
        only_public: bool,
        /// Whether the field loses what was believed of it.
        consumed: bool,
        /// The field of the request that takes the addresses of the proxies outside that were passed.
        passed: Option<Name>,
        /// The variable that takes them.
        passed_into: Option<VarId>,
    }
}

/// Where proxies tell the address of their client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Telling {
    /// Nowhere: the other end of the connection is the client.
    #[default]
    Nowhere,
    /// In this field of the request.
    Field(Name),
    /// In the PROXY protocol's header, before the first request: see [`crate::ir::Listener::announced`].
    Announcement,
}

/// A proxy that is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct TrustedProxy {
    /// Its address.
    pub range: AddressRange,
    /// Whether it is one of ours, inside, whose clients may have private addresses.
    pub inside: bool,
}

impl Setting for Telling {
    fn accumulate(&mut self, over: &Self) {
        self.clone_from(over);
    }
}
