package io.ruvector.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

class PlotTest {
  private static Document parse(String svg) throws Exception {
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8)));
  }

  private static List<Element> elements(Document document, String name) {
    NodeList nodes = document.getElementsByTagName(name);
    List<Element> elements = new ArrayList<>();
    for (int i = 0; i < nodes.getLength(); i++) {
      elements.add((Element) nodes.item(i));
    }
    return elements;
  }

  private static double number(Element element, String attribute) {
    return Double.parseDouble(element.getAttribute(attribute));
  }

  private static Plot plot() {
    var plot = new Plot("a < b & c");
    plot.add(new Plot.Point("fast", .7, 40_000));
    plot.add(new Plot.Point("beaten", .8, 9_000));
    plot.add(new Plot.Point("middle", .9, 10_000));
    plot.add(new Plot.Point("found all", 1, 150));
    return plot;
  }

  @Test
  void dotsLieWhereTheirNumbersSay() throws Exception {
    Document svg = parse(plot().svg());
    List<Element> dots = elements(svg, "circle");
    assertEquals(4, dots.size());
    // Recall is linear, speed logarithmic and upwards.
    double perRecall = (number(dots.get(3), "cx") - number(dots.get(0), "cx")) / .3;
    assertTrue(perRecall > 0);
    assertEquals(.2 * perRecall, number(dots.get(2), "cx") - number(dots.get(0), "cx"), .2);
    double perFactor =
        (number(dots.get(3), "cy") - number(dots.get(0), "cy")) / Math.log(40_000.0 / 150);
    assertTrue(perFactor > 0);
    assertEquals(
        perFactor * Math.log(4), number(dots.get(2), "cy") - number(dots.get(0), "cy"), .2);
    for (Element dot : dots) {
      assertTrue(number(dot, "cx") > 0 && number(dot, "cx") < 860);
      assertTrue(number(dot, "cy") > 0 && number(dot, "cy") < 540);
    }
    assertTrue(dots.get(1).getTextContent().startsWith("beaten recall 0.8000, 9,000"));
  }

  @Test
  void theLineLeavesOutWhatIsBeaten() throws Exception {
    Document svg = parse(plot().svg());
    String line = elements(svg, "polyline").get(0).getAttribute("points");
    assertEquals(3, line.split(" ").length, line);
    List<String> texts = elements(svg, "text").stream().map(Element::getTextContent).toList();
    for (String text :
        List.of("a < b & c", "recall", "fast", "middle", "found all", "0.70", "1.00", "1,000")) {
      assertTrue(texts.contains(text), text + " of " + texts);
    }
    assertTrue(!texts.contains("beaten"), texts.toString());
  }

  @Test
  void fewPointsAreAPictureToo() throws Exception {
    assertEquals(0, elements(parse(new Plot("none").svg()), "circle").size());
    var one = new Plot("one");
    one.add(new Plot.Point("", 1, 93.4));
    Element dot = elements(parse(one.svg()), "circle").get(0);
    assertTrue(number(dot, "cx") > 0 && number(dot, "cy") > 0);
    var slow = new Plot("slow");
    slow.add(new Plot.Point("x", .9991, .02));
    slow.add(new Plot.Point("y", 1, .019));
    assertEquals(2, elements(parse(slow.svg()), "circle").size());
  }
}
