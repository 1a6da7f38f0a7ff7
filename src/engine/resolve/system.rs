//! Look-ups by the system: hosts file, name servers, whatever it is set up with.

use std::{
    ffi::{CStr, CString},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// All addresses of a name, in the system's order; those of families that the machine has no address in are left
/// out, as servers do (`AI_ADDRCONFIG`).
#[expect(unsafe_code, reason = "the standard library cannot pass flags to getaddrinfo")]
pub(super) fn look_up(host: &str) -> Result<Vec<IpAddr>, String> {
    let name = CString::new(host).map_err(|_| "the name holds a NUL".to_owned())?;
    // SAFETY: zeroes are valid for `addrinfo`; the name ends in NUL; the list is freed once and not used afterwards.
    unsafe {
        let mut hints: libc::addrinfo = std::mem::zeroed();
        hints.ai_family = libc::AF_UNSPEC;
        hints.ai_socktype = libc::SOCK_STREAM;
        hints.ai_flags = libc::AI_ADDRCONFIG;
        let mut list = std::ptr::null_mut();
        let code = libc::getaddrinfo(name.as_ptr(), std::ptr::null(), &raw const hints, &raw mut list);
        if code != 0 {
            return Err(CStr::from_ptr(libc::gai_strerror(code)).to_string_lossy().into_owned());
        }
        let mut found = Vec::new();
        let mut item = list;
        while let Some(info) = item.as_ref() {
            if let Some(ip) = address(info)
                && !found.contains(&ip)
            {
                found.push(ip);
            }
            item = info.ai_next;
        }
        libc::freeaddrinfo(list);
        if found.is_empty() { Err("no address".to_owned()) } else { Ok(found) }
    }
}

#[expect(unsafe_code, reason = "a C structure is read by the family it names")]
fn address(info: &libc::addrinfo) -> Option<IpAddr> {
    // SAFETY: `ai_addr` points to a structure of the family that `ai_family` names, as getaddrinfo made it.
    unsafe {
        match info.ai_family {
            libc::AF_INET => {
                let addr = info.ai_addr.cast::<libc::sockaddr_in>().read_unaligned();
                Some(Ipv4Addr::from(u32::from_be(addr.sin_addr.s_addr)).into())
            }
            libc::AF_INET6 => {
                let addr = info.ai_addr.cast::<libc::sockaddr_in6>().read_unaligned();
                Some(Ipv6Addr::from(addr.sin6_addr.s6_addr).into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_to_itself() {
        let found = look_up("localhost").unwrap();
        assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
        assert!(look_up("no-such-host.invalid").is_err());
        assert!(look_up("a\0b").is_err());
    }
}
