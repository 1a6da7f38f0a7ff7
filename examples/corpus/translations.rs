//! The table of translations: each file into the other languages, compared by what both mean and, for some, by what the
//! servers do with both.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use triglot::{
    cli::{
        load::Request,
        translate::{Replayed, Verify, Whose, translate},
    },
    diagnostic::Severity,
    dialect::{Dialect, Options},
};

use super::{Entry, handlers};

/// After this long a translation counts as one without an end.
const PATIENCE: Duration = Duration::from_mins(1);
/// What is worth a column.
const LONG: Duration = Duration::from_secs(20);

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Only the translations.
    pub(super) only: bool,
    /// How many outputs of each direction the servers are run with.
    pub(super) live: usize,
    /// Where the table is written to, beside being shown.
    pub(super) write: Option<PathBuf>,
    /// Whether each file is shown.
    pub(super) each: bool,
    /// Leave out what no server is run with.
    pub(super) only_live: bool,
    /// Take every so many files only.
    pub(super) step: usize,
}

/// What came of one translation.
#[derive(Default)]
struct Outcome {
    text: bool,
    panicked: bool,
    /// Findings that are losses, by their codes.
    losses: BTreeMap<&'static str, usize>,
    first: String,
    took: Duration,
    replayed: Option<Replayed>,
}

/// Translates everything and shows the tables; whether nothing panicked and everything ended.
pub(super) fn report(all: &[Entry], wanted: &Wanted) -> bool {
    let mut jobs: Vec<(&Entry, Dialect, bool)> = Vec::new();
    for from in Dialect::ALL {
        let of: Vec<&Entry> =
            all.iter().filter(|entry| entry.dialect == from).step_by(wanted.step.max(1)).collect();
        for to in Dialect::ALL.into_iter().filter(|to| *to != from) {
            // Evenly over all of them.
            let step = of.len().checked_div(wanted.live).unwrap_or(usize::MAX).max(1);
            let all =
                of.iter().enumerate().map(|(at, entry)| (*entry, to, wanted.live > 0 && at % step == 0));
            jobs.extend(all.filter(|(.., live)| *live || !wanted.only_live));
        }
    }
    let (next, done) = (Mutex::new(0), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(4);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let at = {
                        let Ok(mut next) = next.lock() else { return };
                        *next += 1;
                        *next - 1
                    };
                    let Some((entry, to, live)) = jobs.get(at) else { return };
                    let outcome = one(entry, *to, *live);
                    if wanted.each {
                        shown(entry, *to, &outcome);
                    }
                    if let Ok(mut done) = done.lock() {
                        done.push((at, outcome));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(at, _)| *at);
    let rows: Vec<(Dialect, Dialect, Outcome)> =
        done.into_iter().map(|(at, outcome)| (jobs[at].0.dialect, jobs[at].1, outcome)).collect();
    let page = page(&rows, wanted.step.max(1));
    println!("{page}");
    if let Some(path) = &wanted.write
        && let Err(error) = fs::write(path, page)
    {
        println!("{}: {error}", path.display());
        return false;
    }
    rows.iter().all(|(_, _, outcome)| !outcome.panicked && outcome.took < PATIENCE)
}

/// One translation, in a thread that is given up when it does not end.
fn one(entry: &Entry, to: Dialect, live: bool) -> Outcome {
    let (path, from) = (entry.path.clone(), entry.dialect);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let began = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| run(&path, from, to, live)));
        let mut outcome = done.unwrap_or_else(|_| Outcome { panicked: true, ..Outcome::default() });
        if outcome.replayed.is_none() {
            outcome.took = began.elapsed();
        }
        let _ = sender.send(outcome);
    });
    let patience = if live { PATIENCE * 5 } else { PATIENCE };
    receiver.recv_timeout(patience).unwrap_or(Outcome { took: PATIENCE, ..Outcome::default() })
}

fn run(path: &Path, from: Dialect, to: Dialect, live: bool) -> Outcome {
    let prefix = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let options = Options { prefix, parts: true, offline: true, handlers: handlers(), ..Options::default() };
    let request = Request { path: path.to_path_buf(), dialect: Some(from), options, listen: None };
    // The program stands beside the folder of the examples.
    let own = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.parent()?.join("triglot")));
    let verify = own.filter(|own| live && own.exists()).map_or(Verify::Meaning, Verify::Live);
    let done = translate(&request, to, &verify);
    let mut outcome = Outcome { text: done.text.is_some() && !done.is_wrong(), ..Outcome::default() };
    outcome.replayed.clone_from(&done.replayed);
    let severe = if outcome.text { Severity::Warning } else { Severity::Error };
    for found in done.found.iter().filter(|found| found.severity == severe) {
        *outcome.losses.entry(found.code).or_default() += 1;
        if outcome.first.is_empty() {
            outcome.first.clone_from(&found.message);
        }
    }
    outcome
}

fn shown(entry: &Entry, to: Dialect, outcome: &Outcome) {
    let what = match outcome {
        Outcome { panicked: true, .. } => "panicked".to_owned(),
        Outcome { text: false, first, .. } => format!("error: {first}"),
        Outcome { losses, .. } if losses.is_empty() => "equal".to_owned(),
        Outcome { losses, .. } => losses.iter().map(|(code, times)| format!("{code}×{times} ")).collect(),
    };
    println!("{} -> {}: {what} ({:.1} s)", entry.path.display(), to.name(), outcome.took.as_secs_f64());
    if let Some(replayed) = &outcome.replayed {
        let Replayed { requests, told, untold, found, refused } = replayed;
        println!("    live: {requests} requests, {told} told, {untold} untold; {refused:?}");
        for one in found {
            println!("    {}: {}", one.code, one.message);
            for note in &one.notes {
                println!("        {note}");
            }
        }
    }
}

/// Both tables.
fn page(rows: &[(Dialect, Dialect, Outcome)], step: usize) -> String {
    let mut out = String::from(
        "# Translations of other people's files\n\nWritten by `make corpus`: configurations from public repositories, each \
         translated as `triglot translate` does it.\nAn *error* is a file that its own server would refuse, or that needs \
         what is refused here (programs behind handlers\nof IIS are taken as reachable, as with `--handler`); a *loss* is \
         listed with its line and its reason.\n\n\
         | direction | files | equal | with listed losses | error | longest | over 20 s |\n|---|---:|---:|---:|---:|---:|---:|\n",
    );
    let directions = directions(rows);
    if step > 1 {
        out = out.replace("each translated", &format!("one of {step}, translated"));
    }
    for (from, to) in &directions {
        let of: Vec<&Outcome> = of(rows, *from, *to).collect();
        let count = |holds: &dyn Fn(&&&Outcome) -> bool| of.iter().filter(holds).count();
        let longest = of.iter().map(|one| one.took).max().unwrap_or_default();
        let _ = writeln!(
            out,
            "| {} → {} | {} | {} | {} | {} | {:.1} s | {} |",
            from.name(),
            to.name(),
            of.len(),
            count(&|one| one.text && one.losses.is_empty()),
            count(&|one| one.text && !one.losses.is_empty()),
            count(&|one| !one.text),
            longest.as_secs_f64(),
            count(&|one| one.took > LONG),
        );
    }
    if rows.iter().any(|(_, _, outcome)| outcome.replayed.is_some()) {
        out.push_str(
            "\n## On the servers\n\nThe same requests to the original server with the original file and to the other one with \
             the output (`--verify=live`);\nwhere one is not installed, to triglot in its place. *Told* is a request that is \
             handled differently as was said (by a\nloss, or by a note on what servers of different kinds do by \
             themselves); *untold* is one of which nothing was said. Times\nare those without the servers'.\n\n\
             | direction | outputs | requests | the same | told | untold | files with untold | the target refuses |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|\n",
        );
        for (from, to) in &directions {
            let of: Vec<&Replayed> = of(rows, *from, *to)
                .filter_map(|one| one.replayed.as_ref())
                .filter(|one| is_run(one))
                .collect();
            let sum = |count: &dyn Fn(&Replayed) -> usize| of.iter().map(|one| count(one)).sum::<usize>();
            let (requests, told, untold) =
                (sum(&|one| one.requests), sum(&|one| one.told), sum(&|one| one.untold));
            let _ = writeln!(
                out,
                "| {} → {} | {} | {requests} | {} | {told} | {untold} | {} | {} |",
                from.name(),
                to.name(),
                of.len(),
                requests - told - untold,
                of.iter().filter(|one| one.untold > 0).count(),
                of.iter().filter(|one| one.refused.is_some()).count(),
            );
        }
    }
    out
}

/// Whether both servers were started, or the second one refused.
fn is_run(replayed: &Replayed) -> bool {
    replayed.requests > 0 || matches!(replayed.refused, Some((Whose::Target, _)))
}

fn of(rows: &[(Dialect, Dialect, Outcome)], from: Dialect, to: Dialect) -> impl Iterator<Item = &Outcome> {
    rows.iter().filter(move |row| (row.0, row.1) == (from, to)).map(|row| &row.2)
}

fn directions(rows: &[(Dialect, Dialect, Outcome)]) -> Vec<(Dialect, Dialect)> {
    let mut all: Vec<(Dialect, Dialect)> = Vec::new();
    for (from, to, _) in rows {
        if !all.contains(&(*from, *to)) {
            all.push((*from, *to));
        }
    }
    all
}
