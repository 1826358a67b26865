package io.ruvector.cli;

import picocli.CommandLine;

/** Where {@code java -jar ruvector-<version>-cli.jar} starts. */
public final class Main {
  private Main() {}

  public static void main(String[] args) {
    System.exit(commandLine().execute(args));
  }

  static CommandLine commandLine() {
    var commandLine = new CommandLine(new RuvectorCommand());
    commandLine.setCaseInsensitiveEnumValuesAllowed(true);
    commandLine.setExecutionExceptionHandler(ErrorHandler::onExecution);
    commandLine.setParameterExceptionHandler(ErrorHandler::onUsage);
    return commandLine;
  }
}
