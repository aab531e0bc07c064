//! The small files beside a log, and what a power loss leaves of them.
//!
//! A file is replaced: written beside the old one, synced and renamed. Most writers then sync the
//! directory, so that the new file is there to stay when they return (`CheckpointFile.write`,
//! `Utils.atomicMoveWithFallback`); what is written in the background may be the older version
//! after a power loss, until something on the same file system is synced.

use crate::base::ids::{LeaderEpoch, Offset};
use crate::model::disk::snapshots::ProducerSnapshots;

/// When the replacement of a file is there to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// When it has been written.
    Synced,
    /// With the next sync of the log, or of any file beside it.
    InBackground,
}

/// The checkpoint files of one log, and the contents it has in those of its directory.
#[derive(Clone, Debug, Default)]
pub struct Checkpoints {
    /// `replication-offset-checkpoint`: the high watermark.
    pub watermark: Offset,
    /// `log-start-offset-checkpoint`.
    pub log_start: Offset,
    /// `recovery-point-offset-checkpoint`: everything below has been synced.
    pub recovery_point: Offset,
    /// `leader-epoch-checkpoint`: each epoch with its first offset.
    pub leader_epochs: Vec<(LeaderEpoch, Offset)>,
    /// The `<offset>.snapshot` files of the producer state.
    pub producer_snapshots: ProducerSnapshots,
    /// As the files were before they were written in the background.
    older: Option<Box<Self>>,
    /// Room for the next older ones.
    ///
    /// Speed: it is used again, so that a steady run allocates nothing.
    spare: Option<Box<Self>>,
}

impl PartialEq for Checkpoints {
    /// Whether they say the same, before and after a power loss.
    fn eq(&self, other: &Self) -> bool {
        let said = |files: &Self| (files.watermark, files.log_start, files.recovery_point);
        said(self) == said(other)
            && self.leader_epochs == other.leader_epochs
            && self.producer_snapshots == other.producer_snapshots
            && self.older == other.older
    }
}

impl Eq for Checkpoints {}

impl Checkpoints {
    /// Replaces files.
    pub(super) fn write(&mut self, how: Write, change: impl FnOnce(&mut Self)) {
        if how == Write::InBackground && self.older.is_none() {
            self.keep_older();
        }
        change(self);
        if how == Write::Synced {
            self.sync();
        }
    }

    fn keep_older(&mut self) {
        let mut older = self.spare.take().unwrap_or_default();
        older.watermark = self.watermark;
        older.log_start = self.log_start;
        older.recovery_point = self.recovery_point;
        older.leader_epochs.clone_from(&self.leader_epochs);
        older.producer_snapshots.clone_from(&self.producer_snapshots);
        self.older = Some(older);
    }

    pub(super) fn sync(&mut self) {
        if let Some(older) = self.older.take() {
            self.spare = Some(older);
        }
    }

    /// Loses power: files written in the background may be the older ones.
    pub(super) fn lose_power(&mut self, older: bool) {
        if let (Some(files), true) = (self.older.take(), older) {
            *self = *files;
        }
    }
}
