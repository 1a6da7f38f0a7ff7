//! `make bench`: triglot beside nginx, on the same nginx.conf, in CPU time per unit of work; in one workload on a
//! web.config beside nginx on the equivalent nginx.conf.
//!
//! CPU time per unit says the same on a busy machine as on a quiet one, where requests per second do not. Each proxy
//! runs on one CPU, the load and the origin on another; the rounds are interleaved, the figures are medians over the
//! rounds, and a ratio is between medians of the same rounds. Before it is measured, a proxy must show, at the
//! origin, that it forwards what its configuration says.
#![expect(unreachable_pub, reason = "a program has no users; `pub` says what a module offers to the others")]

mod config;
mod frames;
mod histogram;
mod load;
mod measure;
mod origin;
mod report;
mod rules;
mod subject;
mod sys;
mod wire;
mod workload;

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use clap::Parser;

use config::Profile;
use load::Job;
use report::{BASE, Results, Run};
use subject::{Recipe, Site, Subject};
use workload::{Unit, Workload};

/// Compares the CPU time per unit of work of reverse proxies that run the same nginx.conf.
#[derive(Parser)]
#[command(name = "proxy", bin_name = "make bench")]
struct Options {
    /// Three short rounds: under two minutes, good to some percent.
    #[arg(long)]
    quick: bool,
    /// Only these workloads, by their ids, separated by commas; `--list` prints them.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Print the workloads and their ids.
    #[arg(long)]
    list: bool,
    /// The triglot to measure, if not the one built with the bench.
    #[arg(long, value_name = "PATH")]
    triglot: Option<PathBuf>,
    /// Leave triglot out.
    #[arg(long)]
    no_triglot: bool,
    /// The nginx to measure against.
    #[arg(long, default_value = "nginx", value_name = "PATH")]
    nginx: String,
    /// The Apache to measure against, where the file is an httpd.conf.
    #[arg(long, default_value = "apache2", value_name = "PATH")]
    apache: String,
    /// A further subject, started in the foreground by a shell; {conf} and {dir} are filled in.
    #[arg(long, value_name = "NAME=COMMAND")]
    subject: Vec<String>,
    /// Rounds of every workload with every subject.
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each measured run.
    #[arg(long)]
    seconds: Option<f64>,
    /// Idle tunnels to open.
    #[arg(long, default_value_t = 5000)]
    tunnels: usize,
    /// Count system calls per unit as well (strace, in a run of its own).
    #[arg(long)]
    syscalls: bool,
    /// Print the table that the README shows, as well.
    #[arg(long)]
    markdown: bool,
    /// Exit with status 2 when a target is missed.
    #[arg(long)]
    gate: bool,
    /// First port that the proxies may listen on.
    #[arg(long, default_value_t = 21500)]
    port: u16,
    /// What `cargo bench` adds to every bench's arguments.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How long and how often.
struct Pace {
    rounds: usize,
    warm: Duration,
    measured: Duration,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(status) => status,
        Err(error) => {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<ExitCode> {
    let workloads: Vec<Workload> =
        workload::all().into_iter().filter(|workload| chosen(options, workload.id)).collect();
    if options.list {
        for workload in &workloads {
            say(&format!("{:<15} {}\n", workload.id, workload.title));
        }
        say(&format!("{:<15} memory of idle tunnels\n", workload::IDLE));
        return Ok(ExitCode::SUCCESS);
    }
    let recipes = recipes(options)?;
    let names: Vec<String> = recipes.iter().map(|recipe| recipe.name.clone()).collect();
    let pace = Pace {
        rounds: options.rounds.unwrap_or(if options.quick { 3 } else { 8 }).max(1),
        warm: Duration::from_millis(if options.quick { 150 } else { 300 }),
        measured: Duration::from_secs_f64(options.seconds.unwrap_or(if options.quick { 0.5 } else { 0.8 })),
    };
    let descriptors = sys::raise_descriptor_limit(24_000)?;
    let tunnels = options.tunnels.min((descriptors as usize).saturating_sub(500) / 2);

    let cpus = sys::allowed_cpus()?;
    let (proxy_cpu, load_cpu) = match cpus[..] {
        [] => bail!("no CPU to run on"),
        [only] => (only, only),
        [first, .., last] => (first, last),
    };
    let scratch = Scratch(subject::scratch_dir(&env::temp_dir())?);
    let site = Site {
        dir: scratch.0.clone(),
        origin: origin::start(load_cpu)?,
        proxy_cpu,
        load_cpu,
        first_port: options.port,
    };
    sys::pin(load_cpu)?;
    say(&heading(options, &pace, &cpus, &recipes));

    let mut results = Results::default();
    {
        let subjects = start_all(&recipes, &workloads, &site)?;
        rounds(&workloads, &names, &subjects, &pace, &mut results);
        if options.syscalls {
            system_calls(&workloads, &names, &subjects, &mut results);
        }
    }
    if chosen(options, workload::IDLE) {
        for recipe in &recipes {
            match idle(recipe, &site, tunnels) {
                Ok(figures) => drop(results.idle.insert(recipe.name.clone(), figures)),
                Err(error) => {
                    results.failures.insert((workload::IDLE, recipe.name.clone()), format!("{error:#}"));
                }
            }
        }
    }
    progress("");
    say(&results.table(&workloads, &names));
    if options.markdown {
        say(&format!("\n{}", results.markdown(&workloads, &names)));
    }
    Ok(if !results.failures.is_empty() {
        ExitCode::FAILURE
    } else if options.gate && results.missed(&workloads, &names) {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    })
}

fn chosen(options: &Options, id: &str) -> bool {
    options.only.is_empty() || options.only.iter().any(|only| only == id)
}

fn recipes(options: &Options) -> Result<Vec<Recipe>> {
    let mut recipes = vec![Recipe {
        name: BASE.into(),
        command: format!("{} -p {{dir}} -c {{conf}} -g 'daemon off;'", options.nginx),
        site: None,
        httpd: Some(format!("{} -f {{conf}} -DFOREGROUND", options.apache)),
    }];
    if !options.no_triglot {
        // Cargo builds the binary beside the bench, with the same profile, and says where.
        let built = option_env!("CARGO_BIN_EXE_triglot").map(PathBuf::from);
        let path = options.triglot.clone().or(built).context("which triglot? say --triglot PATH")?;
        if !path.exists() {
            bail!("{} does not exist; build it, or say --no-triglot", path.display());
        }
        let path = path.display();
        recipes.push(Recipe {
            name: "triglot".into(),
            command: format!("'{path}' run {{conf}}"),
            httpd: Some(format!("'{path}' httpd -f {{conf}} -DFOREGROUND")),
            site: Some(format!("'{path}' run {{site}} --listen 127.0.0.1:{{port}}")),
        });
    }
    for text in &options.subject {
        let (name, command) = text.split_once('=').context("--subject takes NAME=COMMAND")?;
        recipes.push(Recipe { name: name.into(), command: command.into(), httpd: None, site: None });
    }
    Ok(recipes)
}

type Subjects = HashMap<(Profile, String), Subject>;

/// One process of each recipe for each profile that is needed; those not measured are idle and cost nothing.
fn start_all(recipes: &[Recipe], workloads: &[Workload], site: &Site) -> Result<Subjects> {
    let mut subjects = HashMap::new();
    for profile in Profile::ALL {
        if workloads.iter().any(|workload| workload.profile == profile) {
            for recipe in recipes.iter().filter(|recipe| !profile.is_apache() || recipe.httpd.is_some()) {
                progress(&format!("starting {} ({})", recipe.name, profile.name()));
                subjects.insert((profile, recipe.name.clone()), Subject::start(recipe, profile, site)?);
            }
        }
    }
    Ok(subjects)
}

fn rounds(workloads: &[Workload], names: &[String], subjects: &Subjects, pace: &Pace, results: &mut Results) {
    for round in 1..=pace.rounds {
        // Every other round goes the other way, so that nobody is always the first after a pause.
        let mut order: Vec<&String> = names.iter().collect();
        if round % 2 == 0 {
            order.reverse();
        }
        for workload in workloads {
            for &name in &order {
                let key = (workload.id, name.clone());
                let Some(subject) = subjects.get(&(workload.profile, name.clone())) else { continue };
                if results.failures.contains_key(&key) {
                    continue;
                }
                progress(&format!("round {round} of {}: {}, {name}", pace.rounds, workload.title));
                match measured(workload, subject, pace) {
                    Ok(run) => results.runs.entry(key).or_default().push(run),
                    Err(error) => drop(results.failures.insert(key, format!("{error:#}"))),
                }
            }
        }
    }
}

/// One run of one workload with one subject.
fn measured(workload: &Workload, subject: &Subject, pace: &Pace) -> Result<Run> {
    let pids = subject.pids();
    let counters = measure::Instructions::attach(&pids).ok();
    let sample = || (measure::cpu(&pids), counters.as_ref().map(measure::Instructions::read));
    let job = job(workload, subject, pace.warm, pace.measured);
    let (outcome, before, after) = load::run(&job, sample)?;
    if outcome.errors > 0 {
        let first = outcome.first_error.unwrap_or_default();
        bail!("{} errors, the first: {first}", outcome.errors);
    }
    let work = match workload.unit {
        Unit::Gibibyte => outcome.bytes as f64 / f64::from(1 << 30),
        _ => outcome.units as f64,
    };
    if work == 0.0 {
        bail!("nothing was done");
    }
    let cpu = after.0.since(before.0);
    Ok(Run {
        units_per_second: work / outcome.time.as_secs_f64(),
        cost: cpu.total.as_secs_f64() / work,
        user: cpu.user.as_secs_f64() / work,
        system: cpu.system.as_secs_f64() / work,
        instructions: after.1.zip(before.1).map(|(after, before)| (after - before) as f64 / work),
        busy: cpu.total.as_secs_f64() / outcome.time.as_secs_f64(),
        p50: outcome.latency.quantile(0.5),
        p99: outcome.latency.quantile(0.99),
        resident: measure::memory(&pids).resident,
    })
}

fn job<'a>(workload: &'a Workload, subject: &Subject, warm: Duration, measured: Duration) -> Job<'a> {
    let address = SocketAddr::new(subject.address().ip(), subject.port + workload.port);
    let tls = workload.port == 2;
    Job { address, tls, connections: workload.connections, traffic: &workload.traffic, warm, measured }
}

/// System calls per unit, with the tracer attached from before the first request until after the last.
fn system_calls(workloads: &[Workload], names: &[String], subjects: &Subjects, results: &mut Results) {
    for workload in workloads {
        for name in names {
            let Some(subject) = subjects.get(&(workload.profile, name.clone())) else { continue };
            progress(&format!("system calls: {}, {name}", workload.title));
            let job = job(workload, subject, Duration::ZERO, Duration::from_millis(500));
            let (run, calls) = measure::count_system_calls(&subject.pids(), || load::run(&job, || ()));
            let (Ok((outcome, (), ())), Some(calls)) = (run, calls) else { continue };
            let work = match workload.unit {
                Unit::Gibibyte => outcome.bytes as f64 / f64::from(1 << 30),
                _ => outcome.units as f64,
            };
            if work > 0.0 {
                results.system_calls.insert((workload.id, name.clone()), calls as f64 / work);
            }
        }
    }
}

/// What idle tunnels cost a fresh process: how many, bytes for each, resident memory with them open.
fn idle(recipe: &Recipe, site: &Site, tunnels: usize) -> Result<(usize, f64, u64)> {
    progress(&format!("{tunnels} idle tunnels, {}", recipe.name));
    let subject = Subject::start(recipe, Profile::Plain, site)?;
    let handshake = wire::websocket_handshake("/ws/echo");
    let pids = subject.pids();
    let before = measure::memory(&pids);
    let mut open = Vec::with_capacity(tunnels);
    for number in 0..tunnels {
        let tunnel = load::open_tunnel(subject.address(), &handshake);
        open.push(tunnel.with_context(|| format!("tunnel {number}"))?);
    }
    thread::sleep(Duration::from_secs(1));
    let after = measure::memory(&pids);
    for tunnel in open.iter_mut().step_by(97) {
        load::echo_once(tunnel).context("after lying idle")?;
    }
    let growth = after.shared_out as f64 - before.shared_out as f64;
    Ok((open.len(), growth / open.len() as f64, after.resident))
}

/// When, how, on what.
fn heading(options: &Options, pace: &Pace, cpus: &[usize], recipes: &[Recipe]) -> String {
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let version = subject::version(Command::new(&options.nginx).arg("-v"));
    let mut text = format!(
        "command: make bench BENCH=\"{}\"\ndate: {}\nmachine: {}, {} CPUs, Linux {}\nsubjects: {}; {}\n\
         {} rounds of {:.1} s, interleaved; CPU time of all processes of a subject per unit of work\n",
        arguments.join(" "),
        httpdate::fmt_http_date(SystemTime::now()),
        model.as_deref().unwrap_or("unknown CPU"),
        cpus.len(),
        kernel.trim(),
        recipes.iter().map(|recipe| recipe.name.as_str()).collect::<Vec<_>>().join(", "),
        version.as_deref().unwrap_or("nginx of unknown version"),
        pace.rounds,
        pace.measured.as_secs_f64(),
    );
    if let Err(why) = measure::Instructions::attach(&[std::process::id()]) {
        text.extend(["user instructions are not counted: ", &why, "\n"]);
    }
    if cpus.len() == 1 {
        text.push_str("one CPU only: proxy and load share it, rates and latencies mean little\n");
    }
    text.push('\n');
    text
}

fn say(text: &str) {
    // A closed standard output leaves nobody to tell.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// What is being done now, on one line of the terminal.
fn progress(text: &str) {
    use std::io::IsTerminal;
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r\x1b[K{text}");
    }
}

/// The run's folder, removed at its end.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let path: &Path = &self.0;
        // What cannot be removed is in the system's folder for such things.
        let _ = fs::remove_dir_all(path);
    }
}
