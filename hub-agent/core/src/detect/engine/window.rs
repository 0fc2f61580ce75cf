//! Windows of one correlation for one group: bounded, and exact for "at least N within the span".
//!
//! | correlation | what is kept |
//! |---|---|
//! | `event_count` | the last N times |
//! | `value_count` | the N most recently seen different values |
//! | `temporal` | the last time of each rule |
//! | `temporal_ordered` | for each beginning of the order, the latest start from which it was reached |
//! | absence | the last time |

use super::super::rules::Wants;
use std::collections::VecDeque;

/// A time of the engine, and the number of the record that came then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    pub(crate) at: u64,
    pub(crate) number: u64,
    /// The slot of the component it was about.
    pub(crate) who: u16,
}

/// One beginning of an order: the marks of its first and its last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    first: Mark,
    last: Mark,
    /// The first record of the beginning as it was before the last record came.
    before: Option<Mark>,
}

/// What one group has seen of one correlation.
#[derive(Clone, Debug)]
pub(crate) enum Window {
    Count(VecDeque<Mark>),
    Distinct(Vec<(u64, Mark)>),
    Together(Box<[Option<Mark>]>),
    Ordered(Box<[Option<Prefix>]>),
    Absence { last: Mark, told: bool },
}

/// What came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) mark: Mark,
    /// Which part of the correlation matched.
    pub(crate) part: usize,
    /// Hash of the counted values.
    pub(crate) value: u64,
    /// How many equal things the record stands for.
    pub(crate) times: u32,
}

impl Window {
    pub(crate) fn new(wants: &Wants) -> Self {
        match wants {
            Wants::Count(_) => Self::Count(VecDeque::new()),
            Wants::Distinct(..) => Self::Distinct(Vec::new()),
            Wants::Together(parts) => Self::Together(vec![None; *parts].into()),
            Wants::Ordered(parts) => Self::Ordered(vec![None; *parts].into()),
            Wants::Absence => Self::Absence { last: Mark::default(), told: true },
        }
    }

    /// Takes what came in, and says whether the correlation is now true.
    pub(crate) fn push(&mut self, wants: &Wants, span: u64, seen: Seen) -> bool {
        let now = seen.mark.at;
        let fresh = |mark: &Mark| now.saturating_sub(mark.at) < span;
        match (self, wants) {
            (Self::Count(times), Wants::Count(least)) => {
                for _ in 0..(seen.times as usize).min(*least) {
                    if times.len() == *least {
                        times.pop_front();
                    }
                    times.push_back(seen.mark);
                }
                times.len() == *least && times.front().is_some_and(fresh)
            }
            (Self::Distinct(values), Wants::Distinct(least, _)) => {
                see(values, *least, seen);
                values.len() == *least && values.iter().all(|(_, mark)| fresh(mark))
            }
            (Self::Together(parts), Wants::Together(_)) => {
                parts[seen.part] = Some(seen.mark);
                parts.iter().all(|part| part.as_ref().is_some_and(fresh))
            }
            (Self::Ordered(prefixes), Wants::Ordered(_)) => {
                follow(prefixes, seen, fresh);
                seen.part + 1 == prefixes.len()
                    && prefixes[seen.part]
                        .is_some_and(|one| one.last == seen.mark && fresh(&one.first))
            }
            (Self::Absence { last, told }, Wants::Absence) => {
                (*last, *told) = (seen.mark, false);
                false
            }
            (
                Self::Count(_)
                | Self::Distinct(_)
                | Self::Together(_)
                | Self::Ordered(_)
                | Self::Absence { .. },
                _,
            ) => false,
        }
    }

    /// Whether nothing of it matters any more.
    pub(crate) fn is_over(&self, now: u64, span: u64) -> bool {
        let over = |mark: &Mark| now.saturating_sub(mark.at) >= span;
        match self {
            Self::Count(times) => times.back().is_none_or(over),
            Self::Distinct(values) => values.iter().all(|(_, mark)| over(mark)),
            Self::Together(parts) => parts.iter().flatten().all(over),
            Self::Ordered(prefixes) => prefixes.iter().flatten().all(|one| over(&one.first)),
            Self::Absence { .. } => false,
        }
    }

    /// How far it is towards being true.
    pub(crate) fn progress(&self) -> usize {
        match self {
            Self::Count(times) => times.len(),
            Self::Distinct(values) => values.len(),
            Self::Together(parts) => parts.iter().flatten().count(),
            Self::Ordered(prefixes) => prefixes.iter().flatten().count(),
            Self::Absence { .. } => 0,
        }
    }

    /// The records that made it true, newest last.
    pub(crate) fn evidence(&self, now: u64, span: u64, most: usize) -> Vec<Mark> {
        let mut marks: Vec<Mark> = match self {
            Self::Count(times) => times.iter().copied().collect(),
            Self::Distinct(values) => values.iter().map(|(_, mark)| *mark).collect(),
            Self::Together(parts) => parts.iter().flatten().copied().collect(),
            Self::Ordered(prefixes) => {
                prefixes.iter().flatten().flat_map(|one| [one.first, one.last]).collect()
            }
            Self::Absence { last, .. } => vec![*last],
        };
        marks.retain(|mark| now.saturating_sub(mark.at) < span);
        marks.sort();
        marks.dedup();
        let surplus = marks.len().saturating_sub(most);
        marks.drain(..surplus);
        marks
    }

    /// Bytes on the heap.
    pub(crate) fn heap(&self) -> usize {
        match self {
            Self::Count(times) => times.capacity() * size_of::<Mark>(),
            Self::Distinct(values) => values.capacity() * size_of::<(u64, Mark)>(),
            Self::Together(parts) => parts.len() * size_of::<Option<Mark>>(),
            Self::Ordered(prefixes) => prefixes.len() * size_of::<Option<Prefix>>(),
            Self::Absence { .. } => 0,
        }
    }
}

/// Remembers a value; the one not seen for longest makes room.
fn see(values: &mut Vec<(u64, Mark)>, most: usize, seen: Seen) {
    if let Some((_, mark)) = values.iter_mut().find(|(value, _)| *value == seen.value) {
        *mark = seen.mark;
    } else if values.len() < most {
        values.push((seen.value, seen.mark));
    } else if let Some(oldest) = values.iter_mut().min_by_key(|(_, mark)| *mark) {
        *oldest = (seen.value, seen.mark);
    }
}

/// Takes a step in the order: from the best beginning that was reached before this record. One record may
/// match several rules; it is one step, not several.
fn follow(prefixes: &mut [Option<Prefix>], seen: Seen, fresh: impl Fn(&Mark) -> bool) {
    let is_now = |prefix: &Prefix| prefix.last.number == seen.mark.number;
    let start = match seen.part {
        0 => Some(seen.mark),
        part => prefixes[part - 1]
            .and_then(|one| if is_now(&one) { one.before } else { Some(one.first) })
            .filter(|first| fresh(first)),
    };
    if let Some(first) = start {
        let before = match prefixes[seen.part] {
            Some(one) if is_now(&one) => one.before,
            other => other.map(|one| one.first),
        };
        prefixes[seen.part] = Some(Prefix { first, last: seen.mark, before });
    }
}
