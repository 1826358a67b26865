"""python3 large.py OUT [ROWS]: ROWS (5,000,000) x 128 in clusters of power-law sizes and 12 intrinsic dimensions, and
1,000 queries drawn alike; made in parts, so that memory does not grow with ROWS. Needs numpy."""
import sys
from pathlib import Path

import numpy as np

DIM, INNER, CLUSTERS, SHAPES = 128, 12, 20_000, 64
QUERIES, K, PART = 1_000, 100, 50_000

rng = np.random.default_rng(42)
centres = (rng.normal(size=(CLUSTERS, 24)) @ rng.normal(size=(24, DIM)) * .3).astype(np.float32)
shapes = (rng.normal(size=(SHAPES, INNER, DIM)) * .25).astype(np.float32)
sizes = 1 / (np.arange(CLUSTERS) + 20.)
sizes /= sizes.sum()


def rows(n, part):
    rng = np.random.default_rng([42, part])
    cluster = np.sort(rng.choice(CLUSTERS, n, p=sizes))
    inner = rng.normal(size=(n, INNER)).astype(np.float32)
    out = centres[cluster] + rng.normal(0, .05, (n, DIM)).astype(np.float32)
    for shape in range(SHAPES):
        own = cluster % SHAPES == shape
        out[own] += inner[own] @ shapes[shape]
    return out[rng.permutation(n)]


def main():
    out, total = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5_000_000
    out.mkdir(parents=True, exist_ok=True)
    query = rows(QUERIES, 1 << 40)
    query.tofile(out / 'query.f32')
    # Single precision preselects; what it could have hidden is far from the ten nearest that are asked for.
    spare = K + 28
    best = np.full((QUERIES, spare), np.inf, np.float64)
    near = np.zeros((QUERIES, spare), np.int64)
    with open(out / 'base.f32', 'wb') as file:
        for start in range(0, total, PART):
            base = rows(min(PART, total - start), start)
            base.tofile(file)
            rough = (base ** 2).sum(1) - 2 * (query @ base.T)
            for i, q in enumerate(query.astype(np.float64)):
                few = min(spare, len(base))
                picked = np.argpartition(rough[i], few - 1)[:few]
                exact = ((base[picked] - q) ** 2).sum(1)
                scores, ids = np.append(best[i], exact), np.append(near[i], picked + start)
                order = np.lexsort((ids, scores))[:spare]
                best[i], near[i] = scores[order], ids[order]
    near[:, :K].astype('<i4').tofile(out / 'truth.i32')
    print(f'{out}: {total} x {DIM}, {QUERIES} queries, {K} nearest each')


main()
