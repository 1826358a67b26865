package io.ruvector.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The data that a command prints, as rows in named sections. Lines of JSON are printed as they
 * come, everything else at the end.
 */
final class Report {
  private final PrintWriter out;
  private final Format format;
  private final Map<String, List<Row>> sections = new LinkedHashMap<>();

  Report(PrintWriter out, Format format) {
    this.out = out;
    this.format = format;
  }

  void add(String section, Row row) {
    if (format == Format.JSONL) {
      out.println(json(row));
      out.flush();
    } else {
      sections.computeIfAbsent(section, name -> new ArrayList<>()).add(row);
    }
  }

  void finish() {
    switch (format) {
      case TABLE -> printSections(this::table);
      case CSV -> printSections(this::csv);
      case JSON -> out.println(json());
      case JSONL -> {}
    }
    out.flush();
  }

  private interface Printer {
    void print(List<Row> rows);
  }

  private void printSections(Printer printer) {
    String gap = "";
    for (Map.Entry<String, List<Row>> section : sections.entrySet()) {
      out.print(gap);
      if (format == Format.TABLE && sections.size() > 1) {
        out.println(section.getKey());
      }
      printer.print(section.getValue());
      gap = System.lineSeparator();
    }
  }

  /** One section is an array; several are an object of arrays. */
  private String json() {
    if (sections.size() <= 1) {
      return json(sections.values().stream().findFirst().orElse(List.of()));
    }
    return sections.entrySet().stream()
        .map(section -> quoted(section.getKey()) + ":" + json(section.getValue()))
        .collect(Collectors.joining(",", "{", "}"));
  }

  private static String json(List<Row> rows) {
    return rows.stream().map(Report::json).collect(Collectors.joining(",", "[", "]"));
  }

  private static String json(Row row) {
    return row.values().entrySet().stream()
        .map(entry -> quoted(entry.getKey()) + ":" + json(entry.getValue()))
        .collect(Collectors.joining(",", "{", "}"));
  }

  private static String json(@Nullable Object value) {
    return switch (value) {
      case null -> "null";
      case String text -> quoted(text);
      case Double number when !Double.isFinite(number) -> "null";
      case Float number when !Float.isFinite(number) -> "null";
      default -> value.toString();
    };
  }

  static String quoted(String text) {
    var quoted = new StringBuilder("\"");
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"', '\\' -> quoted.append('\\').append(c);
        default -> {
          if (c < ' ') {
            quoted.append("\\u%04x".formatted((int) c));
          } else {
            quoted.append(c);
          }
        }
      }
    }
    return quoted.append('"').toString();
  }

  private static List<String> names(List<Row> rows) {
    return List.copyOf(rows.get(0).values().keySet());
  }

  private void csv(List<Row> rows) {
    List<String> names = names(rows);
    out.println(names.stream().map(Report::csvField).collect(Collectors.joining(",")));
    for (Row row : rows) {
      out.println(
          names.stream()
              .map(name -> csvField(text(row.values().get(name))))
              .collect(Collectors.joining(",")));
    }
  }

  private static String csvField(String text) {
    return text.matches("(?s).*[\",\r\n].*") ? '"' + text.replace("\"", "\"\"") + '"' : text;
  }

  /** A text of whomever as a terminal may show it: no escape sequences. */
  static String plain(String text) {
    return text.replaceAll("[\\p{Cc}&&[^\n\t]]", "\ufffd");
  }

  private static String text(@Nullable Object value) {
    return value == null ? "" : value.toString();
  }

  private void table(List<Row> rows) {
    List<String> names = names(rows);
    List<List<String>> lines = new ArrayList<>();
    lines.add(names);
    for (Row row : rows) {
      lines.add(names.stream().map(name -> plain(text(row.values().get(name)))).toList());
    }
    int[] widths = new int[names.size()];
    for (List<String> line : lines) {
      for (int i = 0; i < widths.length; i++) {
        widths[i] = Math.max(widths[i], line.get(i).length());
      }
    }
    for (List<String> line : lines) {
      var text = new StringBuilder();
      for (int i = 0; i < widths.length; i++) {
        String padding = " ".repeat(widths[i] - line.get(i).length());
        boolean number = rows.get(0).values().get(names.get(i)) instanceof Number;
        text.append(i == 0 ? "" : "  ")
            .append(number ? padding + line.get(i) : line.get(i) + padding);
      }
      out.println(text.toString().stripTrailing());
    }
  }
}
