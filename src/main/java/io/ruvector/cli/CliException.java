package io.ruvector.cli;

/** An expected failure of a command: one line on stderr, and an exit code. */
final class CliException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final int exitCode;

  private CliException(int exitCode, String message) {
    super(message);
    this.exitCode = exitCode;
  }

  static CliException data(String message) {
    return new CliException(ExitCode.DATA, message);
  }

  static CliException usage(String message) {
    return new CliException(ExitCode.USAGE, message);
  }

  static CliException notFound(String message) {
    return new CliException(ExitCode.NOT_FOUND, message);
  }

  int exitCode() {
    return exitCode;
  }
}
