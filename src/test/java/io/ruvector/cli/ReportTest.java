package io.ruvector.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;

class ReportTest {
  private static String print(Format format) {
    var out = new StringWriter();
    var report = new Report(new PrintWriter(out), format);
    report.add("a", new Row().put("name", "x,\"y\"\n").put("n", 7).put("none", null));
    report.add("a", new Row().put("name", "z").put("n", 1.5f).put("none", Double.NaN));
    report.add("b", new Row().put("ok", true).put("part", 2.0 / 3, 2));
    report.finish();
    return out.toString().replace(System.lineSeparator(), "\n");
  }

  @Test
  void json() {
    assertEquals(
        "{\"a\":[{\"name\":\"x,\\\"y\\\"\\u000a\",\"n\":7,\"none\":null},"
            + "{\"name\":\"z\",\"n\":1.5,\"none\":null}],\"b\":[{\"ok\":true,\"part\":0.67}]}\n",
        print(Format.JSON));
  }

  @Test
  void jsonLines() {
    assertEquals(
        "{\"name\":\"x,\\\"y\\\"\\u000a\",\"n\":7,\"none\":null}\n"
            + "{\"name\":\"z\",\"n\":1.5,\"none\":null}\n{\"ok\":true,\"part\":0.67}\n",
        print(Format.JSONL));
  }

  @Test
  void csv() {
    assertEquals(
        "name,n,none\n\"x,\"\"y\"\"\n\",7,\nz,1.5,NaN\n\nok,part\ntrue,0.67\n", print(Format.CSV));
  }

  @Test
  void table() {
    var out = new StringWriter();
    var report = new Report(new PrintWriter(out), Format.TABLE);
    report.add("hits", new Row().put("id", 7).put("word", "seven"));
    report.add("hits", new Row().put("id", 12).put("word", "x"));
    report.finish();
    assertEquals(
        "id  word\n 7  seven\n12  x\n", out.toString().replace(System.lineSeparator(), "\n"));
  }
}
