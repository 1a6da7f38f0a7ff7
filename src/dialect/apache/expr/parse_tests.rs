//! What is an expression and what is not, as `httpd -t` of 2.4.71 has it.

use super::*;

#[track_caller]
fn accepted(texts: &[&str]) {
    for text in texts {
        assert!(condition(text.as_bytes()).is_ok(), "{text}: {:?}", condition(text.as_bytes()));
    }
}

#[test]
fn what_the_original_accepts() {
    accepted(&[
        "true",
        "'10' < '9'",
        "'x' eq 'a'",
        r"%{REQUEST_URI} =~ /\d/",
        "md5('a') == 'x'",
        "-n 'a' && -z ''",
        "'a'.'b' == 'ab'",
        "%{req:X-A} == 'abc'",
        "1 -eq 1",
        "1 = 1",
        "'a' in {'a','b'}",
        "'a' -in {'a'}",
        "'x' in { %{HTTP:X-A} , 'x' }",
        "'a' =~ m#A#i",
        "'a' =~ m,A,i",
        "'a' =~ m-b-",
        "'a' =~ m'b'",
        "'a' =~ m.b.",
        "'abc' =~ /(.)b(.)/ && \"$0-$1\" == 'abc-a'",
        "-R '127.0.0.0/8'",
        "'127.0.0.1' -ipmatch '127.0.0.0/8'",
        "! 'a' == 'a'",
        "!true || true",
        "not(true)",
        "'a'=='a'&&'b'=~/b/i&&-n'x'",
        "1.2 == '12'",
        "-5 == '-5'",
        r#""\"" == '"'"#,
        r#""\102\377\x41" == ''"#,
        "'100%' == '$ % %{HTTP:X-%{HTTP:X-A}}'",
        "%{tolower:a $1 b} == ''",
        "md5(md5('a')) == tolower(%{HTTP:X}.'D')",
        "'a' -xyz 'b'",
        "'x' in split('a')",
        "%{NOSUCH} == ''",
    ]);
}

#[test]
fn what_it_refuses_and_where() {
    for (text, at) in [
        ("", 0),
        ("'a' 'b' == 'ab'", 4),
        ("'a' in ('a')", 7),
        ("((1)) == 1", 3),
        ("('a') == 'a'", 4),
        ("true == true", 5),
        ("'a' && 'b'", 4),
        ("'a'", 3),
        ("%{REQUEST_URI}", 14),
        ("\"%{\" == 'x'", 3),
        ("'a", 0),
        ("'b' -in", 7),
        ("--1 -eq 1", 0),
        ("'x' =~ /a", 8),
        ("'x' =~ /x/z", 10),
        ("'x' =~ 'x'", 7),
        (r"'x/y' =~ /x\/y/", 13),
        (r#""\400" == 'x'"#, 1),
        (r#""\8" == '8'"#, 1),
        ("'it''s' == 'x'", 4),
        ("%{toupper:'abc'} == 'x'", 10),
        ("'abc' in {}", 10),
        ("TRUE", 4),
        ("true AND true", 5),
        ("Not true", 4),
        ("1 EQ 1", 2),
        ("'a' == 'b' == 'c'", 11),
        ("'abc' =~ m_b_", 9),
        ("'abc' =~ m@b@", 9),
        ("m#x# == 'x'", 0),
        ("foo == 'foo'", 4),
        ("# comment", 0),
        ("md5('a','b') == 'x'", 7),
        ("%{md5:} == 'x'", 6),
        ("%{A", 3),
        ("%{HTTP:a", 8),
    ] {
        let wrong = condition(text.as_bytes()).expect_err(text);
        assert_eq!(wrong.at, at, "{text}: {}", wrong.message);
    }
}

#[test]
fn operators_bind_as_they_do() {
    let constants = condition(b"true || false && false").unwrap();
    let both = Condition::All(vec![Condition::Constant(false), Condition::Constant(false)]);
    assert_eq!(constants, Condition::Any(vec![Condition::Constant(true), both]));
}

#[test]
fn texts_are_taken_apart() {
    let word = text(br#"a%b$c\x41\101\. "q" 'q' %{A}$1%{f:x%{B}}"#).unwrap();
    assert_eq!(word.0[0], Piece::Text(br#"a%b$cx41A. "q" 'q' "#.to_vec()));
    assert_eq!(word.0.len(), 4);
    assert!(text(b"a\\").is_err());
    assert!(text(b"%{}").is_err());
    assert_eq!(text(b"%").unwrap().constant(), Some(&b"%"[..]));
}

#[test]
fn nesting_is_limited() {
    let deep = |count: usize| format!("{}true{}", "(".repeat(count), ")".repeat(count));
    assert!(condition(deep(90).as_bytes()).is_ok());
    assert!(condition(deep(100_000).as_bytes()).is_err());
    assert!(condition("!".repeat(100_000).as_bytes()).is_err());
    assert!(text("%{a:".repeat(100_000).as_bytes()).is_err());
}
