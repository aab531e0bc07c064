//! `candidate-incomplete`, claims G2 and G6: whoever may be elected cleanly has everything.
//!
//! Every member of the committed ISR and ELR holds everything below the true high watermark. A
//! replica whose log was cut while its broker was down is not judged until the cluster takes the
//! broker back (it is unfenced): dropping it from ISR and ELR is Kafka's job at its registration
//! (KIP-966), and a power loss by itself is no violation. Known as `LeaderCandidateCompleteness`.

use crate::base::ids::ReplicaSet;
use crate::check::ghost::PartitionGhost;
use crate::check::properties::PropertyId;
use crate::check::violation::{Detail, Findings, Violation};
use crate::model::fact::Stamp;

/// Judges every candidate of a partition.
pub(crate) fn judge(ghost: &PartitionGhost, stamp: Stamp, findings: &mut Findings) {
    let candidates = ghost.candidates();
    let (mut complete, mut all) = (0, true);
    for (place, replica) in ghost.canon.replicas().iter().enumerate() {
        if candidates.has(place) && !replica.cut_while_down {
            complete += 1;
            all &= replica.matched >= ghost.watermark;
        }
    }
    if all {
        findings.exercise_many(PropertyId::CandidateIncomplete, complete);
    } else {
        judge_each(ghost, candidates, stamp, findings);
    }
}

#[cold]
fn judge_each(
    ghost: &PartitionGhost,
    candidates: ReplicaSet,
    stamp: Stamp,
    findings: &mut Findings,
) {
    for place in (0..ghost.replicas.len()).filter(|place| candidates.has(*place)) {
        judge_candidate(ghost, place, stamp, findings);
    }
}

/// Judges one replica if it is a candidate.
pub(crate) fn judge_one(
    ghost: &PartitionGhost,
    place: usize,
    stamp: Stamp,
    findings: &mut Findings,
) {
    if place < ghost.replicas.len() && ghost.candidates().has(place) {
        judge_candidate(ghost, place, stamp, findings);
    }
}

fn judge_candidate(ghost: &PartitionGhost, place: usize, stamp: Stamp, findings: &mut Findings) {
    if ghost.canon.replica(place).cut_while_down {
        return;
    }
    findings.exercise(PropertyId::CandidateIncomplete);
    let end = ghost.canon.complete_to(place);
    if end >= ghost.watermark {
        return;
    }
    let detail = Detail::Behind { end, watermark: ghost.watermark };
    let violation = Violation::of(PropertyId::CandidateIncomplete, stamp, detail)
        .partition(ghost.id)
        .offset(end)
        .broker(ghost.replicas[place]);
    findings.add(PropertyId::CandidateIncomplete, violation);
}

#[cfg(test)]
mod tests {
    use crate::check::forge::Forge;

    fn replicated() -> Forge {
        let mut forge = Forge::new();
        forge.append(1, 0, 5, 0).append(2, 0, 5, 0).append(3, 0, 5, 0).expose(1, 0, 2, 5);
        forge
    }

    #[test]
    fn a_member_of_the_isr_may_not_truncate_committed_records() {
        let mut forge = replicated();
        forge.expect_none("candidate-incomplete");
        forge.truncate(3, 5, 3).expect("candidate-incomplete", 1);
    }

    #[test]
    fn a_watermark_may_not_pass_a_member() {
        let mut forge = replicated();
        forge.append(1, 5, 1, 0).append(2, 5, 1, 0).expose(1, 0, 2, 6);
        forge.expect("candidate-incomplete", 1);
    }

    #[test]
    fn a_member_may_lose_its_tail_until_it_is_taken_back() {
        let mut forge = replicated();
        forge.power_loss(3, 5, 2).expect_none("candidate-incomplete");
        forge.start(3).register(3, true).unfence(3).expect("candidate-incomplete", 1);
        // A heartbeat of before the power loss unfences the broker late.
        let mut forge = replicated();
        forge.power_loss(3, 5, 2).fence(3).start(3).unfence(3).expect_none("candidate-incomplete");
        let mut forge = replicated();
        forge.power_loss(3, 5, 2).start(3).register(3, true).isr(&[1, 2], &[], 0);
        forge.unfence(3).append(3, 2, 3, 0).expect_none("candidate-incomplete");
    }
}
