//! Into the background, with the parent waiting for the verdict.
//!
//! Reference: <https://nginx.org/r/daemon>. The parent leaves when the child
//! serves, or with status 1 when it could not; so who started it knows.

use std::{
    fs::File,
    io::{self, PipeReader, PipeWriter, Read, Write},
    os::fd::AsFd,
};

use super::system::{self, Fork};

/// Which process this is, after [`fork`].
#[derive(Debug)]
pub enum Side {
    /// The one that was started: it waits and leaves.
    Parent(Verdict),
    /// The one that serves.
    Child(Ready),
}

/// The parent's end: what became of the child.
#[derive(Debug)]
pub struct Verdict(PipeReader);

/// The child's end. Dropped without a word, it means failure.
#[derive(Debug)]
pub struct Ready(PipeWriter);

/// Splits the process; the child has no terminal, and reads and writes nothing but standard error.
pub fn fork() -> io::Result<Side> {
    let (reader, writer) = io::pipe()?;
    if system::fork()? == Fork::Parent {
        return Ok(Side::Parent(Verdict(reader)));
    }
    system::leave_terminal()?;
    system::clear_umask();
    let null = File::options().read(true).write(true).open("/dev/null")?;
    system::replace_stream(0, null.as_fd())?;
    system::replace_stream(1, null.as_fd())?;
    Ok(Side::Child(Ready(writer)))
}

impl Verdict {
    /// Waits until the child serves (`true`) or has failed.
    pub fn wait(mut self) -> bool {
        let mut word = [0];
        matches!(self.0.read(&mut word), Ok(1))
    }
}

impl Ready {
    /// Lets the parent leave.
    pub fn tell(mut self) -> io::Result<()> {
        self.0.write_all(b"+")
    }
}
