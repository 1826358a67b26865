package io.ruvector.cli;

import io.ruvector.NativeLibraryException;
import io.ruvector.RuVectorException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** One line on stderr for an expected failure, a stack trace for others or with --verbose. */
final class ErrorHandler {
  private ErrorHandler() {}

  static int onExecution(Exception failure, CommandLine command, ParseResult all) {
    PrintWriter err = command.getErr();
    int exitCode = exitCode(failure);
    boolean verbose = command.getParseResult().hasMatchedOption("--verbose");
    if (exitCode == ExitCode.FAULT || verbose) {
      failure.printStackTrace(err);
    } else {
      err.println("ruvector: " + message(failure));
    }
    err.flush();
    return exitCode;
  }

  static int onUsage(ParameterException failure, String[] arguments) {
    CommandLine command = failure.getCommandLine();
    PrintWriter err = command.getErr();
    String name = command.getCommandSpec().qualifiedName();
    err.println("ruvector: " + firstLine(failure.getMessage()));
    UnmatchedArgumentException.printSuggestions(failure, err);
    err.println("See '%s --help'.".formatted(name));
    err.flush();
    return ExitCode.USAGE;
  }

  static int exitCode(Exception failure) {
    return switch (failure) {
      case CliException e -> e.exitCode();
      case RuVectorException e ->
          switch (e.code()) {
            case PANIC, POISONED, INTERNAL -> ExitCode.FAULT;
            case UNKNOWN_TASK, CARD_SIGNATURE_INVALID -> ExitCode.NOT_FOUND;
            default -> ExitCode.DATA;
          };
      case IllegalArgumentException e -> ExitCode.USAGE;
      case IOException e -> ExitCode.DATA;
      case UncheckedIOException e -> ExitCode.DATA;
      default -> ExitCode.FAULT;
    };
  }

  static String message(Exception failure) {
    return switch (failure) {
      case NativeLibraryException e -> firstLine(e.getMessage()) + " ('ruvector doctor' says more)";
      case UncheckedIOException e -> fileMessage(e.getCause());
      case IOException e -> fileMessage(e);
      default -> firstLine(failure.getMessage());
    };
  }

  /** The messages of these exceptions are bare file names. */
  private static String fileMessage(@Nullable IOException failure) {
    return switch (failure) {
      case null -> "";
      case NoSuchFileException e -> e.getFile() + ": no such file";
      case AccessDeniedException e -> e.getFile() + ": access denied";
      case FileSystemException e -> firstLine(e.getMessage());
      default -> firstLine(String.valueOf(failure));
    };
  }

  private static String firstLine(@Nullable String message) {
    return Report.plain(String.valueOf(message).lines().findFirst().orElse(""));
  }
}
