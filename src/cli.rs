//! temp
pub mod directives;
use crate::{
    diagnostic,
    dialect::nginx::{load, lower},
    engine, plan,
    source::SourceMap,
};
use std::{path::PathBuf, process::ExitCode};
/// temp
pub fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let file = PathBuf::from(&args[1]);
    let prefix = args.get(2).map(PathBuf::from).unwrap_or_else(|| file.parent().unwrap().to_path_buf());
    let mut sources = SourceMap::new();
    let (items, mut d) =
        load::load(&mut sources, &file, &load::Options { prefix: prefix.clone(), offline: false });
    let (config, more) = lower::lower(
        &items,
        &sources,
        &lower::Options {
            prefix: prefix.clone(),
            conf_prefix: file.parent().unwrap().to_path_buf(),
            offline: false,
            strict_names: false,
            root: true,
            token: "nginx/1.31.5".into(),
            level: lower::Kind::Main,
        },
    );
    d.extend(more);
    for x in &d {
        eprintln!(
            "{:?} {} {:?}",
            x.severity,
            x.message,
            x.labels.first().and_then(|l| sources.position(l.span))
        );
    }
    if d.iter().any(|x| x.severity == diagnostic::Severity::Error) {
        return ExitCode::FAILURE;
    }
    let plan = match plan::compile(config) {
        Ok(p) => p,
        Err(e) => {
            eprintln!("{e:?}");
            return ExitCode::FAILURE;
        }
    };
    let server = match engine::Server::start(plan, engine::Options::default()) {
        Ok(s) => s,
        Err(e) => {
            for x in e {
                eprintln!("{}", x.message);
            }
            return ExitCode::FAILURE;
        }
    };
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(async {
        let mut t = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        let mut q = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::quit()).unwrap();
        tokio::select! { _ = t.recv() => {}, _ = q.recv() => {} }
    });
    server.stop();
    ExitCode::SUCCESS
}
