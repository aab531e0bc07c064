//! Who is there: brokers, controllers, racks, topics and processes, and the words that name them.
//!
//! Reads target words (`broker:2`, `leader:orders-0`, `minority`) and writes them again for a
//! schedule. Does not know what is done to a target.

use crate::base::ids::{BrokerId, ControllerId, NodeId, PartitionId, ProcessId, TopicId};
use crate::model::fault::Target;
use crate::model::names::Names;

use super::diagnostic::suggest;
use super::findings::Wrong;

/// Which kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientKind {
    Producer,
    Consumer,
}

impl ClientKind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}

/// An entry of `producers` or `consumers` and the processes made of it.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) name: String,
    pub(super) kind: ClientKind,
    pub(super) processes: Vec<ProcessId>,
}

/// Everybody.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    pub(super) names: Names,
    pub(super) brokers: u16,
    pub(super) controllers: u16,
    pub(super) racks: Vec<String>,
    pub(super) clients: Vec<Client>,
}

const WORDS: [&str; 18] = [
    "broker:1",
    "controller:1",
    "controller",
    "leader:TOPIC-0",
    "follower:TOPIC-0",
    "rack:a",
    "producer:NAME",
    "consumer:NAME",
    "one",
    "minority",
    "majority",
    "all",
    "percent:30",
    "nodes:broker:1,broker:2",
    "broker",
    "leader",
    "follower",
    "rack",
];

impl Members {
    /// Adds the processes of an entry.
    pub(super) fn add_client(&mut self, name: &str, kind: ClientKind, count: u32) {
        let first = self.names.processes.len() as u16;
        let processes = (0..count as u16).map(|i| ProcessId(first + i)).collect();
        for i in 0..count {
            let own = if count == 1 { name.to_owned() } else { format!("{name}/{i}") };
            self.names.processes.push(own);
        }
        self.clients.push(Client { name: name.to_owned(), kind, processes });
    }

    /// The rack of a broker, as a place in the file's list: they are dealt in turn.
    fn rack_of(&self, broker: BrokerId) -> Option<usize> {
        (!self.racks.is_empty()).then(|| broker.index() % self.racks.len())
    }

    /// The rack of a broker, as a number in the order of the racks' names.
    pub(super) fn rack_rank(&self, broker: BrokerId) -> Option<u16> {
        let name = &self.racks[self.rack_of(broker)?];
        Some(self.racks.iter().filter(|other| *other < name).count() as u16)
    }

    pub(super) fn topic(&self, name: &str) -> Result<TopicId, Wrong> {
        let found = self.names.topics.iter().position(|t| t.name == name);
        found.map(|i| TopicId(i as u16)).ok_or_else(|| {
            let names = self.names.topics.iter().map(|t| t.name.as_str());
            let all: Vec<&str> = names.clone().collect();
            let help = suggest(name, names, &format!("topics are: {}", all.join(", ")));
            Wrong::new("no such topic", format!("there is no topic `{name}`")).help(help)
        })
    }

    pub(super) fn partition(&self, name: &str) -> Result<PartitionId, Wrong> {
        if let Some(partition) = self.names.find_partition(name) {
            return Ok(partition);
        }
        let number = |text: &str| text.parse::<u16>().is_ok();
        if let Some((topic, _)) = name.rsplit_once('-').filter(|(_, n)| number(n)) {
            if let Some(known) = self.names.topics.iter().find(|t| t.name == topic) {
                let last = known.most.saturating_sub(1);
                let label = format!("topic `{topic}` has no such partition");
                let help = format!("its partitions are {topic}-0 to {topic}-{last}");
                return Err(Wrong::new("no such partition", label).help(help));
            }
            self.topic(topic)?;
        }
        let help = match self.names.topics.first() {
            Some(topic) => format!("a partition is named like `{}-0`", topic.name),
            None => "a partition is named like `orders-0`".to_owned(),
        };
        Err(Wrong::new("no such partition", format!("`{name}` names no partition")).help(help))
    }

    pub(super) fn broker(&self, number: u32) -> Result<BrokerId, Wrong> {
        if (1..=u32::from(self.brokers)).contains(&number) {
            return Ok(BrokerId(number as u16));
        }
        let help = format!("brokers are numbered 1..={}", self.brokers);
        Err(Wrong::new("no such broker", format!("broker {number} does not exist")).help(help))
    }

    /// The processes of a client by name, or one instance of several by `name/2`.
    pub(super) fn client(
        &self,
        name: &str,
        kind: Option<ClientKind>,
    ) -> Result<Vec<ProcessId>, Wrong> {
        let of_kind = |c: &&Client| kind.is_none_or(|k| k == c.kind);
        if let Some(client) = self.clients.iter().filter(of_kind).find(|c| c.name == name) {
            return Ok(client.processes.clone());
        }
        let instance =
            self.clients.iter().filter(of_kind).find_map(|c| {
                c.processes.iter().find(|p| self.names.process(**p) == name).copied()
            });
        if let Some(process) = instance {
            return Ok(vec![process]);
        }
        let what = kind.map_or("client", ClientKind::word);
        let names: Vec<&str> =
            self.clients.iter().filter(of_kind).map(|c| c.name.as_str()).collect();
        let all = match names.as_slice() {
            [] => format!("the scenario has no {what}"),
            names => format!("there are: {}", names.join(", ")),
        };
        let help = suggest(name, names.iter().copied(), &all);
        Err(Wrong::new(format!("no such {what}"), format!("there is no {what} `{name}`"))
            .help(help))
    }

    /// One single process by name.
    pub(super) fn process(&self, name: &str, kind: Option<ClientKind>) -> Result<ProcessId, Wrong> {
        match self.client(name, kind)?.as_slice() {
            [process] => Ok(*process),
            several => {
                let label = format!("`{name}` is {} processes", several.len());
                let help = format!("name one of them: `{name}/0`");
                Err(Wrong::new("this must be one process", label).help(help))
            }
        }
    }

    /// Who is meant by a target word.
    pub(super) fn target(&self, word: &str) -> Result<Target, Wrong> {
        match word {
            "controller" => return Ok(Target::ActiveController),
            "one" => return Ok(Target::One),
            "minority" => return Ok(Target::Minority),
            "majority" => return Ok(Target::Majority),
            "all" => return Ok(Target::All),
            _ => {}
        }
        let Some((head, rest)) = word.split_once(':') else {
            return Err(unknown_word(word));
        };
        let number = || -> Result<u32, Wrong> {
            rest.parse().map_err(|_| {
                Wrong::new("no such node", format!("`{rest}` is not a number"))
                    .help(format!("write `{head}:1`"))
            })
        };
        match head {
            "broker" => Ok(Target::Node(NodeId::Broker(self.broker(number()?)?))),
            "controller" => {
                let id = number()?;
                if (1..=u32::from(self.controllers)).contains(&id) {
                    return Ok(Target::Node(NodeId::Controller(ControllerId(id as u16))));
                }
                let label = format!("controller {id} does not exist");
                let help = format!("controllers are numbered 1..={}", self.controllers);
                Err(Wrong::new("no such controller", label).help(help))
            }
            "leader" => self.partition(rest).map(Target::Leader),
            "follower" => self.partition(rest).map(Target::Follower),
            "rack" => self.rack(rest),
            "producer" => self.client(rest, Some(ClientKind::Producer)).map(|p| processes(&p)),
            "consumer" => self.client(rest, Some(ClientKind::Consumer)).map(|p| processes(&p)),
            "nodes" => self.several(rest),
            "percent" => match number()? {
                percent @ 1..=100 => Ok(Target::Percent(percent as u8)),
                percent => Err(Wrong::new("a percentage is 1 to 100", format!("{percent} is not"))),
            },
            "app" | "store" => Err(Wrong::later("applications and stores cannot be simulated yet")),
            _ => Err(unknown_word(word)),
        }
    }

    fn rack(&self, name: &str) -> Result<Target, Wrong> {
        let Some(rack) = self.racks.iter().position(|r| r == name) else {
            let all = match self.racks.as_slice() {
                [] => "the cluster has no racks: see `cluster.racks`".to_owned(),
                racks => format!("racks are: {}", racks.join(", ")),
            };
            let help = suggest(name, self.racks.iter().map(String::as_str), &all);
            return Err(Wrong::new("no such rack", format!("there is no rack `{name}`")).help(help));
        };
        let brokers = (1..=self.brokers).map(BrokerId);
        let inside = brokers.filter(|b| self.rack_of(*b) == Some(rack));
        let nodes: Vec<NodeId> = inside.map(NodeId::Broker).collect();
        if nodes.is_empty() {
            let label = format!("no broker is in rack `{name}`");
            return Err(Wrong::new("an empty rack", label).help(
                "racks are dealt to the brokers in turn: there are more racks than brokers",
            ));
        }
        Ok(Target::Nodes(nodes))
    }

    fn several(&self, words: &str) -> Result<Target, Wrong> {
        let mut nodes = Vec::new();
        for word in words.split(',') {
            nodes.extend(self.nodes(word.trim())?);
        }
        Ok(Target::Nodes(nodes))
    }

    /// Nodes that are known beforehand.
    pub(super) fn nodes(&self, word: &str) -> Result<Vec<NodeId>, Wrong> {
        match self.target(word)? {
            Target::Node(node) => Ok(vec![node]),
            Target::Nodes(nodes) => Ok(nodes),
            Target::All => Ok((1..=self.brokers).map(|b| NodeId::Broker(BrokerId(b))).collect()),
            _ => Err(Wrong::new(
                "a fixed node is needed here",
                format!("who `{word}` is depends on the moment"),
            )
            .help(
                "write `broker:1`, `controller:1`, `rack:a`, `producer:p`, `consumer:c` or `all`",
            )),
        }
    }

    /// The word for a node.
    pub(super) fn word(&self, node: NodeId) -> String {
        match node {
            NodeId::Broker(id) => format!("broker:{}", id.0),
            NodeId::Controller(id) => format!("controller:{}", id.0),
            NodeId::Process(id) => {
                let client = self.clients.iter().find(|c| c.processes.contains(&id));
                let kind = client.map_or(ClientKind::Consumer, |c| c.kind);
                format!("{}:{}", kind.word(), self.names.process(id))
            }
        }
    }

    /// The word for nodes together; nothing for no node.
    pub(super) fn words(&self, nodes: &[NodeId]) -> Option<String> {
        match nodes {
            [] => None,
            [node] => Some(self.word(*node)),
            several => {
                let words: Vec<String> = several.iter().map(|n| self.word(*n)).collect();
                Some(format!("nodes:{}", words.join(",")))
            }
        }
    }
}

fn processes(ids: &[ProcessId]) -> Target {
    match ids {
        [one] => Target::Node(NodeId::Process(*one)),
        several => Target::Nodes(several.iter().map(|p| NodeId::Process(*p)).collect()),
    }
}

fn unknown_word(word: &str) -> Wrong {
    let all = "target words are `broker:1`, `controller`, `leader:TOPIC-0`, `follower:TOPIC-0`, \
               `rack:a`, `producer:NAME`, `consumer:NAME`, `one`, `minority`, `majority`, `all`, \
               `percent:30`";
    let help = suggest(word, WORDS, all);
    Wrong::new("unknown target", format!("`{word}` names nobody")).help(help)
}

#[cfg(test)]
mod tests {
    use crate::base::ids::{BrokerId, NodeId, PartitionId, ProcessId};
    use crate::model::fault::Target;
    use crate::model::names::{Names, TopicName};

    use super::{ClientKind, Members};

    fn members() -> Members {
        let topic =
            TopicName { name: "t".to_owned(), first: PartitionId(0), partitions: 2, most: 2 };
        let mut members = Members {
            names: Names { topics: vec![topic], ..Names::default() },
            brokers: 3,
            controllers: 1,
            racks: vec!["a".to_owned(), "b".to_owned()],
            clients: Vec::new(),
        };
        members.add_client("p", ClientKind::Producer, 1);
        members.add_client("c", ClientKind::Consumer, 2);
        members
    }

    #[test]
    fn words_name_nodes_and_nodes_have_words() {
        let members = members();
        let broker = |n| NodeId::Broker(BrokerId(n));
        let process = |n| NodeId::Process(ProcessId(n));
        let table = [
            ("broker:2", Target::Node(broker(2))),
            ("leader:t-1", Target::Leader(PartitionId(1))),
            ("rack:a", Target::Nodes(vec![broker(1), broker(3)])),
            ("producer:p", Target::Node(process(0))),
            ("consumer:c", Target::Nodes(vec![process(1), process(2)])),
            ("consumer:c/1", Target::Node(process(2))),
            ("nodes:broker:1,producer:p", Target::Nodes(vec![broker(1), process(0)])),
            ("percent:30", Target::Percent(30)),
        ];
        for (word, target) in table {
            assert_eq!(members.target(word), Ok(target), "{word}");
        }
        let nodes = [broker(1), process(2), process(0)];
        let word = members.words(&nodes).expect("three nodes have a word");
        assert_eq!(members.target(&word), Ok(Target::Nodes(nodes.to_vec())));
    }

    #[test]
    fn wrong_words_are_explained() {
        let members = members();
        for word in [
            "broker:0",
            "broker:4",
            "broker:x",
            "controller:2",
            "leader:t-2",
            "leader:u-0",
            "leader:t",
            "rack:z",
            "producer:c",
            "consumer:c/2",
            "percent:0",
            "percent:101",
            "everybody",
            "app:x",
            "nodes:",
            "nodes:leader:t-0",
            "",
        ] {
            assert!(members.target(word).is_err(), "{word}");
        }
    }
}
