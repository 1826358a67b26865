"""The model's constants in the source are those that fit.py prints. Needs numpy."""
import unittest
from pathlib import Path

try:
    import fit
except ImportError:
    fit = None

SOURCE = Path(__file__).resolve().parent.parent / 'rust-ffi/crates/rabitq/src/recommend.rs'


@unittest.skipUnless(fit, 'without numpy')
class Fit(unittest.TestCase):
    def test_the_source_has_the_constants_of_the_measurements(self):
        lines, _ = fit.constants()
        for line in lines:
            self.assertIn(line, SOURCE.read_text())

    def test_no_set_needs_more_than_the_model_asks_for(self):
        _, over = fit.constants()
        self.assertEqual({'words', 'clustered', 'minilm'}, {name.split()[0] for name in over})
        self.assertGreaterEqual(min(over.values()), 1)


if __name__ == '__main__':
    unittest.main()
