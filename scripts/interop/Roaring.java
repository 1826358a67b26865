import io.ruvector.index.IdFilter;
import java.nio.file.Files;
import java.nio.file.Path;

/** Says of each id on stdin whether a serialised Roaring bitmap has it, as the library reads it. */
class Roaring {
  public static void main(String[] args) throws Exception {
    IdFilter filter = IdFilter.roaring(Files.readAllBytes(Path.of(args[0])));
    new String(System.in.readAllBytes())
        .lines()
        .forEach(id -> System.out.println(filter.contains(Long.parseLong(id))));
  }
}
