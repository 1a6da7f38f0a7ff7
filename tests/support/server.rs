//! Starts one server on a fixture's configuration in its own prefix folder, and stops it.

use super::fixture::Fixture;
use super::original::{Original, Program};
use super::ports::Ports;
use super::tls;
use std::fs::{self, File};
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// Modification time of all files, so that validators are equal.
const MODIFIED: Duration = Duration::from_secs(1_704_164_645);

/// A running server; dropping it kills it.
pub(crate) struct Server {
    child: Child,
    original: Original,
    prefix: PathBuf,
}

/// Makes the prefix folder of a fixture anew.
pub(crate) fn prepare(
    fixture: &Fixture,
    original: Original,
    prefix: &Path,
    conf: &str,
    ports: &Ports,
    tls: &tls::Material,
) -> io::Result<()> {
    drop(fs::remove_dir_all(prefix));
    fs::create_dir_all(prefix.join("logs"))?;
    fs::create_dir_all(prefix.join("html"))?;
    original.install(prefix, conf)?;
    if conf.contains("tls/") {
        tls.install(&prefix.join("tls"))?;
    }
    let files = fixture.http.with_extension("files");
    if files.is_dir() {
        copy(&files, prefix, ports)?;
    }
    Ok(())
}

/// Copies a fixture's folder as it is, if there is one.
pub(crate) fn folder(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() { copy(from, to, &Ports::none()) } else { Ok(()) }
}

/// All texts of a folder, for the port numbers written in them.
pub(crate) fn texts(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let text = if path.is_dir() { texts(&path) } else { fs::read_to_string(&path).unwrap_or_default() };
        all.push_str(&text);
        all.push('\n');
    }
    all
}

/// Copies a folder with fixed modification times.
fn copy(from: &Path, to: &Path, ports: &Ports) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, &target)?;
        } else if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy(&entry.path(), &target, ports)?;
            File::open(&target)?.set_modified(SystemTime::UNIX_EPOCH + MODIFIED)?;
        } else {
            let bytes = match String::from_utf8(fs::read(entry.path())?) {
                Ok(text) => ports.translate(&text).into_bytes(),
                Err(other) => other.into_bytes(),
            };
            fs::write(&target, bytes)?;
            fs::set_permissions(&target, entry.metadata()?.permissions())?;
            File::options().write(true).open(&target)?.set_modified(SystemTime::UNIX_EPOCH + MODIFIED)?;
        }
    }
    Ok(())
}

impl Server {
    /// Starts `program` and waits until every address the fixture uses accepts connections.
    pub(crate) fn start(
        program: &Program,
        original: Original,
        fixture: &Fixture,
        ports: &Ports,
        prefix: &Path,
    ) -> Result<Self, String> {
        let stderr = File::create(prefix.join("logs/stderr.log")).map_err(|e| e.to_string())?;
        let mut command = Command::new(&program.path);
        command.args(&program.arguments);
        original.start(&mut command, prefix, ports.get(18080));
        let child = command
            .current_dir(prefix)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .map_err(|e| format!("{}: {e}", program.path.display()))?;
        let mut server = Self { child, original, prefix: prefix.to_path_buf() };
        let end = Instant::now() + Duration::from_secs(10);
        for request in &fixture.requests {
            if request.unix.is_some() {
                continue;
            }
            let address = (request.to.as_str(), ports.get(request.port));
            while TcpStream::connect(address).is_err() {
                if let Ok(Some(status)) = server.child.try_wait() {
                    return Err(format!("ended at start with {status}\n{}", server.said()));
                }
                if Instant::now() > end {
                    return Err(format!("does not listen on {address:?}\n{}", server.said()));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(server)
    }

    /// What the server wrote to standard error.
    fn said(&self) -> String {
        fs::read_to_string(self.prefix.join("logs/stderr.log")).unwrap_or_default()
    }

    /// Ends the server so that logs are complete, or by force.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        let _ =
            Command::new("kill").args([self.original.stop_signal(), &self.child.id().to_string()]).status();
        // Apache's processes take their time on a busy machine.
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("ended with {status}\n{}", self.said())),
                _ => std::thread::sleep(Duration::from_millis(3)),
            }
        }
        Err("did not end within 10 s".to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // TERM lets a master take its workers along.
            let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
            let end = Instant::now() + Duration::from_millis(500);
            while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
