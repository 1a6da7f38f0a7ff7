//! What a reload changes, in one line for the log: hosts, routes, clusters.

use std::fmt::Write as _;

use crate::ir::{Config, walk};

/// Names said one by one; of more only how many there are.
const SAID: usize = 5;

/// The line.
pub(super) fn line(old: &Config, new: &Config) -> String {
    let hosts =
        |config: &Config| -> Vec<String> { config.hosts.iter().map(|host| host.name.to_string()).collect() };
    let clusters = |config: &Config| -> Vec<String> {
        config.clusters.iter().map(|cluster| cluster.name.to_string()).collect()
    };
    let mut out = "reconfigured:".to_owned();
    changed(&mut out, "hosts", &hosts(old), &hosts(new));
    changed(&mut out, "routes", &routes(old), &routes(new));
    changed(&mut out, "clusters", &clusters(old), &clusters(new));
    if out.ends_with(':') {
        out.push_str(if old == new { " nothing changed" } else { " settings alone changed" });
    }
    out
}

/// The routes of all hosts.
fn routes(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    for host in &config.hosts {
        walk::host(host, &mut |item, _| {
            if let walk::Item::Step(crate::ir::Step::Route(table)) = item {
                let mut tables = vec![table];
                while let Some(table) = tables.pop() {
                    found
                        .extend(table.routes.iter().map(|route| format!("{}{}", host.name, route.path.text)));
                    tables.extend(table.routes.iter().filter_map(|route| route.nested.as_ref()));
                }
            }
        });
    }
    found
}

fn changed(out: &mut String, what: &str, old: &[String], new: &[String]) {
    let only = |these: &[String], those: &[String]| {
        let those: std::collections::HashSet<&String> = those.iter().collect();
        let mut only: Vec<String> = these.iter().filter(|name| !those.contains(name)).cloned().collect();
        only.sort();
        only.dedup();
        only
    };
    let (gone, come) = (only(old, new), only(new, old));
    if gone.is_empty() && come.is_empty() {
        return;
    }
    let _ = write!(out, " {what}");
    for (sign, names) in [('+', come), ('-', gone)] {
        for name in names.iter().take(SAID) {
            let _ = write!(out, " {sign}{}", if name.is_empty() { "\"\"" } else { name });
        }
        if names.len() > SAID {
            let _ = write!(out, " and {sign}{} more", names.len() - SAID);
        }
    }
    out.push(';');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Host;

    #[test]
    fn what_came_and_what_went_is_said() {
        let of = |names: &[&str]| Config {
            hosts: names.iter().map(|name| Host { name: (*name).into(), ..Host::default() }).collect(),
            ..Config::default()
        };
        let (old, new) = (of(&["a.test", "b.test"]), of(&["b.test", "c.test"]));
        assert_eq!(line(&old, &new), "reconfigured: hosts +c.test -a.test;");
        assert_eq!(line(&old, &old), "reconfigured: nothing changed");
        let many = of(&["1", "2", "3", "4", "5", "6", "7"]);
        assert_eq!(line(&Config::default(), &many), "reconfigured: hosts +1 +2 +3 +4 +5 and +2 more;");
    }
}
