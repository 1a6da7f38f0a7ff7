//! What a reload would change, asked of the process that would reload.
//!
//! Only that process knows what is in force: files that were there when it started, what it was told on its command
//! line, its environment. So it answers itself: one thread, behind everybody else, reads the configuration as a reload
//! would, rehearses requests on the plan in force and on the new one, and forgets the new one.
//!
//! It is asked over a socket with a name and no file ("abstract", unix(7)): nothing has to be written or cleaned up.
//! The name holds the process id, and the kernel tells each end who the other one is: who asks has to be root or the
//! server's own user, and who answers has to be the process that was meant.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::{linux::net::SocketAddrExt as _, unix::net},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::system;
use crate::{
    cli::{compare, load, run, say},
    compare::{Options, compare_plans, generate},
    diagnostic::{
        Diagnostic, Severity,
        render::{Colour, Format, render},
    },
    dialect,
    engine::Server,
    plan::Plan,
    source::identity,
};

/// Requests made up from each of the two, at most.
const MOST: usize = 6000;
/// How long who asks may take to say what.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest question.
const LONGEST: u64 = 4096;

/// The plan in force, as the ruling thread left it.
pub(super) type InForce = Arc<Mutex<Option<Arc<Plan>>>>;

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
enum Question {
    /// Which file is served.
    File,
    /// What a reload would change.
    Diff { json: bool, colour: bool },
}

/// What is answered.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Answer {
    /// The file that is served.
    file: PathBuf,
    /// What goes to standard output.
    result: String,
    /// And to standard error.
    remark: String,
    /// The exit status: 0 nothing differs, 1 something, 2 it cannot be told.
    status: u8,
}

/// The name of a process's socket. Numbers of processes mean nothing in another namespace, so that is part of it.
fn name(process: i32) -> String {
    let space = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let number: String = space.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    format!("triglot-{number}-{process}")
}

/// Begins to answer; the error is why nobody will.
pub(super) fn answer(request: &load::Request, in_force: &InForce) -> std::io::Result<()> {
    let name = name(std::process::id().cast_signed());
    let listener = net::UnixListener::bind_addr(&net::SocketAddr::from_abstract_name(name)?)?;
    let (request, in_force) = (request.clone(), Arc::clone(in_force));
    std::thread::Builder::new().name("reload-diff".to_owned()).stack_size(crate::engine::STACK).spawn(
        move || {
            system::step_back();
            for socket in listener.incoming().flatten() {
                let allowed =
                    system::other_end(&socket).is_ok_and(|(_, user)| user == 0 || user == system::user());
                if allowed {
                    // Who went away needs no answer.
                    let _ = serve(socket, &request, &in_force);
                }
            }
        },
    )?;
    Ok(())
}

/// Answers one question.
fn serve(mut socket: net::UnixStream, request: &load::Request, in_force: &InForce) -> std::io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new((&socket).take(LONGEST)).read_line(&mut line)?;
    let mut answer = match serde_json::from_str(&line) {
        Ok(Question::File) => Answer::default(),
        Ok(Question::Diff { json, colour }) => {
            let plan = in_force.lock().unwrap_or_else(PoisonError::into_inner).clone();
            // A fault of ours here must not end the thread, and ends nothing else.
            let differs = || differences(request, plan, json, colour);
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(differs))
                .unwrap_or_else(|_| cannot("the comparison failed: this is a fault of triglot's"))
        }
        Err(_) => cannot("the server does not know this question: it is another version"),
    };
    answer.file.clone_from(&request.path);
    socket.write_all(&serde_json::to_vec(&answer)?)
}

fn cannot(why: &str) -> Answer {
    Answer { remark: format!("error: {why}\n"), status: 2, ..Answer::default() }
}

/// Compares what is in force with what is on disk.
fn differences(request: &load::Request, plan: Option<Arc<Plan>>, json: bool, colour: bool) -> Answer {
    let Some((plan, sources)) = plan.and_then(|plan| plan.sources.clone().map(|sources| (plan, sources)))
    else {
        return cannot("nothing is served at the moment");
    };
    let mut sources = (*sources).clone();
    sources.settle();
    let (ready, found) = load::plan(&mut sources, request);
    let found: Vec<Diagnostic> = found.into_iter().filter(|one| one.severity > Severity::Note).collect();
    let paint = if colour { Colour::Always } else { Colour::Never };
    let mut remark = render(&sources, &found, Format::Human, paint);
    let Some(ready) = ready else {
        remark.push_str("error: a reload would change nothing: the configuration is wrong\n");
        return Answer { remark, status: 2, ..Answer::default() };
    };
    let new = Arc::new(ready.plan);
    let changed = Server::changes(&plan, &new);
    let (gone, come) = (listening(&plan, &new), listening(&new, &plan));
    let mut probes = generate::requests(&plan.config, MOST);
    probes.extend(generate::requests(&new.config, MOST));
    let comparison = match compare_plans(&plan, &new, probes, &Options::default()) {
        Ok(comparison) => comparison,
        Err(found) => {
            remark.push_str(&render(&sources, &found, Format::Human, paint));
            return Answer { remark, status: 2, ..Answer::default() };
        }
    };
    let same = comparison.differences.is_empty() && gone.is_empty() && come.is_empty();
    let result = if json {
        let mut value = compare::as_json(&sources, &comparison);
        if let Value::Object(value) = &mut value {
            value.insert("summary".to_owned(), json!(changed));
            value.insert("listens".to_owned(), json!({"new": come, "gone": gone}));
        }
        format!("{value:#}\n")
    } else {
        let mut text = format!("{}\n", changed.replacen("reconfigured:", "a reload would change:", 1));
        for (word, addresses) in [("no longer", &gone), ("newly", &come)] {
            for address in addresses {
                text.push_str(&format!("it would {word} listen on {address}\n"));
            }
        }
        text.push('\n');
        text.push_str(&compare::shown(&sources, &comparison, paint));
        text
    };
    Answer { result, remark, status: u8::from(!same), ..Answer::default() }
}

/// The addresses that one plan listens on and the other does not.
fn listening(one: &Plan, other: &Plan) -> Vec<String> {
    let new =
        |address: &crate::ir::Address| other.config.listeners.iter().all(|known| known.address != *address);
    let listeners = one.config.listeners.iter().filter(|listener| new(&listener.address));
    listeners.map(|listener| run::shown(&listener.address)).collect()
}

/// Asks a process.
fn ask(process: i32, question: &Question) -> Result<Answer, String> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::ConnectionRefused => {
            format!("process {process} does not answer: it is no triglot of this version that serves")
        }
        std::io::ErrorKind::UnexpectedEof => {
            format!("process {process} answers its own user and root alone")
        }
        _ => format!("process {process} cannot be asked: {error}"),
    };
    let asked = || -> std::io::Result<(i32, Vec<u8>)> {
        let name = net::SocketAddr::from_abstract_name(name(process))?;
        let mut socket = net::UnixStream::connect_addr(&name)?;
        let (other, _) = system::other_end(&socket)?;
        let mut line = serde_json::to_vec(question)?;
        line.push(b'\n');
        let mut answer = Vec::new();
        socket.write_all(&line)?;
        socket.read_to_end(&mut answer)?;
        if answer.is_empty() { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok((other, answer)) }
    };
    let (other, answer) = asked().map_err(failed)?;
    if other != process {
        return Err(format!(
            "process {other} answers in the place of process {process}, and is not believed"
        ));
    }
    serde_json::from_slice(&answer).map_err(|error| failed(error.into()))
}

/// The processes that could be asked.
fn processes() -> Vec<i32> {
    let known = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let names = known.lines().filter_map(|line| line.rsplit_once(" @").map(|(_, name)| name));
    let of = |text: &str| {
        let process = text.rsplit_once('-')?.1.parse().ok()?;
        (name(process) == text).then_some(process)
    };
    let mut found: Vec<i32> = names.filter_map(of).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Says what a process answers.
pub fn of(process: i32, json: bool) -> ExitCode {
    let colour = !json && say::colour(&std::io::stdout()) == Colour::Always;
    let answer = ask(process, &Question::Diff { json, colour }).unwrap_or_else(|why| cannot(&why));
    say::remark(answer.remark);
    say::result(answer.result);
    ExitCode::from(answer.status)
}

/// `triglot run FILE --diff`: finds the process that serves a file, and asks it.
pub fn run(file: &Path, process: Option<i32>, json: bool) -> ExitCode {
    if let Some(process) = process {
        return of(process, json);
    }
    let file = identity(&run::absolute(&dialect::main_file(file)));
    let mut others = Vec::new();
    let serves = |process: &i32| match ask(*process, &Question::File) {
        Ok(answer) => identity(&answer.file) == file,
        Err(why) => {
            others.push(why);
            false
        }
    };
    let found: Vec<i32> = processes().into_iter().filter(serves).collect();
    match found[..] {
        [process] => of(process, json),
        [] => {
            let more: String = others.iter().map(|why| format!("note: {why}\n")).collect();
            say::remark(format!("error: no process serves {}\n{more}", file.display()));
            ExitCode::from(2)
        }
        _ => {
            let all: Vec<String> = found.iter().map(ToString::to_string).collect();
            say::remark(format!(
                "error: several processes serve {}: --pid says which of {}\n",
                file.display(),
                all.join(", ")
            ));
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_one_process_in_one_namespace() {
        let (one, other) = (name(12), name(13));
        assert_ne!(one, other);
        assert!(one.starts_with("triglot-") && one.ends_with("-12"), "{one}");
    }

    #[test]
    fn who_is_not_there_does_not_answer() {
        let why = ask(i32::MAX, &Question::File).unwrap_err();
        assert!(why.contains("does not answer"), "{why}");
    }
}
