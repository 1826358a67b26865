import io.ruvector.embed.EmbedOptions;
import io.ruvector.embed.EmbedRequest;
import io.ruvector.embed.Embedder;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** Java's side of embed_bench.py: for each line of stdin {texts, batch size, where the vectors go}, a line of times. */
final class Embed {
  private static final String SHORT = "a question of some words that somebody asks";

  public static void main(String[] args) throws Exception {
    var options = EmbedOptions.defaults().threads(Integer.parseInt(args[1]));
    var os = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    try (var embedder = Embedder.fromDirectory(Path.of(args[0]), options);
        var in = new BufferedReader(new InputStreamReader(System.in))) {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        String[] turn = line.split("\t");
        var texts = Files.readAllLines(Path.of(turn[0]));
        var request = EmbedRequest.of(texts).batchSize(Integer.parseInt(turn[1]));
        long wall = System.nanoTime();
        long cpu = os.getProcessCpuTime();
        try (var result = embedder.embed(request)) {
          wall = System.nanoTime() - wall;
          cpu = os.getProcessCpuTime() - cpu;
          try (var out = Files.newOutputStream(Path.of(turn[2]))) {
            for (long row = 0; row < texts.size(); row++) {
              float[] vector = result.vectors().row(row);
              var bytes = ByteBuffer.allocate(4 * vector.length).order(ByteOrder.LITTLE_ENDIAN);
              bytes.asFloatBuffer().put(vector);
              out.write(bytes.array());
            }
          }
        }
        double[] alone = new double[200];
        for (int i = 0; i < alone.length; i++) {
          long start = System.nanoTime();
          embedder.embed(SHORT + " " + i % 10);
          alone[i] = (System.nanoTime() - start) / 1e9;
        }
        Arrays.sort(alone);
        System.out.println(wall / 1e9 + " " + cpu / 1e9 + " " + alone[alone.length / 2]);
      }
    }
  }
}
