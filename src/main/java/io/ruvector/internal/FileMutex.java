package io.ruvector.internal;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/** Keeps other threads and processes from what a file stands for, as long as they ask. */
public final class FileMutex implements AutoCloseable {
  private static final long PAUSE_MILLIS = 50;

  private final FileChannel channel;

  /**
   * Waits until nobody else has it.
   *
   * @param file a file of its own, in a folder that is there
   */
  public FileMutex(Path file) throws IOException {
    channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    try {
      while (tryLock() == null) {
        Thread.sleep(PAUSE_MILLIS);
      }
    } catch (IOException e) {
      channel.close();
      throw e;
    } catch (InterruptedException e) {
      channel.close();
      throw Cancellation.interrupted("waiting for " + file, e);
    }
  }

  private @Nullable FileLock tryLock() throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException e) {
      return null; // another thread of this process has it
    }
  }

  /** The file stays: another process may wait with it open. */
  @Override
  public void close() throws IOException {
    channel.close();
  }
}
