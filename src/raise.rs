//! From what a configuration does to what it is meant to say: the IR's programs as servers, places, rules and upstreams.
//!
//! `translate` lowers a file, raises the IR to an [`Outline`], and has a dialect's renderer print that. The outline holds
//! what somebody wrote: steps and settings that a lowering adds by itself have no place in a file (or their host's) and are
//! left to the target's own defaults. Whatever was written and has no shape here is a [`Loss`], never silence.

mod forward;
mod guard;
mod hooks;
mod loss;
mod matching;
mod named;
mod notes;
mod order;
mod outline;
mod page;
mod program;
mod rule;
mod said;
mod used;
mod value;

pub use guard::guarded;
pub use hooks::fallback;
pub use loss::{Loss, Losses};
pub use matching::{How, Known, Match, of_pattern, path_regex};
pub use notes::Notes;
pub use order::{first_match, sections};
pub use outline::{
    Act, Area, Existing, Fallback, FallbackTo, Head, Item, Listen, Outline, Pass, PassPath, Place, PlaceKind,
    Redirect, Rule, Scheme, Server, Shape, Then, To,
};
pub use page::Page;
pub use program::{as_written, outline};
pub use rule::{simplified, websocket_pass};
pub use said::{Clients, Response, Users, Who, log_name, network, responses, seconds, sent, statuses, who};
pub use used::{all_vars, passes, passes_of, timeouts, used_clusters, used_vars};
pub use value::{plain, resolve, text_of};
