//! Time of day as heads and logs write it, formatted once a second per worker.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Milliseconds since the epoch.
pub fn epoch() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Months by their first letters.
pub const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Days of the week likewise, from the first day of the epoch on.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// What is known of the time on this thread.
#[derive(Clone, Copy)]
enum Moment {
    /// Nothing: every look is at the system's clock.
    Free,
    /// A task runs that did not look yet.
    Unread,
    /// A task runs that did.
    Read(Instant),
}

thread_local! {
    static MOMENT: Cell<Moment> = const { Cell::new(Moment::Free) };
}

/// The time, read once in each turn of a task that is [`Turns`]: between two waits nothing takes long.
pub fn moment() -> Instant {
    MOMENT.with(|moment| match moment.get() {
        Moment::Read(known) => known,
        Moment::Free => Instant::now(),
        Moment::Unread => {
            let now = Instant::now();
            moment.set(Moment::Read(now));
            now
        }
    })
}

/// How long ago something was, at this [`moment`].
pub fn since(began: Instant) -> Duration {
    moment().saturating_duration_since(began)
}

/// A task for which the clock stands still from one wait to the next.
#[derive(Debug)]
pub struct Turns<F>(pub Pin<Box<F>>);

impl<F: Future> Future for Turns<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _turn = Turn::begin();
        self.0.as_mut().poll(cx)
    }
}

struct Turn;

impl Turn {
    fn begin() -> Self {
        MOMENT.set(Moment::Unread);
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        MOMENT.set(Moment::Free);
    }
}

/// A worker's time of day.
#[derive(Debug, Default)]
pub struct Clock {
    second: Cell<u64>,
    /// From when on, and until when, that is the second; the system's time of day is asked for once in it.
    lasts: Cell<Option<(Instant, Instant)>>,
    texts: RefCell<Texts>,
    /// The second that was asked for last beside the current one: many requests begin in one and end in the next.
    other: RefCell<(u64, Texts)>,
}

/// One second in the forms that are needed.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// IMF-fixdate (RFC 9110 § 5.6.7).
    pub http: String,
    /// As in the common log format, local time.
    pub log: String,
    /// ISO 8601, local time.
    pub iso: String,
    /// As error logs begin a line, local time.
    pub error: String,
}

impl Clock {
    /// Seconds and milliseconds since the epoch.
    pub fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// Lends the texts of the current second.
    pub fn texts<T>(&self, read: impl FnOnce(&Texts) -> T) -> T {
        let moment = moment();
        if self.lasts.get().is_none_or(|(from, until)| moment < from || moment >= until) {
            let now = self.now();
            let rest = Duration::from_nanos(1_000_000_000 - u64::from(now.subsec_nanos()));
            self.lasts.set(Some((moment, moment + rest)));
            if self.second.replace(now.as_secs()) != now.as_secs() {
                self.texts.replace(Texts::at(now.as_secs()));
            }
        }
        read(&self.texts.borrow())
    }

    /// Lends the texts of a second since the epoch.
    pub fn texts_of<T>(&self, second: u64, read: impl FnOnce(&Texts) -> T) -> T {
        if second == self.second.get() {
            return read(&self.texts.borrow());
        }
        let mut other = self.other.borrow_mut();
        if other.0 != second {
            *other = (second, Texts::at(second));
        }
        read(&other.1)
    }
}

impl Texts {
    /// The texts of a second since the epoch.
    pub fn at(second: u64) -> Self {
        let t = local(second);
        let offset = t.tm_gmtoff / 60;
        let (sign, hours, minutes) =
            (if offset < 0 { '-' } else { '+' }, offset.abs() / 60, offset.abs() % 60);
        let (year, month) = (t.tm_year + 1900, t.tm_mon + 1);
        let name = MONTHS.get(t.tm_mon as usize).copied().unwrap_or_default();
        let time = format!("{:02}:{:02}:{:02}", t.tm_hour, t.tm_min, t.tm_sec);
        Self {
            http: http_date(second.cast_signed()),
            log: format!("{:02}/{name}/{year}:{time} {sign}{hours:02}{minutes:02}", t.tm_mday),
            iso: format!("{year}-{month:02}-{:02}T{time}{sign}{hours:02}:{minutes:02}", t.tm_mday),
            error: format!("{year}/{month:02}/{:02} {time}", t.tm_mday),
        }
    }
}

/// A moment's day and time of day in UTC: `2015-10-21` and `07:28:00`.
pub fn utc(second: u64) -> [String; 2] {
    let (days, rest) = (second / 86_400, second % 86_400);
    let (year, month, day) = civil(days.cast_signed());
    let time = format!("{:02}:{:02}:{:02}", rest / 3_600, rest / 60 % 60, rest % 60);
    [format!("{year:04}-{month:02}-{day:02}"), time]
}

/// Year, month and day of a day since the epoch.
/// Reference: Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The day since the epoch of a year, a month and a day: what [`civil`] turns back.
fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Seconds since the epoch of an IMF-fixdate (RFC 9110 § 5.6.7); whether the day of the week is that of the date is not
/// asked.
pub fn usual_date(text: &[u8]) -> Option<i64> {
    let text: &[u8; 29] = text.try_into().ok()?;
    let number = |range: Range<usize>| {
        text[range]
            .iter()
            .try_fold(0, |sum: i64, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    };
    let is = |range: Range<usize>, what: &str| text[range] == *what.as_bytes();
    let marks = [text[7], text[11], text[16], text[19], text[22]];
    let weekday = WEEKDAYS.iter().any(|day| is(0..3, day));
    if !(weekday && is(3..5, ", ") && marks == *b"   ::" && is(25..29, " GMT")) {
        return None;
    }
    let month = MONTHS.iter().position(|month| is(8..11, month))? as i64 + 1;
    let (year, day) = (number(12..16)?, number(5..7)?);
    let (hour, minute, second) = (number(17..19)?, number(20..22)?, number(23..25)?);
    let days = day_of(year, month, day);
    let is_one = days >= 0 && civil(days) == (year, month, day) && hour < 24 && minute < 60 && second < 60;
    is_one.then_some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// A second since the epoch in the machine's time zone.
#[expect(unsafe_code, reason = "only libc knows the machine's time zone")]
pub fn local(second: u64) -> libc::tm {
    // SAFETY: `tm` is plain data for which zeroes are valid, and both pointers are to live values.
    unsafe {
        let mut broken = std::mem::zeroed();
        let time = second as libc::time_t;
        libc::localtime_r(&raw const time, &raw mut broken);
        broken
    }
}

/// The same in universal time.
#[expect(unsafe_code, reason = "libc's calendar has no safe interface in the libraries used")]
pub fn universal(second: u64) -> libc::tm {
    // SAFETY: `tm` is plain data for which zeroes are valid, and both pointers are to live values.
    unsafe {
        let mut broken = std::mem::zeroed();
        let time = second as libc::time_t;
        libc::gmtime_r(&raw const time, &raw mut broken);
        broken
    }
}

/// A time in seconds since the epoch as fields have it (IMF-fixdate, RFC 9110 § 5.6.7); times that cannot be written
/// so are moved to the nearest that can.
pub fn http_date(second: i64) -> String {
    /// The last second of the year 9999.
    const LAST: i64 = 253_402_300_799;
    let second = second.clamp(0, LAST).cast_unsigned();
    let (days, rest) = (second / 86_400, second % 86_400);
    let (year, month, day) = civil(days.cast_signed());
    let two = |number: u64| [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
    let (year, month, day) = (year.cast_unsigned(), month.cast_unsigned(), day.cast_unsigned());
    let parts: [&[u8]; 14] = [
        WEEKDAYS[(days % 7) as usize].as_bytes(),
        b", ",
        &two(day),
        b" ",
        MONTHS[month as usize - 1].as_bytes(),
        b" ",
        &two(year / 100),
        &two(year % 100),
        b" ",
        &two(rest / 3_600),
        b":",
        &two(rest / 60 % 60),
        b":",
        &two(rest % 60),
    ];
    let mut text = String::with_capacity(29);
    for part in parts {
        text.push_str(std::str::from_utf8(part).unwrap_or_default());
    }
    text.push_str(" GMT");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_can_be_written() {
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(-1), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
        for second in (0..4_000_000_000).step_by(1_234_567).chain((951_700_000..951_900_000).step_by(3_600)) {
            let time = UNIX_EPOCH + Duration::from_secs(second);
            assert_eq!(http_date(second.cast_signed()), httpdate::fmt_http_date(time));
        }
    }

    #[test]
    fn usual_dates_are_what_the_library_reads() {
        for day in (0..60_000).step_by(7).chain(10_950..11_100).chain(47_400..47_600) {
            let time = day * 86_400 + day % 86_400;
            let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(time));
            assert_eq!(usual_date(text.as_bytes()), Some(time.cast_signed()), "{text}");
        }
        let wrong = [
            "Sun, 29 Feb 2100 00:00:00 GMT",
            "Sun, 00 Jan 2000 00:00:00 GMT",
            "Sun, 01 Jan 2000 24:00:00 GMT",
        ];
        for text in wrong {
            assert_eq!(usual_date(text.as_bytes()), None, "{text}");
        }
    }
}
