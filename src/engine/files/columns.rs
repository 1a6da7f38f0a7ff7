//! Listings with columns before each name: a page as old as the web, with folders among the files.
//!
//! Observed on published pages of servers that answer so: the day is ten columns wide, the time eight, the size twelve;
//! a day in words has no width. Names are sorted without regard to case; times are local.

use super::{
    super::{
        clock,
        exchange::{Exchange, Next},
    },
    directory::{Entry, entries, escape, refused},
};
use crate::{
    ir::{Escape, settings::ListingColumn},
    plan::{self, Plan},
};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Answers with a listing of a folder.
pub(super) async fn answer(exchange: &mut Exchange, plan: &Plan, folder: Vec<u8>) -> Next {
    let path = folder.clone();
    let read = tokio::task::spawn_blocking(move || entries(&path)).await;
    let mut entries = match read.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
        Ok(entries) => entries,
        Err(error) => return refused(exchange, &folder, &error),
    };
    entries.sort_by_cached_key(|entry| entry.name.to_ascii_lowercase());
    let columns = std::sync::Arc::clone(&exchange.settings(plan).listing);
    let page = page(&exchange.facts.host, &exchange.run.path, &entries, &columns.columns);
    let response = &mut exchange.facts.response;
    response.start(200);
    response.add(b"Content-Type", b"text/html; charset=UTF-8");
    response.length = Some(page.len() as u64);
    exchange.send_whole(plan, &page).await
}

fn page(host: &[u8], path: &[u8], entries: &[Entry], columns: &[ListingColumn]) -> Vec<u8> {
    let shows = |column| columns.contains(&column);
    let mut out = b"<html><head><title>".to_vec();
    let title = |out: &mut Vec<u8>| {
        escape(host, out);
        out.extend_from_slice(b" - ");
        escape(path, out);
    };
    title(&mut out);
    out.extend_from_slice(b"</title></head><body><H1>");
    title(&mut out);
    out.extend_from_slice(b"</H1><hr>\r\n\r\n<pre>");
    let above = path.strip_suffix(b"/").and_then(|path| memchr::memrchr(b'/', path));
    if let Some(end) = above {
        link(&path[..=end], b"[To Parent Directory]", &mut out);
        out.extend_from_slice(b"<br>");
    }
    for entry in entries {
        let time = clock::local(entry.modified.max(0).cast_unsigned());
        let (day, year) = (time.tm_mday, time.tm_year + 1900);
        if shows(ListingColumn::LongDate) {
            let name = |names: &[&'static str], at: i32| {
                usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or_default()
            };
            let (week, month) = (name(&DAYS, time.tm_wday), name(&MONTHS, time.tm_mon));
            out.extend_from_slice(format!("{week}, {month} {day:02}, {year} ").as_bytes());
        } else if shows(ListingColumn::Date) {
            let date = format!("{}/{day}/{year}", time.tm_mon + 1);
            out.extend_from_slice(format!("{date:>10} ").as_bytes());
        }
        if shows(ListingColumn::Time) {
            let half = if time.tm_hour < 12 { "AM" } else { "PM" };
            let hour = (time.tm_hour + 11) % 12 + 1;
            let time = format!("{hour}:{:02} {half}", time.tm_min);
            out.extend_from_slice(format!("{time:>8} ").as_bytes());
        }
        if shows(ListingColumn::Size) {
            let size =
                if entry.folder { "       &lt;dir&gt;".to_owned() } else { format!("{:>12}", entry.size) };
            out.extend_from_slice(size.as_bytes());
            out.push(b' ');
        }
        let mut target = [path, &entry.name].concat();
        if entry.folder {
            target.push(b'/');
        }
        let dot = memchr::memrchr(b'.', &entry.name).filter(|dot| *dot > 0);
        let shown = match dot.filter(|_| !entry.folder && !shows(ListingColumn::Extension)) {
            Some(dot) => &entry.name[..dot],
            None => &entry.name,
        };
        link(&target, shown, &mut out);
    }
    out.extend_from_slice(b"</pre><hr></body></html>");
    out
}

fn link(to: &[u8], shown: &[u8], out: &mut Vec<u8>) {
    let mut target = Vec::new();
    plan::escape(Escape::Path, to, false, &mut target);
    out.extend_from_slice(b"<A HREF=\"");
    escape(&target, out);
    out.extend_from_slice(b"\">");
    escape(shown, out);
    out.extend_from_slice(b"</A><br>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str, columns: &[ListingColumn]) -> String {
        let entry =
            |name: &str, folder| Entry { name: name.into(), folder, size: 4120, modified: 1_740_740_760 };
        let page =
            page(b"a.test", path.as_bytes(), &[entry("b c", true), entry("mail.html", false)], columns);
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn columns_stand_before_names() {
        let all = [ListingColumn::Date, ListingColumn::Time, ListingColumn::Size, ListingColumn::Extension];
        let text = text("/pub/", &all);
        assert!(text.starts_with(
            "<html><head><title>a.test - /pub/</title></head><body><H1>a.test - /pub/</H1><hr>"
        ));
        assert!(text.contains("<pre><A HREF=\"/\">[To Parent Directory]</A><br><br>"), "{text}");
        assert!(
            text.contains(
                "        4120 <A HREF=\"/pub/mail.html\">mail.html</A><br></pre><hr></body></html>"
            ),
            "{text}"
        );
        assert!(text.contains("        &lt;dir&gt; <A HREF=\"/pub/b%20c/\">b c</A><br>"), "{text}");
        assert!(text.contains(" 2/28/2025 "), "{text}");
    }

    #[test]
    fn what_is_not_wanted_is_not_shown() {
        let text = text("/", &[]);
        assert!(!text.contains("Parent") && !text.contains("2025") && !text.contains("dir&gt;"), "{text}");
        assert!(
            text.contains("<pre><A HREF=\"/b%20c/\">b c</A><br><A HREF=\"/mail.html\">mail</A><br></pre>"),
            "{text}"
        );
        let text = self::text("/", &[ListingColumn::LongDate, ListingColumn::Date]);
        assert!(text.contains("<pre>Friday, February 28, 2025 <A"), "{text}");
    }
}
