"""hnswlib by the contract of `ruvector bench`. --index hnsw: M is half of --degree (sweep ef)."""
from importlib.metadata import version

import hnswlib
import numpy as np

from contract import run


class Engine:
    def __init__(self, args):
        self.args, self.ids = args, np.empty(args.k, np.int64)
        self.index = hnswlib.Index('l2', args.dim)

    def build(self, base):
        self.index.init_index(len(base), ef_construction=200, M=self.args.degree // 2, random_seed=42)
        self.index.add_items(base, num_threads=1)

    def save(self, folder):
        self.index.save_index(str(folder / 'index'))

    def load(self, folder):
        self.index.load_index(str(folder / 'index'))

    def apply(self, setting):
        self.index.set_ef(max(self.args.k, int(setting.get('ef', 0))))

    def searcher(self, queries):
        rows = [queries[i:i + 1] for i in range(len(queries))]
        index, k, ids = self.index, self.args.k, self.ids

        def search(row):
            found, _ = index.knn_query(rows[row], k, num_threads=1)
            ids[:] = found[0]
        return search


run(dict(hnsw=Engine), f'hnswlib {version("hnswlib")}')
