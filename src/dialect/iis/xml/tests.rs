//! What is read, and what is refused with which words.

use super::*;
use crate::source::SourceMap;

fn parse(text: &str) -> (Option<Element>, Vec<String>) {
    let mut sources = SourceMap::new();
    let file = sources.add("web.config".into(), text.as_bytes().to_vec());
    let (root, found) = read(file, text);
    let said = found.iter().map(|found| {
        let at = found.labels.first().map_or(Span::NONE, |label| label.span);
        format!("{} [{}]", found.message, String::from_utf8_lossy(sources.text(at)))
    });
    (root, said.collect())
}

#[test]
fn elements_attributes_and_comments_have_their_places() {
    let text = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<configuration xmlns='urn:x'>\r\n <!-- a - b -->\r\n\
                <add key = 'a&amp;b' value=\"x\ty\"/><!--c-->\r\n</configuration >\r\n<!-- end -->";
    let (root, found) = parse(text);
    assert_eq!(found, Vec::<String>::new());
    let root = root.unwrap();
    assert_eq!(root.name, "configuration");
    assert!(root.attributes.is_empty(), "declarations of namespaces are none");
    let place = |span: Span| &text[span.start as usize..span.end as usize];
    assert!(
        place(root.span).starts_with("<configuration") && place(root.span).ends_with("</configuration >")
    );
    let add = root.element("add").unwrap();
    let [key, value] = add.attributes.as_slice() else { panic!("{add:?}") };
    assert_eq!((key.value.as_str(), key.literal, place(key.value_span)), ("a&b", false, "a&amp;b"));
    assert_eq!((value.value.as_str(), value.literal, place(value.name_span)), ("x y", false, "value"));
    assert_eq!(place(add.head), "<add key = 'a&amp;b' value=\"x\ty\"/>");
    assert!(matches!(&root.children[0], Node::Comment(text, _) if text == " a - b "));
}

#[test]
fn a_part_of_a_value_has_a_place() {
    let (root, _) = parse("<a b=\"0123456789\" c='&#65;b'/>");
    let root = root.unwrap();
    assert_eq!((root.attributes[0].part(2..4).start, root.attributes[0].part(2..4).end), (8, 10));
    assert_eq!(root.attributes[1].value, "Ab");
    assert_eq!(root.attributes[1].part(0..1), root.attributes[1].value_span);
}

#[test]
fn what_a_strict_reader_refuses_is_refused() {
    let table: &[(&str, &[&str])] = &[
        ("<a b='?x=1&y=2'/>", &["`&` on its own is not allowed in XML [&]"]),
        ("<a b='&nbsp;'/>", &["`&nbsp;` is not defined [&nbsp;]"]),
        ("<a b='&#0;'/>", &["`&#0;` is not defined [&#0;]"]),
        (
            "<a b='&#1114112;&#xd800;'/>",
            &["`&#1114112;` is not defined [&#1114112;]", "`&#xd800;` is not defined [&#xd800;]"],
        ),
        ("<a b='<'/>", &["`<` is not allowed in an attribute [<]"]),
        ("<a b='1' b='2'/>", &["attribute `b` stands here twice [b]"]),
        ("<a b='1'c='2'/>", &["a space is missing before this attribute [c]"]),
        ("<a b=1/>", &["the value of `b` is not in quotes [1]"]),
        ("<a b/>", &["attribute `b` has no value [b]"]),
        ("<a 1b='x'/>", &["`1b` is not a name of an attribute [1b]"]),
        ("<a><!-- x -- y --></a>", &["a comment must not contain `--` [--]"]),
        ("<a><!-- x ---></a>", &["a comment must not contain `--` [--]"]),
        (
            " <?xml version='1.0'?><a/>",
            &["the XML declaration is not at the very beginning [<?xml version='1.0'?>]"],
        ),
        (
            "<a/><?xml version='1.0'?>",
            &["the XML declaration is not at the very beginning [<?xml version='1.0'?>]"],
        ),
        (
            "<?xml versions='1.0'?><a/>",
            &[
                "`versions` does not belong in the XML declaration [versions]",
                "the XML declaration has no version [<?xml versions='1.0'?>]",
            ],
        ),
        ("<?xml version='1.1'?><a/>", &["version `1.1` is not supported [1.1]"]),
        ("<?xml version='1.0' encoding='koi8-r'?><a/>", &["encoding `koi8-r` is not supported [koi8-r]"]),
        ("<a/><b/>", &["`<b>` is a second root element [<b/>]"]),
        ("<a/>x", &["text after the root element [x]"]),
        ("x<a/>", &["text before the root element [x]"]),
        (
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a/>",
            &["a document type is not allowed in a configuration [<!DOCTYPE a [<!ENTITY x 'y'>]>]"],
        ),
        ("<a><b></a>", &["`</a>` where `</b>` is expected [</a>]"]),
        ("<a><b></b>", &["`<a>` is not closed [<a>]"]),
        ("</a>", &["`</a>` closes nothing [</a>]"]),
        ("", &["there is no element in the file []"]),
        ("<a>x & y</a>", &["`&` on its own is not allowed in XML [&]"]),
        ("<a b='\u{1}'/>", &["the character U+0001 is not allowed in XML [\u{1}]"]),
        ("<a:b:c/>", &["`a:b:c` is not a name of an element [a:b:c]"]),
    ];
    for (text, said) in table {
        assert_eq!(parse(text).1, *said, "{text}");
    }
}

#[test]
fn nesting_is_limited() {
    let text = "<a>".repeat(100_000);
    let (_, found) = parse(&text);
    assert_eq!(found, ["elements are nested too deeply [<a>]"]);
}

#[test]
fn nothing_that_is_cut_short_is_accepted() {
    let text = "<?xml version=\"1.0\"?><a b=\"c&amp;d\"><!-- e --><f g='h'/><![CDATA[i]]></a>";
    for end in 0..text.len() {
        assert!(!parse(&text[..end]).1.is_empty(), "{}", &text[..end]);
    }
    assert!(parse(text).1.is_empty());
}
