//! "Did you mean": the known word that is nearest to a wrong one.

/// The candidate that differs least from `word`, if it is near enough to be what was meant: about one slip in
/// three letters. Case and the first of equally near ones count.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody mistypes a word of this length, and the time grows with its square.
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let written: Vec<char> = word.to_lowercase().chars().collect();
    let allowed = (written.len() / 3).clamp(1, 4);
    let mut rows = Rows::default();
    let mut meant: Vec<char> = Vec::new();
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates.filter(|candidate| *candidate != word) {
        // There are hundreds of names for each wrong one: most are told by their length.
        let length = if candidate.is_ascii() { candidate.len() } else { candidate.chars().count() };
        if length.abs_diff(written.len()) > allowed {
            continue;
        }
        meant.clear();
        meant.extend(candidate.chars().flat_map(char::to_lowercase));
        let within = best.map_or(allowed, |(least, _)| least - 1);
        // One letter for another is no resemblance.
        let distance = rows.distance(&written, &meant, within).filter(|distance| *distance < written.len());
        match distance {
            Some(0) => return Some(candidate),
            Some(distance) => best = Some((distance, candidate)),
            None => {}
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Three rows of the table of distances.
#[derive(Default)]
struct Rows {
    before: Vec<usize>,
    last: Vec<usize>,
    this: Vec<usize>,
}

impl Rows {
    /// Insertions, deletions, substitutions and swaps of neighbours (Damerau-Levenshtein, optimal string alignment), if
    /// there are no more than `within`.
    fn distance(&mut self, a: &[char], b: &[char], within: usize) -> Option<usize> {
        let Self { before, last, this } = self;
        last.clear();
        last.extend(0..=b.len());
        let mut least_of_last = 0;
        for (row, &from) in a.iter().enumerate() {
            this.clear();
            this.push(row + 1);
            let mut least_of_this = row + 1;
            for (column, &to) in b.iter().enumerate() {
                let swap = row > 0 && column > 0 && from == b[column - 1] && a[row - 1] == to;
                let mut least =
                    (last[column] + usize::from(from != to)).min(last[column + 1] + 1).min(this[column] + 1);
                if swap {
                    least = least.min(before[column - 1] + 1);
                }
                least_of_this = least_of_this.min(least);
                this.push(least);
            }
            // What follows is no less than the least of two rows.
            if least_of_this.min(least_of_last) > within {
                return None;
            }
            least_of_last = least_of_this;
            std::mem::swap(before, last);
            std::mem::swap(last, this);
        }
        last.last().copied().filter(|distance| *distance <= within)
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["proxy_pass", "proxy_set_header", "listen", "server_name", "root", "if", "set"];
        let table = [
            ("proxy_pas", Some("proxy_pass")),
            ("porxy_pass", Some("proxy_pass")),
            ("proxy-set-header", Some("proxy_set_header")),
            ("Listen", Some("listen")),
            ("lisetn", Some("listen")),
            ("servername", Some("server_name")),
            ("rot", Some("root")),
            ("of", Some("if")),
            ("x", None),
            ("gzip", None),
            ("", None),
            ("ssl_certificate", None),
        ];
        for (word, expected) in table {
            assert_eq!(nearest(word, known.into_iter()), expected, "{word}");
        }
        assert_eq!(nearest("caf\u{e9}", ["caf\u{e8}"].into_iter()), Some("caf\u{e8}"));
    }
}
