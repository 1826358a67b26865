package io.ruvector.cli;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Sizes of memory: bytes, or K, M, G and T of 1,024 each. */
final class SizeConverter implements ITypeConverter<Long> {
  private static final String UNITS = "KMGT";
  private static final Pattern SIZE = Pattern.compile("(\\d{1,18})([" + UNITS + "])?(I?B)?");

  @Override
  public Long convert(String text) {
    Matcher matcher = SIZE.matcher(text.toUpperCase(Locale.ROOT));
    if (matcher.matches()) {
      int unit = matcher.group(2) == null ? 0 : UNITS.indexOf(matcher.group(2)) + 1;
      try {
        return Math.multiplyExact(Long.parseLong(matcher.group(1)), 1L << (10 * unit));
      } catch (ArithmeticException tooLarge) {
        // Refused below.
      }
    }
    throw new TypeConversionException("'%s' is not a size like 512M or 1G".formatted(text));
  }
}
