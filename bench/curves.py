"""QPS at a recall, read from measured points.

A point is a line of `ruvector bench`: recall, qps, qps_cpu and p, the setting. Points that differ in the first knob of p only lie on one
curve; QPS is interpolated between neighbours of one curve, never between curves.
"""
import math
from dataclasses import dataclass

# Two points further apart in recall than this are not interpolated between.
GAP = .015


@dataclass(frozen=True)
class Reading:
    """QPS at a recall: between two points, or that of the one point above."""
    qps: float
    recall: float
    points: tuple


def setting(point):
    """'nprobe=8;epsilon=1.5' as {'nprobe': 8.0, 'epsilon': 1.5}."""
    return {key: float(value) for key, value in (part.split('=') for part in point['p'].split(';') if part)}


def curves(points, knob):
    """Points by the values of all knobs but this one, each curve sorted by the knob."""
    found = {}
    for point in points:
        values = setting(point)
        x = values.pop(knob, 0)
        found.setdefault(tuple(sorted(values.items())), {})[x] = point
    return {rest: [curve[x] for x in sorted(curve)] for rest, curve in found.items()}


def read(points, knob, target, field='qps_cpu', gap=GAP):
    """The fastest way to the target: interpolated on a curve, or a point whose recall is above it. None where none is."""
    found = [Reading(p[field], p['recall'], (p,)) for p in points if p['recall'] >= target]
    for curve in curves(points, knob).values():
        for a, b in zip(curve, curve[1:]):
            if a['recall'] < b['recall'] <= a['recall'] + gap and a['recall'] <= target <= b['recall']:
                t = (target - a['recall']) / (b['recall'] - a['recall'])
                found.append(Reading(math.exp((1 - t) * math.log(a[field]) + t * math.log(b[field])), target, (a, b)))
    return max(found, key=lambda r: (r.qps, -r.recall), default=None)


def logit(recall):
    recall = min(max(recall, .002), .9995)
    return math.log(recall / (1 - recall))


def expect(curve, knob, recall):
    """The knob's value at which this curve should have that recall: linear in log(knob) and logit(recall), up to twice beyond its ends."""
    points = [(math.log(setting(p)[knob]), logit(p['recall'])) for p in curve]
    rising = [points[0]]
    for x, y in points[1:]:
        if y > rising[-1][1] + 1e-3:
            rising.append((x, y))
    if len(rising) < 2:
        return None
    want = logit(recall)
    (x0, y0), (x1, y1) = next(((a, b) for a, b in zip(rising, rising[1:]) if want <= b[1]), rising[-2:])
    x = x0 + (want - y0) * (x1 - x0) / (y1 - y0)
    return math.exp(min(max(x, points[0][0] - math.log(2)), points[-1][0] + math.log(2)))


def around(curve, target):
    """The point of a curve that is nearest to the target, and its two neighbours."""
    near = min(range(len(curve)), key=lambda i: abs(curve[i]['recall'] - target))
    return curve[max(0, near - 1):near + 2]


def pareto(points, field='qps_cpu'):
    """The points that no other beats in both recall and speed, by rising recall."""
    front = []
    for point in sorted(points, key=lambda p: (p['recall'], p[field]), reverse=True):
        if not front or point[field] > front[-1][field]:
            front.append(point)
    return front[::-1]


def slope(xs, ys):
    """The exponent e of the power law y = c x^e that fits best in logarithms."""
    xs, ys = [math.log(x) for x in xs], [math.log(y) for y in ys]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys)) / sum((a - x) ** 2 for a in xs)
