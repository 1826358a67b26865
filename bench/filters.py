"""What filters cost: recall@10 and QPS of `ruvector bench` against the share of the rows that a random filter allows.

python bench/filters.py SET... [--dims 100,128] [--core 1] [--repeat 3] [--flags '--bits 4']

An `IvfIndex` aims at recall .90, .95 and .99; beside it, in turns, a `FlatF32Index` scans the allowed rows exactly. Writes
DATE-filters.md, .jsonl and .svg beside the records. RUVECTOR_CMD replaces scripts/ruvector. Needs numpy and matplotlib.
"""
import argparse
import datetime
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from statistics import median

from matplotlib import pyplot

import plot
from run import HERE, head, table

SHARES = (1, .5, .1, .01, .001)
RECALLS = (.9, .95, .99)
EXACT = 'exact'


def measure(args, folder, dim, index, sweep):
    command = (f'taskset -c {args.core} {args.command} bench --index {index} --base {folder}/base.f32 --queries {folder}/query.f32 '
               f'--truth {folder}/truth.i32 --dim {dim} --k 10 --allowed {",".join(map(str, SHARES))} --format jsonl {sweep}')
    print(f'{datetime.datetime.now():%H:%M:%S} {command}', file=sys.stderr, flush=True)
    printed = subprocess.run(shlex.split(command), stdout=subprocess.PIPE, text=True, check=True).stdout
    return [dict(json.loads(line), set=folder.name, index=index.split()[0]) for line in printed.splitlines()[1:]]


def spread(values, digits):
    return f'{median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})'


def rows(turns):
    """For each setting and share: (setting, share, recall, QPS in each turn, ratio to the exact scan in each turn)."""
    for key in dict.fromkeys((line['p'], line['allowed']) for line in turns[0]):
        lines = [next(line for line in turn if (line['p'], line['allowed']) == key) for turn in turns]
        exact = [next(line for line in turn if line['index'] == 'flat' and line['allowed'] == key[1]) for turn in turns]
        yield key[0] or EXACT, key[1], lines[0]['recall'], [line['qps_cpu'] for line in lines], [
            a['qps_cpu'] / b['qps_cpu'] for a, b in zip(lines, exact)]


def report(name, found):
    unfiltered = {setting: recall for setting, share, recall, _, _ in found if share == 1}
    yield table(name, ('setting', 'allowed', 'recall@10', 'unfiltered', 'QPS by CPU', 'over the exact scan'), [
        (setting, f'{share:.1%}', f'{recall:.4f}', f'{unfiltered[setting]:.4f}', f'{median(qps):,.0f}', spread(ratios, 2))
        for setting, share, recall, qps, ratios in found if setting != EXACT])


def draw(sets, path):
    with pyplot.rc_context(plot.STYLE):
        figure, axes = pyplot.subplots(1, len(sets), squeeze=False, figsize=(5 * len(sets), 3.6), layout='constrained')
        for axis, (name, found) in zip(axes[0], sets.items()):
            for setting in dict.fromkeys(row[0] for row in found):
                points = [(share, median(qps)) for s, share, _, qps, _ in found if s == setting]
                axis.loglog(*zip(*points), 'o-' if setting != EXACT else 'o--', markersize=3, linewidth=1, label=setting)
            axis.set_title(name, loc='left')
            axis.set_xlabel('share of the rows allowed')
            axis.set_ylabel('queries per CPU second')
            plot.log_ticks(axis.yaxis)
            axis.grid(True, color='0.9', linewidth=.6)
            axis.legend(fontsize=7, frameon=False)
        plot.save(figure, path)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('sets', nargs='+', type=Path)
    p.add_argument('--dims', required=True, help='of each set')
    p.add_argument('--core', default='1')
    p.add_argument('--repeat', type=int, default=3)
    p.add_argument('--flags', default='--bits 4')
    p.add_argument('--records', type=Path, default=HERE / 'records')
    args = p.parse_args()
    args.command = os.environ.get('RUVECTOR_CMD', str(HERE.parent / 'scripts/ruvector'))
    facts, sets, lines = [f for f in head() if not f.startswith('- peers')], {}, []
    for folder, dim in zip(args.sets, args.dims.split(','), strict=True):
        aims = f"--sweep recall={','.join(map(str, RECALLS))}"
        turns = [measure(args, folder, dim, f'ivf {args.flags}', aims) + measure(args, folder, dim, 'flat', '') for _ in range(args.repeat)]
        lines += [dict(line, turn=i) for i, turn in enumerate(turns) for line in turn]
        sets[folder.name] = list(rows(turns))
    record = args.records / f'{datetime.date.today()}-filters'
    text = '\n'.join([f'# Filters, {datetime.date.today()}\n', *facts, f'- index: --index ivf {args.flags}; exact: --index flat', '',
                      *(part for name, found in sets.items() for part in report(name, found)), f'![filters]({record.name}.svg)', ''])
    args.records.mkdir(parents=True, exist_ok=True)
    record.with_suffix('.md').write_text(text)
    record.with_suffix('.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    draw(sets, record.with_suffix('.svg'))
    print(text)


if __name__ == '__main__':
    main()
