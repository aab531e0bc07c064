//! Tests of bare brokers.
