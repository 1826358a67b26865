"""The exact k nearest rows by squared L2, ties by row."""
import numpy as np

# Rows that are searched at once: what bounds the memory, beside the base itself.
BLOCK = 200_000


def nearest(base, query, k):
    """Row numbers, (queries, k). The base may be mapped."""
    found = [start + block(base[start:start + BLOCK], query, min(k, len(base) - start)) for start in range(0, len(base), BLOCK)]
    if len(found) == 1:
        return found[0]
    rows = np.concatenate(found, axis=1)
    return np.array([closest(base, rows[i], q, k) for i, q in enumerate(query.astype(np.float64))], np.int32)


def closest(base, rows, q, k):
    distances = ((base[rows] - q) ** 2).sum(1)
    return rows[np.lexsort((rows, distances))[:k]]


def block(base, query, k, batch=250):
    spare = min(len(base), k + 28)
    norms = (base.astype(np.float64) ** 2).sum(1)
    truth = np.empty((len(query), k), np.int32)
    for start in range(0, len(query), batch):
        part = query[start:start + batch]
        # |q|^2 is the same for every row of the base and so left out.
        rough = norms.astype(np.float32) - 2 * (part @ base.T)
        picked = np.argpartition(rough, spare - 1, axis=1)[:, :spare]
        for i, q in enumerate(part.astype(np.float64)):
            rows = closest(base, picked[i], q, k)
            # f32 only preselects: where its rounding could hide a nearer row, all rows are compared in f64.
            cut = rough[i, picked[i]].max() + (q @ q)
            if spare < len(base) and ((base[rows[-1]] - q) ** 2).sum() > cut - 1e-5 * (norms.max() + q @ q):
                rows = closest(base, np.arange(len(base)), q, k)
            truth[start + i] = rows
    return truth


def write(folder, base, query, k=100):
    folder.mkdir(parents=True, exist_ok=True)
    base.astype('<f4').tofile(folder / 'base.f32')
    query.astype('<f4').tofile(folder / 'query.f32')
    nearest(base, query, k).astype('<i4').tofile(folder / 'truth.i32')
    print(f'{folder}: {len(base)} x {base.shape[1]}, {len(query)} queries, {k} nearest each')
