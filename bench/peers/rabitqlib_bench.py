"""rabitqlib by the contract of `ruvector bench`. --index ivf: codes of --bits in --nlist cells (sweep nprobe; --nlist 1: a flat scan);
plus: the same with originals; symqg: SymphonyQG with originals (sweep ef; --degree)."""
import os
import tempfile
from importlib.metadata import version

import numpy as np
import rabitqlib

from contract import run


class Engine:
    def __init__(self, index, k):
        self.index, self.k, self.ids = index, k, np.empty(k, np.int64)
        self.parameter = dict(nprobe=1)

    def saved_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            self.index.save(folder + '/index')
            return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))

    def apply(self, setting):
        if setting:
            self.parameter = {key: int(value) for key, value in setting.items()}

    def searcher(self, queries):
        rows = [queries[i:i + 1] for i in range(len(queries))]
        index, k, ids = self.index, self.k, self.ids

        def search(row):
            found, _ = index.search(rows[row], k, **self.parameter)
            ids[:] = found[0]
        return search


def cells(base, args, bits):
    index = rabitqlib.IvfIndex(args.dim, len(base), args.nlist, bits)
    if args.nlist == 1:
        centroids, cell = base.mean(0, keepdims=True), np.zeros(len(base), np.uint32)
    else:
        means = rabitqlib.RaBitQKMeans(args.dim, args.nlist, num_threads=1, seed=42)
        means.train(base)
        centroids, cell = means.centroids, means.assignments
    index.build(base, centroids, cell)
    return Engine(index, args.k)


def symqg(base, args):
    index = rabitqlib.SymqgIndex(args.dim, args.degree)
    index.build(base, 200)
    engine = Engine(index, args.k)
    engine.parameter = dict(ef=100)
    return engine


run(dict(ivf=lambda base, args: cells(base, args, args.bits), plus=lambda base, args: cells(base, args, 32), symqg=symqg),
    f'rabitqlib {version("rabitqlib")}')
