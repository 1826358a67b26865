"""The measuring contract of `ruvector bench`, for engines called from Python: same flags, same lines.

run(engines, cpu) parses the flags, makes engines[--index](args) and prints one line about the build and one for each setting of the sweep.
An engine has
  build(base)        makes the index
  save(folder)       writes it to an empty folder; what lies there is what bytes_per_vec counts
  load(folder)       reads it again
  ids                the buffer of k ids that a search fills
  searcher(queries)  a function of a row number that searches for that query
  apply(setting)     takes a setting such as {'k_factor': 20}
With --cache an index is built once: a later run loads it and repeats the line about the build.
"""
import argparse
import hashlib
import itertools
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

PASSES = 5
# Tuning makes do with shorter passes than judging, and with less warming up.
PASS_SECONDS = float(os.environ.get('BENCH_PASS_SECONDS', 1))
WARM_UP_SECONDS = 5 * PASS_SECONDS
TIE = 1 + 1e-6
# What an index depends on, beside the base.
BUILD = ('index', 'metric', 'dim', 'bits', 'query_bits', 'rotate', 'nlist', 'sub', 'by_residual', 'degree')


def flags(kinds):
    p = argparse.ArgumentParser()
    p.add_argument('--index', choices=kinds, required=True)
    p.add_argument('--metric', choices=['l2'], default='l2')
    p.add_argument('--base', required=True)
    p.add_argument('--queries', required=True)
    p.add_argument('--truth', required=True)
    p.add_argument('--dim', type=int, required=True)
    p.add_argument('--truth-k', type=int, default=100)
    p.add_argument('--k', type=int, default=10)
    p.add_argument('--sweep', default='')
    p.add_argument('--threads', type=int, choices=[1], default=1)
    p.add_argument('--tag', default='')
    p.add_argument('--format', choices=['jsonl'], default='jsonl')
    p.add_argument('--bits', type=int, default=1)
    p.add_argument('--query-bits', type=int, default=8)
    p.add_argument('--rotate', action='store_true')
    p.add_argument('--nlist', type=int, default=1)
    p.add_argument('--sub', type=int, default=4, help='dimensions of a subspace of a product quantiser')
    p.add_argument('--by-residual', action='store_true')
    p.add_argument('--degree', type=int, default=32)
    p.add_argument('--cache', type=Path, help='a folder for indexes of this base')
    return p


def settings(sweep):
    """'a=1,2;b=3' gives {'a': 1, 'b': 3} and {'a': 2, 'b': 3}."""
    keys = [part.split('=') for part in sweep.split(';') if part]
    for values in itertools.product(*(v.split(',') for _, v in keys)):
        yield {key: float(v) for (key, _), v in zip(keys, values)}


def name(setting):
    return ';'.join(f'{key}={value:g}' for key, value in setting.items())


def resident():
    with open('/proc/self/statm') as f:
        return int(f.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


class Scorer:
    """recall@10: how many of the true 10 (a tie counts) are among the k ids returned, be k 10 or more."""

    def __init__(self, base, queries, truth):
        self.base, self.queries = base, queries
        last = base[truth[:, min(9, truth.shape[1] - 1)]]
        self.limit = ((last.astype(np.float64) - queries) ** 2).sum(1) * TIE
        self.true = min(10, truth.shape[1])

    def hits(self, i, ids):
        # A search that finds fewer than k fills up with -1, or with what that is unsigned.
        ids = np.unique(ids[(ids >= 0) & (ids < len(self.base))])
        distances = ((self.base[ids].astype(np.float64) - self.queries[i]) ** 2).sum(1)
        return min(self.true, int((distances <= self.limit[i]).sum()))


def timed(search, rows, seconds, start):
    """One pass: rows from `start` on, over and over, until `seconds` have gone by. Seconds, CPU seconds, latencies."""
    latencies, i = [], start
    wall, cpu = time.perf_counter(), time.process_time()
    while True:
        before = time.perf_counter()
        search(rows[i % len(rows)])
        after = time.perf_counter()
        latencies.append(after - before)
        i += 1
        if after - wall >= seconds:
            return after - wall, time.process_time() - cpu, latencies


def warm_up(search, rows):
    last, end = [], time.perf_counter() + WARM_UP_SECONDS
    while time.perf_counter() < end:
        start = time.process_time()
        for row in rows:
            search(row)
        last = (last + [time.process_time() - start])[-3:]
        if len(last) == 3 and max(last) <= 1.02 * min(last):
            return


def measure(search, ids, count, scorer):
    warm = max(1, count // 10)
    warm_up(search, range(warm))
    hits, latencies = 0, []
    for i in range(count):
        start = time.perf_counter()
        search(i)
        latencies.append(time.perf_counter() - start)
        hits += scorer.hits(i, ids)
    rows, walls, cpus, start = range(warm, count) or range(count), [], [], 0
    for _ in range(PASSES):
        wall, cpu, lat = timed(search, rows, PASS_SECONDS, start)
        start += len(lat)
        walls.append(len(lat) / wall)
        cpus.append(len(lat) / cpu)
        latencies += lat
    p50, p99 = np.percentile(latencies, [50, 99]) * 1e6
    return dict(recall=round(hits / count / scorer.true, 5), qps=round(median(walls), 1), qps_cpu=round(median(cpus), 1),
                p50_us=round(p50, 1), p99_us=round(p99, 1))


def built(engine, base, folder, cpu):
    """Builds and saves; the line about it, without its tag."""
    before, wall, used = resident(), time.perf_counter(), time.process_time()
    engine.build(base)
    wall, used = time.perf_counter() - wall, time.process_time() - used
    grown = resident() - before
    engine.save(folder)
    saved = sum(f.stat().st_size for f in folder.rglob('*') if f.is_file())
    return dict(build_s=round(wall, 3), build_cpu_s=round(used, 3), bytes_per_vec=round(saved / len(base), 1),
                resident_per_vec=round(grown / len(base), 1), cpu=cpu)


def prepared(engine, base, args, cpu):
    if not args.cache:
        with tempfile.TemporaryDirectory() as folder:
            return built(engine, base, Path(folder), cpu)
    key = {flag: getattr(args, flag) for flag in BUILD}
    home = args.cache / hashlib.sha1(json.dumps([cpu, key]).encode()).hexdigest()[:16]
    if home.exists():
        engine.load(home / 'index')
        return json.loads((home / 'build.json').read_text())
    # Whole or not at all.
    work = home.with_suffix('.part')
    shutil.rmtree(work, ignore_errors=True)
    (work / 'index').mkdir(parents=True)
    line = built(engine, base, work / 'index', cpu)
    (work / 'build.json').write_text(json.dumps(line))
    work.rename(home)
    return line


def run(engines, cpu):
    args = flags(engines).parse_args()
    base = np.fromfile(args.base, '<f4').reshape(-1, args.dim)
    queries = np.fromfile(args.queries, '<f4').reshape(-1, args.dim)
    truth = np.fromfile(args.truth, '<i4').reshape(len(queries), args.truth_k)
    engine = engines[args.index](args)
    print(json.dumps(dict(tag=args.tag, **prepared(engine, base, args, cpu))), flush=True)
    search = engine.searcher(queries)
    scorer = Scorer(base, queries, truth)
    for setting in settings(args.sweep):
        engine.apply(setting)
        print(json.dumps(dict(tag=args.tag, p=name(setting), **measure(search, engine.ids, len(queries), scorer))), flush=True)
