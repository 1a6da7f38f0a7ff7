//! `%VARIABLES%` and paths of another system.

use std::path::PathBuf;

/// A path of the machine: variables replaced, backslashes as slashes.
pub fn path(text: &str, vars: &[(String, String)]) -> PathBuf {
    PathBuf::from(self::text(text, vars).replace('\\', "/"))
}

/// `%NAME%` replaced by the environment's variable, else by a given one; an unknown one stays.
pub fn text(text: &str, vars: &[(String, String)]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(end) = rest.find('%') else {
            out.push('%');
            break;
        };
        let name = &rest[..end];
        let given =
            || vars.iter().find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
        let value = std::env::var(name).or_else(|_| std::env::var(name.to_uppercase())).ok().or_else(given);
        if let Some(value) = value {
            out.push_str(&value);
            rest = &rest[end + 1..];
        } else {
            // The second sign may begin a variable.
            out.push('%');
            out.push_str(name);
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_variables_stay() {
        let vars = [("X".to_owned(), "1".to_owned())];
        assert_eq!(text("100% a%x%b %no such% %", &vars), "100% a1b %no such% %");
        assert_eq!(path(r"%X%\a", &vars), PathBuf::from("1/a"));
    }
}
