package io.ruvector.lake.parquet;

import dev.hardwood.InputFile;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * A file that is opened once and read, not mapped: a mapped file that somebody shortens ends in an
 * error of the virtual machine.
 */
final class OpenFile implements InputFile {
  private final Path path;
  private @Nullable FileChannel channel;

  OpenFile(Path path) {
    this.path = path;
  }

  @Override
  public void open() throws IOException {
    if (channel == null) {
      channel = FileChannel.open(path, StandardOpenOption.READ);
    }
  }

  private FileChannel opened() {
    FileChannel channel = this.channel;
    if (channel == null) {
      throw new IllegalStateException(path + " is not open");
    }
    return channel;
  }

  @Override
  public ByteBuffer readRange(long offset, int length) throws IOException {
    if (offset < 0 || length < 0 || offset > length()) {
      throw new IndexOutOfBoundsException(
          "%d bytes at %d of %s, which has %d".formatted(length, offset, path, length()));
    }
    // Fewer at the end: hardwood 1.0.1 peeks beyond it for the header of a page after a dictionary.
    ByteBuffer bytes = ByteBuffer.allocateDirect((int) Math.min(length, length() - offset));
    while (bytes.hasRemaining()) {
      if (opened().read(bytes, offset + bytes.position()) < 0) {
        throw new EOFException(path + " was shortened while it was read");
      }
    }
    return bytes.flip();
  }

  @Override
  public long length() throws IOException {
    return opened().size();
  }

  @Override
  public String name() {
    return path.toString();
  }

  @Override
  public void close() throws IOException {
    if (channel != null) {
      channel.close();
    }
  }
}
