//! Lists of cipher suites in OpenSSL's language, read for the suites that are spoken.
//!
//! Words are names of suites or of their properties, `+` between properties asks for all of them; a word
//! adds suites to the list, after `-` it takes them off, after `+` it moves them to the end, after `!` it
//! takes them off for good. Suites of TLS 1.3 are none of its business.
//!
//! Reference: <https://docs.openssl.org/3.0/man1/openssl-ciphers/>

/// A suite of TLS 1.2 that is spoken: its number and names, and the properties that not all have.
struct Suite {
    number: u16,
    name: &'static str,
    standard: &'static str,
    properties: &'static [&'static str],
}

/// In OpenSSL's order of strength.
const SUITES: [Suite; 6] = [
    Suite {
        number: 0xc02c,
        name: "ECDHE-ECDSA-AES256-GCM-SHA384",
        standard: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        properties: &["ECDSA", "aECDSA", "AES", "AESGCM", "AES256", "FIPS"],
    },
    Suite {
        number: 0xc030,
        name: "ECDHE-RSA-AES256-GCM-SHA384",
        standard: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        properties: &["aRSA", "AES", "AESGCM", "AES256", "FIPS"],
    },
    Suite {
        number: 0xcca9,
        name: "ECDHE-ECDSA-CHACHA20-POLY1305",
        standard: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        properties: &["ECDSA", "aECDSA", "CHACHA20"],
    },
    Suite {
        number: 0xcca8,
        name: "ECDHE-RSA-CHACHA20-POLY1305",
        standard: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        properties: &["aRSA", "CHACHA20"],
    },
    Suite {
        number: 0xc02b,
        name: "ECDHE-ECDSA-AES128-GCM-SHA256",
        standard: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        properties: &["ECDSA", "aECDSA", "AES", "AESGCM", "AES128", "FIPS"],
    },
    Suite {
        number: 0xc02f,
        name: "ECDHE-RSA-AES128-GCM-SHA256",
        standard: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        properties: &["aRSA", "AES", "AESGCM", "AES128", "FIPS"],
    },
];

/// Properties that all of them have.
const COMMON: &[&str] =
    &["ALL", "HIGH", "DEFAULT", "TLSv1.2", "ECDHE", "EECDH", "kECDHE", "kEECDH", "ECDH", "AEAD"];

/// The names of suites, in OpenSSL's words.
pub(in crate::dialect) fn names(numbers: &[u16]) -> Vec<&'static str> {
    let name = |number: &u16| SUITES.iter().find(|suite| suite.number == *number).map(|suite| suite.name);
    numbers.iter().filter_map(name).collect()
}

/// What a list comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::dialect) struct Chosen {
    /// Numbers of suites, preferred first.
    pub(in crate::dialect) suites: Vec<u16>,
    /// Words that add no suite that is spoken.
    pub(in crate::dialect) unspoken: Vec<String>,
}

/// Reads a list.
pub(in crate::dialect) fn read(list: &str) -> Chosen {
    let mut chosen = Chosen::default();
    let mut killed = Vec::new();
    for word in list.split([':', ',', ';', ' ']).filter(|word| !word.is_empty() && !word.starts_with('@')) {
        let (operator, what) = match word.as_bytes()[0] {
            sign @ (b'!' | b'-' | b'+') => (sign, &word[1..]),
            _ => (0, word),
        };
        let fits = |suite: &Suite| what.split('+').all(|part| suite.is(part));
        let meant: Vec<u16> = SUITES.iter().filter(|suite| fits(suite)).map(|suite| suite.number).collect();
        let is_meant = |number: &u16| meant.contains(number);
        match operator {
            0 => {
                if meant.is_empty() {
                    chosen.unspoken.push(word.to_owned());
                }
                let missing = |number: &u16| !chosen.suites.contains(number) && !killed.contains(number);
                let new: Vec<u16> = meant.iter().copied().filter(missing).collect();
                chosen.suites.extend(new);
            }
            b'+' => chosen.suites.sort_by_key(is_meant),
            _ => {
                chosen.suites.retain(|number| !is_meant(number));
                if operator == b'!' {
                    killed.extend(meant);
                }
            }
        }
    }
    chosen
}

impl Suite {
    fn is(&self, word: &str) -> bool {
        word == self.name
            || word == self.standard
            || self.properties.contains(&word)
            || COMMON.contains(&word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_openssl_reads_them() {
        for (list, expected) in [
            ("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256", &[0xc02f, 0xc02b][..]),
            ("HIGH:!aNULL:!MD5", &[0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc02b, 0xc02f]),
            ("EECDH+AESGCM:EDH+AESGCM", &[0xc02c, 0xc030, 0xc02b, 0xc02f]),
            ("HIGH:!AES256:-CHACHA20:ALL", &[0xc02b, 0xc02f, 0xcca9, 0xcca8]),
            ("HIGH:+AES256:@STRENGTH", &[0xcca9, 0xcca8, 0xc02b, 0xc02f, 0xc02c, 0xc030]),
            ("ECDSA,aRSA+AES128", &[0xc02c, 0xcca9, 0xc02b, 0xc02f]),
            ("AES128-SHA", &[]),
        ] {
            assert_eq!(read(list).suites, expected, "{list}");
        }
        assert_eq!(read("ECDHE:DHE-RSA-AES128-GCM-SHA256:!RC4").unspoken, ["DHE-RSA-AES128-GCM-SHA256"]);
    }
}
