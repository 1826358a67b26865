package io.ruvector.embed;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ruvector.internal.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The ids are those that Hugging Face's tokenizers has recorded. */
class WordPieceTokenizerTest {
  @TempDir Path folder;

  /** Texts with their ids, of scripts/interop/embeddings.py. */
  record Golden(String text, int[] ids) {
    static List<Golden> read() throws IOException {
      var list = (List<?>) Json.read(Files.readAllBytes(Path.of("testdata/embed/texts.json")));
      List<Golden> golden = new ArrayList<>();
      for (Object item : list) {
        var entry = (Map<?, ?>) item;
        int[] ids =
            ((List<?>) entry.get("ids"))
                .stream().mapToInt(id -> ((Number) id).intValue()).toArray();
        golden.add(new Golden((String) entry.get("text"), ids));
      }
      return golden;
    }
  }

  private static void check(WordPieceTokenizer tokenizer) throws IOException {
    List<Golden> golden = Golden.read();
    assertTrue(golden.size() > 150);
    for (Golden line : golden) {
      assertArrayEquals(line.ids, tokenizer.encode(line.text), line.text);
    }
  }

  @Test
  void tokenizerJson() throws IOException {
    check(WordPieceTokenizer.read(Models.miniLm()));
  }

  @Test
  void vocabularyAlone() throws IOException {
    var file = (Map<?, ?>) Json.read(Files.readAllBytes(Models.miniLm().resolve("tokenizer.json")));
    var vocabulary = (Map<?, ?>) ((Map<?, ?>) file.get("model")).get("vocab");
    Map<Integer, String> byId = new TreeMap<>();
    vocabulary.forEach((token, id) -> byId.put((Integer) id, (String) token));
    Files.write(folder.resolve("vocab.txt"), byId.values());
    check(WordPieceTokenizer.read(folder));
  }

  @Test
  void casesAndAccentsStayWhereTheConfigurationSays() throws IOException {
    Files.writeString(
        folder.resolve("vocab.txt"),
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ne\n\u00e9\nE\n\u4e2d\u6587\n");
    String config =
        "{\"do_lower_case\": false, \"tokenize_chinese_chars\": false, \"sep_token\": {\"content\": \"[SEP]\"}}";
    Files.writeString(folder.resolve("tokenizer_config.json"), config);
    assertArrayEquals(
        new int[] {2, 5, 6, 7, 8, 3},
        WordPieceTokenizer.read(folder).encode("e \u00e9 E \u4e2d\u6587"));
    Files.writeString(folder.resolve("tokenizer_config.json"), "{\"strip_accents\": false}");
    assertArrayEquals(
        new int[] {2, 5, 6, 5, 1, 1, 3},
        WordPieceTokenizer.read(folder).encode("e \u00c9 E \u4e2d\u6587"));
  }

  @Test
  void truncationKeepsTheEnd() {
    WordPieceTokenizer tokenizer = WordPieceTokenizer.read(Models.miniLm());
    int[] ids = tokenizer.encode("one two three four");
    assertArrayEquals(
        new int[] {ids[0], ids[1], ids[2], ids[ids.length - 1]}, tokenizer.truncate(ids, 4));
    assertArrayEquals(ids, tokenizer.truncate(ids, ids.length));
  }

  @Test
  void loneSurrogatesAreDropped() {
    WordPieceTokenizer tokenizer = WordPieceTokenizer.read(Models.miniLm());
    assertArrayEquals(tokenizer.encode("ab c"), tokenizer.encode("a\ud83db \udc00c"));
  }

  @Test
  void aTokenThatIsThereTwiceHasItsLastId() throws IOException {
    Files.writeString(folder.resolve("vocab.txt"), "[UNK]\n[CLS]\n[SEP]\na\na\nb\n");
    assertArrayEquals(new int[] {1, 4, 5, 2}, WordPieceTokenizer.read(folder).encode("a b"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"type\": \"WordPiece\" | \"type\": \"BPE\" | model: type is BPE, expected WordPiece",
        "BertNormalizer | Sequence | normalizer: type is Sequence, expected BertNormalizer",
        "BertPreTokenizer | Split | pre_tokenizer: type is Split, expected BertPreTokenizer",
        "TemplateProcessing | RobertaProcessing | post_processor: type is RobertaProcessing",
        "\"lowercase\": true | \"lowercase\": \"yes\" | normalizer: lowercase is yes, expected true",
        "\"a\": 5 | \"a\": \"5\" | vocab: a is 5, expected a number",
        "\"a\": 5 | \"a\": -5 | vocab: a is -5, expected a number from 0 on",
        "\"id\": 0 | \"id\": \"x\" | added_tokens: id is x, expected a number",
        "\"content\": \"[PAD]\" | \"other\": 1 | added_tokens: content is null, expected a token",
        "\"single_word\": false | \"single_word\": true | single word, which is not supported",
        "\"[UNK]\": 1 | \"[unk]\": 1 | has no token [UNK]",
        "{\"version | {{\"version | cannot be read",
      })
  void otherTokenizersAreRefused(String what, String by, String message) throws IOException {
    String whole =
        """
        {"version": "1.0",
         "added_tokens": [{"id": 0, "content": "[PAD]", "single_word": false, "normalized": false}],
         "normalizer": {"type": "BertNormalizer", "lowercase": true},
         "pre_tokenizer": {"type": "BertPreTokenizer"},
         "post_processor": {"type": "TemplateProcessing", "single": [
           {"SpecialToken": {"id": "[CLS]"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "[SEP]"}}]},
         "model": {"type": "WordPiece", "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 5}}}
        """;
    Path file = Files.writeString(folder.resolve("tokenizer.json"), whole);
    assertArrayEquals(
        new int[] {2, 5, 1, 0, 3}, WordPieceTokenizer.read(folder).encode("A b[PAD]"));
    Files.writeString(file, whole.replace(what, by));
    var refused = assertThrows(EmbedException.class, () -> WordPieceTokenizer.read(folder));
    assertTrue(refused.getMessage().contains(message), refused.getMessage());
    assertTrue(refused.getMessage().contains("tokenizer.json"), refused.getMessage());
    assertEquals(EmbedException.Code.EMBED, refused.code());
  }
}
