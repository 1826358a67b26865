"""Embedding beside Python's onnxruntime: the same model, threads and batches, in runs that alternate.

    python bench/embed_bench.py MODEL TEXTS --jar target/ruvector-*-cli.jar [--threads 1] [--batch 32] [--count 2000] [--turns 3]

MODEL is a folder of sentence-transformers with an ONNX file and tokenizer.json, TEXTS a file of lines. Needs numpy, onnxruntime and
tokenizers. Java's side is Embed.java. A turn embeds the texts in batches sorted by length, then 200 short ones alone; both sides count the
time of tokenizing, running and pooling, by wall and by the CPU of the whole process, after two turns that warm up. The vectors are compared before any time is told.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SHORT = 'a question of some words that somebody asks'
WARM_UP = 2  # turns: the JVM compiles meanwhile


class Python:
    def __init__(self, model, threads):
        import onnxruntime
        from tokenizers import Tokenizer
        os.environ['TOKENIZERS_PARALLELISM'] = 'false'
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        graph = next(f for f in (model / 'onnx/model.onnx', model / 'model.onnx') if f.exists())
        self.session = onnxruntime.InferenceSession(str(graph), options, providers=['CPUExecutionProvider'])
        self.tokenizer = Tokenizer.from_file(str(model / 'tokenizer.json'))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(json.loads((model / 'sentence_bert_config.json').read_text())['max_seq_length'])

    def embed(self, texts, batch):
        encoded = self.tokenizer.encode_batch(texts)
        lengths = np.array([len(e.ids) for e in encoded])
        order = np.argsort(-lengths, kind='stable')
        vectors = np.empty((len(texts), 384), np.float32)
        for start in range(0, len(order), batch):
            rows = order[start:start + batch]
            width = lengths[rows].max()
            ids = np.zeros((len(rows), width), np.int64)
            mask = np.zeros_like(ids)
            for i, row in enumerate(rows):
                ids[i, :lengths[row]] = encoded[row].ids
                mask[i, :lengths[row]] = 1
            states = self.session.run(None, {'input_ids': ids, 'attention_mask': mask, 'token_type_ids': np.zeros_like(ids)})[0]
            mean = (states * mask[:, :, None]).sum(1) / mask.sum(1)[:, None]
            vectors[rows] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return vectors

    def turn(self, texts, batch):
        wall, cpu = time.perf_counter(), time.process_time()
        vectors = self.embed(texts, batch)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        alone = []
        for i in range(200):
            start = time.perf_counter()
            self.embed([f'{SHORT} {i % 10}'], 1)
            alone.append(time.perf_counter() - start)
        return dict(wall=wall, cpu=cpu, p50=np.median(alone)), vectors


class Java:
    def __init__(self, arguments):
        java = os.environ.get('JAVA_HOME', '') + '/bin/java' if 'JAVA_HOME' in os.environ else 'java'
        self.process = subprocess.Popen(
            [java, '--enable-native-access=ALL-UNNAMED', '-cp', arguments.jar, str(Path(__file__).with_name('Embed.java')), str(arguments.model),
             str(arguments.threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def turn(self, file, batch):
        self.process.stdin.write(f'{file}\t{batch}\t{file}.vectors\n')
        self.process.stdin.flush()
        wall, cpu, p50 = map(float, self.process.stdout.readline().split())
        return dict(wall=wall, cpu=cpu, p50=p50), np.fromfile(f'{file}.vectors', '<f4').reshape(-1, 384)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('model', type=Path)
    parser.add_argument('texts', type=Path)
    parser.add_argument('--jar', required=True)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--batch', type=int, default=32)
    parser.add_argument('--count', type=int, default=2_000)
    parser.add_argument('--turns', type=int, default=3)
    parser.add_argument('--work', type=Path, default=Path('/tmp'))
    arguments = parser.parse_args()
    lines = arguments.texts.read_text().splitlines()
    texts = [lines[i] for i in np.random.default_rng(1).permutation(len(lines))[:arguments.count]]
    file = arguments.work / 'embed-bench.txt'
    file.write_text('\n'.join(texts) + '\n')
    sides = {'python': Python(arguments.model, arguments.threads), 'java': Java(arguments)}
    turns = {name: [] for name in sides}
    for turn in range(-WARM_UP, arguments.turns):
        found = {}
        for name, side in sides.items():
            measured, found[name] = side.turn(texts if name == 'python' else file, arguments.batch)
            if turn >= 0:
                turns[name].append(measured)
        cosine = (found['python'] * found['java']).sum(1).min()
        if cosine < .9999:
            sys.exit(f'the vectors differ: cosine {cosine}')
    import onnxruntime
    print(f'{platform.machine()}, onnxruntime {onnxruntime.__version__} in Python, {arguments.count} texts, {arguments.threads} thread(s), '
          f'batches of {arguments.batch}; least cosine of the two {cosine:.7f}')
    for name, measured in turns.items():
        print(f'{name:8}' + '  '.join(
            f"{arguments.count / m['wall']:.0f}/s wall {arguments.count / m['cpu']:.0f}/s cpu p50 {m['p50'] * 1e3:.2f} ms" for m in measured))
    for key in ('wall', 'cpu', 'p50'):
        ratios = sorted(p[key] / j[key] for p, j in zip(turns['python'], turns['java']))
        print(f'python / java, {key}: {ratios[len(ratios) // 2]:.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})')


if __name__ == '__main__':
    main()
