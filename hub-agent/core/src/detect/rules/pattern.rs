//! Texts as rules compare them: Sigma's wildcards, without regard to case unless a rule asks for it.

use rsigma_parser::{SigmaString, SpecialChar, StringPart};

/// How a text is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Whole,
    Contains,
    Starts,
    Ends,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    One,
    Any,
}

/// A text with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pieces: Box<[Piece]>,
    cased: bool,
}

impl Pattern {
    pub(super) fn new(text: &SigmaString, anchor: Anchor, cased: bool) -> Self {
        let mut pieces = Vec::with_capacity(text.parts.len() + 2);
        if matches!(anchor, Anchor::Contains | Anchor::Ends) {
            pieces.push(Piece::Any);
        }
        pieces.extend(text.parts.iter().map(|part| match part {
            StringPart::Plain(text) => Piece::Text(text.as_str().into()),
            StringPart::Special(SpecialChar::WildcardSingle) => Piece::One,
            StringPart::Special(SpecialChar::WildcardMulti) => Piece::Any,
        }));
        if matches!(anchor, Anchor::Contains | Anchor::Starts) {
            pieces.push(Piece::Any);
        }
        pieces.dedup_by(|next, before| *next == Piece::Any && *before == Piece::Any);
        Self { pieces: pieces.into(), cased }
    }

    /// The text, where it stands for one text only.
    pub(super) fn exact(&self) -> Option<&str> {
        match &*self.pieces {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether a text is as the pattern says. Remembers one place to come back to, so the time is at most
    /// the product of both lengths.
    pub(super) fn matches(&self, text: &str) -> bool {
        if let [Piece::Text(whole)] = &*self.pieces {
            return self.same(whole, text);
        }
        let (mut piece, mut at) = (0, 0);
        let mut back: Option<(usize, usize)> = None;
        loop {
            match self.pieces.get(piece) {
                Some(Piece::Any) => {
                    back = Some((piece, at));
                    piece += 1;
                    continue;
                }
                Some(part) => {
                    if let Some(length) = self.head(part, &text[at..]) {
                        (piece, at) = (piece + 1, at + length);
                        continue;
                    }
                }
                None if at == text.len() => return true,
                None => {}
            }
            let Some((any, from)) = back else { return false };
            let Some(skipped) = text[from..].chars().next() else { return false };
            let from = from + skipped.len_utf8();
            back = Some((any, from));
            (piece, at) = (any + 1, from);
        }
    }

    /// How much of the text a piece takes, if it fits.
    fn head(&self, piece: &Piece, text: &str) -> Option<usize> {
        match piece {
            Piece::Text(part) => {
                let head = text.get(..part.len())?;
                self.same(part, head).then_some(part.len())
            }
            Piece::One => text.chars().next().map(char::len_utf8),
            Piece::Any => Some(0),
        }
    }

    fn same(&self, one: &str, other: &str) -> bool {
        if self.cased { one == other } else { one.eq_ignore_ascii_case(other) }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::One => f.write_str("?"),
            Piece::Any => f.write_str("*"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str, anchor: Anchor) -> Pattern {
        Pattern::new(&SigmaString::new(text), anchor, false)
    }

    #[test]
    fn wildcards_and_anchors_mean_what_sigma_says() {
        let cases = [
            ("denied", Anchor::Whole, "Denied", true),
            ("denied", Anchor::Whole, "denied!", false),
            ("a*c", Anchor::Whole, "abbbc", true),
            ("a*c*e", Anchor::Whole, "abcdcce", true),
            ("a?c", Anchor::Whole, "aéc", true),
            ("a?c", Anchor::Whole, "ac", false),
            ("b", Anchor::Contains, "abc", true),
            ("*b*", Anchor::Contains, "b", true),
            ("ab", Anchor::Starts, "abc", true),
            ("bc", Anchor::Ends, "abc", true),
            ("bc", Anchor::Ends, "abcd", false),
            (r"a\*", Anchor::Whole, "a*", true),
            ("", Anchor::Whole, "", true),
            ("é", Anchor::Starts, "a", false),
        ];
        for (text, anchor, against, expected) in cases {
            assert_eq!(pattern(text, anchor).matches(against), expected, "{text} {against}");
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let slow = pattern(&format!("{}c", "a*".repeat(100)), Anchor::Whole);
        assert!(!slow.matches(&format!("{}b", "a".repeat(200))));
        let ends = pattern(&format!("{}b", "a*".repeat(30)), Anchor::Whole);
        assert!(!ends.matches(&"a".repeat(256)));
    }
}
