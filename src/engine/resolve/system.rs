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

/// The name of an address.
#[expect(unsafe_code, reason = "the standard library has no getnameinfo")]
pub(super) fn name_of(address: IpAddr) -> Result<String, String> {
    let mut name = [0; libc::NI_MAXHOST as usize];
    let length = name.len() as libc::socklen_t;
    let at = name.as_mut_ptr();
    // SAFETY: zeroes are valid for both structures; they and the buffer live through the call, with their lengths.
    let code = unsafe {
        match address {
            IpAddr::V4(ip) => {
                let mut of: libc::sockaddr_in = std::mem::zeroed();
                of.sin_family = libc::AF_INET as libc::sa_family_t;
                of.sin_addr.s_addr = u32::from(ip).to_be();
                let size = size_of_val(&of) as libc::socklen_t;
                let of = (&raw const of).cast();
                libc::getnameinfo(of, size, at, length, std::ptr::null_mut(), 0, libc::NI_NAMEREQD)
            }
            IpAddr::V6(ip) => {
                let mut of: libc::sockaddr_in6 = std::mem::zeroed();
                of.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                of.sin6_addr.s6_addr = ip.octets();
                let size = size_of_val(&of) as libc::socklen_t;
                let of = (&raw const of).cast();
                libc::getnameinfo(of, size, at, length, std::ptr::null_mut(), 0, libc::NI_NAMEREQD)
            }
        }
    };
    if code != 0 {
        // SAFETY: what it returns is a constant text.
        let why = unsafe { CStr::from_ptr(libc::gai_strerror(code)) };
        return Err(why.to_string_lossy().into_owned());
    }
    // SAFETY: the call succeeded, so that a text that ends in NUL is in the buffer.
    let name = unsafe { CStr::from_ptr(at) };
    name.to_str().map(str::to_owned).map_err(|_| "the name is no text".to_owned())
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
