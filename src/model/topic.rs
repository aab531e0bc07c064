//! What a topic is for: whether people write to it, or Kafka keeps its own affairs in it.
//!
//! Kafka tells by the name (`Topic.java`), and so does this: the kind of a topic is not kept beside
//! it. Brokers and checks treat all topics alike. What is drawn and told is about user topics:
//! swarms, pictures and stories of runs, and producers that are not told where to write.
//! `docs/adding.md` says how to add a kind.

/// The kind of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicKind {
    /// Records of applications.
    User,
    /// `__consumer_offsets`: what groups have committed.
    InternalOffsets,
    /// `__transaction_state`: what transactions have come to.
    InternalTransactions,
}

impl TopicKind {
    /// The kind of a topic of this name.
    ///
    /// Kafka: Topic.isInternal
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "__consumer_offsets" => Self::InternalOffsets,
            "__transaction_state" => Self::InternalTransactions,
            _ => Self::User,
        }
    }

    /// Whether it holds records of applications.
    #[must_use]
    pub const fn is_user(self) -> bool {
        match self {
            Self::User => true,
            Self::InternalOffsets | Self::InternalTransactions => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TopicKind;

    #[test]
    fn kafka_has_two_internal_topics() {
        let table = [
            ("__consumer_offsets", TopicKind::InternalOffsets),
            ("__transaction_state", TopicKind::InternalTransactions),
            ("__share_group", TopicKind::User),
            ("orders", TopicKind::User),
        ];
        for (name, kind) in table {
            assert_eq!(TopicKind::of(name), kind, "{name}");
            assert_eq!(kind.is_user(), kind == TopicKind::User);
        }
    }
}
