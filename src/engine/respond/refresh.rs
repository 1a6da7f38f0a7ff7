//! Pages that send old browsers elsewhere, where they would not follow a redirect.
//!
//! Observed on nginx 1.22.1: for Internet Explorer (not Opera, which says that it is one) a redirect of 301 or 302 that
//! no `error_page` takes over becomes a 200 whose page refreshes itself to the location as it was written.

use super::super::{
    exchange::{Exchange, Next},
    http1::field::Known,
};
use crate::plan::Plan;

impl Exchange {
    /// Whether the client gets a page in place of a redirect of this status.
    pub(super) fn wants_refresh(&self, plan: &Plan, status: u16) -> bool {
        self.settings(plan).answer.msie_refresh
            && matches!(status, 301 | 302)
            && is_old_browser(self.received(Known::UserAgent))
    }

    /// Sends such a page.
    pub(super) async fn refresh_to(&mut self, plan: &Plan, location: &[u8]) -> Next {
        let mut content = b"<html><head><meta http-equiv=\"Refresh\" content=\"0; URL=".to_vec();
        escape(location, &mut content);
        content.extend_from_slice(b"\"></head><body></body></html>\r\n");
        self.facts.response.start(200);
        self.facts.response.ours = true;
        self.facts.response.set_status(200, plan);
        self.facts.response.add(b"Content-Type", b"text/html");
        self.facts.response.length = Some(content.len() as u64);
        self.send_whole(plan, &content).await
    }
}

/// Whether it is Internet Explorer, by what it says of itself.
pub(super) fn is_old_browser(agent: Option<&[u8]>) -> bool {
    let Some(agent) = agent else { return false };
    let holds = |text: &[u8]| memchr::memmem::find(agent, text);
    holds(b"MSIE ").is_some_and(|at| at + 8 <= agent.len()) && holds(b"Opera").is_none()
}

/// What cannot stand in an attribute, or a URL, is escaped.
fn escape(location: &[u8], out: &mut Vec<u8>) {
    for &byte in location {
        if byte.is_ascii_graphic() && !b"\"'<>\\^`{|~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_escaped() {
        let mut out = Vec::new();
        escape("/!#%&'()*+,;:=?@[]^_`{|}~<>\\ x\u{7f}\u{e9}\"".as_bytes(), &mut out);
        let expected = "/!#%&%27()*+,;:=?@[]%5E_%60%7B%7C}%7E%3C%3E%5C%20x%7F%C3%A9%22";
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
