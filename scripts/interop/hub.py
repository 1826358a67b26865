"""Python's huggingface_hub reads what our cache downloaded, and the other way round. Part of test.py.

Both ask src/test/java/io/ruvector/embed/HubServer.java, which runs on this machine.
"""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

ROOT = Path(os.environ.get('ROOT') or Path(__file__).parents[2])
BIN = Path(os.environ['JAVA_HOME']) / 'bin'
FILES = ['onnx/model.onnx', '1_Pooling/config.json', 'config.json']
PYTHON = '''
import json, sys
from huggingface_hub import hf_hub_download
print(json.dumps([hf_hub_download('org/model', file, revision=sys.argv[1]) for file in sys.argv[2:]]))
'''


class Hub(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        random = np.random.default_rng(3)
        self.contents = {file: random.bytes(3_000_000 if file.endswith('onnx') else 700) for file in FILES}
        for file, content in self.contents.items():
            path = self.folder / 'served/org/model' / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.server = subprocess.Popen(
            [BIN / 'java', ROOT / 'src/test/java/io/ruvector/embed/HubServer.java', self.folder / 'served'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.server.communicate)
        self.environment = dict(os.environ, HF_ENDPOINT=self.server.stdout.readline().strip(), HF_HUB_DISABLE_TELEMETRY='1',
                                HF_HUB_DISABLE_PROGRESS_BARS='1', HF_HUB_CACHE=str(self.folder / 'cache'))

    def run_in(self, command, offline):
        environment = dict(self.environment, HF_HUB_OFFLINE='1' if offline else '0')
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    def python(self, revision='main', offline=False):
        return self.run_in([sys.executable, '-c', PYTHON, revision, *FILES], offline)

    def java(self, revision='main', offline=False):
        source = ROOT / 'scripts/interop/Resolve.java'
        return self.run_in([BIN / 'java', '-cp', os.environ['CLASSPATH'], source, 'org/model', revision, *FILES], offline)

    def read_all(self, run, folder=None):
        self.assertEqual(run.returncode, 0, run.stderr)
        if folder is None:
            folder = Path(run.stdout.strip())
        for file, content in self.contents.items():
            self.assertEqual((folder / file).read_bytes(), content, file)

    def snapshot(self):
        return next((self.folder / 'cache/models--org--model/snapshots').iterdir())

    def test_python_reads_ours(self):
        self.read_all(self.java())
        commit = self.snapshot().name
        self.read_all(self.python(offline=True), self.snapshot())
        self.read_all(self.python(commit, offline=True), self.snapshot())
        before = sorted(str(path) for path in (self.folder / 'cache/models--org--model').rglob('*'))
        self.read_all(self.python(), self.snapshot())
        self.assertEqual(before, sorted(str(path) for path in (self.folder / 'cache/models--org--model').rglob('*')))

    def test_we_read_pythons(self):
        run = self.python()
        self.read_all(run, self.snapshot())
        self.read_all(self.java(offline=True))
        self.read_all(self.java(self.snapshot().name, offline=True))

    def test_we_find_what_python_would_not(self):
        self.assertEqual(self.python().returncode, 0)
        blob = (self.snapshot() / FILES[0]).resolve()
        damaged = bytearray(blob.read_bytes())
        damaged[1_000_000] ^= 1
        blob.write_bytes(damaged)
        self.assertEqual(self.python(offline=True).returncode, 0)
        run = self.java(offline=True)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn('damaged', run.stderr)
        self.read_all(self.java())
        self.read_all(self.python(offline=True), self.snapshot())
