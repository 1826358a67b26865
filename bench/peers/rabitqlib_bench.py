"""rabitqlib by the contract of `ruvector bench`. --index ivf: codes of --bits in --nlist cells (sweep nprobe; --nlist 1: a flat scan);
plus: the same with originals; symqg: SymphonyQG with originals (sweep ef; --degree); hnsw: HNSW over codes of --bits (sweep ef)."""
from importlib.metadata import version

import numpy as np
import rabitqlib

from contract import run

HNSW_CELLS = 16


def cells(base, dim, nlist):
    if nlist == 1:
        return base.mean(0, keepdims=True), np.zeros(len(base), np.uint32)
    means = rabitqlib.RaBitQKMeans(dim, nlist, num_threads=1, seed=42)
    means.train(base)
    return means.centroids, means.assignments


class Engine:
    def __init__(self, args):
        self.args, self.index, self.ids = args, None, np.empty(args.k, np.int64)
        self.parameter = dict(nprobe=1) if args.index in ('ivf', 'plus') else dict(ef=100)

    def kind(self):
        return {'symqg': rabitqlib.SymqgIndex, 'hnsw': rabitqlib.HnswIndex}.get(self.args.index, rabitqlib.IvfIndex)

    def build(self, base):
        args = self.args
        if args.index == 'symqg':
            self.index = self.kind()(args.dim, args.degree)
            self.index.build(base, 200)
        elif args.index == 'hnsw':
            self.index = self.kind()(args.dim, len(base), args.degree // 2, 200, args.bits)
            self.index.build(base, *cells(base, args.dim, HNSW_CELLS))
        else:
            self.index = self.kind()(args.dim, len(base), args.nlist, 32 if args.index == 'plus' else args.bits)
            self.index.build(base, *cells(base, args.dim, args.nlist))

    def save(self, folder):
        self.index.save(str(folder / 'index'))

    def load(self, folder):
        self.index = self.kind().load(str(folder / 'index'))

    def apply(self, setting):
        if setting:
            self.parameter = {key: int(value) for key, value in setting.items()}

    def searcher(self, queries):
        rows = [queries[i:i + 1] for i in range(len(queries))]
        index, k, ids = self.index, self.args.k, self.ids

        def search(row):
            found, _ = index.search(rows[row], k, **self.parameter)
            ids[:] = found[0]
        return search


run(dict.fromkeys(('ivf', 'plus', 'symqg', 'hnsw'), Engine), f'rabitqlib {version("rabitqlib")}')
