package io.ruvector.cli;

import io.ruvector.index.Vectors;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The words and vectors that the command line's jar carries for the demo. */
final class WordVectors {
  private final List<String> words;
  private final Map<String, Integer> rows = new HashMap<>();
  private final Vectors vectors;

  private WordVectors(List<String> words, Vectors vectors) {
    this.words = words;
    this.vectors = vectors;
    for (int row = 0; row < words.size(); row++) {
      rows.put(words.get(row), row);
    }
  }

  static WordVectors load() throws IOException {
    List<String> words = new String(resource("words.txt"), StandardCharsets.UTF_8).lines().toList();
    Npy npy = Npy.of("words.npy", MemorySegment.ofArray(resource("words.npy")));
    return new WordVectors(words, Vectors.of(DataFile.floats(npy), (int) npy.columns()));
  }

  private static byte[] resource(String name) throws IOException {
    try (InputStream in = WordVectors.class.getResourceAsStream("demo/" + name)) {
      if (in == null) {
        throw CliException.data(
            "the demo's words are not in this jar, but in ruvector-<version>-cli.jar");
      }
      return in.readAllBytes();
    }
  }

  Vectors vectors() {
    return vectors;
  }

  String word(long row) {
    return words.get((int) row);
  }

  /** The row of a word; null if it is not there. */
  @Nullable Integer row(String word) {
    return rows.get(word.strip().toLowerCase(Locale.ROOT));
  }

  /** The words that are spelt most like this one, nearest first and then most frequent first. */
  List<String> nearSpellings(String word, int count) {
    record Spelling(String word, int edits) {}
    String wanted = word.strip().toLowerCase(Locale.ROOT);
    List<Spelling> spellings = new ArrayList<>();
    for (String known : words) {
      spellings.add(new Spelling(known, edits(wanted, known)));
    }
    spellings.sort(Comparator.comparingInt(Spelling::edits));
    return spellings.stream().limit(count).map(Spelling::word).toList();
  }

  /** The letters to insert, delete or replace that make one word the other. */
  private static int edits(String a, String b) {
    int[] last = new int[b.length() + 1];
    int[] next = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      last[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      next[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int replaced = last[j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        next[j] = Math.min(replaced, Math.min(last[j], next[j - 1]) + 1);
      }
      int[] swap = last;
      last = next;
      next = swap;
    }
    return last[b.length()];
  }
}
