//! Pairing windows, one-time codes, and growing delays on wrong ones.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use protocol::{id::Digest, refusal::Refusal, time::Timestamp};
use std::{collections::BTreeMap, net::IpAddr, time::Duration};

/// Most codes in one window.
pub const MAX_CODES: usize = 1024;

/// Longest window.
pub const MAX_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// Longest delay after wrong codes.
const MAX_DELAY: Duration = Duration::from_secs(15 * 60);

/// Wrong codes in total before everybody has to wait, so that one mistyped code delays only its source.
const FREE_IN_TOTAL: u32 = 3;

/// Sources remembered; beyond it the one that guessed longest ago is forgotten.
const SOURCES: usize = 1024;

/// Digits of a code: Crockford's base 32, without I, L, O and U.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A code as people read it: four groups of four digits for 80 bits.
#[must_use]
pub fn code_text(code: &[u8; 10]) -> String {
    let bits = code.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
    let digit = |index: u32| char::from(DIGITS[(bits >> (75 - 5 * index) & 31) as usize]);
    (0..16).map(digit).enumerate().fold(String::with_capacity(19), |mut text, (index, digit)| {
        if index > 0 && index % 4 == 0 {
            text.push('-');
        }
        text.push(digit);
        text
    })
}

/// Reads what a person typed: case, blanks and hyphens do not matter, nor O for 0 and I or L for 1.
fn read_code(text: &str) -> Option<[u8; 10]> {
    let mut bits = 0_u128;
    let mut count = 0;
    for c in text.chars().filter(|c| !matches!(c, '-' | ' ')) {
        let c = match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        bits = bits << 5 | DIGITS.iter().position(|digit| char::from(*digit) == c)? as u128;
        count += 1;
        if count > 16 {
            return None;
        }
    }
    let mut code = [0; 10];
    code.copy_from_slice(&bits.to_be_bytes()[6..]);
    (count == 16).then_some(code)
}

struct Code {
    bytes: [u8; 10],
    bound: Option<Digest>,
}

struct Window {
    codes: Vec<Code>,
    until: Timestamp,
    approve: bool,
}

#[derive(Clone, Copy)]
struct Guesses {
    wrong: u32,
    from: Timestamp,
}

/// The pairing desk. Windows do not survive a restart; the total of wrong codes does.
#[derive(Default)]
pub struct Pairing {
    window: Option<Window>,
    sources: BTreeMap<IpAddr, Guesses>,
}

/// A code that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongCode {
    /// Why.
    pub why: Refusal,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// Whether it counts as a guess.
    pub guess: bool,
}

/// The window as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowView {
    /// Until when it is open.
    pub until: Timestamp,
    /// Codes nobody has shown yet.
    pub unused: usize,
    /// Whether whoever shows one is approved in advance.
    pub approve: bool,
}

impl Pairing {
    /// Opens a window, replacing the present one.
    pub fn open(&mut self, codes: Vec<[u8; 10]>, approve: bool, until: Timestamp) {
        let codes =
            codes.into_iter().take(MAX_CODES).map(|bytes| Code { bytes, bound: None }).collect();
        self.window = Some(Window { codes, until, approve });
    }

    /// Closes the window; the answer is whether one was open.
    pub fn close(&mut self) -> bool {
        self.window.take().is_some()
    }

    /// The open window.
    #[must_use]
    pub fn view(&self, now: Timestamp) -> Option<WindowView> {
        let window = self.window.as_ref().filter(|window| now < window.until)?;
        let unused = window.codes.iter().filter(|code| code.bound.is_none()).count();
        Some(WindowView { until: window.until, unused, approve: window.approve })
    }

    /// Checks a code shown with a key; the answer is whether the owner approved in advance. The
    /// first key that shows a code owns it. `total` counts wrong codes of everybody.
    ///
    /// # Errors
    /// When the code is wrong, spent, too late, or too early after wrong ones.
    pub fn check(
        &mut self,
        text: &str,
        key: Digest,
        from: IpAddr,
        (total, total_from): (&mut u32, &mut Timestamp),
        now: Timestamp,
    ) -> Result<bool, WrongCode> {
        let wait_until =
            self.sources.get(&from).map_or(*total_from, |own| own.from.max(*total_from));
        if now < wait_until {
            return Err(WrongCode {
                why: Refusal::SlowDown,
                retry_after: Some(wait_until.since(now)),
                guess: false,
            });
        }
        let shown = read_code(text).unwrap_or_default();
        let Some(window) = self.window.as_mut().filter(|window| now < window.until) else {
            self.window = None;
            return Err(self.wrong(Refusal::PairingClosed, from, total, total_from, now));
        };
        // Every code is compared, so that the time taken tells nothing.
        let same = |code: &&mut Code| verify_slices_are_equal(&code.bytes, &shown).is_ok();
        let found = window.codes.iter_mut().filter(same).last();
        match found {
            None => Err(self.wrong(Refusal::WrongCode, from, total, total_from, now)),
            Some(code) if code.bound.is_some_and(|bound| bound != key) => {
                Err(self.wrong(Refusal::SpentCode, from, total, total_from, now))
            }
            Some(code) => {
                code.bound = Some(key);
                *total = 0;
                self.sources.remove(&from);
                Ok(window.approve)
            }
        }
    }

    fn wrong(
        &mut self,
        why: Refusal,
        from: IpAddr,
        total: &mut u32,
        total_from: &mut Timestamp,
        now: Timestamp,
    ) -> WrongCode {
        if self.sources.len() >= SOURCES && !self.sources.contains_key(&from) {
            let oldest = self
                .sources
                .iter()
                .min_by_key(|(_, guesses)| guesses.from)
                .map(|(source, _)| *source);
            oldest.map(|oldest| self.sources.remove(&oldest));
        }
        let own = self.sources.entry(from).or_insert(Guesses { wrong: 0, from: now });
        own.wrong = own.wrong.saturating_add(1);
        own.from = now.plus(delay(own.wrong));
        *total = total.saturating_add(1);
        *total_from = now.plus(delay(total.saturating_sub(FREE_IN_TOTAL)));
        let wait = own.from.max(*total_from).since(now);
        WrongCode { why, retry_after: Some(wait), guess: true }
    }
}

/// One second after the first wrong code, doubled by each further one.
fn delay(wrong: u32) -> Duration {
    match wrong {
        0 => Duration::ZERO,
        n => Duration::from_secs(1 << (n - 1).min(20)).min(MAX_DELAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: [u8; 10] = [0xff, 1, 2, 3, 4, 5, 6, 7, 8, 0x9a];
    const KEY: Digest = Digest([1; 32]);
    const OTHER: Digest = Digest([2; 32]);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    struct Desk(Pairing, u32, Timestamp);

    impl Desk {
        fn open() -> Self {
            let mut pairing = Pairing::default();
            pairing.open(vec![CODE], false, at(600));
            Self(pairing, 0, Timestamp(0))
        }

        fn check(
            &mut self,
            text: &str,
            key: Digest,
            source: u8,
            now: u64,
        ) -> Result<bool, WrongCode> {
            let from = IpAddr::from([127, 0, 0, source]);
            self.0.check(text, key, from, (&mut self.1, &mut self.2), at(now))
        }
    }

    fn why(result: Result<bool, WrongCode>) -> Option<Refusal> {
        result.err().map(|wrong| wrong.why)
    }

    #[test]
    fn codes_read_what_they_print_however_a_person_types_them() {
        let text = code_text(&CODE);
        assert_eq!(text.len(), 19);
        assert_eq!(read_code(&text), Some(CODE));
        let typed = text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        assert_eq!(read_code(&typed), Some(CODE));
        for wrong in ["", "0000", "0000-0000-0000-000U", &format!("{text}0")] {
            assert_eq!(read_code(wrong), None, "{wrong}");
        }
    }

    /// Criterion: T3.LA.1c (positive)
    #[test]
    fn the_first_key_owns_the_code_and_may_repeat_it() {
        let mut desk = Desk::open();
        assert_eq!(desk.check(&code_text(&CODE), KEY, 1, 0), Ok(false));
        assert_eq!(desk.check(&code_text(&CODE), KEY, 1, 1), Ok(false));
        assert_eq!(why(desk.check(&code_text(&CODE), OTHER, 2, 2)), Some(Refusal::SpentCode));
    }

    /// Criterion: T3.LA.1c (negative)
    #[test]
    fn codes_out_of_their_window_are_refused() {
        let mut desk = Desk::open();
        assert_eq!(why(desk.check(&code_text(&CODE), KEY, 1, 600)), Some(Refusal::PairingClosed));
        assert_eq!(desk.0.view(at(600)), None);
        let mut closed = Desk::open();
        closed.0.close();
        assert_eq!(why(closed.check(&code_text(&CODE), KEY, 1, 0)), Some(Refusal::PairingClosed));
    }

    /// Criterion: T1.LA.4 (negative)
    #[test]
    fn twenty_wrong_codes_meet_a_growing_delay_that_also_holds_other_sources() {
        let mut desk = Desk::open();
        let (mut now, mut delays) = (0, Vec::new());
        for _ in 0..20 {
            let wrong = desk.check("0000-0000-0000-0000", KEY, 1, now).unwrap_err();
            assert_eq!(
                wrong.why,
                if now < 600 { Refusal::WrongCode } else { Refusal::PairingClosed }
            );
            let wait = wrong.retry_after.unwrap().as_secs();
            if wait > 1 {
                let early = desk.check(&code_text(&CODE), KEY, 1, now + wait - 1);
                assert_eq!(why(early), Some(Refusal::SlowDown), "even the right code must wait");
            }
            delays.push(wait);
            now += wait;
        }
        assert_eq!(delays[..5], [1, 2, 4, 8, 16]);
        assert_eq!(delays[19], 900);
        assert!(delays.is_sorted());
        assert_eq!(
            why(desk.check("0000-0000-0000-0000", KEY, 9, now - 1)),
            Some(Refusal::SlowDown)
        );
    }

    #[test]
    fn the_table_of_sources_is_bounded() {
        let mut pairing = Pairing::default();
        for source in 0..3000_u32 {
            let from = IpAddr::from(source.to_be_bytes());
            let _ =
                pairing.check("x", KEY, from, (&mut 0, &mut Timestamp(0)), at(u64::from(source)));
        }
        assert_eq!(pairing.sources.len(), SOURCES);
    }
}
