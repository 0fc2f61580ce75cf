//! A taken-over component that edits its own log.

use super::{Outcome, Target};
use crate::{
    identity,
    log::{Memory, Mischief},
};
use protocol::{
    cbor,
    id::LogLife,
    message::{LogKind, LogRecord},
};

impl Target {
    /// A batch of the own log whose record is another one than was signed.
    pub(super) async fn edited_log(&self) -> Outcome {
        let own = self.credentials()?;
        let mut log = Memory::default();
        log.open(own.id, LogLife([0xee; 8]));
        log.append(&LogRecord::new(LogKind::Tamper, None, 1));
        let draft = log.draft(1, 1, None, 2).ok_or_else(|| anyhow::anyhow!("an empty log"))?;
        let drafts = Mischief::Edits.spoil(draft);
        let draft = drafts.first().ok_or_else(|| anyhow::anyhow!("nothing to send"))?;
        let head = identity::sign_head(own, &draft.head(own.id))?;
        let batch = draft.sealed(head).ok_or_else(|| anyhow::anyhow!("too long"))?;
        self.refused_publish(&format!("p/{}/log", own.id), &cbor::encode(&batch), false).await
    }
}
