"""Measures our own indexes over a grid, for the model behind `recommend` and a target recall: bench/model/measured.csv.

python3 bench/measure.py NAME=FOLDER:DIM ... [--only KIND,...] [--rows N,...]

A folder holds base.f32, query.f32 and truth.i32; subsets are random rows of it with their own truth. Recall and the rows of each stage hold
still on any machine, qps_cpu does not. Rows that the file has already are not measured again.
"""
import argparse
import csv
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / 'data'))
from truth import nearest  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / 'bench/model/measured.csv'
COLUMNS = ('set', 'rows', 'dim', 'index', 'bits', 'cells', 'k', 'timed', 'nprobe', 'epsilon', 'rerank_factor', 'recall', 'qps_cpu', 'scanned', 'estimated',
           'reranked', 'bytes')
SIZES = 3_000, 10_000, 30_000
QUERIES = 1_000
# As good as no cap: the error bounds decide alone how many rows are compared.
UNCAPPED = 1_000
EPSILONS = .2, .3, .4, .6, .8, 1, 1.2, 1.4, 1.7, 2, 2.5, 3, 4
FEW_EPSILONS = .6, 1, 1.4, 2
IVF_EPSILONS = 1, 1.7, 4
TIMED = {'pass-seconds': .2}
TIMED_PROBES = 4, 16, 64
PROBES = 1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768


def cells(rows):
    """What an index chooses by itself."""
    return min(int(2 * rows ** .5) // 16 * 16, rows // 39)


def plan(rows):
    """(flags, settings) of each run. Where passes take time they are timed: they say which kind is fastest."""
    own, more = cells(rows), rows == SIZES[-1]
    yield dict(index='plus', bits=4), dict(epsilon=EPSILONS, rerankFactor=(UNCAPPED,))
    for nlist in (own, own // 2, own * 2) if more else (own,):
        # A search that may probe all cells never stops early: one cell less shows how far it goes where it does.
        probes = [*(p for p in PROBES if p < nlist - 1), nlist - 1, nlist]
        yield dict(index='ivf', bits=4, nlist=nlist), dict(nprobe=probes, epsilon=IVF_EPSILONS if nlist == own else (4,), rerankFactor=(UNCAPPED,))
    if more:
        for bits in (1, 2, 3, 6, 8):
            yield dict(index='plus', bits=bits), dict(epsilon=FEW_EPSILONS, rerankFactor=(UNCAPPED,))
        for bits in range(2, 9):
            yield dict(index='asym', bits=bits), dict(epsilon=(2,))
        for k in (1, 100):
            yield dict(index='plus', bits=4, k=k), dict(epsilon=EPSILONS, rerankFactor=(UNCAPPED,))
            yield dict(index='ivf', bits=4, nlist=own, k=k), dict(nprobe=[*(p for p in PROBES if p < own - 1), own - 1], epsilon=(4,), rerankFactor=(UNCAPPED,))
    yield dict(index='plus', bits=4, **TIMED), dict(epsilon=(1, 1.4, 2, 3), rerankFactor=(20,))
    yield dict(index='ivf', bits=4, nlist=own, **TIMED), dict(nprobe=[p for p in TIMED_PROBES if p < own], epsilon=(1.4,), rerankFactor=(20,))
    yield dict(index='flat', **TIMED), {}


def subsets(folder, dim, only):
    """(rows, the folder of their files) of each size."""
    base = np.memmap(folder / 'base.f32', '<f4', 'r').reshape(-1, dim)
    query = np.fromfile(folder / 'query.f32', '<f4').reshape(-1, dim)[:QUERIES]
    truth = np.fromfile(folder / 'truth.i32', '<i4').reshape(-1, 100)[:QUERIES]
    order = np.random.default_rng(1).permutation(len(base))
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        query.tofile(place / 'query.f32')
        for rows in [n for n in SIZES if n < .9 * len(base)] + [len(base)]:
            if only and str(rows) not in only.split(','):
                continue
            whole = rows == len(base)
            some = base if whole else base[np.sort(order[:rows])]
            some.tofile(place / 'base.f32')
            (truth if whole else nearest(some, query, 100).astype('<i4')).tofile(place / 'truth.i32')
            yield rows, place


def measure(command, place, dim, flags, settings):
    sweep = ';'.join(f"{knob}={','.join(f'{v:g}' for v in values)}" for knob, values in settings.items())
    flags = {'pass-seconds': 0, 'recall-at': flags.get('k', 10)} | flags
    args = [*command, 'bench', '--base', place / 'base.f32', '--queries', place / 'query.f32', '--truth', place / 'truth.i32', '--dim', dim,
            '--format', 'jsonl', *(['--sweep', sweep] if sweep else [])]
    for name, value in flags.items():
        args += [f'--{name}', value]
    lines = subprocess.run([str(a) for a in args], check=True, capture_output=True, text=True).stdout.splitlines()
    build, *points = map(json.loads, lines)
    for point in points:
        knobs = dict(part.split('=') for part in point['p'].split(';') if part)
        yield build, point, knobs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('sets', nargs='+', metavar='NAME=FOLDER:DIM')
    parser.add_argument('--only', default='', help='kinds of index')
    parser.add_argument('--rows', default='', help='sizes')
    parser.add_argument('--timed', type=int, choices=(0, 1), help='only what is timed, or not')
    parser.add_argument('--ruvector', default=str(ROOT / 'scripts/ruvector'))
    args = parser.parse_args()
    known = set()
    if FILE.exists():
        known = {tuple(row[c] for c in COLUMNS[:8]) for row in csv.DictReader(FILE.open())}
    else:
        FILE.write_text(','.join(COLUMNS) + '\n')
    for one in args.sets:
        name, _, rest = one.partition('=')
        folder, _, dim = rest.rpartition(':')
        for rows, place in subsets(Path(folder), int(dim), args.rows):
            for flags, settings in plan(rows):
                index = flags['index']
                timed = 'pass-seconds' in flags
                key = (name, str(rows), dim, index, str(flags.get('bits', 0)), str(flags.get('nlist', 0)), str(flags.get('k', 10)), str(int(timed)))
                if args.only and index not in args.only.split(',') or key in known or args.timed == 1 - timed:
                    continue
                print(*key, file=sys.stderr, flush=True)
                with FILE.open('a') as out:
                    for build, point, knobs in measure(shlex.split(args.ruvector), place, int(dim), flags, settings):
                        print(*key, knobs.get('nprobe', 0), knobs.get('epsilon', 0), knobs.get('rerankFactor', 0), point['recall'],
                              point['qps_cpu'] if timed else '', point['scanned'], point['estimated'], point['reranked'], build['bytes_per_vec'], sep=',', file=out)


if __name__ == '__main__':
    main()
