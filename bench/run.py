"""Recall and QPS of `ruvector bench` beside its peers, one core, one query a call.

python bench/run.py SET... [--class plus,exact,codes] [--targets .95,.99] [--repeat 5] [--queries N] [--core 1] [--only NAME,...]

SET is a folder with base.f32, query.f32 and truth.i32 (100 nearest). Every engine is tuned on the first queries (1,000, or half of a
small set) and judged on the others, in whole runs that alternate. RUVECTOR_CMD replaces scripts/ruvector. Peers' tuning runs are kept
under --work and used again; --retune drops them. Run it with a Python that has numpy, faiss-cpu and rabitqlib.
"""
import argparse
import datetime
import functools
import json
import math
import os
import platform
import shlex
import subprocess
import sys
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / 'data'))
from truth import nearest  # noqa: E402

# QPS is interpolated only between two points that are this close in recall; tuning adds points until they are.
GAP = .015
OURS = 'ruvector'
UPSTREAM = '2.3.0'
TRUTH_K = 100


@dataclass(frozen=True)
class Config:
    """One way to build an engine, and the parameter that trades its speed for recall."""
    engine: str
    flags: str
    knob: str = ''
    values: tuple = ()
    fixed: str = ''
    whole: bool = True
    k: int = 10

    def sweep(self):
        parts = [self.fixed, self.knob + '=' + ','.join(f'{v:g}' for v in self.values) if self.values else '']
        return ';'.join(p for p in parts if p)


@dataclass(frozen=True)
class Contest:
    targets: tuple
    configs: tuple
    queries: int = 10 ** 9


EPSILON = (.4, .6, .8, 1.0, 1.2, 1.5, 1.9, 2.5)
FACTOR = {1: (8, 15, 30, 60, 120, 250, 500), 2: (2, 4, 8, 15, 30, 60), 4: (1, 2, 4, 8)}
CONTESTS = {
    'plus': Contest((.91, .95, .99), (
        *(Config(OURS, f'--index plus --bits {bits}', 'epsilon', EPSILON, 'rerankFactor=100', whole=False) for bits in (1, 2, 3, 4)),
        *(Config('faiss RaBitQFastScan+refine', f'--index rabitq --bits {bits}{rotate}', 'k_factor', FACTOR[bits], whole=False)
          for bits, rotate in product(FACTOR, ('', ' --rotate'))),
        *(Config('upstream RabitqPlus', f'--index plus{rotate}', 'rerankFactor', (20, 50, 100, 200, 400, 800, 1600, 3200))
          for rotate in ('', ' --rotate')),
        Config('rabitqlib 1 cell+originals', '--index plus --nlist 1'),
    )),
    'exact': Contest((.999,), (
        Config(OURS, '--index flat'),
        Config('faiss IndexFlatL2', '--index flat'),
        Config('upstream FlatF32', '--index flat'),
    ), queries=1000),
    # No knob here: what is compared is the recall of the codes themselves.
    'codes': Contest((), (
        *(Config(OURS, f'--index asym --bits {bits}') for bits in (4, 5, 7)),
        *(Config('rabitqlib 1 cell', f'--index ivf --nlist 1 --bits {bits}') for bits in (4, 5, 7)),
        Config(OURS, '--index rabitq', k=100),
        *(Config('faiss RaBitQ', f'--index rabitq1 --query-bits {qb}{rotate}', k=100) for qb, rotate in product((4, 8), ('', ' --rotate'))),
    ), queries=2000),
}


@dataclass
class Files:
    """The three files of a set, or of a part of it, as flags."""
    folder: Path
    part: str
    dim: int
    truth_k: int = TRUTH_K

    def flags(self):
        base = self.folder / ('empty.base.f32' if self.part == 'empty' else 'base.f32')
        return (f'--base {base} --queries {self.folder}/{self.part}.query.f32 --truth {self.folder}/{self.part}.truth.i32 '
                f'--dim {self.dim} --truth-k {self.truth_k}')


def split(folder, work, limit):
    """Parts for tuning and for judging, and 64 rows over which a search costs next to nothing: the empty call."""
    truth = np.fromfile(folder / 'truth.i32', '<i4').reshape(-1, TRUTH_K)
    query = np.fromfile(folder / 'query.f32', '<f4').reshape(len(truth), -1)
    dim, cut = query.shape[1], min(1000, len(query) // 2)
    out = work / folder.name
    out.mkdir(parents=True, exist_ok=True)
    link = out / 'base.f32'
    link.unlink(missing_ok=True)
    link.symlink_to((folder / 'base.f32').resolve())
    few = np.fromfile(folder / 'base.f32', '<f4', 64 * dim).reshape(64, dim)
    few.tofile(out / 'empty.base.f32')
    parts = dict(tune=(query[:cut], truth[:cut]), judge=(query[cut:cut + limit], truth[cut:cut + limit]),
                 empty=(query[:200], nearest(few, query[:200], 10)))
    for part, (q, t) in parts.items():
        q.tofile(out / f'{part}.query.f32')
        t.astype('<i4').tofile(out / f'{part}.truth.i32')
    return {part: Files(out, part, dim, t.shape[1]) for part, (_, t) in parts.items()}


@functools.cache
def upstream(target):
    # The crate leaves its scan to the compiler: let it use this machine's instructions.
    subprocess.run(['cargo', 'build', '--release', '--locked', '-q'], cwd=HERE / 'peers/upstream', check=True,
                   env=dict(os.environ, CARGO_TARGET_DIR=str(target), RUSTFLAGS='-C target-cpu=native'))
    return target / 'release/upstream-bench'


class Bench:
    def __init__(self, args):
        self.args, self.lines = args, []
        self.cache = args.work / 'peers.json'
        self.kept = json.loads(self.cache.read_text()) if self.cache.exists() and not args.retune else {}
        self.environment = dict(os.environ, OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1', RAYON_NUM_THREADS='1')

    def command(self, engine):
        if engine == OURS:
            return os.environ.get('RUVECTOR_CMD', str(HERE.parent / 'scripts/ruvector')) + ' bench'
        if engine.startswith('upstream'):
            return str(upstream(self.args.work / 'upstream'))
        return f'{sys.executable} {HERE}/peers/{engine.split()[0]}_bench.py'

    def run(self, config, files, phase):
        """The engine's own lines, the first about the build, the others one for each setting."""
        sweep = config.sweep()
        command = (f'{self.command(config.engine)} {config.flags} {files.flags()} --k {config.k} --threads 1 --tag {phase} --format jsonl'
                   + (f" --sweep '{sweep}'" if sweep else ''))
        keep = phase == 'tune' and config.engine != OURS
        if not (keep and command in self.kept):
            print(f'{phase}: {config.engine} {config.flags} {sweep}', file=sys.stderr, flush=True)
            environment = dict(self.environment, BENCH_PASS_SECONDS='0.2') if phase == 'tune' else self.environment
            done = subprocess.run(['taskset', '-c', str(self.args.core), *shlex.split(command)], env=environment,
                                  stdout=subprocess.PIPE, text=True)
            if done.returncode:
                sys.exit(f'exit code {done.returncode}: {command}')
            found = [json.loads(line) for line in done.stdout.splitlines()]
            if keep:
                self.kept[command] = found
                self.cache.write_text(json.dumps(self.kept))
        else:
            found = self.kept[command]
        self.lines += [dict(engine=config.engine, flags=config.flags, phase=phase, set=files.folder.name, **line) for line in found]
        return found[0], found[1:]

    def tune(self, config, files, targets):
        """Points over the knob's values, and more of them where a target lies in a gap."""
        points = self.run(config, files, 'tune')[1]
        if not config.values:
            return points
        for target in targets:
            pair = bracket(points, target)
            if pair is None or pair[1]['recall'] - pair[0]['recall'] <= GAP * .8:
                continue
            low, high = sorted(knob(config, p) for p in pair)
            more = [low * (high / low) ** (i / 4) for i in (1, 2, 3)]
            more = tuple(sorted({round(v) if config.whole else round(v, 3) for v in more} - {low, high}))
            if more:
                points = points + self.run(replace(config, values=more), files, 'tune')[1]
        return points


def knob(config, point):
    return float(dict(part.split('=') for part in point['p'].split(';'))[config.knob])


def by_recall(points):
    return sorted(points, key=lambda p: (p['recall'], -p['qps_cpu']))


def bracket(points, target):
    """The two neighbours with the target between them."""
    kept = by_recall(points)
    return next(((a, b) for a, b in zip(kept, kept[1:]) if a['recall'] <= target <= b['recall']), None)


def reading(points, target, field='qps_cpu'):
    """(QPS at the target, the recall it holds for): between two near points, else that of the next point above."""
    pair = bracket(points, target)
    if pair and pair[1]['recall'] - pair[0]['recall'] <= GAP:
        a, b = pair
        t = (target - a['recall']) / ((b['recall'] - a['recall']) or 1)
        return math.exp((1 - t) * math.log(a[field]) + t * math.log(b[field])), target
    above = [p for p in points if p['recall'] >= target]
    if not above:
        return None
    best = max(above, key=lambda p: p[field])
    return best[field], best['recall']


def judged(config, points, targets):
    """The knob's values worth measuring again: for each target the nearest and its two neighbours."""
    if not config.values:
        return config
    kept, values = by_recall(points), set()
    for target in targets:
        near = min(range(len(kept)), key=lambda i: abs(kept[i]['recall'] - target))
        values |= {knob(config, p) for p in kept[max(0, near - 1):near + 2]}
    return replace(config, values=tuple(sorted(values)))


def contest(bench, name, parts, names):
    """Tables of one contest over one set: (title, header, rows)."""
    spec = CONTESTS[name]
    if spec.targets and bench.args.targets:
        spec = replace(spec, targets=tuple(map(float, bench.args.targets.split(','))))
    configs = [c for c in spec.configs if not names or any(n in c.engine for n in names)]
    if not spec.targets:
        return [codes(bench, configs, parts)]
    engines = list(dict.fromkeys(c.engine for c in configs))
    chosen = {}
    for engine in engines:
        tuned = [(c, bench.tune(c, parts['tune'], spec.targets)) for c in configs if c.engine == engine]
        picks = {}
        for target in spec.targets:
            read = [(r, c, points) for c, points in tuned if (r := reading(points, target))]
            if read:
                _, config, points = max(read, key=lambda x: x[0][0])
                picks.setdefault(config.flags, (config, points, []))[2].append(target)
        chosen[engine] = {flags: (judged(c, points, targets), targets) for flags, (c, points, targets) in picks.items()}
    empty = {e: bench.run(replace(c, values=c.values[:1]), parts['empty'], 'empty')[1][0]
             for e in engines for c, _ in list(chosen[e].values())[:1]}
    builds, reads = {}, {}
    for turn in range(bench.args.repeat):
        for engine in engines:
            for flags, (config, targets) in chosen[engine].items():
                build, points = bench.run(config, parts['judge'], f'judge{turn}')
                builds[engine, flags] = build
                for target in targets:
                    cpu, wall = reading(points, target), reading(points, target, 'qps')
                    if cpu:
                        p99 = min((p for p in points if p['recall'] >= target), key=lambda p: p['recall'])['p99_us']
                        reads.setdefault((engine, target), []).append((turn, *cpu, wall[0], p99, flags))
    return [speeds(spec.targets, engines, reads, builds), ratios(spec.targets, engines, reads), empties(empty)]


def speeds(targets, engines, reads, builds):
    rows = []
    for target, engine in product(targets, engines):
        if (engine, target) not in reads:
            rows.append((f'{target:g}', engine, 'not reached', *'-----'))
            continue
        _, cpu, recall, wall, p99, flags = zip(*reads[engine, target])
        build = builds[engine, flags[0]]
        at = f'{target:g}' if recall[0] == target else f'{target:g} (read at {median(recall):.4f})'
        rows.append((at, engine, f'{median(cpu):,.0f}', f'{min(cpu):,.0f}..{max(cpu):,.0f}', f'{median(wall):,.0f}', f'{median(p99):,.0f}',
                     f'{build["bytes_per_vec"]:g}', f'{build["build_cpu_s"]:g} ({flags[0]})'))
    return 'QPS', ('recall@10', 'engine', 'QPS by CPU', 'min..max', 'QPS by wall', 'p99 us', 'bytes/vector', 'build CPU s (flags)'), rows


def ratios(targets, engines, reads):
    """Ours over each peer, turn by turn: their own neighbours in time."""
    rows = []
    for target, engine in product(targets, engines):
        ours, peer = ({r[0]: r for r in reads.get((e, target), [])} for e in (OURS, engine))
        turns = sorted(ours.keys() & peer.keys())
        if engine != OURS and turns:
            cpu = [ours[t][1] / peer[t][1] for t in turns]
            wall = [ours[t][3] / peer[t][3] for t in turns]
            rows.append((f'{target:g}', engine, f'{median(cpu):.2f}', f'{min(cpu):.2f}..{max(cpu):.2f}',
                         f'{median(wall):.2f}', f'{min(wall):.2f}..{max(wall):.2f}'))
    return f'{OURS} over its peers', ('recall@10', 'peer', 'ratio by CPU', 'min..max', 'ratio by wall', 'min..max'), rows


def empties(empty):
    rows = [(engine, f'{1e6 / line["qps_cpu"]:.2f}', f'{1e6 / line["qps"]:.2f}') for engine, line in empty.items()]
    return 'Empty call (64 rows)', ('engine', 'us by CPU', 'us by wall'), rows


def codes(bench, configs, parts):
    rows = []
    for config in configs:
        build, points = bench.run(config, parts['judge'], 'judge0')
        rows += [(config.engine, config.flags, config.k, f'{p["recall"]:.4f}', f'{build["bytes_per_vec"]:g}', f'{p["qps_cpu"]:,.0f}')
                 for p in points]
    return 'Codes alone', ('engine', 'flags', 'k', 'true 10 among the k', 'bytes/vector', 'QPS by CPU'), rows


def table(title, header, rows):
    lines = [header, tuple('---' for _ in header), *rows]
    return f'### {title}\n\n' + '\n'.join('| ' + ' | '.join(map(str, line)) + ' |' for line in lines) + '\n'


def machine():
    with open('/proc/cpuinfo') as f:
        info = dict(tuple(map(str.strip, line.split(':', 1))) for line in f if ':' in line)
    flags = info.get('flags', '').split()
    known = [f for f in ('avx2', 'avx512f', 'avx512_vnni', 'avx512_vpopcntdq', 'asimd') if f in flags]
    return (f'{info.get("model name", platform.processor())}, {os.cpu_count()} cores, {" ".join(known)}, Linux {platform.release()}, '
            f'load {os.getloadavg()[0]:.1f} at the start')


def commit():
    done = subprocess.run(['git', 'describe', '--always', '--dirty', '--abbrev=12'], cwd=HERE, capture_output=True, text=True)
    return done.stdout.strip() or 'none'


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('sets', nargs='+', type=Path)
    p.add_argument('--class', dest='classes', default=','.join(CONTESTS))
    p.add_argument('--targets', default='', help='recalls to read QPS at, in place of the class\'s own')
    p.add_argument('--repeat', type=int, default=5)
    p.add_argument('--queries', type=int, default=10 ** 9, help='judge on no more than these')
    p.add_argument('--core', type=int, default=os.cpu_count() - 1)
    p.add_argument('--only', default='', help='engines whose name has one of these')
    p.add_argument('--work', type=Path, default=Path.home() / '.cache/ruvector-bench')
    p.add_argument('--retune', action='store_true')
    p.add_argument('--records', type=Path, default=HERE / 'records')
    args = p.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    args.records.mkdir(parents=True, exist_ok=True)
    head = [f'- machine: {machine()}', f'- commit: {commit()}',
            f'- peers: faiss-cpu {version("faiss-cpu")}, rabitqlib {version("rabitqlib")}, ruvector-rabitq {UPSTREAM}, '
            f'numpy {np.__version__}, Python {platform.python_version()}',
            f'- command: python bench/run.py {" ".join(a if not os.path.isdir(a) else Path(a).name for a in sys.argv[1:])}']
    for folder in args.sets:
        bench, tables = Bench(args), []
        for name in args.classes.split(','):
            parts = split(folder, args.work, min(args.queries, CONTESTS[name].queries))
            tables += [f'## {name}\n', *(table(*t) for t in contest(bench, name, parts, args.only.split(',') if args.only else []))]
        kernels = {line['engine']: line['cpu'] for line in bench.lines if 'cpu' in line}
        text = '\n'.join([f'# {folder.name}, {datetime.date.today()}\n', *head, *(f'- {e}: {c}' for e, c in kernels.items()), '', *tables])
        record = args.records / f'{datetime.date.today()}-{folder.name}'
        record.with_suffix('.md').write_text(text)
        record.with_suffix('.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in bench.lines))
        print(text)


if __name__ == '__main__':
    main()
