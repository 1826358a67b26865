use std::collections::HashSet;

/// A hit of one of several results.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FederatedHit {
    /// The number of its result.
    pub part: u32,
    /// Its id there.
    pub id: i64,
    /// Its score; smaller is nearer.
    pub score: f32,
}

/// Leaves the k nearest of all results' hits, ties by id, then by result. Of replicas, hits of one id
/// are one.
pub fn merge(hits: &mut Vec<FederatedHit>, k: usize, replicas: bool) {
    hits.sort_by(|a, b| {
        let by_score = a.score.total_cmp(&b.score);
        by_score.then((a.id, a.part).cmp(&(b.id, b.part)))
    });
    if replicas {
        let mut seen = HashSet::new();
        hits.retain(|hit| seen.insert(hit.id));
    }
    hits.truncate(k);
}
