//! What a simulated image is: 16 bytes that say for whom it is and how it behaves, then bytes without meaning.

use crate::identity::sha256;
use protocol::id::ModelId;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Bytes at the beginning of an image: magic 5, behaviour 1, model 6, counter 4.
pub const PREAMBLE: usize = 16;

const MAGIC: &[u8; 5] = b"SIMFW";

/// How simulated software behaves, so that a test or a demonstration can release a bad one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// It works.
    Good,
    /// It never starts.
    NoBoot,
    /// It starts and fails its self-test.
    Unhealthy,
}

impl Behaviour {
    /// Every behaviour with its word and its number in the image.
    pub const ALL: [(&'static str, Self, u8); 3] =
        [("good", Self::Good, 0), ("no-boot", Self::NoBoot, 1), ("unhealthy", Self::Unhealthy, 2)];
}

impl std::str::FromStr for Behaviour {
    type Err = &'static str;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|(known, ..)| *known == word);
        found.map(|(_, behaviour, _)| *behaviour).ok_or("no such behaviour")
    }
}

/// An image of this model; the same arguments make the same bytes. It is never shorter than its preamble.
#[must_use]
pub fn image(model: &ModelId, counter: u32, size: u32, behaviour: Behaviour) -> Vec<u8> {
    let seed = sha256(format!("{model} {counter}").as_bytes());
    let mut bytes = vec![0; PREAMBLE.max(size as usize)];
    ChaCha8Rng::from_seed(seed.0).fill_bytes(&mut bytes);
    bytes[..PREAMBLE].copy_from_slice(&preamble(model, counter, behaviour));
    bytes
}

/// How software with this preamble behaves where this is its model and counter; software for anything else
/// does not start there.
#[must_use]
pub fn behaviour(found: &[u8; PREAMBLE], model: &ModelId, counter: u32) -> Behaviour {
    let matches = |(_, one, _): &&(_, Behaviour, u8)| preamble(model, counter, *one) == *found;
    Behaviour::ALL.iter().find(matches).map_or(Behaviour::NoBoot, |(_, one, _)| *one)
}

fn preamble(model: &ModelId, counter: u32, behaviour: Behaviour) -> [u8; PREAMBLE] {
    let number = Behaviour::ALL.iter().find(|(_, one, _)| *one == behaviour);
    let mut bytes = [0; PREAMBLE];
    bytes[..5].copy_from_slice(MAGIC);
    bytes[5] = number.map_or(1, |(_, _, number)| *number);
    bytes[6..12].copy_from_slice(&sha256(model.as_str().as_bytes()).0[..6]);
    bytes[12..].copy_from_slice(&counter.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_the_same_each_time_and_starts_only_where_it_belongs() {
        let model = ModelId::new("simulated.lamp").unwrap();
        let other = ModelId::new("simulated.lock").unwrap();
        for (_, wanted, _) in Behaviour::ALL {
            let made = image(&model, 7, 100, wanted);
            assert_eq!(made, image(&model, 7, 100, wanted));
            let start: [u8; PREAMBLE] = made[..PREAMBLE].try_into().unwrap();
            assert_eq!((made.len(), behaviour(&start, &model, 7)), (100, wanted));
            assert_eq!(behaviour(&start, &other, 7), Behaviour::NoBoot);
            assert_eq!(behaviour(&start, &model, 8), Behaviour::NoBoot);
        }
        assert_ne!(image(&model, 7, 100, Behaviour::Good), image(&model, 8, 100, Behaviour::Good));
    }
}
