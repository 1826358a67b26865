"""What runs beside what: for each contest the engines, how they are built, and the settings to begin tuning with."""
from dataclasses import dataclass
from itertools import product

OURS = 'ruvector'


@dataclass(frozen=True)
class Config:
    """One way to build an engine, the knob that trades its speed for recall, and a second one where it has two."""
    engine: str
    flags: str
    knob: str = ''
    values: tuple = ()
    second: str = ''
    seconds: tuple = ()
    fixed: str = ''
    whole: bool = True
    k: int = 10

    def sweep(self, values=None, seconds=None):
        knobs = [(self.knob, values or self.values), (self.second, seconds or self.seconds)]
        return ';'.join(p for p in [self.fixed, *(key + '=' + ','.join(f'{v:g}' for v in vs) for key, vs in knobs if key)] if p)


@dataclass(frozen=True)
class Contest:
    targets: tuple
    configs: tuple
    queries: int = 10 ** 9
    # An engine that in tuning reaches this part of the best peer's QPS at no target is judged once, others in every turn.
    close: float = 0


def plus(n, dim):
    factor = {1: (8, 15, 30, 60, 120, 250, 500), 2: (2, 4, 8, 15, 30, 60), 4: (1, 2, 4, 8)}
    return Contest((.91, .95, .99), (
        *(Config(OURS, f'--index plus --bits {bits}', 'epsilon', (.4, .6, .8, 1.0, 1.2, 1.5, 1.9, 2.5), fixed='rerankFactor=100', whole=False)
          for bits in (1, 2, 3, 4)),
        *(Config('faiss RaBitQFastScan+refine', f'--index rabitq --bits {bits}{rotate}', 'k_factor', factor[bits], whole=False)
          for bits, rotate in product(factor, ('', ' --rotate'))),
        *(Config('upstream RabitqPlus', f'--index plus{rotate}', 'rerankFactor', (20, 50, 100, 200, 400, 800, 1600, 3200))
          for rotate in ('', ' --rotate')),
        Config('rabitqlib 1 cell+originals', '--index plus --nlist 1'),
    ))


def exact(n, dim):
    return Contest((.999,), (
        Config(OURS, '--index flat'),
        Config('faiss IndexFlatL2', '--index flat'),
        Config('upstream FlatF32', '--index flat'),
    ), queries=1000)


def codes(n, dim):
    """No knob here: what is compared is the recall of the codes themselves."""
    return Contest((), (
        *(Config(OURS, f'--index asym --bits {bits}') for bits in (4, 5, 7)),
        *(Config('rabitqlib 1 cell', f'--index ivf --nlist 1 --bits {bits}') for bits in (4, 5, 7)),
        Config(OURS, '--index rabitq', k=100),
        *(Config('faiss RaBitQ', f'--index rabitq1 --query-bits {qb}{rotate}', k=100) for qb, rotate in product((4, 8), ('', ' --rotate'))),
    ), queries=2000)


TARGETS = (.90, .95, .99)
EF = (12, 30, 70, 160, 400, 1000)
EPSILON = (.7, 1.0, 1.4, 1.9)
# Parts of the cells: what a probe costs follows from them, however many cells there are.
PROBED = (.002, .005, .0125, .03, .075, .16)
# Ours stops early: as many on the average are more at most.
PROBED_AT_MOST = (.004, .012, .03, .08, .2, .45)


def nlists(n):
    return (512, 1024, 2048) if n >= 200_000 else (128, 256, 512, 1024)


def nprobe(nlist, parts=PROBED):
    return tuple(sorted({max(1, round(part * nlist)) for part in parts}))


def ours(n, rest):
    """The number of cells that the index chooses for itself, and others."""
    choices = [('', max(nlists(n))), *((f' --nlist {c}', c) for c in nlists(n)[1:])]
    return [Config(OURS, f'--index ivf{flag} {rest}', 'nprobe', nprobe(cells, PROBED_AT_MOST), 'epsilon', EPSILON, 'rerankFactor=100', whole=True)
            for flag, cells in choices]


def cells(engine, flags, n, second='', seconds=()):
    return [Config(engine, f'{flags} --nlist {c}', 'nprobe', nprobe(c), second, seconds) for c in nlists(n)]


def ivf(n, dim):
    return Contest(TARGETS, (
        *(c for bits in (2, 3, 4) for c in ours(n, f'--bits {bits} --originals copy')),
        *cells('faiss IVFFlat', '--index ivfflat', n),
        *(c for sub, residual, factors in ((4, '', (10, 30, 80)), (4, ' --by-residual', (10, 30, 80)),
                                           (2, '', (5, 10, 30)), (2, ' --by-residual', (5, 10, 30)))
          for c in cells('faiss IVFPQFastScan+refine', f'--index ivfpq --sub {sub}{residual}', n, 'k_factor', factors)),
        *(c for bits, rotate, factors in ((1, '', (8, 20, 50)), (1, ' --rotate', (8, 20, 50)), (4, '', (2, 4)))
          for c in cells('faiss IVFRaBitQFastScan+refine', f'--index ivfrabitq+ --bits {bits}{rotate}', n, 'k_factor', factors)),
        Config('faiss HNSW32', '--index hnsw --degree 32', 'ef', EF),
        *cells('rabitqlib IVF+originals', '--index plus', n),
        *(Config('rabitqlib SymphonyQG', f'--index symqg --degree {d}', 'ef', EF) for d in (32, 64)),
        *(Config('hnswlib', f'--index hnsw --degree {d}', 'ef', EF) for d in (32, 64)),
        *(Config('Lucene HNSW', f'--index lucene --bits 32 --degree {d}', 'ef', EF) for d in (32, 64)),
        *(Config('Lucene quantised HNSW', f'--index lucene --bits {bits} --degree 32', 'ef', EF, 'rerank', reranks)
          for bits, reranks in ((8, (15, 40)), (4, (20, 60)), (1, (40, 150)))),
        Config('jvector', '--index jvector --degree 32', 'ef', EF),
        Config('jvector PQ', '--index jvector --sub 4 --degree 32', 'ef', EF),
        *(c for sub in (2, 4) for c in cells('scann', f'--index tree --sub {sub}', n, 'reorder', (30, 100, 300))),
        Config('svs Vamana', '--index vamana --degree 32', 'ef', EF),
        Config('svs Vamana LVQ4x8', '--index lvq4x8 --degree 32', 'ef', EF),
    ), close=.5)


def ivf_codes(n, dim):
    return Contest(TARGETS, (
        *(c for bits in (4, 5, 6, 7, 8) for c in ours(n, f'--bits {bits} --originals none')),
        *(c for bits in (5, 7, 8) for c in cells('rabitqlib IVF', f'--index ivf --bits {bits}', n)),
        Config('rabitqlib HNSW', '--index hnsw --bits 7 --degree 32', 'ef', EF),
        *(c for bits in (4, 7) for c in cells('faiss IVFRaBitQFastScan', f'--index ivfrabitq --bits {bits}', n)),
        *(Config('svs Vamana LVQ', f'--index {kind} --degree 32', 'ef', EF) for kind in ('lvq8', 'lvq4x8')),
    ), close=.5)


CONTESTS = {'plus': plus, 'exact': exact, 'codes': codes, 'ivf': ivf, 'ivf-codes': ivf_codes}
