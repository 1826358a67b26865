"""How `ruvector bench --index ivf` scales: QPS at recall@10 .95, build time and memory against n and against threads.

python bench/scaling.py [--sizes 1e4,3e4,1e5,3e5,1e6,5e6] [--flags '--bits 4'] [--cores 0,1] [--two-up-to 1e6]

The sets are generated (data/powerlaw.py) and kept under --work: 2.5 GB for 5 million rows, with 200 queries each. The number of cells is
the index's own choice. Searching on two threads is two processes at once, each on a core of its own and with an index of its own; building
on two is one process with --threads 2. Writes DATE-scaling.md, .jsonl and .svg beside the records. RUVECTOR_CMD replaces scripts/ruvector.
Needs numpy and matplotlib.
"""
import argparse
import datetime
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from matplotlib import pyplot

import plot
from curves import curves, read, setting, slope
from run import HERE, head, table

sys.path.insert(0, str(HERE / 'data'))
import powerlaw  # noqa: E402

TARGET = .95
KNOB, EPSILONS = 'nprobe', (1.0, 1.4, 1.9)
# The sweep around what the size before needed: what is needed grows slowly with n.
AROUND = (.35, .5, .65, .8, .9, 1, 1.12, 1.25, 1.45, 1.7, 2.1, 2.8)
FIRST = 12
MEASURES = {
    'qps': ('queries per CPU second at recall@10 .95', 'QPS'),
    'build_s': ('build, seconds on one core', 'build time'),
    'bytes': ('index in memory, bytes', 'memory'),
}


def start(args, folder, cores, sweep, threads=1, seconds=.2):
    command = (f'taskset -c {cores} {args.command} bench --index ivf {args.flags} --base {folder}/base.f32 --queries {folder}/query.f32 '
               f'--truth {folder}/truth.i32 --dim {powerlaw.DIM} --truth-k {powerlaw.NEAREST} --k 10 --threads {threads} --tag scaling '
               f"--format jsonl --sweep '{sweep}'")
    print(f'{datetime.datetime.now():%H:%M:%S} {command}', file=sys.stderr, flush=True)
    return subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, text=True, env=dict(os.environ, BENCH_PASS_SECONDS=str(seconds)))


def finish(process):
    """(The line about the build with the process's peak of resident bytes, the points)."""
    lines = [json.loads(line) for line in process.stdout]
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f'exit code {process.returncode}')
    return dict(lines[0], peak_rss=usage.ru_maxrss * 1024), lines[1:]


def sweep(values, epsilons):
    if len(values) > 1:
        # What the JVM compiles at first falls on a value that is measured again.
        values = [values[-1], *values]
    return f'nprobe={",".join(f"{v:g}" for v in values)};epsilon={",".join(f"{e:g}" for e in epsilons)}'


def measure(args, folder, n, guess):
    """The row of one size, and all lines that were printed for it."""
    values = sorted({max(1, round(guess * factor)) for factor in AROUND})
    build, points = finish(start(args, folder, args.cores[0], sweep(values, EPSILONS)))
    del points[:len(EPSILONS)]
    reading = read(points, KNOB, TARGET)
    if reading is None or min(p['recall'] for p in points if setting(p)['epsilon'] == EPSILONS[-1]) > TARGET:
        # The guess was off: where the widest curve meets the target, or should.
        widest = curves(points, KNOB)[('epsilon', EPSILONS[-1]),]
        values = sorted({max(1, round(guess * factor * (.25 if reading else 4))) for factor in AROUND})
        print(f'{n}: recall {widest[0]["recall"]}..{widest[-1]["recall"]}, again with nprobe {values[0]}..{values[-1]}', file=sys.stderr)
        points += finish(start(args, folder, args.cores[0], sweep(values, EPSILONS)))[1][len(EPSILONS):]
        reading = read(points, KNOB, TARGET)
    if reading is None:
        sys.exit(f'{n}: no setting reaches recall {TARGET}: {max(p["recall"] for p in points)}')
    chosen = setting(reading.points[-1])
    row = dict(n=n, qps=reading.qps, recall=reading.recall, p=reading.points[-1]['p'], nprobe=chosen[KNOB], build_s=build['build_s'],
               bytes=build['resident_per_vec'] * n, file_bytes=build['bytes_per_vec'] * n, peak_rss=build['peak_rss'])
    lines = [build, *points]
    if len(args.cores) > 1:
        one = sweep([chosen[KNOB]], [chosen['epsilon']])
        both, _ = finish(start(args, folder, f'{args.cores[0]},{args.cores[1]}', one, threads=2))
        row['build_2_s'] = both['build_s']
        lines.append(dict(both, threads=2))
        if n <= args.two_up_to:
            _, alone = finish(start(args, folder, args.cores[0], one, seconds=3))
            pair = [finish(p)[1][0] for p in [start(args, folder, core, one, seconds=3) for core in args.cores[:2]]]
            row['gain_2'] = sum(p['qps'] for p in pair) / alone[0]['qps']
            lines += [*alone, *(dict(p, processes=2) for p in pair)]
    return row, [dict(n=n, **line) for line in lines]


def tables(rows):
    body = [(f'{r["n"]:,}', f'{r["qps"]:,.0f}', r['p'] + ('' if r['recall'] == TARGET else f' (read at {r["recall"]:.4f})'),
             f'{r["build_s"]:.2f}', f'{r["build_s"] / r["n"] * 1e6:.2f}', f'{r["bytes"] / 2 ** 20:,.1f}', f'{r["bytes"] / r["n"]:.0f}',
             f'{r["file_bytes"] / r["n"]:.0f}', f'{r["peak_rss"] / 2 ** 20:,.0f}') for r in rows]
    yield table('Against n', ('n', 'QPS by CPU', 'setting', 'build s', 'build us/vector', 'index MiB', 'bytes/vector', 'file bytes/vector',
                              'peak RSS MiB'), body)
    yield table('Slopes', ('', 'exponent of n'), [(name, f'{slope([r["n"] for r in rows], [r[key] for r in rows]):.2f}')
                                                  for key, (_, name) in MEASURES.items()]) if len(rows) > 1 else ''
    two = [(f'{r["n"]:,}', f'{r["build_s"] / r["build_2_s"]:.2f}', f'{r["gain_2"]:.2f}' if 'gain_2' in r else '-')
           for r in rows if 'build_2_s' in r]
    if two:
        yield table('Two threads over one', ('n', 'build', 'QPS by wall'), two)


def draw(rows, path):
    ns = [r['n'] for r in rows]
    with pyplot.rc_context(plot.STYLE):
        figure, axes = pyplot.subplots(1, len(MEASURES), figsize=(10, 3.2), layout='constrained')
        for axis, (key, (label, _)) in zip(axes, MEASURES.items()):
            values = [r[key] for r in rows]
            axis.loglog(ns, values, 'o-', color='black', markersize=3, linewidth=1)
            axis.set_title(label if len(rows) < 2 else f'{label}: n^{slope(ns, values):.2f}', loc='left', fontsize=8)
            axis.set_xlabel('n')
            axis.grid(True, color='0.9', linewidth=.6)
        plot.save(figure, path)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--sizes', default='1e4,3e4,1e5,3e5,1e6,5e6')
    p.add_argument('--flags', default='--bits 4 --originals copy')
    p.add_argument('--cores', default='0,1', help='two cores, or one: then nothing runs on two threads')
    p.add_argument('--two-up-to', type=float, default=1e6, help='the largest n that two processes hold at once')
    p.add_argument('--work', type=Path, default=Path.home() / '.cache/ruvector-bench')
    p.add_argument('--records', type=Path, default=HERE / 'records')
    args = p.parse_args()
    args.cores = args.cores.split(',')
    args.command = os.environ.get('RUVECTOR_CMD', str(HERE.parent / 'scripts/ruvector'))
    args.records.mkdir(parents=True, exist_ok=True)
    facts, rows, lines, guess = [f for f in head() if not f.startswith('- peers')], [], [], FIRST
    record = args.records / f'{datetime.date.today()}-scaling'
    for n in [int(float(size)) for size in args.sizes.split(',')]:
        folder = args.work / f'powerlaw-{n}'
        if not (folder / 'truth.i32').exists():
            print(f'{datetime.datetime.now():%H:%M:%S} generating {n} rows', file=sys.stderr, flush=True)
            powerlaw.write(folder, n)
        row, more = measure(args, folder, n, guess)
        rows.append(row)
        lines += more
        guess = row['nprobe']
        # As it stands after each size: the largest take long.
        text = '\n'.join([f'# Scaling, {datetime.date.today()}\n', *facts, f'- index: --index ivf {args.flags}, {powerlaw.DIM}-d generated vectors',
                          '', *tables(rows), f'![against n]({record.name}.svg)', ''])
        record.with_suffix('.md').write_text(text)
        record.with_suffix('.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in [*lines, *rows]))
        draw(rows, record.with_suffix('.svg'))
    print(text)


if __name__ == '__main__':
    main()
