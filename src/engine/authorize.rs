//! Who may, where requests or users are required to be something: asks for credentials and checks them.
//! Where checks are made in turn, see `turns`.

use std::time::Duration;

mod digest;
mod turns;

use super::{
    access,
    exchange::{Exchange, Next},
    password::{self, Checked},
    resolve,
};
use crate::{
    ir::{Credentials, Requirement, Text, settings::Level},
    plan::Plan,
};

/// What a requirement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Missed,
    /// It cannot be told without a user.
    NoUser,
    Holds,
}

fn held(holds: bool) -> Said {
    if holds { Said::Holds } else { Said::Missed }
}

impl Exchange {
    /// Whether the settings in force ask for more than an address.
    pub fn is_guarded(&self, plan: &Plan) -> bool {
        let access = &self.settings(plan).access;
        access.gate.is_some()
            || access.required.what.is_some()
            || access.credentials.is_some()
            || self.takes_turns(plan)
    }

    /// Applies the access settings in force.
    pub async fn authorize(&mut self, plan: &Plan) -> Next {
        if self.takes_turns(plan) {
            return match self.check_in_turn(plan).await {
                Ok(()) => {
                    self.run.tell(true);
                    Next::Decide
                }
                Err(next) => next,
            };
        }
        match self.admitted(plan).await {
            Ok(()) => {
                self.run.tell(true);
                Next::Decide
            }
            Err(status) => Next::Status(status),
        }
    }

    async fn admitted(&mut self, plan: &Plan) -> Result<(), u16> {
        let settings = self.settings(plan);
        let access = &settings.access;
        let gate = match &access.gate {
            None => access::allowed(access, &self.facts),
            Some(gate) => {
                let value = self.value(gate);
                !value.is_empty() && value != b"0"
            }
        };
        let open = access.gate.is_some() || !access.rules.is_empty();
        if gate && access.satisfy_any && open {
            return Ok(());
        }
        if !gate && !access.satisfy_any {
            self.log(Level::Error, format_args!("client denied by server configuration: {}", self.shown()));
            return Err(403);
        }
        let closed = !gate;
        let what = access.required.what.as_ref().filter(|what| self.speaks(what));
        let Some(what) = what else {
            return match (&access.credentials, closed) {
                // Nobody says which users are meant (observed).
                (Some(_), _) if access.required.what.is_none() => Err(500),
                (_, true) => Err(403),
                (_, false) => Ok(()),
            };
        };
        match self.said(plan, what, &[]).await? {
            Some(Said::Holds) => return Ok(()),
            Some(Said::NoUser) => {}
            Some(Said::Missed) | None => {
                self.log(
                    Level::Error,
                    format_args!("client denied by server configuration: {}", self.shown()),
                );
                return Err(403);
            }
        }
        let credentials = access.credentials.as_ref().map(|known| known.named(&access.naming));
        let Some(credentials) = &credentials else {
            self.log(
                Level::Crit,
                format_args!("a user is required, but not how users are known: {}", self.shown()),
            );
            return Err(500);
        };
        let user = self.authenticate(credentials).await?;
        self.facts.user = Some(user.clone());
        if let Some(Said::Holds) = self.said(plan, what, &credentials.groups).await? {
            Ok(())
        } else {
            let user = user.escape_ascii().to_string();
            self.log(
                Level::Error,
                format_args!("user {user}: authorization failure for \"{}\"", self.shown()),
            );
            if access.forbids_users {
                return Err(403);
            }
            self.challenge(credentials);
            Err(credentials.wrong)
        }
    }

    /// The path, for the log.
    fn shown(&self) -> String {
        self.run.path.escape_ascii().to_string()
    }

    /// Whether a requirement says anything about requests of this method.
    fn speaks(&self, what: &Requirement) -> bool {
        match what {
            Requirement::All(all) | Requirement::Any(all) => all.iter().any(|one| self.speaks(one)),
            Requirement::Not(of) => self.speaks(of),
            Requirement::Limited { methods, except, of } => {
                methods.iter().any(|method| **method == *self.facts.method()) != *except && self.speaks(of)
            }
            _ => true,
        }
    }

    /// What a requirement says; nothing where it has nothing to say.
    async fn said(
        &mut self,
        plan: &Plan,
        what: &Requirement,
        files: &[std::path::PathBuf],
    ) -> Result<Option<Said>, u16> {
        // Those in lists are taken one by one, without recursion of futures.
        let mut stack = vec![(what, 0usize, None::<Said>)];
        let mut result: Option<Option<Said>> = None;
        while let Some((node, next, so_far)) = stack.pop() {
            let done = result.take();
            match node {
                Requirement::All(all) | Requirement::Any(all) => {
                    let is_all = matches!(node, Requirement::All(_));
                    let so_far = match (so_far, done.flatten()) {
                        (Some(one), Some(other)) => {
                            Some(if is_all { one.min(other) } else { one.max(other) })
                        }
                        (one, other) => one.or(other),
                    };
                    let settled = so_far == Some(if is_all { Said::Missed } else { Said::Holds });
                    match all.get(next).filter(|_| !settled) {
                        Some(one) => {
                            stack.push((node, next + 1, so_far));
                            stack.push((one, 0, None));
                        }
                        None => result = Some(so_far),
                    }
                }
                Requirement::Not(of) => match done {
                    None => {
                        stack.push((node, 1, None));
                        stack.push((of, 0, None));
                    }
                    Some(said) => {
                        result = Some((said == Some(Said::Holds)).then_some(Said::Missed));
                    }
                },
                Requirement::Limited { methods: _, except: _, of } => match done {
                    None if self.speaks(node) => {
                        stack.push((node, 1, None));
                        stack.push((of, 0, None));
                    }
                    None => result = Some(None),
                    Some(said) => result = Some(said),
                },
                Requirement::Holds(template) => {
                    let value = self.value(template);
                    let holds = !value.is_empty() && value != b"0";
                    result = Some(Some(held(holds)));
                }
                Requirement::AnyUser => result = Some(Some(self.of_user(|_| true))),
                Requirement::Users(users) => {
                    result = Some(Some(self.of_user(|user| users.iter().any(|known| **known == *user))));
                }
                Requirement::Named(names) => {
                    result = Some(Some(held(self.is_named(names).await)));
                }
                Requirement::At(names) => result = Some(Some(held(self.is_at(names).await))),
                Requirement::Groups(groups) => {
                    let said = match self.facts.user.clone() {
                        None => Said::NoUser,
                        Some(user) => {
                            let (files, groups) = (files.to_vec(), groups.clone());
                            let task = tokio::task::spawn_blocking(move || {
                                let names: Vec<_> = groups.iter().map(|group| &**group).collect();
                                password::is_member(&files, &user, &names)
                            });
                            match task.await {
                                Ok(Ok(true)) => Said::Holds,
                                Ok(Ok(false)) => Said::Missed,
                                Ok(Err(error)) => {
                                    self.log(
                                        Level::Error,
                                        format_args!("Could not open group file: {error}"),
                                    );
                                    Said::Missed
                                }
                                Err(_) => return Err(500),
                            }
                        }
                    };
                    result = Some(Some(said));
                }
            }
        }
        let _ = plan;
        Ok(result.flatten())
    }

    /// Whether the client's address has one of the names, or one below it, and that name has the address.
    async fn is_named(&self, names: &[Text]) -> bool {
        let Some(address) = self.client_address() else { return false };
        let Ok(name) = resolve::name_of(address).await else { return false };
        let is_below = |known: &Text| {
            let Some(at) = name.len().checked_sub(known.len()) else { return false };
            let (before, end) = name.as_bytes().split_at(at);
            end.eq_ignore_ascii_case(known)
                && (before.is_empty() || known.starts_with(b".") || before.ends_with(b"."))
        };
        if !names.iter().any(is_below) {
            return false;
        }
        resolve::look_up_by_system(&name).await.is_ok_and(|found| found.contains(&address))
    }

    /// Whether one of the names has the client's address.
    async fn is_at(&self, names: &[Text]) -> bool {
        let Some(address) = self.client_address() else { return false };
        for name in names {
            if let Ok(name) = std::str::from_utf8(name)
                && resolve::look_up_by_system(name).await.is_ok_and(|found| found.contains(&address))
            {
                return true;
            }
        }
        false
    }

    fn client_address(&self) -> Option<std::net::IpAddr> {
        self.facts.client_ip().map(|address| address.to_canonical())
    }

    fn of_user(&self, holds: impl Fn(&[u8]) -> bool) -> Said {
        match &self.facts.user {
            None => Said::NoUser,
            Some(user) if holds(user) => Said::Holds,
            Some(_) => Said::Missed,
        }
    }

    /// The user whose credentials the request has; else asks for some.
    async fn authenticate(&mut self, credentials: &Credentials) -> Result<Vec<u8>, u16> {
        if let Some(digest) = &credentials.digest {
            return self.authenticate_by_digest(credentials, digest).await;
        }
        let given = access::basic(self.facts.fields(b"authorization").next());
        let Some((user, password)) = given else {
            self.challenge(credentials);
            return Err(credentials.asked);
        };
        self.facts.claimed_user = Some(user.clone());
        let files = credentials.users.clone();
        let asked = user.clone();
        // Guessing is to be slow for one client, not for the others.
        let task = tokio::task::spawn_blocking(move || password::check(&files, &asked, &password, false));
        let checked = match tokio::time::timeout(Duration::from_mins(1), task).await {
            Ok(Ok(Ok(checked))) => checked,
            Ok(Ok(Err(error))) => {
                self.log(Level::Error, format_args!("Could not open password file: {error}"));
                return Err(500);
            }
            _ => return Err(500),
        };
        let shown = user.escape_ascii().to_string();
        match checked {
            Checked::Right => return Ok(user),
            Checked::Wrong => self.log(
                Level::Error,
                format_args!(
                    "user {shown}: authentication failure for \"{}\": Password Mismatch",
                    self.shown()
                ),
            ),
            Checked::Unknown => {
                self.log(Level::Error, format_args!("user {shown} not found: {}", self.shown()));
            }
        }
        self.challenge(credentials);
        Err(credentials.wrong)
    }

    /// Says which credentials are asked for (RFC 9110 § 11.6.1).
    fn challenge(&mut self, credentials: &Credentials) {
        if let Some(digest) = &credentials.digest {
            return self.challenge_by_digest(credentials, digest, false);
        }
        let mut value = b"Basic realm=\"".to_vec();
        for &byte in credentials.realm.iter().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)) {
            if matches!(byte, b'"' | b'\\') {
                value.push(b'\\');
            }
            value.push(byte);
        }
        value.push(b'"');
        self.facts.response.start(401);
        self.facts.response.add(b"WWW-Authenticate", &value);
    }
}
