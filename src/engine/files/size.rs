//! Sizes for people, in four columns.

/// A size with its unit; `  - ` where there is none.
pub fn rounded(size: Option<u64>) -> String {
    let Some(mut size) = size else { return "  - ".to_owned() };
    if size < 973 {
        return format!("{size:>3} ");
    }
    for unit in "KMGTPE".chars() {
        let rest = size & 1023;
        size >>= 10;
        if size >= 973 {
            continue;
        }
        if size < 9 || (size == 9 && rest < 973) {
            let tenths = (rest * 5 + 256) / 512;
            let (size, tenths) = if tenths >= 10 { (size + 1, 0) } else { (size, tenths) };
            return format!("{size}.{tenths}{unit}");
        }
        return format!("{:>3}{unit}", size + u64::from(rest >= 512));
    }
    "****".to_owned()
}

#[cfg(test)]
mod tests {
    use super::rounded;

    #[test]
    fn sizes() {
        for (size, expected) in
            [(0, "  0 "), (972, "972 "), (973, "1.0K"), (5000, "4.9K"), (10_240, " 10K"), (3_000_000, "2.9M")]
        {
            assert_eq!(rounded(Some(size)), expected);
        }
        assert_eq!(rounded(None), "  - ");
    }
}
