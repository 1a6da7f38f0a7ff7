//! `triglot demo`: origins, the proxy in front of them, and a page to click.
//!
//! Each configuration is served by an engine of its own, on ports of its own,
//! as it stands in `fixtures/nginx/seed` but for the port numbers.

mod origin;
mod seeds;
mod websocket;

use std::{fmt::Write as _, path::Path, process::ExitCode};

use super::{
    load::{self, Ready, Request},
    process::{folders, signals, system},
    run, say,
};
use crate::{
    diagnostic::{
        Diagnostic,
        render::{Colour, Format, render},
    },
    dialect::{Dialect, Options},
    engine::{self, Server},
    source::SourceMap,
};
use origin::{Origin, Site};
use seeds::{SEEDS, Seed};

/// The page that the first configuration leads to.
const PAGE: &str = include_str!("demo/page.html");

/// Two that answer requests and two that echo over `WebSocket`s; each can do both.
const ORIGINS: [&str; 4] = ["http-1", "http-2", "ws-1", "ws-2"];

/// A seed with its ports.
struct Placed {
    seed: &'static Seed,
    port: u16,
    text: String,
}

/// The demonstration at work; its files go with it.
struct Running {
    servers: Vec<Server>,
    _scratch: run::Scratch,
}

/// Serves until a signal ends it.
pub fn run(port: u16) -> ExitCode {
    match serve(port) {
        Ok(running) => {
            signals::wait_for_end();
            for server in &running.servers {
                server.stop();
            }
            drop(running);
            say::remark("\nended\n");
            ExitCode::SUCCESS
        }
        Err(text) => {
            say::remark(text);
            ExitCode::FAILURE
        }
    }
}

/// Everything up to the first request. The error is for people.
fn serve(port: u16) -> Result<Running, String> {
    let plainly = |error: std::io::Error| format!("error: {error}\n");
    signals::keep().map_err(plainly)?;
    let origins: Vec<Origin> =
        ORIGINS.into_iter().map(Origin::bind).collect::<Result<_, _>>().map_err(plainly)?;
    let ports: Vec<u16> = origins.iter().map(Origin::port).collect::<Result<_, _>>().map_err(plainly)?;
    let seeds = place(port, &ports)?;

    let scratch = run::Scratch::make().map_err(|(_, error)| plainly(error))?;
    let mut servers = Vec::new();
    for placed in &seeds {
        servers.push(start(placed, &scratch.path().join("demo"))?);
    }
    origin::serve(origins, Site { page: PAGE, seeds: listing(&seeds) }).map_err(plainly)?;
    let mut text = format!("open http://localhost:{port}/ in a browser; Ctrl-C ends it\n\n");
    for Placed { seed, port, .. } in &seeds {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  http://localhost:{port}/  {}: {}", seed.name, seed.about);
    }
    say::result(text);
    Ok(Running { servers, _scratch: scratch })
}

/// Gives every seed its ports.
fn place(first: u16, origins: &[u16]) -> Result<Vec<Placed>, String> {
    let mut port = first;
    let mut placed = Vec::new();
    for seed in SEEDS {
        if port > u16::MAX - 10 {
            return Err(format!("error: there are not enough ports above {first}\n"));
        }
        let (text, next) = seed.text(port, origins);
        placed.push(Placed { seed, port, text });
        port = next;
    }
    Ok(placed)
}

fn start(placed: &Placed, folder: &Path) -> Result<Server, String> {
    let path = placed.seed.write(folder, &placed.text).map_err(|error| format!("error: {error}\n"))?;
    let request = Request {
        dialect: Some(Dialect::Nginx),
        options: Options {
            root: system::is_root(),
            files: run::own_files(&folder.join(placed.seed.name)),
            ..run::located(&path, None)
        },
        path,
        listen: None,
    };
    let mut sources = SourceMap::new();
    let (ready, found) = load::plan(&mut sources, &request);
    let Some(Ready { plan, files }) = ready else { return Err(shown(&sources, &found)) };
    folders::make(&files, &plan.config.process).map_err(|fault| shown(&sources, &[fault]))?;
    let options = engine::Options { root: system::is_root(), ..engine::Options::default() };
    Server::start(plan, options).map_err(|faults| {
        let help = "is another program there? `--port` chooses other ports";
        shown(&sources, &faults.into_iter().map(|fault| fault.help(help)).collect::<Vec<_>>())
    })
}

fn shown(sources: &SourceMap, found: &[Diagnostic]) -> String {
    render(sources, found, Format::Human, Colour::Never)
}

/// What the page shows of the configurations.
fn listing(seeds: &[Placed]) -> String {
    let of = |Placed { seed, port, text }: &Placed| {
        serde_json::json!({
            "name": seed.name, "about": seed.about, "port": port, "paths": seed.paths, "text": text,
        })
    };
    serde_json::Value::from(seeds.iter().map(of).collect::<Vec<_>>()).to_string()
}
