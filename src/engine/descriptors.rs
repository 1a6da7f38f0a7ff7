//! The open-files limit of the process.

/// Raises the limit as far as the system allows; what it does not allow is left as it is.
#[expect(unsafe_code, reason = "no safe interface to setrlimit exists in the libraries used")]
pub(super) fn raise(wanted: u64) {
    // SAFETY: plain data, and both pointers are to a live value.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return;
        }
        let higher = libc::rlimit { rlim_cur: wanted, rlim_max: limit.rlim_max.max(wanted) };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const higher) != 0 {
            limit.rlim_cur = wanted.min(limit.rlim_max);
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}
