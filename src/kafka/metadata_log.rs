//! The metadata log as controllers and brokers keep it: how it is loaded, written and replayed.
//!
//! It is a [`Log`] like any other, on the disk of every controller and, as a copy, of every broker.
//! What one decision writes is one batch, and its records are a body. Follows
//! `KafkaMetadataLog.scala`: it lies in the first log directory, knows no clean shutdown, and its
//! high watermark is not on disk, so that whoever starts knows none. Not modelled: snapshots, so it
//! is never trimmed.

use crate::base::ids::{LeaderEpoch, LogId, Offset};
use crate::base::time::{Span, Time};
use crate::kafka::ctx::Ctx;
use crate::kafka::log::Log;
use crate::model::batch::{Batch, Records};
use crate::model::body::{Bodies, Body};
use crate::model::config::TopicConfig;
use crate::model::disk::{Disk, IoError};
use crate::model::metadata::MetadataRecord;

/// `metadata.log.dir`, by default the first of `log.dirs`.
const DIR: u16 = 0;
/// `metadata.log.segment.bytes`.
const SEGMENT_BYTES: u64 = 1 << 30;
/// `metadata.log.segment.ms`.
const SEGMENT_AGE: Span = Span::secs(7 * 86_400);

/// Loads the metadata log that is on a disk, or creates an empty one.
///
/// Kafka: KafkaMetadataLog.apply
///
/// # Errors
/// If its directory has failed, or there is no space to write what was rebuilt.
pub fn load(wall: Time, disk: &mut Disk) -> Result<Log, IoError> {
    Log::load(LogId::Metadata, DIR, false, wall, Span::FOREVER, disk)
}

/// Stands for a metadata log that cannot be read.
#[must_use]
pub fn absent() -> Log {
    Log::absent(LogId::Metadata, DIR)
}

/// The batch of what one decision writes, from `base` on.
#[must_use]
pub fn batch(
    records: Vec<MetadataRecord>,
    base: Offset,
    leader_epoch: LeaderEpoch,
    wall: Time,
    bodies: &mut Bodies,
) -> Batch {
    let count = records.len() as u32;
    Batch {
        base,
        max_timestamp: wall,
        records: Records::Body(bodies.add(Body::Metadata(records))),
        count,
        bytes: count * MetadataRecord::BYTES,
        leader_epoch,
        sequence: None,
    }
}

/// Appends a batch, whoever made it.
///
/// # Errors
/// If the disk is full or broken.
pub fn append(
    log: &mut Log,
    batch: Batch,
    disk: &mut Disk,
    ctx: &mut Ctx<'_>,
) -> Result<(), IoError> {
    let config = TopicConfig {
        segment_bytes: SEGMENT_BYTES,
        segment_age: SEGMENT_AGE,
        ..TopicConfig::default()
    };
    log.append(batch, &config, disk, ctx).map(|_| ())
}

/// Hands over the records of the log from `from` on that end at or below `to`, batch by batch, in
/// order.
///
/// # Errors
/// If the log directory has failed.
pub fn read(
    log: &Log,
    (from, to): (Offset, Offset),
    disk: &Disk,
    bodies: &Bodies,
    mut take: impl FnMut(&MetadataRecord),
) -> Result<(), IoError> {
    let each = |batch: Batch| {
        let records = batch.records.body().map_or(&[][..], |body| bodies.metadata(body));
        records.iter().for_each(&mut take);
    };
    log.read(from, to, u64::MAX, true, disk, each).map(|_| ())
}
