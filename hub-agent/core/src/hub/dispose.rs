//! What goes with a component's records when its owner wants its data gone. The log is the shell's.

use super::Hub;
use crate::{decision, input::Disposal, persist};
use protocol::id::ComponentId;

impl Hub {
    /// Forgets what the hub itself keeps of a component's use. What it is, what it shall be, and incidents stay.
    pub(super) fn dispose(&mut self, what: &Disposal) {
        match what {
            Disposal::Component(id) => self.forget_use(*id),
            Disposal::All => {
                for id in self.inventory.all().map(|record| record.id).collect::<Vec<_>>() {
                    self.forget_use(id);
                }
            }
            Disposal::Person(_) | Disposal::Times(..) => {}
        }
    }

    fn forget_use(&mut self, id: ComponentId) {
        let facts = self.inventory.get(id).and_then(|record| record.facts.as_ref());
        let streams: Vec<_> =
            facts.iter().flat_map(|facts| facts.streams.items()).cloned().collect();
        streams.iter().for_each(|stream| self.write(persist::remove_stream(id, stream)));
        self.detector.forget_habits(id);
        self.write(persist::remove_habits(id));
        let about = |one: &decision::Decision| one.sender == id || one.receiver == id;
        let gone: Vec<_> =
            self.decisions.iter().filter(|one| about(one)).map(|one| one.number).collect();
        self.decisions.retain(|one| !about(one));
        gone.iter().for_each(|number| {
            self.write(persist::remove_decision(*number, decision::KEPT));
        });
    }
}
