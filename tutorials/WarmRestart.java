import io.ruvector.index.Ids;
import io.ruvector.index.Vectors;
import io.ruvector.lake.FsBackend;
import io.ruvector.lake.LakeException;
import io.ruvector.lake.RuLake;
import io.ruvector.lake.Target;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.util.Comparator;
import java.util.stream.Stream;

/** A cache that outlives its process: the program of tutorial 2. */
public class WarmRestart {
  static final Target ANIMALS = Target.of("files", "animals");
  static final float[] QUERY = {0.25f, 1.0f, 0.0f};

  public static void main(String[] args) throws IOException, GeneralSecurityException {
    Path folder = Files.createTempDirectory("vectors");
    Path saved = folder.resolve("animals.lake");
    String witness;

    System.out.println("a first start");
    try (var files = FsBackend.open("files", folder);
        var lake = RuLake.builder().build()) {
      float[][] rows = {{0.1f, 1.0f, 0.0f}, {0.3f, 1.0f, 0.0f}, {1.0f, 1.0f, 0.0f}};
      files.write("animals", Vectors.copyOf(rows), Ids.from(0));
      lake.registerBackend(files);
      search(lake);
      lake.saveCacheToDir(ANIMALS, saved);
      witness = lake.cacheWitnessOf(ANIMALS).orElseThrow();
    }

    System.out.println("a restart");
    try (var files = FsBackend.open("files", folder);
        var lake = RuLake.builder().build()) {
      lake.registerBackend(files);
      System.out.println("  rows from the saved cache: " + lake.warmFromDir(ANIMALS, saved));
      boolean same = lake.cacheWitnessOf(ANIMALS).orElseThrow().equals(witness);
      System.out.println("  with the same witness: " + same);
      search(lake);

      System.out.println("the file is replaced");
      files.write("animals", Vectors.copyOf(new float[] {0.2f, 1.0f, 0.0f}), Ids.of(7));
      search(lake);
    }

    System.out.println("the sidecar is tampered with");
    Path sidecar = saved.resolve("table.rulake.json");
    String text = Files.readString(sidecar);
    Files.writeString(sidecar, text.replace("\"dim\": 3", "\"dim\": 4"));
    try (var files = FsBackend.open("files", folder);
        var lake = RuLake.builder().build()) {
      lake.registerBackend(files);
      try {
        lake.warmFromDir(ANIMALS, saved);
      } catch (LakeException e) {
        System.out.println("  refused: " + e.code());
      }
      search(lake);
      lake.saveCacheToDir(ANIMALS, saved);
    }

    System.out.println("only what is signed is believed");
    KeyPair keys = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
    try (var files = FsBackend.open("files", folder);
        var trusting = RuLake.builder().trustedKeys(keys.getPublic()).build();
        var signing = RuLake.builder().signingKey(keys.getPrivate()).build()) {
      trusting.registerBackend(files);
      signing.registerBackend(files);
      try {
        trusting.warmFromDir(ANIMALS, saved);
      } catch (LakeException e) {
        System.out.println("  refused: " + e.code());
      }
      search(signing);
      signing.saveCacheToDir(ANIMALS, saved);
      System.out.println("  rows from the signed cache: " + trusting.warmFromDir(ANIMALS, saved));
    }
    delete(folder);
  }

  /** Prints the nearest animal, and how often the file was read until then. */
  static void search(RuLake lake) {
    long nearest = lake.search(ANIMALS, QUERY, 1).ids()[0];
    long pulls = lake.cacheStats().total().primes();
    System.out.println("  nearest: " + nearest + ", pulls: " + pulls);
  }

  static void delete(Path folder) throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    }
  }
}
