"""python3 clustered.py OUT: 100,000 x 128 around 100 centres (uniform in [-2,2], sigma .6), 10,000 queries drawn alike. Needs numpy."""
import sys
from pathlib import Path

import numpy as np

from truth import write

rng = np.random.default_rng(42)
centres = rng.uniform(-2, 2, (100, 128))
points = (centres[rng.integers(100, size=110_000)] + rng.normal(0, .6, (110_000, 128))).astype(np.float32)
write(Path(sys.argv[1]), points[:100_000], points[100_000:])
