"""Fits the model behind `recommend` and a search's target recall to bench/model/measured.csv (by measure.py), and prints its constants as
rust-ffi/crates/rabitq/src/recommend.rs has them, then how far it goes beyond what each set needs.

A search misses neighbours by its error bounds (epsilon) and by the cells that it does not look into (nprobe). With L = -ln(part missed):

    epsilon = (e0 + e1 L + e2 L^2), times a factor for codes of 1, 2 and 3 bits
    ln nprobe = p0 + p1 ln L + p2 (ln L)^2 + p3 ln cells + p4 ln rows + p5 ln(k / 10),  all cells where it is not less

nprobe is the most that a search probes. Where the other cells lie much further it stops before, so that more than a set needs costs it little,
short of all cells. Both are fitted by least squares, epsilon to what the set in most need takes at each L, nprobe to the hardest set; then raised
until they suffice for every set at every recall of TARGETS that is reached short of all cells.
"""
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

FILE = Path(__file__).parent / 'model/measured.csv'
TARGETS = .8, .85, .9, .925, .95, .96, .97, .98, .985, .99, .995, .998
# Epsilon at which the bounds miss hardly anything: what is missed there, the cells miss.
WIDE = 4
# Codes of this many bits or more need no factor.
ENOUGH_BITS = 4
# Half a neighbour of all queries': nothing smaller is seen.
LEAST = .5 / 10_000


def read():
    with FILE.open() as lines:
        rows = [{name: value if name in ('set', 'index') else float(value or 'nan') for name, value in row.items()} for row in csv.DictReader(lines)]
    return [row for row in rows if not row['timed']]


def missed(recall):
    """L of a recall."""
    return -np.log(np.maximum(1 - np.asarray(recall), LEAST))


def curves(rows, knob):
    """{(set, rows, bits, cells, k): (values of the knob, L at each)}."""
    found = defaultdict(list)
    for row in rows:
        found[tuple(row[key] for key in ('set', 'rows', 'bits', 'cells', 'k'))].append((row[knob], missed(row['recall'])))
    return {key: np.array(sorted(points)).T for key, points in found.items()}


def needed(values, reached, wanted):
    """The values of a knob at which a curve reaches each wanted L; nan where it begins above or ends below."""
    return np.interp(wanted, np.maximum.accumulate(reached), values, left=np.nan, right=np.nan)


def epsilons(rows):
    """What each set needs, as (bits, L, epsilon)."""
    L = missed(TARGETS)
    plus = curves([r for r in rows if r['index'] == 'plus'], 'epsilon')
    return [(key, l, e) for key, curve in plus.items() for l, e in zip(L, needed(*curve, L)) if not np.isnan(e)]


def fit_epsilon(rows):
    points = epsilons(rows)
    hardest = defaultdict(float)
    for (_, _, bits, _, _), l, e in points:
        if bits >= ENOUGH_BITS:
            hardest[l] = max(hardest[l], e)
    L, e = np.array(list(hardest.items())).T
    fit = np.polyfit(L, e, 2)
    fit[-1] += (e - np.polyval(fit, L)).max()
    factors = [max(e / np.polyval(fit, l) for (_, _, bits, _, _), l, e in points if bits == few) for few in range(1, ENOUGH_BITS)]
    return fit[::-1], np.array(factors)


def features(l, cells, n, k):
    return 1, np.log(l), np.log(l) ** 2, np.log(cells), np.log(n), np.log(k / 10)


def hardest(points):
    """The set that needs most where all of them were measured."""
    by_set = defaultdict(dict)
    for name, _, at, x in points:
        by_set[name][at] = x
    common = set.intersection(*(set(some) for some in by_set.values()))
    return max(by_set, key=lambda name: np.mean([by_set[name][at] for at in common]))


def fit_nprobe(rows):
    wide = [r for r in rows if r['index'] == 'ivf' and r['epsilon'] == WIDE and r['nprobe'] < r['cells']]
    L = missed(TARGETS)
    points = []
    for (name, n, _, cells, k), (probes, reached) in curves(wide, 'nprobe').items():
        # In logarithms the curves are nearly straight.
        x = needed(np.log(probes), np.log(reached), np.log(L))
        points += [(name, n, features(l, cells, n, k), one) for l, one in zip(L, x) if not np.isnan(one)]
    a, b = np.array([p[2] for p in points]), np.array([p[3] for p in points])
    hard = np.array([name == hardest(points) for name, *_ in points])
    fit = np.linalg.lstsq(a[hard], b[hard], rcond=None)[0]
    fit[0] += (b - a @ fit).max()
    over = a @ fit - b
    names = np.array([f'{name} {n:.0f}' for name, n, *_ in points])
    return fit, {name: np.exp(over[names == name].mean()) for name in dict.fromkeys(names)}


def rust(name, values):
    # Rounded up: every one of them asks for more where it is larger.
    return f"const {name}: [f32; {len(values)}] = [{', '.join(f'{np.ceil(v * 1e4) / 1e4:.4f}' for v in values)}];"


def constants():
    rows = read()
    epsilon, few_bits = fit_epsilon(rows)
    nprobe, over = fit_nprobe(rows)
    return [rust('EPSILON', epsilon), rust('FEW_BITS', few_bits), rust('NPROBE', nprobe)], over


def main():
    lines, over = constants()
    print(*lines, sep='\n')
    print('\nnprobe over what is needed, on average:')
    for name, factor in over.items():
        print(f'{factor:6.2f}  {name}')


if __name__ == '__main__':
    main()
