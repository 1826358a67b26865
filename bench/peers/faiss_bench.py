"""faiss-cpu by the contract of `ruvector bench`. --index flat: IndexFlatL2; rabitq: IndexRaBitQFastScan + IndexRefineFlat (sweep k_factor);
rabitq1: IndexRaBitQ alone; ivfpq: IVFPQFastScan + IndexRefineFlat (sweep nprobe, k_factor).
--query-bits: qb; --bits: nb_bits of the codes; --rotate: a random rotation first, as faiss recommends."""
import faiss
import numpy as np

from contract import run


class Faiss:
    def __init__(self, index, base, args, coder=None, query_bits=None):
        index.train(base)
        index.add(base)
        if coder is not None:
            coder.qb = query_bits
        self.index, self.coder, self.k = index, coder, args.k
        self.ids = np.empty(args.k, np.int64)
        self.distances = np.empty(args.k, np.float32)

    def saved_bytes(self):
        return len(faiss.serialize_index(self.index))

    def apply(self, setting):
        if 'k_factor' in setting:
            self.index.k_factor = setting['k_factor']
        if 'nprobe' in setting:
            faiss.extract_index_ivf(self.index).nprobe = int(setting['nprobe'])

    def searcher(self, queries):
        # The C++ method itself: the numpy wrapper would add microseconds that are not faiss's.
        search, k = self.index.search_c, self.k
        rows = [faiss.swig_ptr(queries[i:i + 1]) for i in range(len(queries))]
        ids, distances = faiss.swig_ptr(self.ids), faiss.swig_ptr(self.distances)
        return lambda row: search(1, rows[row], k, distances, ids)


def rotated(index, args):
    if not args.rotate:
        return index
    rotation = faiss.RandomRotationMatrix(args.dim, args.dim)
    rotation.init(42)
    return faiss.IndexPreTransform(rotation, index)


def flat(base, args):
    return Faiss(faiss.IndexFlatL2(args.dim), base, args)


def rabitq(base, args):
    codes = faiss.IndexRaBitQFastScan(args.dim, faiss.METRIC_L2, 32, args.bits)
    return Faiss(faiss.IndexRefineFlat(rotated(codes, args)), base, args, codes, args.query_bits)


def rabitq1(base, args):
    codes = faiss.IndexRaBitQ(args.dim, faiss.METRIC_L2, args.bits)
    return Faiss(rotated(codes, args), base, args, codes, args.query_bits)


def ivfpq(base, args):
    codes = faiss.index_factory(args.dim, f'IVF{args.nlist},PQ{args.dim // 4}x4fs')
    return Faiss(faiss.IndexRefineFlat(codes), base, args)


faiss.omp_set_num_threads(1)
run(dict(flat=flat, rabitq=rabitq, rabitq1=rabitq1, ivfpq=ivfpq), f'faiss {faiss.__version__} {faiss.get_compile_options().strip()}')
