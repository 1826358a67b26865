package io.ruvector.a2a;

import io.ruvector.a2a.Json.MalformedException;
import io.ruvector.internal.BodyQueue;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The events of a {@code text/event-stream}, as the HTML standard has them, one at a time. Fields
 * that nobody here needs are passed over; an event that the end of the stream cuts off is none.
 */
final class SseReader {
  /**
   * An event.
   *
   * @param name its kind; empty where none is named
   * @param data its lines, joined
   */
  record Event(String name, String data) {}

  private final BodyQueue body;
  private final int maxEventBytes;
  private final Deque<ByteBuffer> pieces = new ArrayDeque<>();
  private byte[] line = new byte[256];
  private int lineLength;

  /** Bytes since the last event, comments included: nobody may fill memory or keep us for ever. */
  private int eventBytes;

  private boolean afterReturn;
  private boolean first = true;
  private String name = "";
  private final StringBuilder data = new StringBuilder();

  SseReader(BodyQueue body, int maxEventBytes) {
    this.body = body;
    this.maxEventBytes = maxEventBytes;
  }

  BodyQueue body() {
    return body;
  }

  /**
   * The next event, or null at the end of the stream.
   *
   * @param patience how many nanoseconds it may be silent, asked for before each wait
   */
  @Nullable Event next(LongSupplier patience)
      throws IOException, InterruptedException, MalformedException {
    while (true) {
      ByteBuffer piece = pieces.peekFirst();
      if (piece == null) {
        List<ByteBuffer> more = body.next(patience.getAsLong());
        if (more == null) {
          return null;
        }
        pieces.addAll(more);
        continue;
      }
      while (piece.hasRemaining()) {
        if (take(piece.get())) {
          Event event = endLine();
          if (event != null) {
            return event;
          }
        }
      }
      pieces.removeFirst();
    }
  }

  /** Whether a byte ends a line: a return, a line feed, or both. */
  private boolean take(byte b) throws MalformedException {
    if (++eventBytes > maxEventBytes) {
      throw new MalformedException(
          "an event of more than the %d bytes allowed".formatted(maxEventBytes));
    }
    boolean secondOfTwo = afterReturn && b == '\n';
    afterReturn = b == '\r';
    if (b == '\n' || b == '\r') {
      return !secondOfTwo;
    }
    if (lineLength == line.length) {
      line = Arrays.copyOf(line, 2 * lineLength);
    }
    line[lineLength++] = b;
    return false;
  }

  private @Nullable Event endLine() throws MalformedException {
    String text;
    try {
      text =
          StandardCharsets.UTF_8
              .newDecoder()
              .decode(ByteBuffer.wrap(line, 0, lineLength))
              .toString();
    } catch (CharacterCodingException e) {
      throw new MalformedException("an event that is not UTF-8");
    }
    lineLength = 0;
    if (first) {
      first = false;
      text = text.startsWith("\ufeff") ? text.substring(1) : text;
    }
    if (text.isEmpty()) {
      return dispatch();
    }
    int colon = text.indexOf(':');
    String field = colon < 0 ? text : text.substring(0, colon);
    String value = colon < 0 ? "" : text.substring(colon + 1);
    value = value.startsWith(" ") ? value.substring(1) : value;
    switch (field) {
      case "event" -> name = value;
      case "data" -> data.append(value).append('\n');
      default -> {}
    }
    return null;
  }

  private @Nullable Event dispatch() {
    String kind = name;
    name = "";
    if (data.isEmpty()) {
      return null;
    }
    var event = new Event(kind, data.substring(0, data.length() - 1));
    data.setLength(0);
    if (data.capacity() > 1 << 16) {
      data.trimToSize();
      line = new byte[256];
    }
    eventBytes = 0;
    return event;
  }
}
