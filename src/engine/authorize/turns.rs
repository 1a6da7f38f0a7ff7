//! Access checks that are made in turn: rules on addresses, user and password, a request of our own whose answer decides.
//!
//! Each lets the request pass, refuses it or says nothing. Where all have to let it pass, the first refusal is the
//! answer. Where one is enough, the first that lets it pass ends the search; else the refusal that asks for
//! credentials counts before others.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::PathBuf, time::Duration};

use super::super::{
    access,
    exchange::{Exchange, Next},
    password::{self, Checked},
};
use crate::{ir::settings::Level, plan::Plan};

/// What a check says.
type Said = Result<Option<()>, u16>;

/// It says nothing.
const NOTHING: Said = Ok(None);

/// How long a password may take to check.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Clone, Copy)]
enum Check {
    Rules,
    Password,
    Answer,
}

impl Exchange {
    /// Whether the settings in force have checks beside the rules that are made in turn.
    pub fn takes_turns(&self, plan: &Plan) -> bool {
        let access = &self.settings(plan).access;
        access.realm.is_some() || !access.ask.is_empty()
    }

    /// Makes the checks in force, in turn; `Err` is the status to answer.
    pub(super) async fn check_in_turn(&mut self, plan: &Plan) -> Result<(), Next> {
        let any = self.settings(plan).access.satisfy_any;
        let mut refused = None;
        for check in [Check::Rules, Check::Password, Check::Answer] {
            let said = match check {
                Check::Rules => self.check_rules(plan),
                Check::Password => self.check_password(plan).await,
                Check::Answer => self.check_answer(plan).await,
            };
            match said {
                Ok(Some(())) if any => {
                    self.facts.response.remove(b"WWW-Authenticate");
                    return Ok(());
                }
                Ok(_) => {}
                Err(status @ (401 | 403)) if any => {
                    if refused != Some(401) {
                        refused = Some(status);
                    }
                }
                Err(status) => return Err(self.refuse_access(plan, status).await),
            }
        }
        match refused {
            None => Ok(()),
            Some(status) => {
                if status == 403 {
                    self.log(Level::Error, format_args!("access forbidden by rule"));
                }
                Err(self.refuse_access(plan, status).await)
            }
        }
    }

    /// What a refusal is answered with; who is not known may have to wait for it.
    async fn refuse_access(&mut self, plan: &Plan, status: u16) -> Next {
        let delay = self.settings(plan).access.refusal_delay;
        if status == 401 && !delay.is_zero() {
            self.log(Level::Info, format_args!("delaying unauthorized request"));
            tokio::time::sleep(delay).await;
        }
        Next::Status(status)
    }

    fn check_rules(&self, plan: &Plan) -> Said {
        let access = &self.settings(plan).access;
        let ip = self.facts.client_ip();
        match access.rules.iter().find(|(range, _)| access::holds(*range, ip)) {
            None => NOTHING,
            Some((_, true)) => Ok(Some(())),
            Some((_, false)) => {
                if !access.satisfy_any {
                    self.log(Level::Error, format_args!("access forbidden by rule"));
                }
                Err(403)
            }
        }
    }

    async fn check_password(&mut self, plan: &Plan) -> Said {
        let settings = self.settings(plan);
        let (Some(realm), Some(file)) = (&settings.access.realm, &settings.access.passwords) else {
            return NOTHING;
        };
        let realm = self.value(realm);
        if realm == b"off" {
            return NOTHING;
        }
        let given = access::basic(self.facts.fields(b"authorization").next());
        let Some((user, password)) = given.filter(|(user, _)| !user.is_empty()) else {
            self.log(Level::Info, format_args!("no user/password was provided for basic authentication"));
            return self.ask_for_password(&realm);
        };
        let name = self.value(file);
        let files = [PathBuf::from(OsStr::from_bytes(&name))];
        let asked = user.clone();
        // Guessing is to be slow for one client, not for the others.
        let task = tokio::task::spawn_blocking(move || password::check(&files, &asked, &password, true));
        let checked = match tokio::time::timeout(PATIENCE, task).await {
            Ok(Ok(Ok(checked))) => checked,
            Ok(Ok(Err(error))) => {
                let absent = error.kind() == std::io::ErrorKind::NotFound;
                let level = if absent { Level::Error } else { Level::Crit };
                let (name, why) = (name.escape_ascii(), super::super::forward::system(&error));
                let folder = error.kind() == std::io::ErrorKind::IsADirectory;
                let call = if folder { "pread()" } else { "open()" };
                self.log(level, format_args!("{call} \"{name}\" failed ({why})"));
                return Err(if absent { 403 } else { 500 });
            }
            _ => return Err(500),
        };
        let shown = user.escape_ascii();
        match checked {
            Checked::Right => Ok(Some(())),
            Checked::Wrong => {
                self.log(Level::Error, format_args!("user \"{shown}\": password mismatch"));
                self.ask_for_password(&realm)
            }
            Checked::Unknown => {
                let name = name.escape_ascii();
                self.log(Level::Error, format_args!("user \"{shown}\" was not found in \"{name}\""));
                self.ask_for_password(&realm)
            }
        }
    }

    /// Says which credentials are asked for (RFC 9110 § 11.6.1). The realm stands there as it is written.
    fn ask_for_password(&mut self, realm: &[u8]) -> Said {
        let shown: Vec<u8> =
            realm.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect();
        let value = [&b"Basic realm=\""[..], &shown, b"\""].concat();
        self.facts.response.set(b"WWW-Authenticate", &value);
        Err(401)
    }

    async fn check_answer(&mut self, plan: &Plan) -> Said {
        let settings = self.settings(plan);
        let access = std::sync::Arc::clone(&settings.access);
        if access.ask.is_empty() {
            return NOTHING;
        }
        let Some(mut asked) = self.subrequest(plan, &access.ask, b"", 0) else { return Err(500) };
        self.ask_beside(plan, &mut asked).await;
        for (var, template) in &access.learned {
            let value = asked.value(template);
            self.run.write(*var, &value);
        }
        // An answer without a head says nothing.
        let headless = asked.facts.response.forwarded && asked.facts.upstream_head.version == 9;
        match if headless { 0 } else { asked.facts.status() } {
            403 => Err(403),
            401 => {
                let response = &asked.facts.response;
                let sent = response
                    .fields
                    .iter()
                    .filter(|field| response.name(field).eq_ignore_ascii_case(b"www-authenticate"));
                let mut challenges: Vec<Vec<u8>> = sent.map(|field| response.value(field).to_vec()).collect();
                if challenges.is_empty() {
                    let said = &asked.facts.upstream_head.fields;
                    let upstream = &asked.facts.upstream;
                    let of_name = said
                        .iter()
                        .filter(|field| field.name.of(upstream).eq_ignore_ascii_case(b"www-authenticate"));
                    challenges.extend(of_name.map(|field| field.value.of(upstream).to_vec()));
                }
                for challenge in challenges {
                    self.facts.response.add(b"WWW-Authenticate", &challenge);
                }
                Err(401)
            }
            200..=299 => Ok(Some(())),
            status => {
                self.log(Level::Error, format_args!("auth request unexpected status: {status}"));
                Err(500)
            }
        }
    }
}
