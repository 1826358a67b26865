"""faiss-cpu by the contract of `ruvector bench`. --index
  flat       IndexFlatL2
  rabitq     IndexRaBitQFastScan + IndexRefineFlat (sweep k_factor), rabitq1: IndexRaBitQ alone
  ivfflat    IndexIVFFlat (sweep nprobe)
  ivfpq      IndexIVFPQFastScan + IndexRefineFlat (sweep nprobe, k_factor; --sub dimensions of a subspace, --by-residual)
  ivfrabitq  IndexIVFRaBitQFastScan (sweep nprobe), ivfrabitq+: with IndexRefineFlat (sweep nprobe, k_factor)
  hnsw       IndexHNSWFlat of --degree (sweep ef)
--query-bits: qb; --bits: nb_bits of the codes; --rotate: a random rotation first, as faiss recommends; --nlist: cells."""
import faiss
import numpy as np

from contract import run


def factory(args):
    cells = f'{"RR," * args.rotate}IVF{args.nlist}'
    return {
        'flat': 'Flat',
        'ivfflat': f'{cells},Flat',
        'ivfpq': f'{cells},PQ{args.dim // args.sub}x4fs{"r" * args.by_residual},Refine(Flat)',
        'ivfrabitq': f'{cells},RaBitQfs{args.bits}',
        'ivfrabitq+': f'{cells},RaBitQfs{args.bits},Refine(Flat)',
        'hnsw': f'HNSW{args.degree}',
    }[args.index]


def rabitq(args):
    """The flat ones, which the factory does not give a rotation without padding."""
    if args.index == 'rabitq1':
        codes = faiss.IndexRaBitQ(args.dim, faiss.METRIC_L2, args.bits)
    else:
        codes = faiss.IndexRaBitQFastScan(args.dim, faiss.METRIC_L2, 32, args.bits)
    codes.qb = args.query_bits
    index = codes
    if args.rotate:
        rotation = faiss.RandomRotationMatrix(args.dim, args.dim)
        rotation.init(42)
        index = faiss.IndexPreTransform(rotation, codes)
    return index if args.index == 'rabitq1' else faiss.IndexRefineFlat(index)


class Faiss:
    def __init__(self, args):
        self.args, self.k, self.index = args, args.k, None
        self.ids = np.empty(args.k, np.int64)
        self.distances = np.empty(args.k, np.float32)

    def build(self, base):
        args = self.args
        if args.index in ('rabitq', 'rabitq1'):
            self.index = rabitq(args)
        else:
            self.index = faiss.index_factory(args.dim, factory(args))
            if args.index.startswith('ivfrabitq'):
                faiss.downcast_index(faiss.extract_index_ivf(self.index)).qb = args.query_bits
        self.index.train(base)
        self.index.add(base)

    def save(self, folder):
        faiss.write_index(self.index, str(folder / 'index'))

    def load(self, folder):
        self.index = faiss.read_index(str(folder / 'index'))

    def apply(self, setting):
        if 'k_factor' in setting:
            self.index.k_factor = setting['k_factor']
        if 'nprobe' in setting:
            faiss.extract_index_ivf(self.index).nprobe = int(setting['nprobe'])
        if 'ef' in setting:
            self.index.hnsw.efSearch = int(setting['ef'])

    def searcher(self, queries):
        # The C++ method itself: the numpy wrapper would add microseconds that are not faiss's.
        search, k = self.index.search_c, self.k
        rows = [faiss.swig_ptr(queries[i:i + 1]) for i in range(len(queries))]
        ids, distances = faiss.swig_ptr(self.ids), faiss.swig_ptr(self.distances)
        return lambda row: search(1, rows[row], k, distances, ids)


faiss.omp_set_num_threads(1)
KINDS = ('flat', 'rabitq', 'rabitq1', 'ivfflat', 'ivfpq', 'ivfrabitq', 'ivfrabitq+', 'hnsw')
run(dict.fromkeys(KINDS, Faiss), f'faiss {faiss.__version__} {faiss.get_compile_options().strip()}')
