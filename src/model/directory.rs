//! Log directories by their ids (KIP-858): where replicas lie, and which directories are online.
//!
//! A broker puts a new replica where it likes and tells the controller. The metadata keeps the
//! directory of each replica, and the online directories of each broker; who may lead follows from
//! both. Follows `DirectoryId.java`. Does not know how a directory is chosen or why it failed.

use crate::base::ids::DiskId;
use crate::base::words::{Word, words};

/// A log directory of one broker, by the id that stands in its `meta.properties`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirectoryId {
    /// Which formatting of the broker's disk: after another one all its directories have new ids.
    pub disk: DiskId,
    /// Its number on that disk, from 0.
    pub dir: u16,
}

/// Where a replica lies, as far as the metadata says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Directory {
    /// Its broker has several directories and has not said which it took.
    Unassigned,
    /// In this one.
    In(DirectoryId),
}

/// The online log directories of a broker, as it registered and as heartbeats have changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogDirs {
    disk: DiskId,
    /// A bit for each directory.
    online: u64,
}

impl Word for LogDirs {
    fn word(&self) -> u64 {
        let Self { disk, online } = *self;
        words![disk, online]
    }
}

impl LogDirs {
    /// The first so many directories of a disk, 1 to 64, without those in a set of failed ones.
    #[must_use]
    pub const fn new(disk: DiskId, count: u16, failed: u64) -> Self {
        let all = u64::MAX >> (u64::BITS - count as u32);
        Self { disk, online: all & !failed }
    }

    /// The same without some directories.
    #[must_use]
    pub const fn without(self, offline: u64) -> Self {
        Self { online: self.online & !offline, ..self }
    }

    /// Which of these directories were online.
    #[must_use]
    pub const fn intersection(self, dirs: u64) -> u64 {
        self.online & dirs
    }

    /// The id of a directory.
    #[must_use]
    pub const fn id(self, dir: u16) -> DirectoryId {
        DirectoryId { disk: self.disk, dir }
    }

    /// Whether a replica lies in an online directory; one that has not been assigned may.
    ///
    /// Kafka: BrokerRegistration.hasOnlineDir
    #[must_use]
    pub fn has_online(self, directory: Directory) -> bool {
        match directory {
            Directory::Unassigned => true,
            Directory::In(DirectoryId { disk, dir }) => {
                disk == self.disk && self.online >> dir & 1 == 1
            }
        }
    }

    /// Where a new replica lies: that is known if there is one directory only.
    ///
    /// Kafka: ClusterControlManager.defaultDir
    #[must_use]
    pub const fn default_dir(self) -> Directory {
        if self.online.count_ones() == 1 {
            Directory::In(self.id(self.online.trailing_zeros() as u16))
        } else {
            Directory::Unassigned
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_online_by_its_id() {
        let dirs = LogDirs::new(DiskId(1), 3, 0b010);
        let of = |disk, dir| Directory::In(DirectoryId { disk: DiskId(disk), dir });
        let online = [of(1, 0), of(1, 2), Directory::Unassigned];
        let offline = [of(1, 1), of(1, 3), of(0, 0), of(2, 2)];
        assert!(online.into_iter().all(|d| dirs.has_online(d)));
        assert!(!offline.into_iter().any(|d| dirs.has_online(d)));
        assert_eq!(dirs.intersection(0b110), 0b100);
        assert_eq!(dirs.default_dir(), Directory::Unassigned, "two are online");
        assert_eq!(dirs.without(0b001).default_dir(), of(1, 2), "the only one");
        assert_eq!(LogDirs::new(DiskId(0), 64, 0).intersection(u64::MAX), u64::MAX);
    }
}
