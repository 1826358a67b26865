package io.ruvector.embed;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import io.ruvector.internal.Checks;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A graph that ONNX Runtime runs. Any thread may close it at any time: it is freed once the last
 * run inside has returned, which the runtime does not see to by itself.
 */
final class OnnxModel implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(OnnxModel.class);
  private static final Cleaner CLEANER = Cleaner.create();

  private final String name;
  private final Lifetime lifetime;
  private final Cleaner.Cleanable cleanable;

  private OnnxModel(String name, OrtSession session) {
    this.name = name;
    lifetime = new Lifetime(session);
    cleanable = CLEANER.register(this, lifetime);
  }

  /** The session, which must outlive the runs inside it and not refer to the model. */
  private static final class Lifetime implements Runnable {
    private final OrtSession session;
    private int runs;
    private boolean closed;

    Lifetime(OrtSession session) {
      this.session = session;
    }

    synchronized OrtSession enter() {
      if (closed) {
        throw new IllegalStateException("Embedder is closed");
      }
      runs++;
      return session;
    }

    synchronized void leave() {
      runs--;
      freeIfDone();
    }

    @Override
    public synchronized void run() {
      closed = true;
      freeIfDone();
    }

    private void freeIfDone() {
      if (closed && runs == 0) {
        try {
          session.close();
        } catch (OrtException e) {
          LOG.debug("a session could not be freed", e);
        }
      }
    }
  }

  /**
   * Looks for ONNX Runtime, before models are downloaded for it.
   *
   * @throws LinkageError if it is not there
   */
  static void checkRuntime() {
    var _ = OrtEnvironment.getEnvironment();
  }

  /** The ONNX file of a model's folder. */
  static Path in(Path folder) {
    for (String usual : List.of("onnx/model.onnx", "model.onnx")) {
      if (Files.exists(folder.resolve(usual))) {
        return folder.resolve(usual);
      }
    }
    try (Stream<Path> files = Files.list(folder)) {
      List<Path> graphs = files.filter(file -> file.toString().endsWith(".onnx")).toList();
      if (graphs.size() == 1) {
        return graphs.get(0);
      }
      throw new EmbedException(
          "%s has neither onnx/model.onnx nor model.onnx, and %d other .onnx files"
              .formatted(folder, graphs.size()));
    } catch (IOException e) {
      throw new EmbedException("%s cannot be read: %s".formatted(folder, e), e);
    }
  }

  /**
   * Reads a graph.
   *
   * @param threads how many threads one run has
   * @throws EmbedException if ONNX Runtime is not there or cannot read the file
   */
  static OnnxModel open(Path file, int threads) {
    return open(
        file.toString(),
        threads,
        (environment, o) -> environment.createSession(file.toString(), o));
  }

  /** The same of a graph in memory; what it is called in failures. */
  static OnnxModel open(String name, byte[] graph, int threads) {
    return open(name, threads, (environment, options) -> environment.createSession(graph, options));
  }

  @FunctionalInterface
  private interface Opening {
    OrtSession open(OrtEnvironment environment, OrtSession.SessionOptions options)
        throws OrtException;
  }

  private static OnnxModel open(String name, int threads, Opening opening) {
    try {
      OrtEnvironment environment = OrtEnvironment.getEnvironment();
      environment.setTelemetry(false);
      try (var options = new OrtSession.SessionOptions()) {
        options.setIntraOpNumThreads(threads);
        options.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
        return new OnnxModel(name, opening.open(environment, options));
      }
    } catch (OrtException e) {
      throw new EmbedException("%s cannot be opened: %s".formatted(name, e.getMessage()), e);
    }
  }

  /** An array of a run: in the machine's byte order, in memory off the heap. */
  record Tensor(MemorySegment data, boolean integers, long... shape) {
    private OnnxTensor open(OrtEnvironment environment) throws OrtException {
      ByteBuffer bytes = data.asByteBuffer().order(ByteOrder.nativeOrder());
      return integers
          ? OnnxTensor.createTensor(environment, bytes.asLongBuffer(), shape)
          : OnnxTensor.createTensor(environment, bytes.asFloatBuffer(), shape);
    }
  }

  Set<String> inputs() {
    OrtSession session = lifetime.enter();
    try {
      return Set.copyOf(session.getInputNames());
    } finally {
      lifetime.leave();
      Reference.reachabilityFence(this);
    }
  }

  /** The shapes of the outputs of floats; -1 where a size is the run's. */
  Map<String, long[]> outputs() {
    OrtSession session = lifetime.enter();
    try {
      Map<String, long[]> shapes = new HashMap<>();
      for (NodeInfo output : session.getOutputInfo().values()) {
        if (output.getInfo() instanceof TensorInfo info) {
          shapes.put(output.getName(), info.getShape());
        }
      }
      return shapes;
    } catch (OrtException e) {
      throw failure(e);
    } finally {
      lifetime.leave();
      Reference.reachabilityFence(this);
    }
  }

  /**
   * Computes an output from inputs, on this thread and the session's own.
   *
   * @throws EmbedException if the runtime refuses
   * @throws IllegalStateException if the model is closed
   */
  void run(Map<String, Tensor> inputs, String output, Tensor result) {
    OrtSession session = lifetime.enter();
    Map<String, OnnxTensor> tensors = new HashMap<>();
    try {
      OrtEnvironment environment = OrtEnvironment.getEnvironment();
      for (var input : inputs.entrySet()) {
        tensors.put(input.getKey(), input.getValue().open(environment));
      }
      try (OnnxTensor written = result.open(environment)) {
        session.run(tensors, Map.of(output, written)).close();
      }
    } catch (OrtException e) {
      throw failure(e);
    } finally {
      tensors.values().forEach(OnnxTensor::close);
      lifetime.leave();
      Reference.reachabilityFence(this);
    }
  }

  /** The size of a model's vectors, if an index could take them. */
  static int dimension(Path file, long size) {
    if (size < 1 || size > Checks.MAX_DIM) {
      throw new EmbedException(
          "%s gives vectors of %d components, expected 1 to %d"
              .formatted(file, size, Checks.MAX_DIM));
    }
    return (int) size;
  }

  private EmbedException failure(OrtException e) {
    return new EmbedException("%s failed: %s".formatted(name, e.getMessage()), e);
  }

  /** Frees the session, now or when the last run inside has returned. Never throws or waits. */
  @Override
  public void close() {
    cleanable.clean();
  }
}
