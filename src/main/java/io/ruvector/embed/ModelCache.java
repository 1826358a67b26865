package io.ruvector.embed;

import io.ruvector.embed.Hub.Metadata;
import io.ruvector.embed.Pretrained.ModelFile;
import io.ruvector.internal.Cancellation;
import io.ruvector.internal.Checks;
import io.ruvector.internal.FileMutex;
import java.io.IOException;
import java.net.URI;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The files of models, downloaded from a Hugging Face hub once and kept in the folder and the
 * layout of Python's {@code huggingface_hub}, so that each finds what the other has downloaded.
 *
 * {@snippet lang=java :
 * var folder = ModelCache.ofEnvironment().resolve("all-MiniLM-L6-v2");
 * }
 *
 * <p>{@link #ofEnvironment} honours {@code HF_HUB_CACHE}, {@code HF_HOME}, {@code HF_ENDPOINT},
 * {@code HF_TOKEN}, {@code HF_HUB_OFFLINE} and {@code HF_HUB_DOWNLOAD_TIMEOUT} (seconds without a
 * byte; 30 unless set). The token is sent to the endpoint alone, not to where it redirects.
 *
 * <p>Every file is hashed after its download and whenever it is resolved, so a damaged one is found
 * and downloaded again, or refused. What its hash has to be is the hub's word when it is first
 * downloaded, which the cache keeps as the name of the blob. For files of the models known by name,
 * where a package of a registry or the lock files of others prove it, the hash comes with this
 * library instead: the ONNX files, tokenizers and commits of {@code all-MiniLM-L6-v2} and {@code
 * bge-small-en-v1.5}. Of {@code mobilenetv3-small} and {@code efficientnet-lite0} none is known:
 * the hub is believed at the first download.
 *
 * <p>What is cached whole is used as it is, without a request. Downloads go on where they stopped,
 * are tried again, and appear whole or not at all; processes that want the same file wait for each
 * other.
 *
 * <p>Immutable: each setter gives another one. Safe for use from many threads.
 */
public final class ModelCache {
  /** What is told of a download. */
  @FunctionalInterface
  public interface Progress {
    /**
     * Some of a file has come. Called on the thread that resolves.
     *
     * @param file its path in the repository
     * @param bytes how many are there
     * @param total how many it has
     */
    void downloaded(String file, long bytes, long total);
  }

  private static final Pattern REPOSITORY = Pattern.compile("[\\w.-]+(/[\\w.-]+)?");
  private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");
  private static final Duration IDLE = Duration.ofSeconds(30);

  private final Path folder;
  private final URI endpoint;
  private final @Nullable String token;
  private final boolean offline;
  private final Duration idle;
  private final Progress progress;

  private ModelCache(
      Path folder,
      URI endpoint,
      @Nullable String token,
      boolean offline,
      Duration idle,
      Progress progress) {
    this.folder = folder;
    this.endpoint = endpoint;
    this.token = token == null || token.isEmpty() ? null : token;
    this.offline = offline;
    this.idle = idle;
    this.progress = progress;
  }

  /**
   * The cache that the environment's variables name; without them {@code ~/.cache/huggingface/hub}
   * and {@code https://huggingface.co}.
   *
   * @throws EmbedException if a variable is not what it should be
   */
  public static ModelCache ofEnvironment() {
    return of(System.getenv(), Path.of(System.getProperty("user.home", "")));
  }

  static ModelCache of(Map<String, String> environment, Path home) {
    return new ModelCache(
        folder(environment, home),
        endpoint("HF_ENDPOINT", value(environment, "HF_ENDPOINT", "https://huggingface.co")),
        // The end of the line that it was read from may have come along.
        value(environment, "HF_TOKEN", "").strip(),
        Set.of("1", "ON", "YES", "TRUE")
            .contains(value(environment, "HF_HUB_OFFLINE", "").toUpperCase(Locale.ROOT)),
        idle(environment.get("HF_HUB_DOWNLOAD_TIMEOUT")),
        (file, bytes, total) -> {});
  }

  private static String value(Map<String, String> environment, String name, String otherwise) {
    String value = environment.get(name);
    return value == null || value.isEmpty() ? otherwise : value;
  }

  private static Path folder(Map<String, String> environment, Path home) {
    String hub = value(environment, "HF_HUB_CACHE", "");
    if (!hub.isEmpty()) {
      return path(hub, home);
    }
    String cache = value(environment, "XDG_CACHE_HOME", home.resolve(".cache").toString());
    String own = value(environment, "HF_HOME", path(cache, home).resolve("huggingface").toString());
    return path(own, home).resolve("hub");
  }

  private static Path path(String text, Path home) {
    Path path = text.startsWith("~/") ? home.resolve(text.substring(2)) : Path.of(text);
    return path.toAbsolutePath();
  }

  private static URI endpoint(String name, String text) {
    try {
      URI uri = new URI(text.replaceFirst("/+$", ""));
      String scheme = uri.getScheme();
      if (uri.getHost() != null && ("https".equals(scheme) || "http".equals(scheme))) {
        return uri;
      }
    } catch (java.net.URISyntaxException e) {
      throw new EmbedException("%s is %s: %s".formatted(name, text, e.getMessage()), e);
    }
    throw new EmbedException(
        "%s is %s, expected: the address of a hub, as https://huggingface.co"
            .formatted(name, text));
  }

  private static Duration idle(@Nullable String seconds) {
    if (seconds == null || seconds.isEmpty()) {
      return IDLE;
    }
    if (!seconds.matches("[1-9]\\d{0,5}")) {
      throw new EmbedException(
          "HF_HUB_DOWNLOAD_TIMEOUT is %s, expected: seconds, from 1 on".formatted(seconds));
    }
    return Duration.ofSeconds(Long.parseLong(seconds));
  }

  /** The same in another folder, which is made where there is none. */
  public ModelCache folder(Path other) {
    return new ModelCache(other.toAbsolutePath(), endpoint, token, offline, idle, progress);
  }

  /**
   * The same from another hub, or a mirror of it.
   *
   * @param other its address, {@code http} or {@code https}
   */
  public ModelCache endpoint(URI other) {
    return new ModelCache(
        folder, endpoint("endpoint", other.toString()), token, offline, idle, progress);
  }

  /** The same with a token, for repositories that are not public; null or empty: without. */
  public ModelCache token(@Nullable String other) {
    return new ModelCache(folder, endpoint, other, offline, idle, progress);
  }

  /** The same that never uses the network, or may again. */
  public ModelCache offline(boolean never) {
    return new ModelCache(folder, endpoint, token, never, idle, progress);
  }

  /** The same that tells how its downloads come along. */
  public ModelCache onProgress(Progress listener) {
    return new ModelCache(folder, endpoint, token, offline, idle, listener);
  }

  /** The folder with a folder for each repository. */
  public Path folder() {
    return folder;
  }

  /** The models that are known by name. */
  public static List<String> names() {
    return Pretrained.names();
  }

  /**
   * The folder with the files of a model, downloaded if need be.
   *
   * @param name one of {@link #names}
   * @throws EmbedException if there is no such model, or it is neither cached nor to be had
   */
  public Path resolve(String name) {
    Pretrained model = Pretrained.of(name);
    return snapshot(model.repository(), model.revision(), model.files());
  }

  /**
   * The folder with files of any repository, downloaded if need be.
   *
   * @param repository its name, as {@code org/name}
   * @param revision a commit, branch or tag; what a branch or tag was when it was first resolved,
   *     it stays
   * @param files paths in the repository
   * @throws EmbedException if they are neither cached nor to be had
   */
  public Path resolve(String repository, String revision, List<String> files) {
    if (!REPOSITORY.matcher(repository).matches() || repository.contains("..")) {
      throw Checks.illegal("repository", repository, "names as org/name");
    }
    if (!isInside(revision)) {
      throw Checks.illegal("revision", revision, "a commit, branch or tag");
    }
    for (String file : files) {
      if (!isInside(file)) {
        throw Checks.illegal("file", file, "relative paths without ..");
      }
    }
    return snapshot(
        repository, revision, files.stream().map(f -> new ModelFile(f, List.of())).toList());
  }

  /** Whether a path with slashes stays inside the folder that it is resolved in. */
  private static boolean isInside(String path) {
    for (String part : path.split("/", -1)) {
      if (part.isEmpty() || part.equals(".") || part.equals("..")) {
        return false;
      }
    }
    return path.indexOf('\\') < 0 && path.indexOf(':') < 0 && path.indexOf('\0') < 0;
  }

  private Path snapshot(String repository, String revision, List<ModelFile> files) {
    var repo = new Repository(repository, folder);
    try {
      String commit = COMMIT.matcher(revision).matches() ? revision : repo.readRef(revision);
      List<ModelFile> lacking = new ArrayList<>();
      List<String> faults = new ArrayList<>();
      for (ModelFile file : files) {
        String fault = commit == null ? "missing" : repo.fault(commit, file);
        if (fault != null) {
          lacking.add(file);
          faults.add("%s: %s".formatted(file.path(), fault));
        }
      }
      if (commit != null && lacking.isEmpty()) {
        return repo.snapshot(commit);
      }
      if (offline) {
        throw new EmbedException(
            "%s is not usable from %s, and HF_HUB_OFFLINE forbids the network: %s"
                .formatted(repository, folder, String.join(", ", faults)));
      }
      var hub = new Hub(endpoint, token, idle);
      for (ModelFile file : lacking) {
        Metadata found = hub.head(repository, commit == null ? revision : commit, file.path());
        if (commit == null) {
          commit = found.commit();
          repo.writeRef(revision, commit);
        } else if (!commit.equals(found.commit())) {
          throw new EmbedException(
              "%s: asked for commit %s, got %s".formatted(repository, commit, found.commit()));
        }
        fetch(hub, repo, file, found);
        repo.link(commit, file.path(), found.hash());
      }
      return repo.snapshot(commit == null ? revision : commit);
    } catch (ClosedByInterruptException e) {
      throw Cancellation.interrupted(repository, e);
    } catch (IOException e) {
      throw new EmbedException(
          "%s cannot be had into %s: %s".formatted(repository, folder, e.getMessage()), e);
    }
  }

  /** Sees to it that the blob of a file is there, with its hash checked. */
  private void fetch(Hub hub, Repository repo, ModelFile file, Metadata found) throws IOException {
    Path blob = repo.blob(found.hash());
    if (ContentHash.isSha256(found.hash())) {
      checkPin(file, found.hash());
    }
    Files.createDirectories(repo.lock(found.hash()).resolveSibling(""));
    try (var _ = new FileMutex(repo.lock(found.hash()))) {
      if (Files.exists(blob) && ContentHash.matches(found.hash(), blob)) {
        checkPin(file, found.hash(), blob);
        return;
      }
      Files.createDirectories(repo.blobs());
      Path partial = repo.partial(found.hash());
      boolean resumed = Files.exists(partial);
      download(hub, repo, file, found, partial);
      boolean same = ContentHash.matches(found.hash(), partial);
      if (resumed && !same) {
        // What an earlier download left may be at fault.
        Files.delete(partial);
        download(hub, repo, file, found, partial);
        same = ContentHash.matches(found.hash(), partial);
      }
      try {
        if (!same) {
          throw new EmbedException(
              "%s of %s came with other bytes than the hub promised, whose hash is %s"
                  .formatted(file.path(), repo.name(), found.hash()));
        }
        checkPin(file, found.hash(), partial);
      } catch (EmbedException e) {
        Files.delete(partial);
        throw e;
      }
      Files.move(partial, blob, StandardCopyOption.ATOMIC_MOVE);
      sync(repo.blobs());
    }
  }

  private void download(Hub hub, Repository repo, ModelFile file, Metadata found, Path partial)
      throws IOException {
    progress.downloaded(file.path(), 0, found.size());
    hub.get(
        repo.name(),
        found.commit(),
        file.path(),
        found.size(),
        partial,
        bytes -> progress.downloaded(file.path(), bytes, found.size()));
  }

  /** The same of what has another kind of hash. */
  private static void checkPin(ModelFile file, String hash, Path content) throws IOException {
    if (!ContentHash.isSha256(hash) && !file.sha256().isEmpty()) {
      checkPin(file, ContentHash.sha256(content));
    }
  }

  private static void checkPin(ModelFile file, String sha256) {
    if (!file.sha256().isEmpty() && !file.sha256().contains(sha256)) {
      throw new EmbedException(
          "%s has SHA-256 %s, expected: %s"
              .formatted(file.path(), sha256, String.join(" or ", file.sha256())));
    }
  }

  /** Makes a name in a folder last; some systems have no such thing for folders. */
  private static void sync(Path folder) {
    try (var channel = FileChannel.open(folder, StandardOpenOption.READ)) {
      channel.force(true);
    } catch (IOException e) {
      // The file itself is synced.
    }
  }

  /**
   * A repository's folder: {@code blobs/HASH}, {@code snapshots/COMMIT/PATH}, links to them, and
   * {@code refs/REVISION}, the commits that branches and tags were.
   */
  private record Repository(String name, Path folder) {
    private Path root() {
      return folder.resolve("models--" + name.replace("/", "--"));
    }

    Path blobs() {
      return root().resolve("blobs");
    }

    Path blob(String hash) {
      return blobs().resolve(hash);
    }

    /** Not the name that Python's client uses: only who holds the lock may write it. */
    Path partial(String hash) {
      return blobs().resolve(hash + ".ruvector.incomplete");
    }

    Path lock(String hash) {
      return folder.resolve(".locks").resolve(root().getFileName()).resolve(hash + ".lock");
    }

    Path snapshot(String commit) {
      return root().resolve("snapshots").resolve(commit);
    }

    @Nullable String readRef(String revision) throws IOException {
      Path ref = root().resolve("refs").resolve(revision);
      if (!Files.exists(ref)) {
        return null;
      }
      String commit = Files.readString(ref).strip();
      return COMMIT.matcher(commit).matches() ? commit : null;
    }

    void writeRef(String revision, String commit) throws IOException {
      Path ref = root().resolve("refs").resolve(revision);
      Path temporary = temporary(ref);
      try {
        Files.write(temporary, commit.getBytes(StandardCharsets.US_ASCII));
        Files.move(temporary, ref, StandardCopyOption.ATOMIC_MOVE);
      } finally {
        Files.deleteIfExists(temporary);
      }
    }

    private static Path temporary(Path file) throws IOException {
      Files.createDirectories(file.getParent());
      return file.resolveSibling(".%s.%s".formatted(file.getFileName(), UUID.randomUUID()));
    }

    /** Lets a snapshot have a blob: by a link, or where there are none, a copy. */
    void link(String commit, String file, String hash) throws IOException {
      Path link = snapshot(commit).resolve(file);
      Path temporary = temporary(link);
      try {
        try {
          Path target = link.resolveSibling("").relativize(blob(hash));
          Files.createSymbolicLink(temporary, target);
        } catch (UnsupportedOperationException | FileSystemException e) {
          Files.copy(blob(hash), temporary);
        }
        Files.move(temporary, link, StandardCopyOption.ATOMIC_MOVE);
      } finally {
        Files.deleteIfExists(temporary);
      }
    }

    /**
     * Why a file of a snapshot may not be used; null if it may: it has the hash that its blob is
     * named by and one of those that it may have.
     */
    @Nullable String fault(String commit, ModelFile file) throws IOException {
      Path path = snapshot(commit).resolve(file.path());
      if (!Files.isRegularFile(path)) {
        return "missing";
      }
      String sha256 = ContentHash.sha256(path);
      if (!file.sha256().isEmpty() && !file.sha256().contains(sha256)) {
        return "damaged: SHA-256 %s, expected %s".formatted(sha256, file.sha256());
      }
      if (Files.isSymbolicLink(path)) {
        String hash = Files.readSymbolicLink(path).getFileName().toString();
        boolean same =
            ContentHash.isHash(hash)
                && hash.equals(ContentHash.isSha256(hash) ? sha256 : ContentHash.git(path));
        return same ? null : "damaged: SHA-256 %s, and not of hash %s".formatted(sha256, hash);
      }
      // A copy, where the system has no links: a pin vouches for it, or a blob that has its name.
      boolean known =
          !file.sha256().isEmpty()
              || Files.exists(blob(sha256))
              || Files.exists(blob(ContentHash.git(path)));
      return known ? null : "nothing vouches for SHA-256 %s".formatted(sha256);
    }
  }
}
