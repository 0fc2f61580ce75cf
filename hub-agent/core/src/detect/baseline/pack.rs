//! Small numbers in a row, for what was learnt: little-endian, without names or lengths.

use super::sketch::{Bloom, Distinct, Drift, Histogram, Week};

/// What can be put into a row of bytes and taken out again.
pub(super) trait Packed: Sized {
    /// Puts it at the end.
    fn put(&self, out: &mut Vec<u8>);
    /// Takes it from the front; nothing when the bytes end too early.
    fn take(from: &mut &[u8]) -> Option<Self>;
}

macro_rules! numbers {
    ($($number:ty)*) => {
        $(impl Packed for $number {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }
            fn take(from: &mut &[u8]) -> Option<Self> {
                let (first, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(Self::from_le_bytes(*first))
            }
        })*
    };
}

numbers! { u8 u16 u32 u64 f32 }

impl<T: Packed, const N: usize> Packed for [T; N] {
    fn put(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|one| one.put(out));
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let all: Option<Vec<T>> = (0..N).map(|_| T::take(from)).collect();
        all?.try_into().ok()
    }
}

macro_rules! structs {
    ($($name:ident { $($field:tt)* })*) => {
        $(impl Packed for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }
            fn take(from: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: Packed::take(from)?,)* })
            }
        })*
    };
}

structs! {
    Bloom { 0 }
    Histogram { bins total most unusual }
    Distinct { 0 }
    Drift { hour amount mean spread sum hours }
    Week { cells first }
}
