"""python3 -m unittest discover -s bench. Needs nothing installed."""
import math
import unittest

from contests import CONTESTS, Config
from curves import curves, read, setting
from tuning import lacking, measure, tune


class Engine:
    """Recall is logistic in log(nprobe), and bounded by the second knob, which costs too."""

    def __init__(self):
        self.runs, self.settings = 0, 0

    def point(self, config, nprobe, factor):
        scale = 2 if '--slow' in config.flags else 1
        ceiling = 1 - .3 / factor
        recall = ceiling / (1 + math.exp(-1.4 * math.log(nprobe / 3)))
        return dict(recall=round(recall, 5), qps_cpu=1e6 / scale / (20 + 4 * nprobe + factor), p=f'nprobe={nprobe:g};k_factor={factor:g}')

    def run(self, config, sweep=None):
        self.runs += 1
        knobs = [[float(v) for v in part.split('=')[1].split(',')] for part in (sweep or config.sweep()).split(';')]
        points = [self.point(config, nprobe, factor) for nprobe in knobs[0] for factor in knobs[1]]
        self.settings += len(points)
        return dict(build_s=1), points


def config(flags=''):
    return Config('faiss', flags, 'nprobe', (2, 5, 12, 30, 80, 200), 'k_factor', (3, 10, 40, 120))


class Tuning(unittest.TestCase):
    TARGETS = .80, .90, .95, .99

    def test_finds_the_fastest_setting_of_a_fine_grid(self):
        engine = Engine()
        best = tune(engine.run, engine.run, [config('--slow'), config()], self.TARGETS)
        fine = [engine.point(config(), nprobe, factor) for nprobe in range(1, 400) for factor in config().seconds]
        for target in self.TARGETS:
            self.assertEqual('', best[target][1].flags)
            self.assertGreater(best[target][0], .97 * read(fine, 'nprobe', target).qps)

    def test_its_points_pass_the_target_on_one_curve(self):
        engine = Engine()
        for target, (_, _, points) in tune(engine.run, engine.run, [config()], (.90, .95, .99)).items():
            self.assertEqual(1, len(curves(points, 'nprobe')))
            self.assertEqual(target, read(points, 'nprobe', target).recall)
            self.assertLessEqual(len(points), 3)

    def test_prunes_what_is_dominated(self):
        engine = Engine()
        tune(engine.run, engine.run, [config('--slow'), config('--slow 2'), config()], self.TARGETS)
        self.assertEqual(3 * 24, 72)
        self.assertLess(engine.settings, 72 + 40)

    def test_passes_over_curves_that_end_below_the_target(self):
        class Cheap(Engine):
            """Smaller second knobs are much cheaper and end below the target; a search stops after 12 cells."""

            def point(self, config, nprobe, factor):
                recall = (.986 if factor < 40 else .998) / (1 + math.exp(-3 * math.log(nprobe / 3)))
                cost = 20 + min(nprobe, 12) * (1 + factor)
                return dict(recall=round(recall, 5), qps_cpu=1e6 / cost, p=f'nprobe={nprobe:g};k_factor={factor:g}')

        engine = Cheap()
        best = tune(engine.run, engine.run, [config()], (.99,))
        self.assertEqual(40, setting(best[.99][2][0])['k_factor'])

    def test_leaves_out_what_is_not_reached(self):
        engine = Engine()
        unreachable = Config('faiss', '', 'nprobe', (2, 5, 12), 'k_factor', (1,))
        self.assertEqual({}, tune(engine.run, engine.run, [unreachable], (.95,)))

    def test_takes_a_point_above_where_the_knob_is_coarse(self):
        def run(config, sweep=None):
            return {}, [dict(recall=r, qps_cpu=q, p=f'nprobe={n}') for n, r, q in ((1, .93, 900), (2, .97, 500), (3, .98, 400))]
        coarse = Config('faiss', '', 'nprobe', (1, 2, 3))
        qps, _, points = tune(run, run, [coarse], (.95,))[.95]
        self.assertEqual(500, qps)
        self.assertIn(.97, [p['recall'] for p in points])

    def test_asks_for_more_where_all_points_lie_on_one_side(self):
        engine = Engine()
        for side in range(20, 23), range(40, 43):
            points = [engine.point(config(), n, 120) for n in side]
            self.assertFalse(any(a['recall'] <= .96 <= b['recall'] for a, b in zip(points, points[1:])))
            points += engine.run(config(), config().sweep(sorted(lacking(config(), points, [(120, .96)])[120]), (120,)))[1]
            self.assertEqual(.96, read(points, 'nprobe', .96).recall)
        self.assertEqual({}, lacking(config(), points, [(120, .96)]))

    def test_an_engine_without_a_knob_has_its_one_point(self):
        def run(config, sweep=None):
            return {}, [dict(recall=1., qps_cpu=90, p='')]
        qps, _, points = tune(run, run, [Config('faiss', '')], (.999,))[.999]
        self.assertEqual((90, 1), (qps, len(points)))

    def test_measures_all_combinations_at_once_where_they_are_few_more(self):
        for wanted, runs in (({3.: {8, 9}, 10.: {8}}, 1), ({3.: {1, 2, 3, 4}, 10.: {8, 9, 10, 11}}, 2)):
            engine = Engine()
            found = {tuple(setting(p).values()) for p in measure(engine.run, config(), wanted)[1]}
            self.assertEqual(runs, engine.runs)
            self.assertLessEqual({(n, f) for f, values in wanted.items() for n in values}, found)


class Contests(unittest.TestCase):
    def test_no_config_is_there_twice_and_probes_stay_within_the_cells(self):
        for name, make in CONTESTS.items():
            for n in (5_000, 100_000, 300_000):
                configs = make(n, 100).configs
                self.assertEqual(len(configs), len({(c.engine, c.flags) for c in configs}), name)


if __name__ == '__main__':
    unittest.main()
