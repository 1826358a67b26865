package io.ruvector.embed;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * BERT's tokenizer: text is cleaned, split into words and punctuation, and each word into the
 * longest pieces that the vocabulary has. The ids are those of Hugging Face's {@code tokenizers}.
 */
final class WordPieceTokenizer {
  private static final CharacterSet OTHER = CharacterSet.of("other");
  private static final CharacterSet MARK = CharacterSet.of("mark");
  private static final CharacterSet PUNCTUATION = CharacterSet.of("punctuation");

  /** What is done to text before it is split. */
  private record Cleaning(
      boolean cleanText, boolean spaceIdeographs, boolean stripAccents, boolean lowerCase) {}

  private final Map<String, Integer> words = new HashMap<>();

  /** Pieces that continue a word, without the prefix that tells so. */
  private final Map<String, Integer> continuations = new HashMap<>();

  private final Cleaning cleaning;
  private final int unknown;
  private final int padding;
  private final int maxWord;
  private final Map<String, Integer> added;
  private final @Nullable Pattern addedPattern;
  private final int[] before;
  private final int[] after;

  private WordPieceTokenizer(
      Map<String, Integer> vocabulary,
      Cleaning cleaning,
      String continuing,
      int maxWord,
      Map<String, Integer> added,
      String unknown,
      String padding,
      List<String> before,
      List<String> after,
      String place) {
    vocabulary.forEach(
        (token, id) -> {
          words.put(token, id);
          if (token.startsWith(continuing)) {
            continuations.put(token.substring(continuing.length()), id);
          }
        });
    this.cleaning = cleaning;
    this.maxWord = maxWord;
    this.added = added;
    addedPattern =
        added.isEmpty()
            ? null
            : Pattern.compile(
                added.keySet().stream()
                    .sorted(Comparator.comparingInt(String::length).reversed())
                    .map(Pattern::quote)
                    .collect(Collectors.joining("|")));
    this.unknown = special(unknown, place);
    this.padding = added.getOrDefault(padding, words.getOrDefault(padding, 0));
    this.before = before.stream().mapToInt(token -> special(token, place)).toArray();
    this.after = after.stream().mapToInt(token -> special(token, place)).toArray();
  }

  private int special(String token, String place) {
    Integer id = added.getOrDefault(token, words.get(token));
    if (id == null) {
      throw new EmbedException("%s has no token %s".formatted(place, token));
    }
    return id;
  }

  /** The tokenizer of a model's folder: {@code tokenizer.json}, or else {@code vocab.txt}. */
  static WordPieceTokenizer read(Path folder) {
    Path whole = folder.resolve("tokenizer.json");
    ConfigFile config = ConfigFile.read(folder.resolve("tokenizer_config.json"));
    return Files.exists(whole)
        ? ofTokenizer(ConfigFile.read(whole), config)
        : ofVocabulary(folder.resolve("vocab.txt"), config);
  }

  private static WordPieceTokenizer ofTokenizer(ConfigFile file, ConfigFile config) {
    ConfigFile model = expect(file.object("model"), "WordPiece");
    ConfigFile normalizer = expect(file.object("normalizer"), "BertNormalizer");
    expect(file.object("pre_tokenizer"), "BertPreTokenizer");
    Map<String, Integer> vocabulary = new HashMap<>();
    ConfigFile tokens = model.object("vocab");
    tokens
        .fields()
        .forEach(
            (token, id) -> {
              if (!(id instanceof Integer number) || number < 0) {
                throw tokens.unexpected(token.toString(), "a number from 0 on");
              }
              vocabulary.put(token.toString(), number);
            });
    Map<String, Integer> added = new HashMap<>();
    for (ConfigFile token : file.objects("added_tokens")) {
      if (token.flag("normalized", false) || token.flag("single_word", false)) {
        throw new EmbedException(
            "%s: '%s' is matched in normalized text or as a single word, which is not supported"
                .formatted(token.place(), token.text("content", "")));
      }
      if (token.text("content", "").isEmpty()) {
        throw token.unexpected("content", "a token");
      }
      added.put(
          token.text("content", ""), token.required("id", Integer.class, "a number from 0 on"));
    }
    List<String> before = new ArrayList<>();
    List<String> after = new ArrayList<>();
    List<String> side = before;
    for (ConfigFile part :
        expect(file.object("post_processor"), "TemplateProcessing").objects("single")) {
      if (part.has("Sequence")) {
        side = after;
      } else {
        side.add(part.object("SpecialToken").text("id", ""));
      }
    }
    boolean lowerCase = normalizer.flag("lowercase", true);
    return new WordPieceTokenizer(
        vocabulary,
        new Cleaning(
            normalizer.flag("clean_text", true),
            normalizer.flag("handle_chinese_chars", true),
            normalizer.flag("strip_accents", lowerCase),
            lowerCase),
        model.text("continuing_subword_prefix", "##"),
        model.count("max_input_chars_per_word", 100),
        added,
        model.text("unk_token", "[UNK]"),
        token(config, "pad_token", "[PAD]"),
        before,
        after,
        file.place());
  }

  private static ConfigFile expect(ConfigFile part, String type) {
    if (!part.text("type", "").equals(type)) {
      throw part.unexpected("type", type);
    }
    return part;
  }

  private static WordPieceTokenizer ofVocabulary(Path file, ConfigFile config) {
    Map<String, Integer> vocabulary = new HashMap<>();
    try {
      // A token that is there twice has its last line's id, as in the reference.
      List<String> lines = Files.readAllLines(file);
      for (int id = 0; id < lines.size(); id++) {
        vocabulary.put(lines.get(id), id);
      }
    } catch (IOException e) {
      throw new EmbedException(
          "%s: neither tokenizer.json nor vocab.txt can be read: %s".formatted(file.getParent(), e),
          e);
    }
    String unknown = token(config, "unk_token", "[UNK]");
    String start = token(config, "cls_token", "[CLS]");
    String end = token(config, "sep_token", "[SEP]");
    String padding = token(config, "pad_token", "[PAD]");
    Map<String, Integer> added = new HashMap<>();
    for (String token :
        List.of(unknown, start, end, padding, token(config, "mask_token", "[MASK]"))) {
      Integer id = vocabulary.get(token);
      if (id != null) {
        added.put(token, id);
      }
    }
    boolean lowerCase = config.flag("do_lower_case", true);
    return new WordPieceTokenizer(
        vocabulary,
        new Cleaning(
            true,
            config.flag("tokenize_chinese_chars", true),
            config.flag("strip_accents", lowerCase),
            lowerCase),
        "##",
        100,
        added,
        unknown,
        padding,
        List.of(start),
        List.of(end),
        file.toString());
  }

  /** A special token: a string, or an object with its content. */
  private static String token(ConfigFile config, String name, String otherwise) {
    return config.fields().get(name) instanceof Map<?, ?>
        ? config.object(name).text("content", otherwise)
        : config.text(name, otherwise);
  }

  int padding() {
    return padding;
  }

  /** How many of each text's tokens stand for no part of it. */
  int specials() {
    return before.length + after.length;
  }

  /** The tokens before the text's own. */
  int leading() {
    return before.length;
  }

  /** All ids of a text, with those that begin and end each. */
  int[] encode(String text) {
    var ids = new Tokens();
    for (int id : before) {
      ids.add(id);
    }
    int from = 0;
    if (addedPattern != null) {
      // In the text as it came: what is added is not cleaned.
      Matcher matcher = addedPattern.matcher(text);
      while (matcher.find()) {
        split(text.substring(from, matcher.start()), ids);
        ids.add(special(matcher.group(), ""));
        from = matcher.end();
      }
    }
    split(text.substring(from), ids);
    for (int id : after) {
      ids.add(id);
    }
    return ids.toArray();
  }

  /** The ids of a text that has too many: its last ones are dropped, not those that end it. */
  int[] truncate(int[] ids, int maxTokens) {
    if (ids.length <= maxTokens) {
      return ids;
    }
    int[] shorter = Arrays.copyOf(ids, maxTokens);
    System.arraycopy(after, 0, shorter, maxTokens - after.length, after.length);
    return shorter;
  }

  private void split(String text, Tokens ids) {
    String clean = clean(text);
    int start = 0;
    for (int i = 0; i < clean.length(); ) {
      int c = clean.codePointAt(i);
      int next = i + Character.charCount(c);
      boolean punctuation = PUNCTUATION.contains(c);
      if (punctuation || isWhitespace(c)) {
        word(clean.substring(start, i), ids);
        if (punctuation) {
          word(clean.substring(i, next), ids);
        }
        start = next;
      }
      i = next;
    }
    word(clean.substring(start), ids);
  }

  private String clean(String text) {
    var clean = new StringBuilder(text.length() + 16);
    boolean ascii = true;
    for (int i = 0; i < text.length(); ) {
      int c = text.codePointAt(i);
      i += Character.charCount(c);
      ascii &= c < 0x80;
      if (cleaning.cleanText && (OTHER.contains(c) || isSurrogate(c))) {
        continue;
      }
      if (cleaning.cleanText && isWhitespace(c)) {
        clean.append(' ');
      } else if (cleaning.spaceIdeographs && isIdeograph(c)) {
        clean.append(' ').appendCodePoint(c).append(' ');
      } else {
        clean.appendCodePoint(c);
      }
    }
    StringBuilder plain = cleaning.stripAccents && !ascii ? withoutAccents(clean) : clean;
    return cleaning.lowerCase ? lowerCase(plain) : plain.toString();
  }

  private static StringBuilder withoutAccents(CharSequence text) {
    var plain = new StringBuilder(text.length());
    Normalizer.normalize(text, Normalizer.Form.NFD)
        .codePoints()
        .filter(c -> !MARK.contains(c))
        .forEach(plain::appendCodePoint);
    return plain;
  }

  /** Each for itself: in a {@code String}, a last capital sigma would become another letter. */
  private static String lowerCase(CharSequence text) {
    var lower = new StringBuilder(text.length());
    text.codePoints()
        .forEach(
            c -> {
              lower.appendCodePoint(Character.toLowerCase(c));
              if (c == 'İ') {
                lower.append('\u0307');
              }
            });
    return lower.toString();
  }

  private static boolean isWhitespace(int c) {
    return isBetween(c, '\t', '\r') || c == 0x85 || Character.isSpaceChar(c);
  }

  private static boolean isSurrogate(int c) {
    return isBetween(c, Character.MIN_SURROGATE, Character.MAX_SURROGATE);
  }

  private static boolean isIdeograph(int c) {
    return isBetween(c, 0x4e00, 0x9fff)
        || isBetween(c, 0x3400, 0x4dbf)
        || isBetween(c, 0xf900, 0xfaff)
        || isBetween(c, 0x20000, 0x2a6df)
        || isBetween(c, 0x2a700, 0x2b81f)
        || isBetween(c, 0x2b920, 0x2ceaf)
        || isBetween(c, 0x2f800, 0x2fa1f);
  }

  private static boolean isBetween(int c, int first, int last) {
    return c >= first && c <= last;
  }

  /** Adds the longest pieces that make up a word, or the unknown token if there are none. */
  private void word(String word, Tokens ids) {
    if (word.codePointCount(0, word.length()) > maxWord) {
      ids.add(unknown);
      return;
    }
    int size = ids.size;
    Map<String, Integer> pieces = words;
    for (int start = 0; start < word.length(); ) {
      int end = word.length();
      Integer id = pieces.get(word.substring(start, end));
      while (id == null) {
        end -= Character.charCount(word.codePointBefore(end));
        if (end == start) {
          ids.size = size;
          ids.add(unknown);
          return;
        }
        id = pieces.get(word.substring(start, end));
      }
      ids.add(id);
      start = end;
      pieces = continuations;
    }
  }

  /** Ids in the making. */
  private static final class Tokens {
    private int[] ids = new int[64];
    private int size;

    void add(int id) {
      if (size == ids.length) {
        ids = Arrays.copyOf(ids, 2 * size);
      }
      ids[size++] = id;
    }

    int[] toArray() {
      return Arrays.copyOf(ids, size);
    }
  }
}
