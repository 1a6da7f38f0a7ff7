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
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates.filter(|candidate| *candidate != word) {
        let meant: Vec<char> = candidate.to_lowercase().chars().collect();
        if meant.len().abs_diff(written.len()) > allowed {
            continue;
        }
        let distance = distance(&written, &meant);
        // One letter for another is no resemblance.
        if distance <= allowed && distance < written.len() && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours (Damerau-Levenshtein, optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, &from) in a.iter().enumerate() {
        let mut this = vec![row + 1];
        for (column, &to) in b.iter().enumerate() {
            let swap = row > 0 && column > 0 && from == b[column - 1] && a[row - 1] == to;
            let mut least =
                (last[column] + usize::from(from != to)).min(last[column + 1] + 1).min(this[column] + 1);
            if swap {
                least = least.min(before[column - 1] + 1);
            }
            this.push(least);
        }
        before = std::mem::replace(&mut last, this);
    }
    last.last().copied().unwrap_or(0)
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
