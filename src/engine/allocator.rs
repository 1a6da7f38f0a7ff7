//! The system's allocator, told not to give memory back at once.
//!
//! By default glibc returns the top of a thread's heap to the kernel whenever 128 KiB of it are free and asks for it
//! again right after: with a connection per request that was one `mprotect` in ten requests. Measured: 2% of the
//! CPU time of such requests; other allocators gained nothing more.
//!
//! Its oldest lists of free pieces ("fastbins") are off: with any of them filled, each request for a kilobyte or more
//! goes through all. Measured: 15% of the time to read 100,000 lines.

/// Sets it up for the process, before anything large is read.
#[expect(unsafe_code, reason = "mallopt has no safe interface in the libraries used")]
pub fn settle() {
    const MIB: libc::c_int = 1 << 20;
    // SAFETY: two integers each; called before workers start.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, 64 * MIB);
        libc::mallopt(libc::M_TOP_PAD, MIB);
        libc::mallopt(libc::M_MXFAST, 0);
    }
}
