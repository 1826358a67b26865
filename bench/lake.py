"""A lake beside upstream's, ruvector-rulake of crates.io: priming, warming, searching, cold misses and federation, in turns in one process.

python bench/lake.py [--rows 100000] [--queries 500] [--turns 9] [--core 1]

Runs rust-ffi/crates/rulake/examples/beside_upstream.rs on one core, over generated clusters of 128 dimensions, both with candidates of 20k
and Fresh. Writes DATE-lake.md and .jsonl beside the records. Needs numpy.
"""
import argparse
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from run import HERE, head, interval, table


def build(target):
    # As run.py has it: upstream leaves its scan to the compiler.
    subprocess.run(['cargo', 'build', '--release', '--locked', '-q', '-p', 'rulake', '--example', 'beside_upstream'], cwd=HERE.parent / 'rust-ffi',
                   check=True, env=dict(os.environ, CARGO_TARGET_DIR=str(target), RUSTFLAGS='-C target-cpu=native'))
    return target / 'release/examples/beside_upstream'


def number(value):
    return f'{value:.3f}' if value < 10 else f'{value:,.0f}'


def row(what, unit, lines):
    ours, theirs = ([line[side] for line in lines] for side in ('ours', 'theirs'))
    cells = [f'{number(median(values))} ({interval(values, ".4g")})' for values in (ours, theirs)]
    if not all(theirs):
        return what, unit, *cells, '-', '-'
    ratios = [a / b for a, b in zip(ours, theirs)]
    return what, unit, *cells, f'{median(ratios):.3f}', interval(ratios, '.3f')


def rows(lines):
    groups = {}
    for line in lines:
        groups.setdefault((line['what'], line['unit']), []).append(line)
    # A file is read plainly by nobody's lake: what both are over it.
    plain = {line['turn']: line['ours'] for line in groups.pop(('reading that file', 's'), [])}
    for (what, unit), some in groups.items():
        yield row(what, unit, some)
        if what == 'prime from a file' and plain:
            over = [dict(line, ours=line['ours'] / plain[line['turn']], theirs=line['theirs'] / plain[line['turn']]) for line in some]
            yield row('prime from a file, over reading it', 'ratio', over)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--rows', type=int, default=100_000)
    p.add_argument('--queries', type=int, default=500)
    p.add_argument('--turns', type=int, default=9)
    p.add_argument('--core', type=int, default=os.cpu_count() - 1)
    p.add_argument('--work', type=Path, default=Path.home() / '.cache/ruvector-bench')
    p.add_argument('--records', type=Path, default=HERE / 'records')
    args = p.parse_args()
    args.records.mkdir(parents=True, exist_ok=True)
    facts = [f for f in head() if not f.startswith('- peers')] + ['- peer: ruvector-rulake 2.3.0']
    program = build(args.work.resolve() / 'lake')
    command = ['taskset', '-c', str(args.core), program, *map(str, (args.rows, args.queries, args.turns))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f'exit code {done.returncode}')
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    header = ('what', 'unit', 'ours (min..max)', 'upstream (min..max)', 'ours / upstream', 'min..max')
    text = '\n'.join([f'# Lake beside upstream, {datetime.date.today()}\n', *facts,
                      f'- {args.rows:,} rows of 128 dimensions, {args.queries} queries, {args.turns} turns, one core', '',
                      table('Medians over turns', header, rows(lines))])
    record = args.records / f'{datetime.date.today()}-lake'
    record.with_suffix('.md').write_text(text)
    record.with_suffix('.jsonl').write_text(done.stdout)
    print(text)


if __name__ == '__main__':
    main()
