"""Recall and QPS of `ruvector bench` beside its peers, one core, one query a call.

python bench/run.py SET... [--class plus,exact,codes,ivf,ivf-codes] [--targets .95,.99] [--repeat 5] [--queries N] [--core 1] [--only NAME,...]

SET is a folder with base.f32, query.f32 and truth.i32 (100 nearest). Every engine is tuned on the first queries (1,000, or half of a
small set) and judged on the others, in whole runs that alternate; among many engines, one that tuning finds slower than half the best peer
at every recall is judged once. RUVECTOR_CMD replaces scripts/ruvector. Peers' indexes and tuning runs are kept under --work and used again;
--retune drops the runs. Peers that are not installed are left out. Run it with a Python that has numpy and faiss-cpu.
"""
import argparse
import datetime
import functools
import hashlib
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np

from contests import CONTESTS, OURS
from curves import read, setting
from tuning import by_second_knob, lacking, measure, second, tune

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / 'data'))
from truth import nearest  # noqa: E402

TRUTH_K = 100
# Engines of one program, by the first word of their names, and the package that it needs.
PACKAGES = {'faiss': 'faiss-cpu', 'rabitqlib': 'rabitqlib', 'hnswlib': 'hnswlib', 'scann': 'scann', 'svs': 'scalable-vs'}
OTHERS = 'ruvector-rabitq 2.3.0, Lucene 10.6.0, jvector 4.0.0-rc.8'
SCREEN_QUERIES, SCREEN_SECONDS, TUNE_SECONDS = 300, '0.03', '0.2'


@dataclass
class Files:
    """The three files of a set, or of a part of it, as flags."""
    folder: Path
    name: str
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
    with open(folder / 'base.f32', 'rb') as f:
        key = hashlib.file_digest(f, 'sha256').hexdigest()[:8]
    out = work / f'{folder.name}-{key}'
    out.mkdir(parents=True, exist_ok=True)
    link = out / 'base.f32'
    link.unlink(missing_ok=True)
    link.symlink_to((folder / 'base.f32').resolve())
    few = np.fromfile(folder / 'base.f32', '<f4', 64 * dim).reshape(64, dim)
    few.tofile(out / 'empty.base.f32')
    screened = min(SCREEN_QUERIES, cut)
    parts = dict(screen=(query[:screened], truth[:screened]), tune=(query[:cut], truth[:cut]),
                 judge=(query[cut:cut + limit], truth[cut:cut + limit]), empty=(query[:200], nearest(few, query[:200], 10)))
    for part, (q, t) in parts.items():
        q.tofile(out / f'{part}.query.f32')
        t.astype('<i4').tofile(out / f'{part}.truth.i32')
    n = (folder / 'base.f32').stat().st_size // (4 * dim)
    return n, dim, {part: Files(out, folder.name, part, dim, t.shape[1]) for part, (_, t) in parts.items()}


@functools.cache
def upstream(target):
    # The crate leaves its scan to the compiler: let it use this machine's instructions.
    subprocess.run(['cargo', 'build', '--release', '--locked', '-q'], cwd=HERE / 'peers/upstream', check=True,
                   env=dict(os.environ, CARGO_TARGET_DIR=str(target), RUSTFLAGS='-C target-cpu=native'))
    return target / 'release/upstream-bench'


class Bench:
    def __init__(self, args, contest):
        self.args, self.contest, self.lines, self.failures = args, contest, [], []
        self.cache = args.work / 'peers.json'
        self.kept = json.loads(self.cache.read_text()) if self.cache.exists() else {}
        self.environment = dict(os.environ, OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1', RAYON_NUM_THREADS='1')

    def command(self, engine, files):
        if engine == OURS:
            return os.environ.get('RUVECTOR_CMD', str(HERE.parent / 'scripts/ruvector')) + ' bench'
        if engine.startswith('upstream'):
            return str(upstream(self.args.work / 'upstream'))
        cache = '' if files.part == 'empty' else f' --cache {files.folder}/indexes'
        if engine.startswith(('Lucene', 'jvector')):
            return f'{HERE}/peers/jvm/run{cache}'
        return f'{sys.executable} {HERE}/peers/{engine.split()[0]}_bench.py{cache}'

    def run(self, files, phase, config, sweep=None):
        """The engine's own lines: that about the build, and those for each setting."""
        sweep = config.sweep() if sweep is None else sweep
        # Short passes would count what the JVM compiles in the first of them: those are of the last value, and dropped.
        spare = config.engine == OURS and config.knob and phase in ('screen', 'tune') and re.search(f'{config.knob}=([^;]*)', sweep)
        if spare:
            values = spare[1].split(',')
            sweep = sweep.replace(spare[0], f'{config.knob}={",".join([values[-1], *values])}')
        command = (f'{self.command(config.engine, files)} {config.flags} {files.flags()} --k {config.k} --threads 1 --tag {phase} '
                   '--format jsonl' + (f" --sweep '{sweep}'" if sweep else ''))
        keep = phase in ('screen', 'tune') and config.engine != OURS
        if not (keep and command in self.kept):
            print(f'{datetime.datetime.now():%H:%M:%S} {phase}: {config.engine} {config.flags} {sweep}', file=sys.stderr, flush=True)
            seconds = {'screen': SCREEN_SECONDS, 'tune': TUNE_SECONDS, 'empty': TUNE_SECONDS}.get(phase, str(self.args.pass_seconds))
            done = subprocess.run(['taskset', '-c', str(self.args.core), *shlex.split(command)],
                                  env=dict(self.environment, BENCH_PASS_SECONDS=seconds), stdout=subprocess.PIPE, text=True)
            if done.returncode:
                # Not every engine can be built of 64 rows.
                if phase == 'empty':
                    return None, []
                if config.engine == OURS:
                    sys.exit(f'exit code {done.returncode}: {command}')
                self.failures.append(f'{phase}: {config.engine} {config.flags} {sweep} ended with exit code {done.returncode}')
                return None, []
            found = [json.loads(line) for line in done.stdout.splitlines()]
            if spare:
                del found[1:1 + (len(found) - 1) // (len(values) + 1)]
            if keep:
                self.kept[command] = found
                self.cache.write_text(json.dumps(self.kept))
        else:
            found = self.kept[command]
        self.lines += [dict(contest=self.contest, engine=config.engine, flags=config.flags, phase=phase, set=files.name, **line)
                       for line in found]
        return found[0], found[1:]


def contest(bench, spec, parts, names):
    """Tables of one contest over one set: (title, header, rows)."""
    if spec.targets and bench.args.targets:
        spec = replace(spec, targets=tuple(map(float, bench.args.targets.split(','))))
    configs = [c for c in spec.configs if installed(c.engine) and (not names or any(n in c.engine for n in names))]
    if not spec.targets:
        return [codes(bench, configs, parts)]
    engines = list(dict.fromkeys(c.engine for c in configs))
    runs = {phase: functools.partial(bench.run, parts[phase], phase) for phase in ('screen', 'tune')}
    best = {e: tune(runs['screen'], runs['tune'], [c for c in configs if c.engine == e], spec.targets) for e in engines}
    peers = {t: max((best[e][t][0] for e in engines if e != OURS and t in best[e]), default=0) for t in spec.targets}
    close = {e for e in engines if e == OURS or any(qps >= spec.close * peers[t] for t, (qps, *_) in best[e].items())}
    empty = {e: empty_call(bench, *next(iter(best[e].values()))[1:], parts) for e in engines if best[e]}
    builds, reads = {}, {}
    wanted = {e: {t: (config, points) for t, (_, config, points) in best[e].items()} for e in engines}
    for turn in range(bench.args.repeat):
        for engine in engines:
            if turn and engine not in close:
                continue
            for config in dict.fromkeys(config for config, _ in wanted[engine].values()):
                run = functools.partial(bench.run, parts['judge'], f'judge{turn}')
                of = {t: points for t, (c, points) in wanted[engine].items() if c == config}
                build, points = measure(run, config, by_second_knob(config, [p for some in of.values() for p in some]))
                if turn == 0 and points and config.knob:
                    # These queries are harder or easier: the same curve, a little further along.
                    more = lacking(config, points, [(second(config, some[0]), t) for t, some in of.items()])
                    points += measure(run, config, more)[1] if more else []
                for target in of:
                    cpu, wall = read(points, config.knob, target), read(points, config.knob, target, 'qps')
                    if cpu is None:
                        del wanted[engine][target]
                        continue
                    # An index and its queries give the same recall in each turn: the others need no more than what was read.
                    wanted[engine][target] = config, cpu.points if turn == 0 else wanted[engine][target][1]
                    top = max(cpu.points, key=lambda p: p['recall'])
                    builds[engine, target] = build
                    flags = '; '.join(filter(None, (config.flags, top['p'])))
                    reads.setdefault((engine, target), []).append((turn, cpu, wall.qps, top['p99_us'], flags))
    return [speeds(spec.targets, engines, reads, builds), ratios(spec.targets, engines, reads), empties(empty)]


def empty_call(bench, config, points, parts):
    values = dict(setting(points[0]), **({'nprobe': 1} if config.knob == 'nprobe' else {}))
    one = replace(config, flags=re.sub(r'--nlist \d+', '--nlist 1', config.flags))
    return bench.run(parts['empty'], 'empty', one, ';'.join(f'{key}={value:g}' for key, value in values.items()))[1]


def speeds(targets, engines, reads, builds):
    rows = []
    for target, engine in product(targets, engines):
        if (engine, target) not in reads:
            rows.append((f'{target:g}', engine, 'not reached', *'------'))
            continue
        _, cpu, wall, p99, flags = zip(*reads[engine, target])
        build = builds[engine, target]
        at = f'{target:g}' if cpu[0].recall == target else f'{target:g} (read at {cpu[0].recall:.4f})'
        rows.append((at, engine, f'{median(r.qps for r in cpu):,.0f}', interval([r.qps for r in cpu], ',.0f'), f'{median(wall):,.0f}',
                     f'{median(p99):,.0f}', f'{build["bytes_per_vec"]:g}', f'{build["build_cpu_s"]:g}', flags[0]))
    return 'QPS', ('recall@10', 'engine', 'QPS by CPU', 'min..max', 'QPS by wall', 'p99 us', 'bytes/vector', 'build CPU s', 'flags'), rows


def interval(values, form):
    return f'{min(values):{form}}..{max(values):{form}}' if len(values) > 1 else 'once'


def ratios(targets, engines, reads):
    """Ours over each peer, turn by turn: their own neighbours in time."""
    rows = []
    for target, engine in product(targets, engines):
        ours, peer = ({r[0]: r for r in reads.get((e, target), [])} for e in (OURS, engine))
        turns = sorted(ours.keys() & peer.keys())
        if engine != OURS and turns:
            cpu = [ours[t][1].qps / peer[t][1].qps for t in turns]
            wall = [ours[t][2] / peer[t][2] for t in turns]
            rows.append((f'{target:g}', engine, f'{median(cpu):.2f}', interval(cpu, '.2f'), f'{median(wall):.2f}', interval(wall, '.2f')))
    return f'{OURS} over its peers', ('recall@10', 'peer', 'ratio by CPU', 'min..max', 'ratio by wall', 'min..max'), rows


def empties(empty):
    rows = [(engine, *(f'{1e6 / points[0][field]:.2f}' if points else '-' for field in ('qps_cpu', 'qps')))
            for engine, points in empty.items()]
    return 'Empty call (64 rows)', ('engine', 'us by CPU', 'us by wall'), rows


def codes(bench, configs, parts):
    rows = []
    for config in configs:
        build, points = bench.run(parts['judge'], 'judge0', config)
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


def package(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def installed(engine):
    needed = PACKAGES.get(engine.split()[0])
    return needed is None or package(needed) is not None


def head():
    packages = [f'{p} {package(p) or "not installed"}' for p in PACKAGES.values()]
    return [f'- machine: {machine()}', f'- commit: {commit()}',
            f'- peers: {", ".join(packages)}, {OTHERS}, numpy {np.__version__}, Python {platform.python_version()}',
            f'- command: python bench/{Path(sys.argv[0]).name} '
            + ' '.join(a if not os.path.isdir(a) else Path(a).name for a in sys.argv[1:])]


def write(record, title, facts, tables, lines):
    """The record as it stands after each contest, with its plot where matplotlib is there to draw it."""
    kernels = {line['engine']: line['cpu'] for line in lines if 'cpu' in line}
    text = '\n'.join([f'# {title}, {datetime.date.today()}\n', *facts, *(f'- {e}: {c}' for e, c in kernels.items()), '', *tables])
    record.with_suffix('.md').write_text(text)
    record.with_suffix('.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    try:
        import plot
    except ImportError:
        print('no plot: matplotlib is not installed', file=sys.stderr)
        return text
    if plot.draw(record.with_suffix('.jsonl')):
        record.with_suffix('.md').write_text(text + f'\n![recall and QPS]({record.name}.svg)\n')
    return text


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('sets', nargs='+', type=Path)
    p.add_argument('--class', dest='classes', default='', help='of ' + ','.join(CONTESTS) + '; by default all')
    p.add_argument('--targets', default='', help='recalls to read QPS at, in place of the class\'s own')
    p.add_argument('--repeat', type=int, default=5)
    p.add_argument('--queries', type=int, default=10 ** 9, help='judge on no more than these')
    p.add_argument('--pass-seconds', type=float, default=1, help='of each of the five passes that judge')
    p.add_argument('--core', type=int, default=os.cpu_count() - 1)
    p.add_argument('--only', default='', help='engines whose name has one of these')
    p.add_argument('--work', type=Path, default=Path.home() / '.cache/ruvector-bench')
    p.add_argument('--retune', action='store_true')
    p.add_argument('--records', type=Path, default=HERE / 'records')
    args = p.parse_args()
    args.work = args.work.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    args.records.mkdir(parents=True, exist_ok=True)
    if args.retune:
        (args.work / 'peers.json').unlink(missing_ok=True)
    facts = head()
    for folder in args.sets:
        # A part of the contests has a record of its own, beside that of the others of the day.
        record = args.records / '-'.join(filter(None, (f'{datetime.date.today()}', folder.name, args.classes.replace(',', '+'))))
        lines, tables = [], []
        for name in (args.classes or ','.join(CONTESTS)).split(','):
            n, dim, parts = split(folder, args.work, args.queries)
            spec = CONTESTS[name](n, dim)
            if spec.queries < args.queries:
                parts = split(folder, args.work, spec.queries)[2]
            bench = Bench(args, name)
            tables += [f'## {name}\n', *(table(*t) for t in contest(bench, spec, parts, args.only.split(',') if args.only else []))]
            tables += [f'- failed: {f}' for f in bench.failures]
            lines += bench.lines
            text = write(record, folder.name, facts, tables, lines)
        print(text)


if __name__ == '__main__':
    main()
