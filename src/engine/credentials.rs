//! Workers give up root, thread by thread, so that the starting thread can still bind and open logs on a reload.
//!
//! The kernel keeps credentials per thread; libc's wrappers would change all threads at once, so the system calls
//! are made directly. Threads that a worker starts inherit its credentials.

use std::io;

use crate::ir::Text;

/// A user and its groups.
#[derive(Clone, Copy, Debug)]
pub(super) struct User {
    uid: u32,
    gid: u32,
}

/// The ids of a user and its group, or of the group named; none when the process cannot become another user.
pub(super) fn ids(user: Option<&(Text, Option<Text>)>) -> Result<Option<(u32, u32)>, String> {
    Ok(look_up(user)?.map(|User { uid, gid }| (uid, gid)))
}

/// The user to become: none when the process is not root, since only root can.
pub(super) fn look_up(user: Option<&(Text, Option<Text>)>) -> Result<Option<User>, String> {
    let Some((name, group)) = user.filter(|_| is_root()) else { return Ok(None) };
    let name = name.lossy();
    let (uid, gid) = entry("/etc/passwd", &name)
        .ok_or_else(|| format!("getpwnam(\"{name}\") failed: there is no such user"))?;
    let gid = match group {
        Some(group) => {
            let group = group.lossy();
            entry("/etc/group", &group)
                .ok_or_else(|| format!("getgrnam(\"{group}\") failed: there is no such group"))?
                .0
        }
        None => gid,
    };
    Ok(Some(User { uid, gid }))
}

/// Whether the process runs as root.
#[expect(unsafe_code, reason = "geteuid has no safe interface in the libraries used")]
pub(super) fn is_root() -> bool {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// The third and fourth column of a name's line: ids.
fn entry(file: &str, name: &str) -> Option<(u32, u32)> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut columns = line.split(':').skip(2);
    let id = columns.next()?.parse().ok()?;
    Some((id, columns.next().and_then(|column| column.parse().ok()).unwrap_or(id)))
}

/// Makes the calling thread that user's.
#[expect(unsafe_code, reason = "credentials of one thread are changed by raw system calls only")]
pub(super) fn become_user(user: Option<User>) -> io::Result<()> {
    let Some(User { uid, gid }) = user else { return Ok(()) };
    let check = |done: libc::c_long| if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    // SAFETY: the calls take integers, and one pointer to a live group id with its count.
    unsafe {
        check(libc::syscall(libc::SYS_setgroups, 1usize, &raw const gid))?;
        check(libc::syscall(libc::SYS_setresgid, gid, gid, gid))?;
        check(libc::syscall(libc::SYS_setresuid, uid, uid, uid))
    }
}
