package io.ruvector.cli;

import io.ruvector.index.SearchRequest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Settings of searches to be measured: {@code epsilon=1,1.9;rerankFactor=20} has two. */
record Sweep(List<Setting> settings) {
  static final Sweep DEFAULTS = new Sweep(List.of(new Setting(Map.of())));

  /** Values by their keys, as they were written. */
  record Setting(Map<String, String> values) {
    SearchRequest apply(SearchRequest request) {
      SearchRequest applied = request;
      for (Map.Entry<String, String> entry : values.entrySet()) {
        String value = entry.getValue();
        applied =
            switch (entry.getKey()) {
              case "recall" -> applied.recall(Double.parseDouble(value));
              case "nprobe" -> applied.nprobe(Integer.parseInt(value));
              case "rerankFactor" -> applied.rerankFactor(Integer.parseInt(value));
              case "epsilon" -> applied.epsilon(Float.parseFloat(value));
              default ->
                  throw new IllegalArgumentException(
                      "'%s', allowed: recall, nprobe, rerankFactor, epsilon"
                          .formatted(entry.getKey()));
            };
      }
      return applied;
    }

    @Override
    public String toString() {
      return values.entrySet().stream()
          .map(entry -> entry.getKey() + "=" + entry.getValue())
          .collect(Collectors.joining(";"));
    }
  }

  /** Several keys with a semicolon between them give all combinations of their values. */
  static final class Converter implements ITypeConverter<Sweep> {
    @Override
    public Sweep convert(String text) {
      List<Setting> settings = DEFAULTS.settings();
      for (String part : text.split(";")) {
        if (part.isBlank()) {
          continue;
        }
        int equals = part.indexOf('=');
        if (equals < 0) {
          throw new TypeConversionException("'%s' is not key=value,value".formatted(part));
        }
        String key = part.substring(0, equals).strip();
        List<Setting> product = new ArrayList<>();
        for (Setting setting : settings) {
          for (String value : part.substring(equals + 1).split(",", -1)) {
            Map<String, String> values = new LinkedHashMap<>(setting.values());
            values.put(key, value.strip());
            product.add(checked(new Setting(values)));
          }
        }
        settings = product;
      }
      return new Sweep(settings);
    }

    private static Setting checked(Setting setting) {
      try {
        setting.apply(SearchRequest.template());
        return setting;
      } catch (NumberFormatException e) {
        throw new TypeConversionException("%s: not a number".formatted(setting));
      } catch (IllegalArgumentException e) {
        throw new TypeConversionException(String.valueOf(e.getMessage()));
      }
    }
  }
}
