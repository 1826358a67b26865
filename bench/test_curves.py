"""python3 -m unittest discover -s bench. Needs nothing installed."""
import math
import unittest

from curves import GAP, around, curves, expect, pareto, read, slope


def point(recall, qps, p):
    return dict(recall=recall, qps_cpu=qps, p=p)


class Curves(unittest.TestCase):
    def test_a_curve_is_one_value_of_the_other_knobs_sorted_by_the_knob(self):
        points = [point(.9, 10, 'nprobe=16;epsilon=1'), point(.8, 20, 'nprobe=2;epsilon=1'), point(.7, 30, 'nprobe=2;epsilon=.5')]
        self.assertEqual({(('epsilon', 1.),): [points[1], points[0]], (('epsilon', .5),): [points[2]]}, curves(points, 'nprobe'))

    def test_reads_between_neighbours_of_one_curve(self):
        points = [point(.945, 400, 'nprobe=8'), point(.955, 100, 'nprobe=16')]
        self.assertAlmostEqual(200, read(points, 'nprobe', .95).qps)

    def test_does_not_read_between_curves(self):
        points = [point(.945, 400, 'nprobe=8;epsilon=1'), point(.955, 100, 'nprobe=16;epsilon=2')]
        reading = read(points, 'nprobe', .95)
        self.assertEqual((100, .955), (reading.qps, reading.recall))

    def test_does_not_read_over_a_wide_gap(self):
        points = [point(.95 - GAP, 400, 'nprobe=8'), point(.955, 100, 'nprobe=16')]
        self.assertEqual((points[1],), read(points, 'nprobe', .95).points)
        self.assertEqual(tuple(points), read(points, 'nprobe', .95, gap=1).points)

    def test_takes_the_fastest_curve_and_a_faster_point_above(self):
        points = [point(r, q * scale, f'nprobe={n};epsilon={e}')
                  for e, scale in ((1, 1), (2, 2)) for n, r, q in ((8, .945, 400), (16, .955, 100))]
        self.assertAlmostEqual(400, read(points, 'nprobe', .95).qps)
        above = point(.99, 500, 'nprobe=4;epsilon=3')
        self.assertEqual((above,), read([*points, above], 'nprobe', .95).points)

    def test_reads_nothing_where_no_point_is_above(self):
        self.assertIsNone(read([point(.94, 400, 'nprobe=8')], 'nprobe', .95))

    def test_expects_the_value_of_a_logistic_curve_within_and_beyond_its_points(self):
        def recall(x):
            return 1 / (1 + math.exp(-1.5 * math.log(x / 4)))
        curve = [point(recall(x), 1, f'nprobe={x}') for x in (4, 16, 64)]
        for x in (5, 16, 40, 100, 3):
            self.assertAlmostEqual(x, expect(curve, 'nprobe', recall(x)), places=6)
        self.assertAlmostEqual(128, expect(curve, 'nprobe', .9999))

    def test_expects_nothing_of_a_curve_that_does_not_rise(self):
        self.assertIsNone(expect([point(.9, 1, 'nprobe=1'), point(.9, 1, 'nprobe=2')], 'nprobe', .95))

    def test_picks_three_points_around_a_target(self):
        curve = [point(r, 1, f'nprobe={i}') for i, r in enumerate((.8, .9, .95, .97, .99))]
        self.assertEqual(curve[1:4], around(curve, .955))
        self.assertEqual(curve[3:], around(curve, .999))

    def test_front_has_no_point_that_another_beats(self):
        a, b, c, d = point(.9, 10, ''), point(.95, 8, ''), point(.94, 7, ''), point(.9, 9, '')
        self.assertEqual([a, b], pareto([d, c, b, a]))

    def test_slope_is_the_exponent_of_a_power_law(self):
        xs = [1e4, 1e5, 5e6]
        self.assertAlmostEqual(-.5, slope(xs, [3 * x ** -.5 for x in xs]))


if __name__ == '__main__':
    unittest.main()
