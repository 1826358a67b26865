"""ScaNN by the contract of `ruvector bench`. --index tree: --nlist cells, codes of --sub dimensions, originals to reorder by
(sweep nprobe, reorder)."""
from importlib.metadata import version

import numpy as np
from scann.scann_ops.py import scann_ops_pybind as scann

from contract import run


class Engine:
    def __init__(self, args):
        self.args, self.index, self.ids = args, None, np.empty(args.k, np.int64)
        self.parameters = -1, -1

    def build(self, base):
        args = self.args
        # A cell is trained on what the others train theirs on; its own default is 100,000 rows for any number of cells.
        sample = min(len(base), max(100_000, 128 * args.nlist))
        self.index = (scann.builder(base, args.k, 'squared_l2').set_n_training_threads(1)
                      .tree(num_leaves=args.nlist, num_leaves_to_search=args.nlist, training_sample_size=sample)
                      .score_ah(args.sub, anisotropic_quantization_threshold=.2).reorder(100).build())

    def save(self, folder):
        self.index.serialize(str(folder), relative_path=True)

    def load(self, folder):
        self.index = scann.load_searcher(str(folder))

    def apply(self, setting):
        self.parameters = int(setting.get('reorder', -1)), int(setting.get('nprobe', -1))

    def searcher(self, queries):
        search, k, ids = self.index.searcher.search, self.args.k, self.ids

        def one(row):
            found, _ = search(queries[row], k, *self.parameters)
            # A search that meets fewer than k rows returns fewer.
            ids[:len(found)] = found
            ids[len(found):] = -1
        return one


run(dict(tree=Engine), f'scann {version("scann")}')
