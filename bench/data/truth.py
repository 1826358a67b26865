"""The exact k nearest rows by squared L2, ties by row."""
import numpy as np


def nearest(base, query, k, batch=250):
    spare = min(len(base), k + 28)
    norms = (base.astype(np.float64) ** 2).sum(1)
    truth = np.empty((len(query), k), np.int32)
    for start in range(0, len(query), batch):
        block = query[start:start + batch]
        # |q|^2 is the same for every row of the base and so left out.
        rough = norms.astype(np.float32) - 2 * (block @ base.T)
        picked = np.argpartition(rough, spare - 1, axis=1)[:, :spare]
        for i, q in enumerate(block.astype(np.float64)):
            rows = picked[i]
            exact = ((base[rows] - q) ** 2).sum(1)
            order = np.lexsort((rows, exact))[:k]
            # f32 only preselects: where its rounding could hide a nearer row, all rows are compared in f64.
            cut = rough[i, rows].max() + (q @ q)
            if spare < len(base) and exact[order[-1]] > cut - 1e-5 * (norms.max() + q @ q):
                rows = np.arange(len(base))
                exact = ((base - q) ** 2).sum(1)
                order = np.lexsort((rows, exact))[:k]
            truth[start + i] = rows[order]
    return truth


def write(folder, base, query, k=100):
    folder.mkdir(parents=True, exist_ok=True)
    base.astype('<f4').tofile(folder / 'base.f32')
    query.astype('<f4').tofile(folder / 'query.f32')
    nearest(base, query, k).astype('<i4').tofile(folder / 'truth.i32')
    print(f'{folder}: {len(base)} x {base.shape[1]}, {len(query)} queries, {k} nearest each')
