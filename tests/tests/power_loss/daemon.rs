//! The whole hub under the load of a fleet.

use crate::{executable, mounted, rounds};
use std::{path::Path, time::Duration};
use tests::{
    harness::{Fleet, FleetPlan, Hub, HubPlan, maker},
    power_loss::Mode,
};

/// Criterion: T3.AI.3 (positive)
#[test]
fn no_acknowledged_announcement_is_lost_when_the_hub_loses_power_under_load() {
    let rounds = rounds(2, 25);
    for mode in Mode::ALL {
        let mut checked = 0;
        for seed in 0..rounds {
            match round(mode, seed) {
                Some(found) => {
                    checked += found.unwrap_or_else(|e| panic!("{mode:?}, seed {seed}: {e:#}"));
                }
                None => return,
            }
        }
        println!("{mode:?}: {rounds} cuts, {checked} acknowledged announcements, none lost");
        assert!(checked > 0);
    }
}

/// One cut under load; the answer is how many acknowledged announcements the hub has after it.
fn round(mode: Mode, seed: u64) -> Option<anyhow::Result<usize>> {
    let (folder, disk) = mounted()?;
    let image = folder.path().join("image");
    let cut = || {
        let plan = plan(folder.path(), &folder.path().join("disk"))?;
        let mut hub = Hub::start(plan)?;
        let fleet_plan = fleet_plan(folder.path());
        let mut fleet = Fleet::start(&executable(), &hub, fleet_plan.clone())?;
        fleet.bring_up(&hub, Duration::from_secs(60), |_| {})?;
        // A new life of every component: announcements come in while values stream.
        fleet.kill()?;
        fleet = Fleet::start(&executable(), &hub, fleet_plan)?;
        for _ in 0..=seed % 3 {
            fleet.progress(Duration::from_secs(5));
        }
        // Read before the cut: what is acknowledged later may be lost with the power.
        let announced = fleet.announced()?;
        disk.cut(mode, seed, &image)?;
        hub.kill()?;
        fleet.kill()?;
        hub = Hub::start(self::plan(folder.path(), &image)?)?;
        hub.still_has(&announced)
    };
    Some(cut())
}

/// A hub whose data are on this disk; its socket is not, for the disk holds files only.
fn plan(folder: &Path, disk: &Path) -> anyhow::Result<HubPlan> {
    let text = |path: &Path| path.display().to_string();
    Ok(HubPlan {
        executable: executable(),
        folder: folder.join("hub"),
        maker: Some(maker(&folder.join("maker"))?),
        cloud: None,
        set: vec![
            ("data_dir".into(), text(&disk.join("data"))),
            ("admin.socket".into(), text(&folder.join("hub/admin.sock"))),
            ("mqtt.messages_per_second".into(), "1000".into()),
        ],
    })
}

fn fleet_plan(folder: &Path) -> FleetPlan {
    FleetPlan {
        count: 8,
        seed: 1,
        folder: folder.join("fleet"),
        maker: folder.join("maker"),
        codes: Vec::new(),
        interval: 1,
        stream: 5,
        log: 0,
        mischief: None,
        flaky: 0,
        temper: "willing",
        definitions: Vec::new(),
        anchor: None,
    }
}
