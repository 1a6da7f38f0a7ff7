//! The table: medians of the rounds, ratios to nginx, targets met or missed.

use std::collections::HashMap;
use std::fmt::Write;
use std::time::Duration;

use crate::workload::{IDLE, IDLE_TARGET, Target, Unit, Workload};

/// The subject that the others are divided by.
pub const BASE: &str = "nginx";

/// One measured run, per unit of work where it can be.
#[derive(Clone)]
pub struct Run {
    pub units_per_second: f64,
    /// CPU seconds per unit: all of it, in user mode, in the kernel.
    pub cost: f64,
    pub user: f64,
    pub system: f64,
    pub instructions: Option<f64>,
    /// CPUs in use; far below 1, the subject was waiting for the load.
    pub busy: f64,
    pub p50: Duration,
    pub p99: Duration,
    pub resident: u64,
}

/// What came of all rounds.
#[derive(Default)]
pub struct Results {
    pub runs: HashMap<(&'static str, String), Vec<Run>>,
    pub failures: HashMap<(&'static str, String), String>,
    pub system_calls: HashMap<(&'static str, String), f64>,
    /// Tunnels open, bytes for each, resident memory of the processes.
    pub idle: HashMap<String, (usize, f64, u64)>,
}

/// What a target says about a subject.
#[derive(Clone, Copy, PartialEq)]
enum Verdict {
    Met(f64),
    Missed(f64),
}

impl Results {
    fn median(&self, id: &'static str, subject: &str, figure: impl Fn(&Run) -> f64) -> Option<f64> {
        median(self.runs.get(&(id, subject.to_owned()))?.iter().map(figure).collect())
    }

    /// CPU per unit divided by nginx's; medians of the same rounds.
    fn ratio(&self, id: &'static str, subject: &str) -> Option<f64> {
        Some(self.median(id, subject, |run| run.cost)? / self.median(id, BASE, |run| run.cost)?)
    }

    /// The same of the cheapest rounds: a neighbour on the machine makes a round dearer and never cheaper.
    fn best_ratio(&self, id: &'static str, subject: &str) -> Option<f64> {
        let best = |name: &str| {
            let runs = self.runs.get(&(id, name.to_owned()))?;
            runs.iter().map(|run| run.cost).min_by(f64::total_cmp)
        };
        Some(best(subject)? / best(BASE)?)
    }

    /// How much dearer `id` is than `over`, which was measured just before it in every round.
    fn growth(&self, id: &'static str, over: &'static str, subject: &str) -> Option<f64> {
        let of = |id| self.runs.get(&(id, subject.to_owned()));
        median(of(id)?.iter().zip(of(over)?).map(|(more, less)| more.cost / less.cost - 1.0).collect())
    }

    fn verdict(&self, workload: &Workload, subject: &str) -> Option<Verdict> {
        let (value, at_most) = match workload.target? {
            Target::Ratio(at_most) => (self.ratio(workload.id, subject)?, at_most),
            Target::Growth { over, at_most } => (self.growth(workload.id, over, subject)?, at_most),
        };
        Some(if value <= at_most { Verdict::Met(value) } else { Verdict::Missed(value) })
    }

    /// Whether a subject other than nginx missed a target.
    pub fn missed(&self, workloads: &[Workload], subjects: &[String]) -> bool {
        subjects.iter().filter(|name| *name != BASE).any(|name| {
            workloads.iter().any(|workload| matches!(self.verdict(workload, name), Some(Verdict::Missed(_))))
                || self.idle.get(name).is_some_and(|(_, bytes, _)| *bytes > IDLE_TARGET)
        })
    }

    /// Every figure, for a terminal.
    pub fn table(&self, workloads: &[Workload], subjects: &[String]) -> String {
        let mut out = format!(
            "{:<38} {:<9} {:>13} {:>14} {:>7} {:>7} {:>7} {:>7} {:>7} {:>6} {:>8} {:>8} {:>5} {:>8}  {}\n",
            "workload",
            "subject",
            "rate",
            "CPU",
            "user",
            "system",
            "÷nginx",
            "of best",
            "instr.k",
            "calls",
            "p50",
            "p99",
            "busy",
            "RSS MiB",
            "target"
        );
        for workload in workloads {
            for (index, subject) in subjects.iter().enumerate() {
                let title = if index == 0 { workload.title } else { "" };
                let shown = if workload.profile.is_apache() && subject == BASE { "apache" } else { subject };
                let _ = writeln!(out, "{title:<38} {shown:<9} {}", self.line(workload, subject));
            }
        }
        for (index, subject) in subjects.iter().enumerate() {
            let Some((open, bytes, resident)) = self.idle.get(subject) else {
                if let Some(why) = self.failures.get(&(IDLE, subject.clone())) {
                    let _ = writeln!(out, "{:<38} {subject:<9} FAILED: {why}", "idle tunnels");
                }
                continue;
            };
            let title = if index == 0 { format!("{open} idle tunnels") } else { String::new() };
            let target = if subject == BASE { "" } else { idle_verdict(*bytes) };
            let _ = writeln!(
                out,
                "{title:<38} {subject:<9} {:>13} {:>14} {:>85.1}  {target}",
                "",
                format!("{bytes:.0} B each"),
                mebibytes(*resident)
            );
        }
        out
    }

    fn line(&self, workload: &Workload, subject: &str) -> String {
        let id = workload.id;
        if let Some(why) = self.failures.get(&(id, subject.to_owned())) {
            return format!("FAILED: {why}");
        }
        let figure = |figure: fn(&Run) -> f64| self.median(id, subject, figure);
        let Some(rate) = figure(|run| run.units_per_second) else { return "not measured".into() };
        let (scale, unit) = scale(workload.unit);
        let cost = |of: fn(&Run) -> f64| figure(of).unwrap_or_default() * scale;
        let optional = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.1}"));
        let instructions = self
            .runs
            .get(&(id, subject.to_owned()))
            .and_then(|runs| median(runs.iter().filter_map(|run| run.instructions).collect()));
        let calls = self.system_calls.get(&(id, subject.to_owned())).copied();
        format!(
            "{:>13} {:>14} {:>7.2} {:>7.2} {:>7.2} {:>7.2} {:>7} {:>6} {:>8} {:>8} {:>5.2} {:>8.1}  {}",
            rate_text(workload.unit, rate),
            format!("{:.2} {unit}", cost(|run| run.cost)),
            cost(|run| run.user),
            cost(|run| run.system),
            self.ratio(id, subject).unwrap_or_default(),
            self.best_ratio(id, subject).unwrap_or_default(),
            optional(instructions.map(|count| count / 1e3)),
            calls.map_or("-".into(), count),
            time(figure(|run| run.p50.as_secs_f64()).unwrap_or_default()),
            time(figure(|run| run.p99.as_secs_f64()).unwrap_or_default()),
            figure(|run| run.busy).unwrap_or_default(),
            mebibytes(figure(|run| run.resident as f64).unwrap_or_default() as u64),
            self.target_text(workload, subject),
        )
    }

    fn target_text(&self, workload: &Workload, subject: &str) -> String {
        let verdict = self.verdict(workload, subject);
        match (workload.target, verdict) {
            (Some(Target::Growth { at_most, .. }), Some(verdict)) => {
                let (Verdict::Met(value) | Verdict::Missed(value)) = verdict;
                let text = format!("growth {:+.1}% of {:.0}%", value * 100.0, at_most * 100.0);
                if subject == BASE { text } else { format!("{text} {}", word(verdict)) }
            }
            (Some(Target::Ratio(at_most)), Some(verdict)) if subject != BASE => {
                format!("<= {at_most:.2} {}", word(verdict))
            }
            _ => String::new(),
        }
    }

    /// The figures that a README shows: cost per unit of each subject, ratio, target.
    pub fn markdown(&self, workloads: &[Workload], subjects: &[String]) -> String {
        let others: Vec<&String> = subjects.iter().filter(|name| *name != BASE).collect();
        let mut out = format!("| work, CPU per unit | {BASE} |");
        let mut rule = String::from("|---|---|");
        for name in &others {
            let _ = write!(out, " {name} | ÷ {BASE} | target | p50 / p99 | RSS, MiB |");
            rule.push_str("---|---|---|---|---|");
        }
        let _ = writeln!(out, "\n{rule}");
        for workload in workloads.iter().filter(|workload| !workload.id.ends_with("-base")) {
            let (scale, unit) = scale(workload.unit);
            let cost = |name: &str| {
                let cost = self.median(workload.id, name, |run| run.cost);
                cost.map_or("failed".into(), |cost| format!("{:.1} {unit}", cost * scale))
            };
            let _ = write!(out, "| {} | {} |", workload.title, cost(BASE));
            for name in &others {
                let ratio = self.ratio(workload.id, name).map_or("-".into(), |ratio| format!("{ratio:.2}"));
                let both = |of: fn(&Run) -> f64| time(self.median(workload.id, name, of).unwrap_or_default());
                let resident = self.median(workload.id, name, |run| run.resident as f64).unwrap_or_default();
                let _ = write!(
                    out,
                    " {} | {ratio} | {} | {} / {} | {:.1} |",
                    cost(name),
                    self.target_text(workload, name),
                    both(|run| run.p50.as_secs_f64()),
                    both(|run| run.p99.as_secs_f64()),
                    mebibytes(resident as u64)
                );
            }
            out.push('\n');
        }
        if let Some((open, bytes, _)) = self.idle.get(BASE) {
            let _ = write!(out, "| {open} idle tunnels, memory each | {bytes:.0} B |");
            for name in &others {
                let Some((_, other, resident)) = self.idle.get(*name) else {
                    out.push_str(" failed | - | | | |");
                    continue;
                };
                let (ratio, verdict) = (other / bytes, idle_verdict(*other));
                let _ =
                    write!(out, " {other:.0} B | {ratio:.2} | {verdict} | | {:.1} |", mebibytes(*resident));
            }
            out.push('\n');
        }
        out
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met(_) => "met",
        Verdict::Missed(_) => "MISSED",
    }
}

fn idle_verdict(bytes: f64) -> &'static str {
    if bytes <= IDLE_TARGET { "<= 3072 B met" } else { "<= 3072 B MISSED" }
}

/// From seconds per unit to what is printed, and its name.
fn scale(unit: Unit) -> (f64, &'static str) {
    match unit {
        Unit::Request => (1e6, "µs/req"),
        Unit::Handshake => (1e6, "µs/shake"),
        Unit::Message => (1e6, "µs/msg"),
        Unit::Gibibyte => (1e3, "ms/GiB"),
    }
}

fn rate_text(unit: Unit, rate: f64) -> String {
    match unit {
        Unit::Request => format!("{rate:.0} req/s"),
        Unit::Handshake => format!("{rate:.0} shake/s"),
        Unit::Message => format!("{rate:.0} msg/s"),
        Unit::Gibibyte => format!("{rate:.2} GiB/s"),
    }
}

fn time(seconds: f64) -> String {
    match seconds {
        0.0 => "-".into(),
        s if s < 1e-3 => format!("{:.0} µs", s * 1e6),
        s => format!("{:.1} ms", s * 1e3),
    }
}

fn count(calls: f64) -> String {
    if calls < 1000.0 { format!("{calls:.1}") } else { format!("{:.0}k", calls / 1e3) }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// The middle of the values, or the mean of the two middle ones.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}
