//! The open-files limit of the process.

use std::io;

use crate::diagnostic::{Diagnostic, Severity};

/// Raises the limit so that each worker has as many files as the configuration says, or without that as many as the
/// process was given: people count them per worker. What the system does not allow is said and left as it is.
pub(super) fn raise(each: Option<u64>, workers: u64) -> Option<Diagnostic> {
    let (soft, hard) = limits().ok()?;
    let wanted = each.unwrap_or(soft).saturating_mul(workers);
    if wanted <= soft {
        return None;
    }
    if wanted > hard && each.is_some() && set(wanted, wanted).is_ok() {
        return None;
    }
    let failed = set(wanted.min(hard), hard).err();
    let refused = each.filter(|_| wanted > hard || failed.is_some())?;
    let error = failed.unwrap_or_else(|| io::Error::from_raw_os_error(libc::EPERM));
    let message = format!("setrlimit(RLIMIT_NOFILE, {refused}) failed ({})", super::forward::system(&error));
    Some(Diagnostic::new(Severity::Warning, "descriptor-limit", message))
}

#[expect(unsafe_code, reason = "no safe interface to getrlimit exists in the libraries used")]
fn limits() -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live value.
    match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } {
        0 => Ok((limit.rlim_cur, limit.rlim_max)),
        _ => Err(io::Error::last_os_error()),
    }
}

#[expect(unsafe_code, reason = "no safe interface to setrlimit exists in the libraries used")]
fn set(soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the pointer is to a live value.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
