"""Finding the fastest way to a recall, over all ways to build and to set one engine.

Screening measures every config over its grid, roughly, and ranks the curves by what they promise at a target. The few best are measured
with care, on more queries, where they should pass the target. `run(config, sweep)` measures: it gives the line about the build, and the
points.
"""
import math
from collections import defaultdict

from curves import around, curves, expect, read, setting

# Curves worth tuning are within this part of the best, and no more than so many for a target.
WORTH, CURVES = .9, 2
# How far below and above a target points are aimed at: near enough to interpolate, and as far as other queries may shift the recall.
APART = .01
ROUNDS = 3


def second(config, point):
    return setting(point).get(config.second, 0)


def by_curve(config, points):
    """Points by the value of the second knob, each curve sorted by the first."""
    found = defaultdict(list)
    for point in points:
        found[second(config, point)].append(point)
    return {value: next(iter(curves(some, config.knob).values())) for value, some in found.items()}


def by_second_knob(config, points):
    """The settings of these points: {value of the second knob: values of the first}."""
    return {value: {setting(p).get(config.knob, 0) for p in curve} for value, curve in by_curve(config, points).items()}


def measure(run, config, wanted):
    """Measures {value of the second knob: values of the first}, in one run where all combinations are few more than those."""
    if not config.knob:
        return run(config)
    seconds, values = sorted(wanted), sorted(set().union(*wanted.values()))
    if len(seconds) * len(values) <= sum(map(len, wanted.values())) + 4:
        return run(config, config.sweep(values, seconds if config.second else ()))
    build, points = None, []
    for one in seconds:
        build, more = run(config, config.sweep(sorted(wanted[one]), (one,)))
        points += more
    return build, points


def promise(config, curve, target):
    """The QPS that a roughly measured curve should have at the target, 0 where it does not come near."""
    reading = read(curve, config.knob, target, gap=1)
    if reading:
        return reading.qps
    value, top = expect(curve, config.knob, target), curve[-1]
    if value is None or top['recall'] < target - .03:
        return 0
    # A curve that has all but stopped rising is bounded by something else than its knob.
    if len(curve) > 1 and top['recall'] - curve[-2]['recall'] < (target - top['recall']) / 2:
        return 0
    return top['qps_cpu'] * setting(top)[config.knob] / value


def near(config, curve, target, known):
    """Values of the knob, other than the known ones, at which the curve should pass the target."""
    apart = min(APART, .6 * (1 - target))
    values = [expect(curve, config.knob, recall) for recall in (target - apart, target, target + apart)]
    if None in values:
        return set()
    if config.whole:
        values = {max(1, round(v)) for v in (*values, math.floor(values[1]), math.ceil(values[1]))}
    return {v if config.whole else round(v, 3) for v in values} - set(known)


def passes(config, curve, target):
    """Whether the target was passed between two points that may be interpolated, or that have no value of the knob between them."""
    for a, b in zip(curve, curve[1:]):
        if a['recall'] <= target <= b['recall']:
            return read((a, b), config.knob, target).recall == target or config.whole and setting(b)[config.knob] - setting(a)[config.knob] <= 1
    return False


def lacking(config, points, pairs, guess=None):
    """What to measure more for these points to pass each target on its curve, or on what is guessed where it has none yet:
    {value of the second knob: values of the first}. `pairs` is values of the second knob with a target."""
    measured, wanted = by_curve(config, points), defaultdict(set)
    for value, target in pairs:
        curve = measured.get(value, [])
        if not passes(config, curve, target):
            wanted[value] |= near(config, curve or guess[value], target, [setting(p)[config.knob] for p in curve])
    return {value: values for value, values in wanted.items() if values}


def tune_curves(run, config, screened, pairs):
    points = []
    for _ in range(ROUNDS):
        wanted = lacking(config, points, pairs, screened)
        if not wanted:
            break
        points += measure(run, config, wanted)[1]
    return points


def tune(screen, run, configs, targets):
    """{target: (QPS, config, the points of its curve around the target)}, without the targets that nothing reaches."""
    screened = {c: by_curve(c, screen(c)[1]) for c in configs if c.knob}
    worth = defaultdict(set)
    for target in targets:
        ranked = sorted(((promise(c, curve, target), i, value) for i, (c, by) in enumerate(screened.items()) for value, curve in by.items()),
                        reverse=True)
        for qps, i, value in ranked[:CURVES]:
            if qps and qps >= WORTH * ranked[0][0]:
                worth[list(screened)[i]].add((value, target))
    points = {c: run(c)[1] for c in configs if not c.knob}
    points.update({c: tune_curves(run, c, screened[c], pairs) for c, pairs in worth.items()})
    best = {}
    for target in targets:
        found = [(r.qps, i, r) for i, (c, some) in enumerate(points.items()) if (r := read(some, c.knob, target))]
        if found:
            qps, i, reading = max(found, key=lambda x: x[:2])
            config = list(points)[i]
            best[target] = qps, config, around(by_curve(config, points[config])[second(config, reading.points[-1])], target)
    return best
