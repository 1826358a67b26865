"""scalable-vs by the contract of `ruvector bench`. --index vamana: originals; lvq8: codes of 8 bits; lvq4x8: codes of 4 bits and of 8
for their residuals. All: a graph of --degree (sweep ef)."""
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import svs

from contract import run

PARTS = 'config', 'graph', 'data'
LVQ = {'lvq8': (8, 0), 'lvq4x8': (4, 8)}


class Engine:
    def __init__(self, args):
        self.args, self.index, self.ids = args, None, np.empty(args.k, np.int64)

    def build(self, base):
        parameters = svs.VamanaBuildParameters(graph_max_degree=self.args.degree, window_size=200, alpha=1.2)
        if self.args.index == 'vamana':
            self.index = svs.Vamana.build(parameters, base, svs.DistanceType.L2, num_threads=1)
            return
        with tempfile.TemporaryDirectory() as folder:
            file = str(Path(folder) / 'base.fvecs')
            svs.write_vecs(base, file)
            loader = svs.VectorDataLoader(file, svs.DataType.float32, dims=self.args.dim)
            primary, residual = LVQ[self.args.index]
            data = svs.LVQLoader(loader, primary=primary, residual=residual, padding=32)
            self.index = svs.Vamana.build(parameters, data, svs.DistanceType.L2, num_threads=1)

    def save(self, folder):
        self.index.save(*(str(folder / part) for part in PARTS))

    def load(self, folder):
        config, graph, data = (str(folder / part) for part in PARTS)
        if self.args.index == 'vamana':
            data = svs.VectorDataLoader(data, svs.DataType.float32, dims=self.args.dim)
        else:
            data = svs.LVQLoader(data, padding=32)
        self.index = svs.Vamana(config, svs.GraphLoader(graph), data, svs.DistanceType.L2, num_threads=1)

    def apply(self, setting):
        self.index.search_window_size = max(self.args.k, int(setting.get('ef', 0)))

    def searcher(self, queries):
        rows = [queries[i:i + 1] for i in range(len(queries))]
        search, k, ids = self.index.search, self.args.k, self.ids

        def one(row):
            found, _ = search(rows[row], k)
            ids[:] = found[0]
        return one


run(dict.fromkeys(('vamana', *LVQ), Engine), f'scalable-vs {version("scalable-vs")}')
