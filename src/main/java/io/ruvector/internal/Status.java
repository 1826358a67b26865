package io.ruvector.internal;

import io.ruvector.DeadlineExceededException;
import io.ruvector.RuVectorException;
import io.ruvector.RuVectorException.Code;
import io.ruvector.index.DimensionMismatchException;
import io.ruvector.index.DuplicateIdException;
import io.ruvector.index.EmptyIndexException;
import io.ruvector.index.IndexException;
import io.ruvector.index.InvalidVectorException;
import io.ruvector.index.PersistException;
import io.ruvector.internal.ffi.ruv_error;
import io.ruvector.lake.LakeException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CancellationException;

/** The numbers that native calls return, and the exceptions that they stand for. */
final class Status {
  static final int OK = 0;
  static final int ARGUMENT = 1;
  static final int DIMENSION_MISMATCH = 2;
  static final int INVALID_VECTOR = 3;
  static final int DUPLICATE_ID = 4;
  static final int EMPTY_INDEX = 5;
  static final int NOT_FOUND = 6;
  static final int UNSUPPORTED = 7;
  static final int PERSIST = 8;
  static final int CANCELLED = 9;
  static final int DEADLINE = 10;
  static final int PANIC = 11;
  static final int POISONED = 12;
  static final int NULL_POINTER = 13;
  static final int OUT_OF_MEMORY = 14;
  static final int UNKNOWN_BACKEND = 15;
  static final int UNKNOWN_COLLECTION = 16;
  static final int DUPLICATE_BACKEND = 17;
  static final int BACKEND = 18;
  static final int BUNDLE = 19;
  static final int BUDGET = 20;
  static final int PINNED = 21;
  static final int NOT_CACHED = 22;
  static final int NEEDS_GENERATION = 23;
  static final int NEEDS_PRIME = 24;

  private Status() {}

  /** Throws what the status stands for, unless it is OK. */
  static void check(int status, MemorySegment error) {
    if (status != OK) {
      throw exception(status, error);
    }
  }

  private static RuntimeException exception(int status, MemorySegment error) {
    String message = message(error);
    long a = ruv_error.a(error);
    long b = ruv_error.b(error);
    return switch (status) {
      case ARGUMENT -> new IllegalArgumentException(message);
      case DIMENSION_MISMATCH ->
          new DimensionMismatchException(Math.toIntExact(a), Math.toIntExact(b));
      case INVALID_VECTOR -> new InvalidVectorException(message, a);
      case DUPLICATE_ID -> new DuplicateIdException(message, a, b);
      case EMPTY_INDEX -> new EmptyIndexException(message);
      case UNSUPPORTED -> new IndexException(Code.UNSUPPORTED, message);
      case PERSIST -> new PersistException(message);
      case CANCELLED -> new CancellationException(message);
      case DEADLINE -> new DeadlineExceededException(message);
      case PANIC -> new RuVectorException(Code.PANIC, "the native code panicked: " + message);
      case POISONED -> new RuVectorException(Code.POISONED, message);
      case OUT_OF_MEMORY -> new RuVectorException(Code.OUT_OF_MEMORY, message);
      case UNKNOWN_BACKEND -> new LakeException(Code.UNKNOWN_BACKEND, message);
      case UNKNOWN_COLLECTION -> new LakeException(Code.UNKNOWN_COLLECTION, message);
      case DUPLICATE_BACKEND -> new LakeException(Code.DUPLICATE_BACKEND, message);
      case BACKEND -> new LakeException(Code.BACKEND, message);
      case BUNDLE -> new LakeException(Code.BUNDLE, message);
      case BUDGET -> new LakeException(Code.BUDGET, message);
      case PINNED -> new LakeException(Code.PINNED, message);
      case NOT_CACHED -> new LakeException(Code.NOT_CACHED, message);
      default ->
          new RuVectorException(Code.INTERNAL, "native status %d: %s".formatted(status, message));
    };
  }

  private static String message(MemorySegment error) {
    byte[] bytes = ruv_error.message(error).toArray(ValueLayout.JAVA_BYTE);
    int length = 0;
    while (length < bytes.length && bytes[length] != 0) {
      length++;
    }
    return new String(bytes, 0, length, StandardCharsets.UTF_8);
  }
}
