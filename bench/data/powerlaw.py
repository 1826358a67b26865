"""python3 powerlaw.py OUT N: N x 128, clusters of power-law sizes and low intrinsic dimension, 200 queries drawn alike. Needs numpy.

Of 20,000 clusters the r-th has a weight of r^-0.8. Their centres spread over 32 dimensions, a cluster over 20 of its own, with scales that
fall as 1/sqrt(i) in both, and everything has a little noise in all 128. A set is the beginning of any larger one. Rounded to 1/1024, so
that another machine's matrix product gives the same file.
"""
import sys
from pathlib import Path

import numpy as np

from truth import nearest

DIM, CLUSTERS, BASES = 128, 20_000, 64
GLOBAL, LOCAL, NOISE = 32, 20, .03
CHUNK = 50_000
QUERIES, NEAREST = 200, 100
SEED = 42


def falling(count):
    return 1 / np.sqrt(np.arange(1, count + 1))


class Mixture:
    def __init__(self):
        rng = np.random.default_rng(SEED)
        self.weights = np.cumsum(np.arange(1, CLUSTERS + 1) ** -.8)
        self.weights /= self.weights[-1]
        plane = np.linalg.qr(rng.normal(size=(DIM, GLOBAL)))[0].T
        self.centres = (rng.normal(size=(CLUSTERS, GLOBAL)) * falling(GLOBAL)) @ plane
        self.bases = np.stack([np.linalg.qr(rng.normal(size=(DIM, LOCAL)))[0].T for _ in range(BASES)])
        self.base_of = rng.integers(BASES, size=CLUSTERS)
        self.width = np.exp(rng.normal(np.log(.45), .3, size=CLUSTERS))

    def draw(self, count, *seed):
        rng = np.random.default_rng([SEED, *seed])
        cluster = np.searchsorted(self.weights, rng.random(count))
        inner = rng.standard_normal((count, LOCAL), np.float32) * falling(LOCAL) * self.width[cluster, None]
        rows = self.centres[cluster] + NOISE * rng.standard_normal((count, DIM), np.float32)
        for base in range(BASES):
            here = self.base_of[cluster] == base
            rows[here] += inner[here] @ self.bases[base]
        return (np.round(rows * 1024) / 1024).astype('<f4')


def write(folder, n):
    """The three files of a set of n rows, chunk by chunk."""
    folder.mkdir(parents=True, exist_ok=True)
    mixture = Mixture()
    with open(folder / 'base.f32', 'wb') as f:
        for chunk, start in enumerate(range(0, n, CHUNK)):
            mixture.draw(CHUNK, 0, chunk)[:n - start].tofile(f)
    query = mixture.draw(QUERIES, 1)
    query.tofile(folder / 'query.f32')
    base = np.memmap(folder / 'base.f32', '<f4', 'r', shape=(n, DIM))
    nearest(base, query, NEAREST).astype('<i4').tofile(folder / 'truth.i32')


if __name__ == '__main__':
    write(Path(sys.argv[1]), int(sys.argv[2]))
