//! One pass over untrusted bytes that proves they are deterministic CBOR, before anything is built.

use super::DecodeError;
use std::fmt;

/// Deepest nesting of arrays and maps in any message.
pub const MAX_DEPTH: usize = 8;

/// What makes bytes other than deterministic CBOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bytes end inside an item.
    Truncated,
    /// Bytes follow the item.
    TrailingBytes,
    /// A length or number in a longer form than needed.
    NotShortest,
    /// An indefinite length or a break.
    IndefiniteLength,
    /// Map keys out of bytewise order.
    UnsortedKeys,
    /// The same map key twice.
    DuplicateKey,
    /// A map key that is neither an integer nor a text.
    KeyType,
    /// More nesting than [`MAX_DEPTH`].
    TooDeep,
    /// A text that is not UTF-8.
    NotUtf8,
    /// A tag, an undefined or an unassigned simple value.
    UnsupportedItem,
    /// The message is no map with text keys where it must be one.
    NotATextMap,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the bytes end inside an item",
            Self::TrailingBytes => "bytes after the end",
            Self::NotShortest => "not the shortest form",
            Self::IndefiniteLength => "an indefinite length",
            Self::UnsortedKeys => "map keys out of order",
            Self::DuplicateKey => "a duplicate map key",
            Self::KeyType => "a map key that is neither integer nor text",
            Self::TooDeep => "nested too deeply",
            Self::NotUtf8 => "a text that is not UTF-8",
            Self::UnsupportedItem => "a tag or simple value that no message uses",
            Self::NotATextMap => "not a map with text keys",
        })
    }
}

/// Proves that `bytes` are exactly one deterministically encoded item.
///
/// # Errors
/// The first fault and where it stands.
pub fn check(bytes: &[u8]) -> Result<(), DecodeError> {
    Walk { bytes, at: 0 }.run(false)
}

/// Proves that `bytes` are one deterministic map all of whose keys, at every level, are texts: the
/// form of application payloads.
///
/// # Errors
/// The first fault and where it stands.
pub fn check_text_map(bytes: &[u8]) -> Result<(), DecodeError> {
    if bytes.first().is_some_and(|first| first >> 5 != MAP) {
        return Err(DecodeError::NotDeterministic { fault: Fault::NotATextMap, at: 0 });
    }
    Walk { bytes, at: 0 }.run(true)
}

const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;

/// An array or map that is not finished yet.
#[derive(Clone, Copy)]
struct Open {
    /// Items still to come; a map counts keys and values.
    left: u64,
    map: bool,
    /// Where the last key of this map stands.
    last_key: Option<(usize, usize)>,
}

impl Open {
    fn wants_key(&self) -> bool {
        self.map && self.left.is_multiple_of(2)
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn run(mut self, text_keys: bool) -> Result<(), DecodeError> {
        let mut open = [Open { left: 0, map: false, last_key: None }; MAX_DEPTH];
        let mut depth = 0;
        loop {
            let start = self.at;
            let (major, argument) = self.head()?;
            let key = depth > 0 && open[depth - 1].wants_key();
            if key && !(major == TEXT || (major < BYTES && !text_keys)) {
                return Err(fault(
                    if text_keys { Fault::NotATextMap } else { Fault::KeyType },
                    start,
                ));
            }
            if depth > 0 {
                open[depth - 1].left -= 1;
            }
            match major {
                BYTES | TEXT => self.string(major, argument)?,
                ARRAY | MAP => {
                    let slot = open.get_mut(depth).ok_or(fault(Fault::TooDeep, start))?;
                    *slot = self.opened(major, argument, start)?;
                    depth += 1;
                }
                TAG => return Err(fault(Fault::UnsupportedItem, start)),
                _ => {}
            }
            if key {
                self.in_order(&mut open[depth - 1].last_key, start)?;
            }
            while depth > 0 && open[depth - 1].left == 0 {
                depth -= 1;
            }
            if depth == 0 {
                let whole = self.at == self.bytes.len();
                return whole.then_some(()).ok_or(fault(Fault::TrailingBytes, self.at));
            }
        }
    }

    /// The initial byte and its argument (RFC 8949 section 3), shortest form only.
    fn head(&mut self) -> Result<(u8, u64), DecodeError> {
        let start = self.at;
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 0x1f);
        if major == 7 {
            return self.simple(info, start);
        }
        let argument = match info {
            0..24 => u64::from(info),
            24..28 => self.number(1 << (info - 24))?,
            31 if major > 1 => return Err(fault(Fault::IndefiniteLength, start)),
            _ => return Err(fault(Fault::UnsupportedItem, start)),
        };
        if argument < least_argument(info) {
            return Err(fault(Fault::NotShortest, start));
        }
        Ok((major, argument))
    }

    /// false, true, null and floats in their shortest form; nothing else of major type 7.
    fn simple(&mut self, info: u8, start: usize) -> Result<(u8, u64), DecodeError> {
        let shortest = match info {
            20..=22 => true,
            25 => {
                let half = self.number(2)?;
                half & 0x7c00 != 0x7c00 || half & 0x03ff == 0 || half == 0x7e00
            }
            26 => !fits_half(f32::from_bits(self.number(4)? as u32)),
            27 => !fits_single(f64::from_bits(self.number(8)?)),
            31 => return Err(fault(Fault::IndefiniteLength, start)),
            _ => return Err(fault(Fault::UnsupportedItem, start)),
        };
        shortest.then_some((7, 0)).ok_or(fault(Fault::NotShortest, start))
    }

    fn string(&mut self, major: u8, length: u64) -> Result<(), DecodeError> {
        let start = self.at;
        let content = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        if major == TEXT && std::str::from_utf8(content).is_err() {
            return Err(fault(Fault::NotUtf8, start));
        }
        Ok(())
    }

    fn opened(&self, major: u8, argument: u64, start: usize) -> Result<Open, DecodeError> {
        let map = major == MAP;
        let left = argument.checked_mul(1 + u64::from(map));
        // Each item takes a byte at least, so a longer claim is a lie that costs nothing to refuse.
        let left = left.filter(|left| *left <= (self.bytes.len() - self.at) as u64);
        let left = left.ok_or(fault(Fault::Truncated, start))?;
        Ok(Open { left, map, last_key: None })
    }

    fn in_order(&self, last: &mut Option<(usize, usize)>, start: usize) -> Result<(), DecodeError> {
        let key = &self.bytes[start..self.at];
        if let Some((from, to)) = last.replace((start, self.at)) {
            match self.bytes[from..to].cmp(key) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => return Err(fault(Fault::DuplicateKey, start)),
                std::cmp::Ordering::Greater => return Err(fault(Fault::UnsortedKeys, start)),
            }
        }
        Ok(())
    }

    fn number(&mut self, width: usize) -> Result<u64, DecodeError> {
        Ok(self.take(width)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    fn take(&mut self, length: usize) -> Result<&[u8], DecodeError> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(fault(Fault::Truncated, self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }
}

fn least_argument(info: u8) -> u64 {
    match info {
        24 => 24,
        25 => 1 << 8,
        26 => 1 << 16,
        27 => 1 << 32,
        _ => 0,
    }
}

fn fits_single(value: f64) -> bool {
    value.is_nan() || f64::from(value as f32) == value
}

fn fits_half(value: f32) -> bool {
    let bits = value.to_bits();
    let (exponent, fraction) = ((bits >> 23 & 0xff) as i32 - 127, bits & 0x7f_ffff);
    match exponent {
        128 => true,
        -127 => fraction == 0,
        -14..=15 => fraction.trailing_zeros() >= 13,
        -24..=-15 => fraction.trailing_zeros() as i32 >= -exponent - 1,
        _ => false,
    }
}

fn fault(fault: Fault, at: usize) -> DecodeError {
    DecodeError::NotDeterministic { fault, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(hex: &str) -> Option<Fault> {
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        match check(&bytes) {
            Ok(()) => None,
            Err(DecodeError::NotDeterministic { fault, .. }) => Some(fault),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn accepts_the_deterministic_form() {
        for hex in [
            "00",
            "17",
            "1818",
            "1903e8",
            "1b000000e8d4a51000",
            "20",
            "3bffffffffffffffff",
            "f4",
            "f6",
            "f90000",
            "f93e00",
            "f97e00",
            "f97c00",
            "f90001",
            "fa47c35000",
            "fb3ff199999999999a",
            "40",
            "4401020304",
            "60",
            "62c3bc",
            "80",
            "83010203",
            "a0",
            "a201020304",
            "a2613001613102",
            "a1016161",
            "a21818012001",
            "8181818181818180",
        ] {
            assert_eq!(fault_of(hex), None, "{hex}");
        }
    }

    /// Criterion: T3.LA.1b (negative)
    #[test]
    fn refuses_every_other_form() {
        for (hex, expected) in [
            ("", Fault::Truncated),
            ("19", Fault::Truncated),
            ("4401", Fault::Truncated),
            ("8201", Fault::Truncated),
            ("9bffffffffffffffff", Fault::Truncated),
            ("bbffffffffffffffff", Fault::Truncated),
            ("0000", Fault::TrailingBytes),
            ("1817", Fault::NotShortest),
            ("190018", Fault::NotShortest),
            ("1a0000ffff", Fault::NotShortest),
            ("1b00000000ffffffff", Fault::NotShortest),
            ("5801ff", Fault::NotShortest),
            ("fa3fc00000", Fault::NotShortest),
            ("fb3ff8000000000000", Fault::NotShortest),
            ("f97e01", Fault::NotShortest),
            ("fa7fc00000", Fault::NotShortest),
            ("fa33800000", Fault::NotShortest),
            ("5f42010243030405ff", Fault::IndefiniteLength),
            ("9fff", Fault::IndefiniteLength),
            ("bfff", Fault::IndefiniteLength),
            ("ff", Fault::IndefiniteLength),
            ("a201010101", Fault::DuplicateKey),
            ("a202010101", Fault::UnsortedKeys),
            ("a2616201616101", Fault::UnsortedKeys),
            ("a1f401", Fault::KeyType),
            ("a1400000", Fault::KeyType),
            ("a18000", Fault::KeyType),
            ("818181818181818181", Fault::TooDeep),
            ("61ff", Fault::NotUtf8),
            ("c000", Fault::UnsupportedItem),
            ("f7", Fault::UnsupportedItem),
            ("f820", Fault::UnsupportedItem),
            ("1c", Fault::UnsupportedItem),
            ("1f", Fault::UnsupportedItem),
        ] {
            assert_eq!(fault_of(hex), Some(expected), "{hex}");
        }
    }

    #[test]
    fn every_half_precision_number_fits_half_and_its_neighbours_do_not() {
        for half in 0..0x7c00_u32 {
            let (exponent, fraction) = (half >> 10, half & 0x3ff);
            let value = if exponent == 0 {
                fraction as f32 * 2f32.powi(-24)
            } else {
                (1.0 + fraction as f32 / 1024.0) * 2f32.powi(exponent as i32 - 15)
            };
            assert!(fits_half(value), "{half:04x}");
            assert!(!fits_half(f32::from_bits(value.to_bits() + 1)), "after {half:04x}");
        }
        assert!(!fits_half(65_536.0) && !fits_half(2f32.powi(-25)));
    }

    #[test]
    fn application_payloads_are_maps_with_text_keys_at_every_level() {
        let ok = |bytes: &[u8]| check_text_map(bytes).is_ok();
        assert!(ok(&[0xa1, 0x61, b'a', 0x01]));
        assert!(ok(&[0xa0]));
        assert!(!ok(&[]));
        assert!(!ok(&[0x01]));
        assert!(!ok(&[0xa1, 0x01, 0x01]));
        assert!(!ok(&[0xa1, 0x61, b'a', 0xa1, 0x01, 0x01]));
    }
}
