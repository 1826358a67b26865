package io.ruvector.cli;

import io.ruvector.index.IdFilter;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Ids and ranges of them, ends included, with commas between: {@code 0..1000,5000}. */
final class IdFilterConverter implements ITypeConverter<IdFilter> {
  private static final Pattern PART = Pattern.compile("(-?\\d+)(?:\\.\\.(-?\\d+))?");

  @Override
  public IdFilter convert(String value) {
    IdFilter filter = IdFilter.none();
    for (String part : value.split(",")) {
      Matcher matcher = PART.matcher(part.strip());
      if (!matcher.matches()) {
        throw new TypeConversionException(
            "'%s' is not an id or a range such as 0..1000".formatted(part.strip()));
      }
      try {
        long low = Long.parseLong(matcher.group(1));
        long high = matcher.group(2) == null ? low : Long.parseLong(matcher.group(2));
        if (high < low) {
          throw new TypeConversionException("'%s' ends before it begins".formatted(part));
        }
        filter = filter.or(IdFilter.range(low, high)).or(IdFilter.of(high));
      } catch (NumberFormatException e) {
        throw new TypeConversionException("'%s' does not fit into 64 bits".formatted(part.strip()));
      }
    }
    return filter;
  }
}
