//! The oldest hash of passwords: DES with its expansion salted, 25 times over a block of zeroes, in 13 characters.
//!
//! It is weak by today's measure; it is here because files of users still have it. Reference: `crypt(3)`, FIPS 46-3.

use super::DIGITS;

const PC1: [u8; 56] = [
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44,
    36, 63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20,
    12, 4,
];

const PC2: [u8; 48] = [
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52, 31, 37,
    47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
];

const SHIFTS: [u8; 16] = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1];

/// The last permutation.
const FINAL: [u8; 64] = [
    40, 8, 48, 16, 56, 24, 64, 32, 39, 7, 47, 15, 55, 23, 63, 31, 38, 6, 46, 14, 54, 22, 62, 30, 37, 5, 45,
    13, 53, 21, 61, 29, 36, 4, 44, 12, 52, 20, 60, 28, 35, 3, 43, 11, 51, 19, 59, 27, 34, 2, 42, 10, 50, 18,
    58, 26, 33, 1, 41, 9, 49, 17, 57, 25,
];

const P: [u8; 32] = [
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6,
    22, 11, 4, 25,
];

const S: [[u8; 64]; 8] = [
    [
        14, 4, 13, 1, 2, 15, 11, 8, 3, 10, 6, 12, 5, 9, 0, 7, 0, 15, 7, 4, 14, 2, 13, 1, 10, 6, 12, 11, 9, 5,
        3, 8, 4, 1, 14, 8, 13, 6, 2, 11, 15, 12, 9, 7, 3, 10, 5, 0, 15, 12, 8, 2, 4, 9, 1, 7, 5, 11, 3, 14,
        10, 0, 6, 13,
    ],
    [
        15, 1, 8, 14, 6, 11, 3, 4, 9, 7, 2, 13, 12, 0, 5, 10, 3, 13, 4, 7, 15, 2, 8, 14, 12, 0, 1, 10, 6, 9,
        11, 5, 0, 14, 7, 11, 10, 4, 13, 1, 5, 8, 12, 6, 9, 3, 2, 15, 13, 8, 10, 1, 3, 15, 4, 2, 11, 6, 7, 12,
        0, 5, 14, 9,
    ],
    [
        10, 0, 9, 14, 6, 3, 15, 5, 1, 13, 12, 7, 11, 4, 2, 8, 13, 7, 0, 9, 3, 4, 6, 10, 2, 8, 5, 14, 12, 11,
        15, 1, 13, 6, 4, 9, 8, 15, 3, 0, 11, 1, 2, 12, 5, 10, 14, 7, 1, 10, 13, 0, 6, 9, 8, 7, 4, 15, 14, 3,
        11, 5, 2, 12,
    ],
    [
        7, 13, 14, 3, 0, 6, 9, 10, 1, 2, 8, 5, 11, 12, 4, 15, 13, 8, 11, 5, 6, 15, 0, 3, 4, 7, 2, 12, 1, 10,
        14, 9, 10, 6, 9, 0, 12, 11, 7, 13, 15, 1, 3, 14, 5, 2, 8, 4, 3, 15, 0, 6, 10, 1, 13, 8, 9, 4, 5, 11,
        12, 7, 2, 14,
    ],
    [
        2, 12, 4, 1, 7, 10, 11, 6, 8, 5, 3, 15, 13, 0, 14, 9, 14, 11, 2, 12, 4, 7, 13, 1, 5, 0, 15, 10, 3, 9,
        8, 6, 4, 2, 1, 11, 10, 13, 7, 8, 15, 9, 12, 5, 6, 3, 0, 14, 11, 8, 12, 7, 1, 14, 2, 13, 6, 15, 0, 9,
        10, 4, 5, 3,
    ],
    [
        12, 1, 10, 15, 9, 2, 6, 8, 0, 13, 3, 4, 14, 7, 5, 11, 10, 15, 4, 2, 7, 12, 9, 5, 6, 1, 13, 14, 0, 11,
        3, 8, 9, 14, 15, 5, 2, 8, 12, 3, 7, 0, 4, 10, 1, 13, 11, 6, 4, 3, 2, 12, 9, 5, 15, 10, 11, 14, 1, 7,
        6, 0, 8, 13,
    ],
    [
        4, 11, 2, 14, 15, 0, 8, 13, 3, 12, 9, 7, 5, 10, 6, 1, 13, 0, 11, 7, 4, 9, 1, 10, 14, 3, 5, 12, 2, 15,
        8, 6, 1, 4, 11, 13, 12, 3, 7, 14, 10, 15, 6, 8, 0, 5, 9, 2, 6, 11, 13, 8, 1, 4, 10, 7, 9, 5, 0, 15,
        14, 2, 3, 12,
    ],
    [
        13, 2, 8, 4, 6, 15, 11, 1, 10, 9, 3, 14, 5, 0, 12, 7, 1, 15, 13, 8, 10, 3, 7, 4, 12, 5, 6, 11, 0, 14,
        9, 2, 7, 11, 4, 1, 9, 12, 14, 2, 0, 6, 10, 13, 15, 3, 5, 8, 2, 1, 14, 7, 4, 10, 8, 13, 15, 12, 9, 0,
        3, 5, 6, 11,
    ],
];

/// The hash of a password: two characters of salt and eleven more. `None` when these are no salt.
pub(super) fn hash(password: &[u8], salt: &[u8]) -> Option<String> {
    let digit = |byte: u8| DIGITS.iter().position(|digit| *digit == byte).map(|at| at as u32);
    let [first, second, ..] = salt else { return None };
    let salted = digit(*first)? | digit(*second)? << 6;
    let mut key = [false; 64];
    for (at, byte) in password.iter().take_while(|byte| **byte != 0).take(8).enumerate() {
        for bit in 0..7 {
            key[at * 8 + bit] = byte >> (6 - bit) & 1 == 1;
        }
    }
    let keys = schedule(&key);
    let expansion = expansion(salted);
    let mut block = [false; 64];
    for _ in 0..25 {
        encrypt(&mut block, &keys, &expansion);
    }
    let mut out = String::from_utf8(vec![*first, *second]).ok()?;
    for at in 0..11 {
        let bits = (0..6).map(|bit| block.get(at * 6 + bit).copied().unwrap_or(false));
        let value = bits.fold(0usize, |value, bit| value << 1 | usize::from(bit));
        out.push(char::from(DIGITS[value]));
    }
    Some(out)
}

fn schedule(key: &[bool; 64]) -> [[bool; 48]; 16] {
    let mut halves: [bool; 56] = std::array::from_fn(|at| key[usize::from(PC1[at]) - 1]);
    SHIFTS.map(|shift| {
        halves[..28].rotate_left(usize::from(shift));
        halves[28..].rotate_left(usize::from(shift));
        std::array::from_fn(|at| halves[usize::from(PC2[at]) - 1])
    })
}

/// Which bits of a half the eight boxes see; each bit of the salt swaps two of them.
fn expansion(salt: u32) -> [u8; 48] {
    let mut all: [u8; 48] = std::array::from_fn(|at| {
        let (group, within) = (at / 6, at % 6);
        ((group * 4 + within + 31) % 32) as u8
    });
    for bit in 0..12 {
        if salt >> bit & 1 == 1 {
            all.swap(bit, bit + 24);
        }
    }
    all
}

fn encrypt(block: &mut [bool; 64], keys: &[[bool; 48]; 16], expansion: &[u8; 48]) {
    let initial: [bool; 64] = std::array::from_fn(|at| block[INITIAL[at]]);
    let (mut left, mut right) = ([false; 32], [false; 32]);
    left.copy_from_slice(&initial[..32]);
    right.copy_from_slice(&initial[32..]);
    for key in keys {
        let mut found = [false; 32];
        for (group, boxed) in S.iter().enumerate() {
            let bit = |within: usize| {
                let at = group * 6 + within;
                usize::from(right[usize::from(expansion[at])] ^ key[at])
            };
            let row = bit(0) << 1 | bit(5);
            let column = bit(1) << 3 | bit(2) << 2 | bit(3) << 1 | bit(4);
            let value = boxed[row * 16 + column];
            for within in 0..4 {
                found[group * 4 + within] = value >> (3 - within) & 1 == 1;
            }
        }
        let next: [bool; 32] = std::array::from_fn(|at| left[at] ^ found[usize::from(P[at]) - 1]);
        left = right;
        right = next;
    }
    let swapped: [bool; 64] = std::array::from_fn(|at| if at < 32 { right[at] } else { left[at - 32] });
    *block = std::array::from_fn(|at| swapped[usize::from(FINAL[at]) - 1]);
}

/// The first permutation.
const INITIAL: [usize; 64] = {
    let mut all = [0; 64];
    let mut at = 0;
    while at < 64 {
        // It is the inverse of the last one.
        all[FINAL[at] as usize - 1] = at;
        at += 1;
    }
    all
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_system() {
        // By crypt(3) of the C library.
        for (password, hashed) in TABLE {
            assert_eq!(hash(password.as_bytes(), hashed.as_bytes()).as_deref(), Some(*hashed), "{password}");
        }
        assert_eq!(hash(b"secret", b"!!"), None);
        assert_eq!(hash(b"secret", b"a"), None);
    }

    const TABLE: &[(&str, &str)] =
        &[("secret", "abNANd1rDfiNc"), ("", "zz6dpSdr.LHZw"), ("longer than eight", "./yPRzyX/WeSM")];
}
