//! The bootloader: a slot starts only when its header is whole, its counter is not below the floor and its
//! bytes have the digest that the header says. A trial is counted before it starts, so that whatever goes
//! wrong in it, the next start is the slot that proved itself.

use super::{
    image::{self, Behaviour, PREAMBLE},
    slots::{Board, Choice, Header, SlotState},
};
use protocol::id::ModelId;

/// What started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booted {
    /// The slot.
    pub slot: usize,
    /// What it holds.
    pub header: Header,
    /// Whether it has yet to prove itself.
    pub trial: bool,
    /// What the simulated software is like.
    pub behaviour: Behaviour,
}

/// Why nothing starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Dead {
    /// Both copies of the floor are damaged: nobody knows what may start.
    #[error("both copies of the floor are damaged")]
    Floor,
    /// No slot holds software that may start.
    #[error("no slot holds software that may start")]
    NoSlot,
}

/// Starts what may be started.
///
/// # Errors
/// When nothing may.
pub fn boot(board: &mut Board, model: &ModelId) -> Result<Booted, Dead> {
    let floor = board.words.floor().ok_or(Dead::Floor)?;
    let choice = board.words.choice().unwrap_or_else(|| newest(board));
    if let Some(booted) = trial(board, choice, floor, model) {
        return Ok(booted);
    }
    let slots = [choice.active, 1 - choice.active];
    let found = slots.into_iter().find_map(|slot| {
        start(board, slot, floor, SlotState::Confirmed, model)
            .filter(|booted| booted.behaviour != Behaviour::NoBoot)
    });
    found.ok_or(Dead::NoSlot)
}

/// The one try that a trial has; it is spent before the software runs.
fn trial(board: &mut Board, choice: Choice, floor: u32, model: &ModelId) -> Option<Booted> {
    let slot = choice.trial.filter(|_| choice.tries > 0)?;
    board.words.choose(Choice { tries: choice.tries - 1, ..choice }).ok()?;
    // Software that does not start is ended by the watchdog, and the bootloader is back here.
    start(board, slot, floor, SlotState::Trial, model)
        .filter(|booted| booted.behaviour != Behaviour::NoBoot)
}

fn start(
    board: &Board,
    slot: usize,
    floor: u32,
    wanted: SlotState,
    model: &ModelId,
) -> Option<Booted> {
    let medium = &board.slots[slot];
    let header = medium.header().filter(|header| header.state == wanted)?;
    let allowed = header.counter >= floor && header.size <= board.capacity;
    let whole = allowed && medium.digest(header.size).ok() == Some(header.image);
    let mut preamble = [0; PREAMBLE];
    medium.read_image(0, &mut preamble).ok().filter(|()| whole)?;
    let behaviour = image::behaviour(&preamble, model, header.counter);
    Some(Booted { slot, trial: wanted == SlotState::Trial, header, behaviour })
}

/// Without a word of which slot boots: the newest that proved itself.
fn newest(board: &Board) -> Choice {
    let counter = |slot: usize| {
        let header = board.slots[slot].header();
        header.filter(|header| header.state == SlotState::Confirmed).map(|header| header.counter)
    };
    Choice { active: usize::from(counter(1) > counter(0)), trial: None, tries: 0 }
}
