import io.ruvector.embed.EmbedOptions;
import io.ruvector.embed.Embedder;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/** Embeds pictures: {@code Picture.java MODEL TARGET FILE...} writes rows of little-endian floats. */
class Picture {
  public static void main(String[] args) throws IOException {
    try (var embedder = Embedder.fromDirectory(Path.of(args[0]), EmbedOptions.defaults())) {
      int count = args.length - 2;
      var rows =
          ByteBuffer.allocate(count * embedder.dimension() * Float.BYTES)
              .order(ByteOrder.LITTLE_ENDIAN);
      for (int i = 0; i < count; i++) {
        for (float component : embedder.embedImage(Path.of(args[2 + i]))) {
          rows.putFloat(component);
        }
      }
      Files.write(Path.of(args[1]), rows.array());
    }
  }
}
