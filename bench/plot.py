"""python bench/plot.py RECORD.jsonl: recall and QPS of each engine as RECORD.svg, one panel for each contest.

A line is the front of what tuning measured, over all ways to build the engine; dots are what was judged, on other queries. Needs
matplotlib.
"""
import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

import matplotlib

matplotlib.use('svg')
from matplotlib import pyplot  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator  # noqa: E402

from contests import OURS  # noqa: E402
from curves import logit, pareto  # noqa: E402

RECALLS = (.80, .90, .95, .98, .99, .995)
FLOOR = .79
MARKS = 'osD^v<>ph*XPd'
STYLE = {'svg.hashsalt': 'ruvector', 'svg.fonttype': 'none', 'font.size': 9, 'axes.spines.top': False, 'axes.spines.right': False}


def thousands(x, _=None):
    return f'{x / 1000:g}k' if x >= 1000 else f'{x:g}'


def log_ticks(axis):
    axis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5), numticks=20))
    axis.set_major_formatter(FuncFormatter(thousands))
    axis.set_minor_formatter(NullFormatter())


def save(figure, path):
    # Without a date, so that the same lines give the same file.
    figure.savefig(path, format='svg', bbox_inches='tight', metadata={'Date': None})
    pyplot.close(figure)


def panel(axes, title, lines):
    points = defaultdict(lambda: defaultdict(list))
    for line in lines:
        if 'recall' in line and line['recall'] >= FLOOR and line['phase'] != 'empty':
            points[line['engine']]['judge' if line['phase'].startswith('judge') else line['phase']].append(line)
    # The 1,000 tuning queries where there are any, screening's 300 elsewhere.
    fronts = {e: pareto(by['tune'] + [p for p in by['screen'] if p['recall'] < min((t['recall'] for t in by['tune']), default=1)])
              for e, by in points.items()}
    order = sorted(fronts, key=lambda e: -max((p['qps_cpu'] for p in fronts[e] if p['recall'] >= .94), default=0))
    order.sort(key=lambda e: e != OURS)
    colours = pyplot.get_cmap('tab10').colors
    for i, engine in enumerate(order):
        colour, width = ('black', 2) if engine == OURS else (colours[i % len(colours)], 1)
        style = '-' if i <= len(colours) else '--'
        front = fronts[engine]
        axes.plot([logit(p['recall']) for p in front], [p['qps_cpu'] for p in front], color=colour, linewidth=width, linestyle=style,
                  label=engine, marker=MARKS[i % len(MARKS)], markersize=3 if points[engine]['judge'] else 2.5, markevery=max(1, len(front) // 4))
        judged = defaultdict(list)
        for p in points[engine]['judge']:
            judged[p['flags'], p['p'], p['recall']].append(p['qps_cpu'])
        axes.scatter([logit(r) for _, _, r in judged], [median(q) for q in judged.values()], s=9, color=colour, linewidths=0, zorder=3)
    axes.set_title(title, loc='left')
    axes.set_yscale('log')
    log_ticks(axes.yaxis)
    axes.xaxis.set_major_locator(FixedLocator([logit(r) for r in RECALLS]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: next(f'{r:g}' for r in RECALLS if abs(logit(r) - x) < 1e-9)))
    axes.set_xlim(logit(FLOOR), logit(.9985))
    axes.set_xlabel('recall@10')
    axes.set_ylabel('queries per CPU second')
    axes.grid(True, color='0.9', linewidth=.6)
    axes.legend(fontsize=7, frameon=False, loc='center left', bbox_to_anchor=(1.01, .5))


def draw(record):
    """Writes the plot beside the record; False where there is no curve in it."""
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    contests = [c for c in dict.fromkeys(line.get('contest') for line in lines)
                if any(line.get('contest') == c and line['phase'] == 'tune' and '=' in line.get('p', '') for line in lines)]
    if not contests:
        return False
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(len(contests), squeeze=False, figsize=(7, 4.6 * len(contests)), layout='constrained')
        for axis, name in zip(axes[:, 0], contests):
            panel(axis, f'{lines[0]["set"]}: {name}', [line for line in lines if line.get('contest') == name])
        save(figure, record.with_suffix('.svg'))
    return True


if __name__ == '__main__':
    if not draw(Path(sys.argv[1])):
        sys.exit(f'{sys.argv[1]}: no curve in it')
