//! The file with the process id: written when everything listens, removed at the end.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A pid file that was written.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes it, at once: who sees the file sees the number.
    pub fn write(path: &Path) -> io::Result<Self> {
        let id = std::process::id();
        let text = format!("{id}\n");
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{id}"));
        let beside = PathBuf::from(beside);
        let written = fs::write(&beside, &text).and_then(|()| fs::rename(&beside, path));
        if written.is_err() {
            // The folder may be closed to us while the file is ours to write.
            let _ = fs::remove_file(&beside);
            fs::write(path, &text)?;
        }
        Ok(Self { path: path.to_path_buf() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The number in a pid file, or its text when that is no number.
pub fn read(path: &Path) -> io::Result<Result<i32, String>> {
    let text = String::from_utf8_lossy(&fs::read(path)?).into_owned();
    let number = text.trim_end_matches(['\r', '\n']);
    Ok(number.parse().ok().filter(|&id| id > 0).ok_or_else(|| number.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_the_number_and_goes_away() {
        let path = std::env::temp_dir().join(format!("triglot-pid-{}", std::process::id()));
        let file = PidFile::write(&path).unwrap();
        assert_eq!(read(file.path()).unwrap(), Ok(std::process::id().cast_signed()));
        drop(file);
        assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_no_number_is_shown() {
        let path = std::env::temp_dir().join(format!("triglot-no-pid-{}", std::process::id()));
        for (text, shown) in [("", ""), ("abc\n", "abc"), ("12x\n", "12x"), ("-1\n", "-1"), ("0", "0")] {
            fs::write(&path, text).unwrap();
            assert_eq!(read(&path).unwrap(), Err(shown.to_owned()));
        }
        fs::remove_file(&path).unwrap();
    }
}
