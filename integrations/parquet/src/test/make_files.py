"""Wrote the Parquet files of ../test/resources, with pyarrow 26.0.1: python make_files.py

Row r has the id 1000 - 7 r, and its component c is (r - 20) / 8 + c * c / 4, but -0.0 where both
r and c are 0.
"""

import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS, DIM = 50, 6
out = pathlib.Path(__file__).parent / "resources"
out.mkdir(exist_ok=True)
r, c = np.arange(ROWS)[:, None], np.arange(DIM)[None, :]
vectors = ((r - 20) / 8 + c * c / 4).astype("<f4")
vectors[0, 0] = -0.0
ids = pa.array(1000 - 7 * np.arange(ROWS), pa.int64())


def fixed(rows):
    return pa.array([None if v is None else v.tobytes() for v in rows], pa.binary(4 * DIM))


def lists(rows):
    return pa.array([None if v is None else list(map(float, v)) for v in rows], pa.list_(pa.float32()))


def write(name, columns, **options):
    options = {"compression": "none", "use_dictionary": False, "store_schema": False} | options
    pq.write_table(pa.table(columns), out / f"{name}.parquet", **options)


fast = {"id": ids, "vector": fixed(vectors)}
compatible = {"id": ids, "vector": lists(vectors)}
write("fixed", fast)
write("fixed-groups-snappy", fast, row_group_size=7, compression="snappy")
write("fixed-dictionary-zstd", fast, use_dictionary=True, compression="zstd")
write("list", compatible)
write("list-groups-zstd", compatible, row_group_size=11, compression="zstd")
write("list-dictionary-snappy", compatible, use_dictionary=True, compression="snappy")
write("list-split-v2", compatible, use_byte_stream_split=["vector"], data_page_version="2.0")
write("other-names", {"text": pa.array(["x"] * ROWS), "key": ids, "embedding": lists(vectors)})
write("many-pages", fast, data_page_size=64, write_batch_size=4)

few = list(vectors[:3])
three = ids[:3]
write("null-fixed", {"id": three, "vector": fixed([few[0], None, few[2]])})
write("null-list", {"id": three, "vector": lists([few[0], None, few[2]])})
write("null-component", {"id": three, "vector": pa.array([[1.0] * 6, [1, 2, None, 4, 5, 6], [3.0] * 6], pa.list_(pa.float32()))})
write("null-id", {"id": pa.array([1, None, 3], pa.int64()), "vector": fixed(few)})
write("ragged", {"id": three, "vector": pa.array([[1.0] * 6, [1.0] * 5, [1.0] * 7], pa.list_(pa.float32()))})
write("nan", {"id": three, "vector": pa.array([[1.0] * 6, [1, 2, 3, float("nan"), 5, 6], [1.0] * 6], pa.list_(pa.float32()))})
write("empty-list", {"id": three, "vector": pa.array([[1.0] * 6, [], [1.0] * 6], pa.list_(pa.float32()))})
write("doubles", {"id": three, "vector": pa.array([[1.0] * 6] * 3, pa.list_(pa.float64()))})
write("int32-id", {"id": three.cast(pa.int32()), "vector": fixed(few)})
write("text-id", {"id": pa.array(["a", "b", "c"]), "vector": fixed(few)})
write("odd-length", {"id": three, "vector": pa.array([b"12345"] * 3, pa.binary(5))})
write("nested", {"id": three, "vector": pa.array([[[1.0]]] * 3, pa.list_(pa.list_(pa.float32())))})
write("no-rows-fixed", {"id": ids[:0], "vector": fixed([])})
write("no-rows-list", {"id": ids[:0], "vector": lists([])})
