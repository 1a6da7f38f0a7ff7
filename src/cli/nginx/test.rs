//! `-t` and `-T`: whether the server would start, and the files that it would read.

use std::{collections::HashSet, process::ExitCode};

use super::{args::Args, early_log::EarlyLog, layout::Layout};
use crate::{
    cli::{
        load::{self, Ready},
        process::folders,
        say,
    },
    diagnostic::Diagnostic,
    engine::{self, Server},
    source::SourceMap,
};

/// Everything that a start does but for the sockets, and the verdict.
pub(super) fn run(
    args: &Args,
    layout: &Layout,
    sources: &SourceMap,
    ready: Option<Ready>,
    options: &engine::Options,
    log: &EarlyLog,
) -> ExitCode {
    let file = layout.shown.display();
    let failed = || {
        say::remark(format!("nginx: configuration file {file} test failed\n"));
        ExitCode::FAILURE
    };
    let Some(ready) = ready else { return failed() };
    let names = Server::look_up(&ready.plan.config, options);
    log.findings(sources, &names);
    if load::has_errors(&names) {
        return failed();
    }
    if !args.quiet {
        say::remark(format!("nginx: the configuration file {file} syntax is ok\n"));
    }
    if let Err(faults) = rehearse(ready) {
        log.findings(sources, &faults);
        return failed();
    }
    if !args.quiet {
        say::remark(format!("nginx: configuration file {file} test is successful\n"));
    }
    if args.dump {
        say::result(dump(sources));
    }
    ExitCode::SUCCESS
}

/// Folders, and what the engine does before it serves: logs and certificates.
fn rehearse(ready: Ready) -> Result<(), Vec<Diagnostic>> {
    let Ready { plan, files } = ready;
    folders::make(&files, &plan.config.process).map_err(|fault| vec![fault])?;
    Server::rehearse(plan)
}

/// Every file once, in the order of reading.
fn dump(sources: &SourceMap) -> Vec<u8> {
    let mut seen = HashSet::new();
    let mut text = Vec::new();
    for (_, file) in sources.files() {
        if file.path.as_os_str() == "<command line>" || !seen.insert(&file.path) {
            continue;
        }
        text.extend_from_slice(format!("# configuration file {}:\n", file.path.display()).as_bytes());
        text.extend_from_slice(&file.text);
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dump_has_each_file_once() {
        let mut sources = SourceMap::new();
        for (path, text) in [("<command line>", "pid a;"), ("/a", "a;\n"), ("/b", "b"), ("/a", "a;\n")] {
            sources.add(path.into(), text.into());
        }
        let dumped = String::from_utf8(dump(&sources)).unwrap();
        assert_eq!(dumped, "# configuration file /a:\na;\n\n# configuration file /b:\nb\n");
    }
}
