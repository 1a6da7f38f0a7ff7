//! The rules as the dialog writes them: a new web.config, or added to one.
//!
//! Reference 8. Names are numbered through; the domain name is inserted into the expression as it is, so that its dots
//! match any character, as in the original.

use std::path::Path;

use super::{Answers, Outbound, Scheme};
use crate::{
    dialect::iis::{decode, tree::Element, xml},
    source::SourceMap,
};

/// The file: a new one, or the one at `path` with the rules added.
pub(super) fn file(answers: &Answers, path: Option<&Path>) -> Result<String, String> {
    let Some(path) = path.filter(|path| path.exists()) else {
        return Ok(new(answers));
    };
    let bytes = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let text = match decode::recode(&bytes) {
        Ok(None) => String::from_utf8(bytes).map_err(|error| error.to_string())?,
        Ok(Some(_)) => return Err(format!("{} is UTF-16; save it as UTF-8", path.display())),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    added(answers, &text).map_err(|why| format!("{}: {why}", path.display()))
}

fn new(answers: &Answers) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<configuration>\n    <system.webServer>\n        <rewrite>\n",
    );
    text.push_str(&format!("            <rules>\n{}            </rules>\n", inbound(answers, 1, 16)));
    if let Some(links) = &answers.outbound {
        let (rule, condition) = outbound(links, 1, 16);
        text.push_str(&format!(
            "            <outboundRules>\n{rule}                <preConditions>\n{condition}                </preConditions>\n            </outboundRules>\n"
        ));
    }
    text.push_str("        </rewrite>\n    </system.webServer>\n</configuration>\n");
    text
}

fn inbound(answers: &Answers, number: usize, indent: usize) -> String {
    let server = &answers.origin.authority;
    let (conditions, scheme) = match answers.scheme() {
        Scheme::Http => ("", "http"),
        Scheme::Https => ("", "https"),
        Scheme::Clients => (
            "    <conditions>\n        <add input=\"{CACHE_URL}\" pattern=\"^(https?)://\" />\n    </conditions>\n",
            "{C:1}",
        ),
    };
    indented(
        &format!(
            "<rule name=\"ReverseProxyInboundRule{number}\" stopProcessing=\"true\">\n    <match url=\"(.*)\" />\n{conditions}    \
             <action type=\"Rewrite\" url=\"{scheme}://{server}/{{R:1}}\" />\n</rule>\n"
        ),
        indent,
    )
}

/// The rule and its precondition.
fn outbound(links: &Outbound, number: usize, indent: usize) -> (String, String) {
    let Outbound { from, to } = links;
    let rule = format!(
        "<rule name=\"ReverseProxyOutboundRule{number}\" preCondition=\"ResponseIsHtml{number}\">\n    \
         <match filterByTags=\"A, Form, Img\" pattern=\"^http(s)?://{from}/(.*)\" />\n    \
         <action type=\"Rewrite\" value=\"http{{R:1}}://{to}/{{R:2}}\" />\n</rule>\n"
    );
    let condition = format!(
        "<preCondition name=\"ResponseIsHtml{number}\">\n    \
         <add input=\"{{RESPONSE_CONTENT_TYPE}}\" pattern=\"^text/html\" />\n</preCondition>\n"
    );
    (indented(&rule, indent), indented(&condition, indent + 4))
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}

/// The text with rules of the next numbers behind those that are there.
fn added(answers: &Answers, text: &str) -> Result<String, String> {
    let mut text = text.to_owned();
    let number = next(&text, &["ReverseProxyInboundRule"]);
    let rule = inbound(answers, number, 0);
    insert(&mut text, &["system.webServer", "rewrite", "rules"], &rule)?;
    if let Some(links) = &answers.outbound {
        let number = next(&text, &["ReverseProxyOutboundRule", "ResponseIsHtml"]);
        let (rule, condition) = outbound(links, number, 0);
        let outer = ["system.webServer", "rewrite", "outboundRules"];
        // Rules stand in front of the conditions they name.
        insert(&mut text, &[outer.as_slice(), &["preConditions"]].concat(), &unindented(&condition))?;
        insert(&mut text, &outer, &rule)?;
    }
    Ok(text)
}

fn unindented(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect()
}

/// The first number that no name of these has.
fn next(text: &str, names: &[&str]) -> usize {
    (1..=names.len() + text.len())
        .find(|number| names.iter().all(|name| !text.contains(&format!("\"{name}{number}\""))))
        .unwrap_or(1)
}

/// Puts lines at the end of the element of this path, which is made when it is missing.
fn insert(text: &mut String, path: &[&str], lines: &str) -> Result<(), String> {
    let mut sources = SourceMap::new();
    let file = sources.add("web.config".into(), text.clone().into_bytes());
    let (root, faults) = xml::read(file, text);
    if let Some(fault) = faults.first() {
        return Err(format!("it is not well-formed: {}", fault.message));
    }
    let Some(root) = root.filter(|root| root.name == "configuration") else {
        return Err("it has no <configuration>".to_owned());
    };
    let mut element: &Element = &root;
    let mut depth = 0;
    while let Some(inner) = path.get(depth).and_then(|name| element.element(name)) {
        element = inner;
        depth += 1;
    }
    if element.attribute("configSource").is_some() {
        return Err(format!(
            "<{}> stands in another file (configSource); give that one's site",
            element.name
        ));
    }
    // What is missing goes around the lines.
    let mut lines = lines.to_owned();
    for name in path[depth..].iter().rev() {
        lines = format!("<{name}>\n{}</{name}>\n", indented(&lines, 4));
    }
    let (head, whole) = (element.head, element.span);
    let start = text[..head.start as usize].rfind('\n').map_or(0, |at| at + 1);
    let margin = text[start..head.start as usize].chars().take_while(|c| c.is_whitespace()).count();
    let mut lines = indented(&lines, margin + 4);
    if text.contains("\r\n") {
        lines = lines.replace('\n', "\r\n");
    }
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let margin = " ".repeat(margin);
    let end = whole.end as usize;
    // Spans count as equal wherever they are.
    if head.end == whole.end {
        // `<name />`
        let tag = text[..end].rfind("/>").unwrap_or(end);
        let open = text[..tag].trim_end().len();
        text.replace_range(open..end, &format!(">{line_end}{lines}{margin}</{}>", element.name));
        return Ok(());
    }
    let close = text[..end].rfind("</").unwrap_or(end);
    // With `preConditions` inside, rules go in front of them.
    let before = if path.ends_with(&["outboundRules"]) && depth == path.len() {
        element.element("preConditions").map(|inner| inner.head.start as usize)
    } else {
        None
    };
    let at = before.unwrap_or(close);
    let line = text[..at].rfind('\n').map_or(0, |line| line + 1);
    if text[line..at].trim().is_empty() {
        text.insert_str(line, &lines);
    } else {
        text.insert_str(at, &format!("{line_end}{lines}{margin}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(server: &str, offload: bool, outbound: Option<&str>) -> Answers {
        let outbound = outbound.map(|text| text.parse().unwrap());
        Answers { origin: server.parse().unwrap(), offload, outbound }
    }

    #[test]
    fn a_new_file_is_the_dialogs() {
        let seed = |name: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/iis/seed").join(name);
            std::fs::read_to_string(path).unwrap()
        };
        let server = "192.168.56.5:8888";
        assert_eq!(new(&answers(server, true, None)), seed("offload.config"));
        assert_eq!(new(&answers(server, false, None)), seed("keep_scheme.config"));
        assert_eq!(new(&answers("https://192.168.56.5:8888", false, None)), seed("https.config"));
    }

    #[test]
    fn a_second_run_adds_the_next_number() {
        let first = new(&answers("a", true, Some("a=b")));
        let second = added(&answers("c", true, Some("c=d")), &first).unwrap();
        let places: Vec<usize> = [
            "ReverseProxyInboundRule1",
            "ReverseProxyInboundRule2",
            "</rules>",
            "ReverseProxyOutboundRule1",
            "ReverseProxyOutboundRule2",
            "<preConditions>",
            "<preCondition name=\"ResponseIsHtml1",
            "<preCondition name=\"ResponseIsHtml2",
            "</preConditions>",
        ]
        .iter()
        .map(|text| second.find(text).unwrap_or_else(|| panic!("{text} in {second}")))
        .collect();
        assert!(places.is_sorted(), "{second}");
        for line in second.lines().filter(|line| line.contains("<rule ")) {
            assert!(line.starts_with("                <rule"), "{second}");
        }
    }

    #[test]
    fn what_is_there_stays() {
        let texts = [
            "<configuration />",
            "<configuration></configuration>",
            "<configuration><system.webServer><rewrite/></system.webServer></configuration>",
            "<?xml version=\"1.0\"?>\r\n<configuration>\r\n  <system.webServer>\r\n    <!-- kept -->\r\n  </system.webServer>\r\n</configuration>\r\n",
        ];
        for text in texts {
            let text = added(&answers("a", false, Some("a=b")), text).unwrap();
            let mut sources = SourceMap::new();
            let file = sources.add("x".into(), text.clone().into_bytes());
            let (root, faults) = xml::read(file, &text);
            assert!(faults.is_empty(), "{text}");
            let rewrite = root.unwrap();
            let rewrite = rewrite.element("system.webServer").unwrap().element("rewrite").unwrap();
            let count = |name: &str| rewrite.element(name).unwrap().elements().count();
            assert_eq!((count("rules"), count("outboundRules")), (1, 2), "{text}");
        }
        assert!(added(&answers("a", true, None), "<a/>").is_err());
        assert!(added(&answers("a", true, None), "<configuration>").is_err());
    }
}
