package io.ruvector.cli;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/**
 * Recall against queries per second, as SVG: every setting a dot, the best ones joined by a line
 * and named. To the right and up is better.
 */
final class Plot {
  private static final int WIDTH = 860;
  private static final int HEIGHT = 540;
  private static final int LEFT = 78;
  private static final int RIGHT = 28;
  private static final int TOP = 56;
  private static final int BOTTOM = 62;

  private static final int TEXT = 13;

  /** About what a character of the labels is wide. */
  private static final double CHARACTER = 6.6;

  private static final double[] RECALL_STEPS = {.001, .002, .005, .01, .02, .05, .1, .2};
  private static final int MOST_TICKS = 10;

  private final String title;
  private final List<Point> points = new ArrayList<>();

  /** What was measured with one setting. */
  record Point(String setting, double recall, double qps) {}

  private record Box(double left, double top, double right, double bottom) {
    boolean overlaps(Box other) {
      return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
    }
  }

  Plot(String title) {
    this.title = title;
  }

  void add(Point point) {
    points.add(point);
  }

  /** Those that no other beats in both respects, by recall. */
  private List<Point> frontier() {
    List<Point> byRecall = new ArrayList<>(points);
    byRecall.sort(
        Comparator.comparingDouble(Point::recall).thenComparingDouble(Point::qps).reversed());
    List<Point> frontier = new ArrayList<>();
    double fastest = 0;
    for (Point point : byRecall) {
      if (point.qps() > fastest) {
        fastest = point.qps();
        frontier.addFirst(point);
      }
    }
    return frontier;
  }

  String svg() {
    double least = points.stream().mapToDouble(Point::recall).min().orElse(0);
    double step = step(1 - least);
    double from = Math.max(0, Math.floor(least / step - 1e-9) * step);
    double slow = points.stream().mapToDouble(Point::qps).min().orElse(1) / 1.25;
    double fast = points.stream().mapToDouble(Point::qps).max().orElse(1) * 1.25;
    return new Drawing(from, step, slow, fast).draw();
  }

  private static double step(double range) {
    for (double step : RECALL_STEPS) {
      if (range / step <= MOST_TICKS) {
        return step;
      }
    }
    return .2;
  }

  /** The picture for a range of recall (up to 1) and of queries per second. */
  private final class Drawing {
    private final double from;
    private final double step;
    private final double slow;
    private final double fast;
    private final StringBuilder out = new StringBuilder();

    Drawing(double from, double step, double slow, double fast) {
      this.from = from;
      this.step = step;
      this.slow = slow;
      this.fast = fast;
    }

    private double x(double recall) {
      return LEFT + (recall - from) / (1 - from) * (WIDTH - LEFT - RIGHT);
    }

    private double y(double qps) {
      double part = Math.log(qps / slow) / Math.log(fast / slow);
      return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM);
    }

    @SuppressWarnings("AnnotateFormatMethod")
    private void line(String format, Object... arguments) {
      out.append(String.format(Locale.ROOT, format, arguments)).append('\n');
    }

    String draw() {
      line(
          "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%1$d\" height=\"%2$d\" "
              + "viewBox=\"0 0 %1$d %2$d\" font-family=\"sans-serif\" font-size=\"%3$d\" "
              + "fill=\"#222\">",
          WIDTH, HEIGHT, TEXT);
      line("<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>");
      line("<text x=\"%d\" y=\"28\" font-size=\"16\">%s</text>", LEFT, escaped(title));
      recallAxis();
      speedAxis();
      List<Point> frontier = frontier();
      line(
          "<polyline points=\"%s\" fill=\"none\" stroke=\"#1668b8\" stroke-width=\"2\"/>",
          frontier.stream()
              .map(p -> String.format(Locale.ROOT, "%.1f,%.1f", x(p.recall()), y(p.qps())))
              .reduce("", (a, b) -> a.isEmpty() ? b : a + " " + b));
      for (Point point : points) {
        dot(point, frontier.contains(point));
      }
      labels(frontier);
      line("</svg>");
      return out.toString();
    }

    private void recallAxis() {
      int digits = step < .01 ? 3 : step < .1 ? 2 : 1;
      for (int i = 0; from + i * step <= 1 + 1e-9; i++) {
        double recall = from + i * step;
        line("<path d=\"M%.1f %d V%d\" stroke=\"#ddd\"/>", x(recall), TOP, HEIGHT - BOTTOM);
        line(
            "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%." + digits + "f</text>",
            x(recall),
            HEIGHT - BOTTOM + 20,
            recall);
      }
      line(
          "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">recall</text>",
          (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16);
    }

    private void speedAxis() {
      // 1, 2 and 5 of each power of ten; where the range is small, every tenth of the power.
      double[] steps =
          fast / slow > 4
              ? new double[] {1, 2, 5}
              : new double[] {1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9};
      for (double power = Math.pow(10, Math.floor(Math.log10(slow))); power <= fast; power *= 10) {
        for (double times : steps) {
          double qps = power * times;
          if (qps >= slow && qps <= fast) {
            line("<path d=\"M%d %.1f H%d\" stroke=\"#ddd\"/>", LEFT, y(qps), WIDTH - RIGHT);
            line(
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
                LEFT - 8, y(qps) + TEXT / 3.0, number(qps));
          }
        }
      }
      int middle = (TOP + HEIGHT - BOTTOM) / 2;
      line(
          "<text transform=\"translate(18 %d) rotate(-90)\" text-anchor=\"middle\">"
              + "queries per second (log)</text>",
          middle);
    }

    private static String number(double qps) {
      return qps >= 10
          ? String.format(Locale.ROOT, "%,.0f", qps)
          : Double.toString(Math.round(qps * 1_000) / 1_000.0);
    }

    private void dot(Point point, boolean best) {
      line(
          "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%s\" fill=\"%s\"><title>%s</title></circle>",
          x(point.recall()),
          y(point.qps()),
          best ? "4.5" : "3.5",
          best ? "#1668b8" : "#9ab4cc",
          escaped(
              String.format(
                  Locale.ROOT,
                  "%s recall %.4f, %s queries/s",
                  point.setting(),
                  point.recall(),
                  number(point.qps()))));
    }

    /** Names the best settings, those of high recall first, as far as they find room. */
    private void labels(List<Point> frontier) {
      List<Box> taken = new ArrayList<>();
      for (Point point : points) {
        double x = x(point.recall());
        double y = y(point.qps());
        taken.add(new Box(x - 5, y - 5, x + 5, y + 5));
      }
      for (Point point : frontier.reversed()) {
        double width = CHARACTER * point.setting().length();
        double x = x(point.recall());
        double y = y(point.qps());
        // Up to the right, where the curve is not; else down or up to the left.
        Box[] places = {
          new Box(x + 7, y - 7 - TEXT, x + 7 + width, y - 6),
          new Box(x - 7 - width, y + 6, x - 7, y + 7 + TEXT),
          new Box(x - 7 - width, y - 7 - TEXT, x - 7, y - 6)
        };
        for (Box place : places) {
          boolean inside =
              place.left > LEFT && place.right < WIDTH && place.bottom < HEIGHT - BOTTOM;
          if (inside && !point.setting().isEmpty() && taken.stream().noneMatch(place::overlaps)) {
            taken.add(place);
            line(
                "<text x=\"%.1f\" y=\"%.1f\">%s</text>",
                place.left, place.bottom - 3, escaped(point.setting()));
            break;
          }
        }
      }
    }
  }

  private static String escaped(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }
}
