package io.ruvector.cli;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Writes vectors to a file whose ending tells its format: .npy, .fvecs or .f32. */
final class VectorWriter {
  private final OutputStream out;
  private final boolean lengths;
  private final ByteBuffer row;

  /** Begins with the header of so many rows, if the format has one. */
  VectorWriter(OutputStream out, String ending, long rows, int dim) throws IOException {
    this.out = out;
    lengths = ending.equals(".fvecs");
    row = ByteBuffer.allocate(Integer.BYTES + dim * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    if (ending.equals(".npy")) {
      out.write(Npy.header("<f4", rows + ", " + dim));
    }
  }

  void write(float[] vector) throws IOException {
    row.clear();
    if (lengths) {
      row.putInt(vector.length);
    }
    for (float value : vector) {
      row.putFloat(value);
    }
    out.write(row.array(), 0, row.position());
  }

  /** What fills a file. */
  @FunctionalInterface
  interface Body {
    void write(OutputStream out) throws IOException;
  }

  /** Writes beside the file and moves, so that a file of that name is whole or not there. */
  static void whole(Path target, Body body) throws IOException {
    Path temporary =
        target.resolveSibling(
            "%s.%d.tmp".formatted(target.getFileName(), ProcessHandle.current().pid()));
    try {
      try (var out = new BufferedOutputStream(Files.newOutputStream(temporary))) {
        body.write(out);
      }
      Files.move(temporary, target, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }
}
