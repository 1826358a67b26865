package io.ruvector.embed;

import java.io.ByteArrayOutputStream;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * The outputs of an ONNX model, changed in its bytes: a classifier has its embedding inside, and a
 * runtime gives away what the graph names as output only.
 *
 * <p>Of the format (onnx.proto) this knows: {@code ModelProto.graph = 7}; {@code GraphProto.node =
 * 1, output = 12}; {@code NodeProto.output = 2, op_type = 4}; {@code ValueInfoProto.name = 1}. All
 * else is copied as it is.
 */
final class OnnxGraph {
  private static final int VARINT = 0;
  private static final int FIXED64 = 1;
  private static final int BYTES = 2;
  private static final int FIXED32 = 5;

  private static final int MODEL_GRAPH = 7;
  private static final int GRAPH_NODE = 1;
  private static final int GRAPH_OUTPUT = 12;
  private static final int NODE_OUTPUT = 2;
  private static final int NODE_OPERATOR = 4;
  private static final int VALUE_NAME = 1;

  private OnnxGraph() {}

  /**
   * The model with a tensor as its only output, so that a runtime leaves out what is behind it.
   *
   * @param model a whole {@code .onnx} file
   * @param tensor the name of what some node of its graph computes
   */
  static byte[] withOutput(byte[] model, String tensor) {
    var found = new boolean[1];
    var edited = new ByteArrayOutputStream(model.length + tensor.length() + 16);
    eachField(
        ByteBuffer.wrap(model),
        (field, whole, content) -> {
          if (field != MODEL_GRAPH) {
            put(edited, whole);
            return;
          }
          var graph = new ByteArrayOutputStream(content.remaining());
          eachField(
              content,
              (inner, bytes, node) -> {
                if (inner != GRAPH_OUTPUT) {
                  put(graph, bytes);
                }
                if (inner == GRAPH_NODE) {
                  eachField(
                      node,
                      (part, all, name) ->
                          found[0] |= part == NODE_OUTPUT && text(name).equals(tensor));
                }
              });
          var output = new ByteArrayOutputStream();
          putBytes(output, VALUE_NAME, tensor.getBytes(StandardCharsets.UTF_8));
          putBytes(graph, GRAPH_OUTPUT, output.toByteArray());
          putBytes(edited, MODEL_GRAPH, graph.toByteArray());
        });
    if (!found[0]) {
      throw new EmbedException("the ONNX graph computes no tensor %s".formatted(tensor));
    }
    return edited.toByteArray();
  }

  /**
   * The name of what the last node of an operator computes. Of {@code GlobalAveragePool} that is a
   * classifier's embedding: those before belong to its blocks, and nodes are in the order of
   * computing.
   */
  static String lastOutput(byte[] model, String operator) {
    var last = new String[1];
    eachField(
        ByteBuffer.wrap(model),
        (field, whole, graph) -> {
          if (field == MODEL_GRAPH) {
            eachField(
                graph,
                (inner, bytes, node) -> {
                  if (inner == GRAPH_NODE) {
                    String output = outputOf(node, operator);
                    last[0] = output == null ? last[0] : output;
                  }
                });
          }
        });
    if (last[0] == null) {
      throw new EmbedException("the ONNX graph has no node %s".formatted(operator));
    }
    return last[0];
  }

  private static @Nullable String outputOf(ByteBuffer node, String operator) {
    var parts = new String[2];
    eachField(
        node,
        (field, whole, content) -> {
          if (field == NODE_OPERATOR) {
            parts[0] = text(content);
          } else if (field == NODE_OUTPUT && parts[1] == null) {
            parts[1] = text(content);
          }
        });
    return operator.equals(parts[0]) ? parts[1] : null;
  }

  /**
   * Gets a field of a message: its number, all its bytes, and its content where it has a length.
   */
  private interface FieldVisitor {
    void visit(int number, ByteBuffer whole, ByteBuffer content);
  }

  private static void eachField(ByteBuffer message, FieldVisitor visitor) {
    ByteBuffer in = message.duplicate();
    try {
      while (in.hasRemaining()) {
        int start = in.position();
        long key = varint(in);
        int length =
            switch ((int) (key & 7)) {
              case VARINT -> {
                varint(in);
                yield 0;
              }
              case FIXED64 -> Long.BYTES;
              case FIXED32 -> Integer.BYTES;
              case BYTES -> {
                long bytes = varint(in);
                if (bytes < 0 || bytes > in.remaining()) {
                  throw new BufferUnderflowException();
                }
                yield (int) bytes;
              }
              default -> throw new EmbedException("not an ONNX model: wire type " + (key & 7));
            };
        ByteBuffer content = in.slice(in.position(), length);
        in.position(in.position() + length);
        visitor.visit((int) (key >>> 3), in.slice(start, in.position() - start), content);
      }
    } catch (BufferUnderflowException | IndexOutOfBoundsException | IllegalArgumentException e) {
      throw new EmbedException("not an ONNX model, or one that is cut off", e);
    }
  }

  private static long varint(ByteBuffer in) {
    long value = 0;
    for (int shift = 0; shift < Long.SIZE; shift += 7) {
      byte next = in.get();
      value |= (next & 0x7FL) << shift;
      if (next >= 0) {
        return value;
      }
    }
    throw new BufferUnderflowException();
  }

  private static void putBytes(ByteArrayOutputStream out, int field, byte[] content) {
    putVarint(out, ((long) field << 3) | BYTES);
    putVarint(out, content.length);
    out.writeBytes(content);
  }

  private static void putVarint(ByteArrayOutputStream out, long value) {
    while ((value & ~0x7FL) != 0) {
      out.write((int) ((value & 0x7F) | 0x80));
      value >>>= 7;
    }
    out.write((int) value);
  }

  private static void put(ByteArrayOutputStream out, ByteBuffer bytes) {
    out.write(bytes.array(), bytes.arrayOffset() + bytes.position(), bytes.remaining());
  }

  private static String text(ByteBuffer bytes) {
    return StandardCharsets.UTF_8.decode(bytes.duplicate()).toString();
  }
}
