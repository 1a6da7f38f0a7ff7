//! A request made smaller while it still shows the same.

use std::net::{IpAddr, Ipv4Addr};

use super::probe::Probe;
use crate::engine::rehearse::World;

/// Tries that one request is worth.
const TRIES: usize = 120;

/// The smallest request found for which `shows` still holds.
pub fn shrink(mut probe: Probe, shows: impl Fn(&Probe) -> bool) -> Probe {
    let mut left = TRIES;
    loop {
        let smaller = candidates(&probe).into_iter().find(|candidate| {
            left = left.saturating_sub(1);
            left > 0 && shows(candidate)
        });
        match smaller {
            Some(smaller) => probe = smaller,
            None => return probe,
        }
    }
}

/// Requests that are a little smaller.
fn candidates(probe: &Probe) -> Vec<Probe> {
    let mut all = Vec::new();
    for at in 0..probe.fields.len() {
        let mut without = probe.clone();
        without.fields.remove(at);
        all.push(without);
    }
    let usual = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
    if probe.client != usual {
        all.push(Probe { client: usual, ..probe.clone() });
    }
    if probe.world != World::Empty {
        all.push(Probe { world: World::Empty, ..probe.clone() });
    }
    if probe.method != b"GET" {
        all.push(Probe { method: b"GET".to_vec(), ..probe.clone() });
    }
    if probe.old {
        all.push(Probe { old: false, ..probe.clone() });
    }
    all.extend(targets(&probe.target).into_iter().map(|target| Probe { target, ..probe.clone() }));
    all
}

/// Targets that are shorter: without query, with fewer segments, with shorter ones.
fn targets(target: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let (path, query) = match memchr::memchr(b'?', target) {
        Some(at) => (&target[..at], Some(&target[at..])),
        None => (target, None),
    };
    if let Some(query) = query {
        all.push(path.to_vec());
        if let Some(at) = memchr::memrchr(b'&', query) {
            all.push([path, &query[..at]].concat());
        }
    }
    let rest = query.unwrap_or_default();
    if path.len() > 1 {
        all.push([b"/", rest].concat());
    }
    let slashes: Vec<usize> = memchr::memchr_iter(b'/', path).collect();
    for pair in slashes.windows(2) {
        all.push([&path[..pair[0]], &path[pair[1]..], rest].concat());
    }
    if let Some(last) = slashes.last().filter(|last| **last + 1 < path.len()) {
        all.push([&path[..=*last], rest].concat());
        if path.len() > last + 2 {
            all.push([&path[..path.len() - 1], rest].concat());
        }
    } else if let [.., before, last] = slashes.as_slice()
        && *last + 1 == path.len()
    {
        all.push([&path[..=*before], rest].concat());
    }
    all.retain(|one| one.first() == Some(&b'/') && one.len() < target.len());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_goes() {
        let mut probe = Probe::get(([192, 0, 2, 1], 80).into(), false, b"/a/ws/chat/room.html?x=1&y=2");
        probe.upgrade();
        probe.client = Ipv4Addr::LOCALHOST.into();
        probe.method = b"POST".to_vec();
        let shows = |probe: &Probe| {
            memchr::memmem::find(&probe.target, b"/ws/").is_some()
                && probe.fields.iter().any(|(name, _)| name == b"Upgrade")
        };
        let small = shrink(probe, shows);
        assert_eq!(small.target, b"/ws/");
        assert_eq!(small.fields, [(b"Upgrade".to_vec(), b"websocket".to_vec())]);
        assert_eq!(small.method, b"GET");
    }
}
