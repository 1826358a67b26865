package io.ruvector.cli;

/** What the process ends with; {@link HelpMixin} documents the numbers. */
final class ExitCode {
  static final int OK = 0;
  static final int DATA = 1;
  static final int USAGE = 2;
  static final int NOT_FOUND = 3;
  static final int FAULT = 4;

  private ExitCode() {}
}
