//! Options for what a configuration leaves to the machine it runs on: certificates, folders.

use std::path::PathBuf;

use clap::Args;

use crate::dialect::Machine;

/// What is given on the command line.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Given {
    /// Decode responses that outbound rules have to rewrite, instead of answering 500
    #[arg(long)]
    decode_responses: bool,
    /// The certificate of an https binding: BINDING is `ip:port:host` as it is written there, the host alone, or left
    /// out with its `=` for all that have none
    #[arg(long = "certificate", value_name = "[BINDING=]CHAIN,KEY", value_parser = certificate)]
    certificates: Vec<(String, PathBuf, PathBuf)>,
    /// Certificates that clients are trusted by where a configuration asks for theirs
    #[arg(long, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// The users whom basic authentication knows, where a configuration means accounts of its machine: a file as
    /// `htpasswd` writes it
    #[arg(long, value_name = "FILE")]
    htpasswd: Option<PathBuf>,
    /// Their groups, which a configuration calls roles: lines `group: user ...`
    #[arg(long, value_name = "FILE")]
    htgroup: Option<PathBuf>,
    /// The folder for logs of requests, instead of the one that the configuration names
    #[arg(long, value_name = "DIR")]
    log_directory: Option<PathBuf>,
}

impl From<Given> for Machine {
    fn from(given: Given) -> Self {
        let Given { decode_responses, certificates, client_ca, htpasswd, htgroup, log_directory } = given;
        let whole = super::run::absolute;
        Self {
            decode: decode_responses,
            certificates: certificates
                .into_iter()
                .map(|(binding, chain, key)| (binding, whole(&chain), whole(&key)))
                .collect(),
            users: htpasswd.map(|path| whole(&path)),
            groups: htgroup.map(|path| whole(&path)),
            clients: client_ca.map(|path| whole(&path)),
            logs: log_directory.map(|path| whole(&path)),
        }
    }
}

/// `BINDING=CHAIN,KEY` or `CHAIN,KEY`.
fn certificate(text: &str) -> Result<(String, PathBuf, PathBuf), String> {
    let (binding, files) = text.rsplit_once('=').unwrap_or(("", text));
    let (chain, key) = files.split_once(',').ok_or("not [BINDING=]CHAIN.pem,KEY.pem")?;
    if chain.is_empty() || key.is_empty() {
        return Err("not [BINDING=]CHAIN.pem,KEY.pem".to_owned());
    }
    let binding = if binding == "*" { String::new() } else { binding.to_lowercase() };
    Ok((binding, chain.into(), key.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_of_bindings() {
        let read = |text: &str| certificate(text).map(|(binding, ..)| binding);
        assert_eq!(read("*:443:A.test=c.pem,k.pem").as_deref(), Ok("*:443:a.test"));
        assert_eq!(read("c.pem,k.pem").as_deref(), Ok(""));
        assert_eq!(read("*=c.pem,k.pem").as_deref(), Ok(""));
        assert!(read("a.test=c.pem").is_err() && read("a.test=,k").is_err());
    }
}
