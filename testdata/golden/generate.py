#!/usr/bin/env python3
"""Writes the golden files beside this script, slowly and in double precision.

Needs nothing but Python. It follows the papers and the tables in the documentation of
rust-ffi/crates/rabitq/src, not their code.
"""

import functools
import json
import math
import pathlib
import random
import struct

HERE = pathlib.Path(__file__).parent
STEP = [1.596, 0.9957, 0.586, 0.3352, 0.1881, 0.1041, 0.0569, 0.0308]
FEW_DIMS = 32
FEW_DIMS_SCALES = [1.0, 0.7, 0.8, 0.9, 1.15, 1.3, 1.5]
MASK = (1 << 64) - 1


def single(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def dot(a, b):
    return math.fsum(x * y for x, y in zip(a, b))


def split_mix(seed, counter):
    z = (seed + (counter + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def hadamard(x):
    """The product with the matrix of entries (-1)^popcount(i & j) / sqrt(n), by its definition."""
    n = len(x)
    return [dot(row, x) / math.sqrt(n) for row in walsh(n)]


@functools.cache
def walsh(n):
    return [[1 - 2 * ((i & j).bit_count() % 2) for j in range(n)] for i in range(n)]


def rotate(x, seed):
    dim = len(x)
    window = dim // 2 if dim in (4, 8) else 1 << (dim.bit_length() - 1)
    words = (dim + 31) // 32
    x = list(x)
    for r in range(8 if dim < 16 else 4):
        for i in range(dim):
            if split_mix(seed, r * words + i // 32) >> (i % 32) & 1:
                x[i] = -x[i]
        start = 0 if r % 2 == 0 else dim - window
        x[start : start + window] = hadamard(x[start : start + window])
        if window != dim:
            half = dim // 2
            for i in range(half):
                a, b = x[i], x[dim - half + i]
                x[i], x[dim - half + i] = (a + b) / math.sqrt(2), (a - b) / math.sqrt(2)
    return x


def encode(z, bits):
    """The code of a rotated residual: digits, y, and how near the nearest border of a digit was."""
    dim = len(z)
    norm = math.sqrt(dot(z, z))
    middle = (2**bits - 1) / 2
    best = None
    factors = FEW_DIMS_SCALES if dim < FEW_DIMS and bits > 1 else [1.0]
    cosines = []
    for factor in factors:
        scale = 1.0 if bits == 1 else math.sqrt(dim) / STEP[bits - 1] * factor / norm
        digits, slack = [], math.inf
        for v in z:
            low, high = (2 ** (bits - 1), 2**bits - 1) if v >= 0 else (0, 2 ** (bits - 1) - 1)
            position = v * scale + 2 ** (bits - 1)
            digits.append(min(max(math.floor(position), low), high))
            # Outside the range of the digits no border is near, and one bit has none but zero.
            if bits == 1:
                slack = min(slack, abs(v) / norm)
            elif low <= position <= high + 1:
                slack = min(slack, abs(position - round(position)) / 2**bits)
        y = [u - middle for u in digits]
        cosine = dot(y, z) / math.sqrt(dot(y, y)) / norm
        cosines.append(cosine)
        if best is None or cosine > best[0]:
            best = (cosine, digits, y, slack)
    second = sorted(cosines)[-2] if len(cosines) > 1 else -1
    return best[1], best[2], best[3], best[0] - second


def number(x):
    return int(x) if x == int(x) else float(f"{x:.10g}")


def write(name, fields):
    lines = []
    for key, value in fields.items():
        if isinstance(value, list):
            value = "[" + ",".join(json.dumps(number(v)) for v in value) + "]"
        else:
            value = json.dumps(value)
        lines.append(f'"{key}":{value}')
    (HERE / name).write_text("{\n" + ",\n".join(lines) + "\n}\n")


def rotations():
    dims = [1, 2, 3, 4, 8, 16, 24, 33, 100]
    inputs, outputs = [], []
    for dim in dims:
        x = [random.randint(-256, 256) / 64 for _ in range(dim)]
        inputs += x
        outputs += rotate(x, 7)
    write("rotation.json", {"seed": 7, "dims": dims, "inputs": inputs, "outputs": outputs})


ROWS, DIM, QUERIES, K, SEED = 200, 24, 5, 10, 42


def score(metric, q, row):
    if metric == "l2":
        return math.fsum((a - b) ** 2 for a, b in zip(q, row))
    if metric == "cosine":
        return 1 - dot(q, row) / math.sqrt(dot(q, q) * dot(row, row))
    return -dot(q, row)


def vectors():
    """Rows in eighths of varied lengths, chosen so that single precision decides no digit."""
    rows = []
    while len(rows) < ROWS:
        length = random.choice([1, 2, 3])
        rows.append([random.randint(-16, 16) * length / 16 for _ in range(DIM)])
    return rows


def codes(rows, bits):
    mean = [single(math.fsum(row[d] for row in rows) / len(rows)) for d in range(DIM)]
    digits, factors = [], []
    for row in rows:
        residual = [a - b for a, b in zip(row, mean)]
        z = rotate(residual, SEED)
        u, y, slack, lead = encode(z, bits)
        # Single precision errs by some 3e-7 here.
        if min(slack, lead) < 1e-6:
            return None
        digits.append((u, y))
        size = dot(z, z)
        cosine = dot(y, z) / math.sqrt(dot(y, y) * size)
        mul = 2 * size / dot(y, z)
        kappa = math.sqrt(dot(y, y) * (1 - cosine**2) / (DIM - 1))
        factors += [size, mul, mul * kappa]
    return mean, digits, factors


def main():
    random.seed(20240601)
    rotations()
    while True:
        rows = vectors()
        results = {}
        for bits in (7, 4, 1):
            results[bits] = codes(rows, bits)
            if results[bits] is None:
                break
        else:
            break
    queries = [[random.randint(-32, 32) / 16 for _ in range(DIM)] for _ in range(QUERIES)]
    flat = lambda lists: [x for one in lists for x in one]
    write("vectors.json", {"rows": ROWS, "dim": DIM, "vectors": flat(rows)})
    for bits, (mean, digits, factors) in results.items():
        estimates = []
        for q in queries:
            residual = [a - b for a, b in zip(q, mean)]
            z = rotate(residual, SEED)
            base = dot(residual, residual)
            for i, (_, y) in enumerate(digits):
                add, mul = factors[3 * i], factors[3 * i + 1]
                estimates.append(add + base - mul * dot(y, z))
        fields = {"rows": ROWS, "dim": DIM, "bits": bits, "seed": SEED, "mean": mean}
        fields |= {"codes": flat(u for u, _ in digits), "factors": factors}
        fields |= {"queries": flat(queries), "estimates": estimates}
        write(f"codes{bits}.json", fields)
    ids = [(i * 77) % 200 - 100 for i in range(ROWS)]
    for metric in ("l2", "cosine", "inner_product"):
        found, scores = [], []
        for q in queries:
            best = sorted((score(metric, q, row), id) for id, row in zip(ids, rows))[:K]
            found += [id for _, id in best]
            scores += [s for s, _ in best]
        fields = {"rows": ROWS, "dim": DIM, "k": K, "ids": ids, "queries": flat(queries)}
        write(f"search_{metric}.json", fields | {"hits": found, "scores": scores})


main()
