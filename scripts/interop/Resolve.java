import io.ruvector.embed.ModelCache;
import java.util.List;

/** Resolves files: {@code Resolve.java REPOSITORY REVISION FILE...} prints their folder. */
class Resolve {
  public static void main(String[] args) {
    List<String> files = List.of(args).subList(2, args.length);
    System.out.println(ModelCache.ofEnvironment().resolve(args[0], args[1], files));
  }
}
