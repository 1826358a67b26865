package io.ruvector.embed;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * A set of code points. Those of the tokenizer are of the Unicode version that the reference has,
 * whatever the JDK's: a mark that Unicode 9 added is a letter to every BERT tokenizer.
 */
final class CharacterSet {
  /** Sorted: where the set begins, where it ends, where it begins again, and so on. */
  private final int[] edges;

  private CharacterSet(int[] edges) {
    this.edges = edges;
  }

  /** A set of the resource {@code characters.txt}: ranges in hexadecimal, ends included. */
  static CharacterSet of(String name) {
    String text;
    try (InputStream in = CharacterSet.class.getResourceAsStream("characters.txt")) {
      if (in == null) {
        throw new AssertionError("characters.txt is not in the jar");
      }
      text = new String(in.readAllBytes(), StandardCharsets.US_ASCII);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    String line = text.lines().filter(l -> l.startsWith(name + " ")).findFirst().orElseThrow();
    String[] ranges = line.substring(name.length() + 1).split(" ");
    int[] edges = new int[2 * ranges.length];
    for (int i = 0; i < ranges.length; i++) {
      String[] ends = ranges[i].split("-");
      edges[2 * i] = Integer.parseInt(ends[0], 16);
      edges[2 * i + 1] = Integer.parseInt(ends[ends.length - 1], 16) + 1;
    }
    return new CharacterSet(edges);
  }

  boolean contains(int codePoint) {
    int found = Arrays.binarySearch(edges, codePoint);
    int edgesUpToHere = found >= 0 ? found + 1 : -found - 1;
    return edgesUpToHere % 2 == 1;
  }
}
