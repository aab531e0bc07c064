//! Tests of a log on a bare disk.
