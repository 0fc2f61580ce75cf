//! What people want of campaigns.

use crate::{
    access::gate,
    effect::Answer,
    hub::Hub,
    input::{Actor, UpdateWish},
    persist,
    update::{Approval, Stage},
};
use protocol::{
    id::{ComponentId, ModelId},
    message::UpdateOrder,
    refusal::Refusal,
};

impl Hub {
    /// A person wants something of the campaign of a model.
    pub(in crate::hub) fn wish_of_campaign(
        &mut self,
        by: &Actor,
        model: &ModelId,
        wish: UpdateWish,
    ) -> Result<Answer, Refusal> {
        let now = self.now.wall;
        let of = self.updates.campaigns.values().filter(|one| one.model == *model);
        let number = of.max_by_key(|one| one.counter).map(|one| one.number);
        let number = number.ok_or(Refusal::Unknown)?;
        let Some(campaign) = self.updates.campaigns.get_mut(&number) else {
            return Err(Refusal::Unknown);
        };
        let mut forgotten: Vec<ComponentId> = Vec::new();
        match wish {
            UpdateWish::Approve if campaign.is_live() => {
                campaign.approved = Some(Approval { by: by.to_string(), at: now });
                campaign.postponed = None;
                let paused = matches!(campaign.stage, Stage::Paused { .. });
                if paused {
                    campaign.stage = Stage::Groups;
                    campaign.round.clear();
                }
            }
            UpdateWish::Postpone(until) if campaign.is_live() => campaign.postponed = Some(until),
            UpdateWish::Pause if campaign.is_live() => {
                campaign.stage = Stage::Paused { why: format!("{by} wanted it") };
            }
            UpdateWish::Cancel if campaign.is_live() => {
                campaign.stage = Stage::Cancelled { by: by.to_string() };
            }
            UpdateWish::Retry => {
                let image = campaign.image;
                campaign.stage = Stage::Groups;
                campaign.round.clear();
                let ended = self.updates.jobs.values();
                let ended = ended.filter(|job| job.outcome.is_some() && job.image == image);
                forgotten = ended.map(|job| job.component).collect();
            }
            UpdateWish::Approve
            | UpdateWish::Postpone(_)
            | UpdateWish::Pause
            | UpdateWish::Cancel => return Err(Refusal::WrongState),
        }
        let (write, cancelled) =
            (persist::put_campaign(campaign), matches!(campaign.stage, Stage::Cancelled { .. }));
        self.write(write);
        for id in forgotten {
            self.updates.jobs.remove(&id);
            self.write(persist::remove_job(id));
        }
        if cancelled {
            self.call_off(number);
        }
        self.advance_updates();
        Ok(Answer::Changed(1))
    }

    /// Calls off what is under way and can still be.
    pub(super) fn call_off(&mut self, number: u64) {
        let jobs: Vec<_> =
            self.updates.under_way(number).map(|job| (job.component, job.id)).collect();
        for (id, job) in jobs {
            if id == self.own.id {
                self.call_off_own();
                continue;
            }
            self.out.sends.push(gate::permit_control(id, job, UpdateOrder::Cancel, None));
        }
    }

    /// Somebody wants to be told of updates of a component, or not to be.
    pub(in crate::hub) fn set_notices(
        &mut self,
        by: &Actor,
        id: ComponentId,
        on: bool,
    ) -> Result<Answer, Refusal> {
        let now = self.now.wall;
        if id == self.own.id && self.updates.own.is_some() {
            return self.set_own_notices(by, on);
        }
        let who = by.account().cloned();
        let record = self.inventory.get_mut(id).ok_or(Refusal::Unknown)?;
        let quiet = &mut self.updates.quiet;
        let changed =
            if on { quiet.remove(&(who.clone(), id)) } else { quiet.insert((who.clone(), id)) };
        if !changed {
            return Err(Refusal::WrongState);
        }
        let word = if on { "on" } else { "off" };
        record.note(now, "update notices", "", format_args!("{word} for {by}"));
        self.save(id);
        self.write(persist::put_notices(who.as_ref(), id, !on));
        Ok(Answer::Changed(1))
    }
}
