package io.ruvector.lake.parquet;

import io.ruvector.lake.Generation;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * What tells one state of a file from another: which file it is, its size and its times, and while
 * it is racy a hash of its content.
 *
 * <p>Racy is git's word: a file that changed less than two seconds before it was looked at may
 * change again without another time, for clocks of file systems tick coarsely. Once it is older
 * than that, the next change shows in its times, and no hash is taken. The age counts from the
 * later of the two times: users may set that of the content back, but not that of the change.
 *
 * @param attributes device, inode, size and times, as text
 * @param racy whether that alone may stand for two contents
 */
record FileState(String attributes, boolean racy) {
  private static final Duration SETTLED = Duration.ofSeconds(2);
  private static final boolean UNIX =
      FileSystems.getDefault().supportedFileAttributeViews().contains("unix");

  /** Looks at a file. */
  static FileState of(Path file, Clock clock) throws IOException {
    // Before the look: what is done to the file meanwhile is later, so the age errs low.
    long now = clock.millis();
    String text;
    FileTime modified;
    FileTime changed;
    if (UNIX) {
      Map<String, Object> unix =
          Files.readAttributes(file, "unix:dev,ino,size,lastModifiedTime,ctime");
      modified = time(unix, "lastModifiedTime");
      changed = time(unix, "ctime");
      text = "%s:%s:%s".formatted(unix.get("dev"), unix.get("ino"), unix.get("size"));
    } else {
      BasicFileAttributes basic = Files.readAttributes(file, BasicFileAttributes.class);
      modified = basic.lastModifiedTime();
      changed = basic.creationTime();
      text = "%s:%s".formatted(basic.fileKey(), basic.size());
    }
    long latest = Math.max(modified.toMillis(), changed.toMillis());
    return new FileState(
        "%s:%d:%d"
            .formatted(text, modified.to(TimeUnit.NANOSECONDS), changed.to(TimeUnit.NANOSECONDS)),
        // Also where the time lies ahead: two clocks disagree.
        now - latest < SETTLED.toMillis());
  }

  private static FileTime time(Map<String, Object> attributes, String name) {
    return (FileTime) Objects.requireNonNull(attributes.get(name), name);
  }

  /** The generation of a file now. */
  static Generation generation(Path file, Clock clock) throws IOException {
    while (true) {
      FileState before = of(file, clock);
      if (!before.racy) {
        return Generation.of(before.attributes);
      }
      String hash = hash(file);
      if (of(file, clock).attributes.equals(before.attributes)) {
        return Generation.of(before.attributes + ":" + hash);
      }
    }
  }

  /** A hash of the content, if it is needed. */
  @Nullable String hashIfRacy(Path file) throws IOException {
    return racy ? hash(file) : null;
  }

  /**
   * The generation of what was read since this state, or null if the file changed.
   *
   * @param hash of {@link #hashIfRacy}, before
   */
  @Nullable Generation stillThere(@Nullable String hash, Path file, Clock clock)
      throws IOException {
    FileState after = of(file, clock);
    if (!after.attributes.equals(attributes)) {
      return null;
    }
    if (hash == null) {
      return Generation.of(attributes);
    }
    if (!hash(file).equals(hash)) {
      return null;
    }
    // Settled meanwhile: so is the content, and the hash would only make for another pull.
    return after.racy ? Generation.of(attributes + ":" + hash) : Generation.of(attributes);
  }

  private static String hash(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      byte[] buffer = new byte[1 << 16];
      for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
        digest.update(buffer, 0, read);
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
