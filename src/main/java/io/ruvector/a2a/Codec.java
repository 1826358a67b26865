package io.ruvector.a2a;

import io.ruvector.a2a.Json.MalformedException;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The model's records from and to the JSON of a dialect. */
enum Codec {
  /** That of rvagent, where a part tells its kind in {@code type}. */
  RVAGENT("type"),
  /** Version 0.3 of the standard, where objects tell their kind in {@code kind}. */
  V0_3("kind"),
  /** Version 1.0 of the standard, JSON of Protocol Buffers. */
  V1_0("");

  private final String kindField;

  Codec(String kindField) {
    this.kindField = kindField;
  }

  Map<String, @Nullable Object> write(Message message) {
    Map<String, @Nullable Object> json = new LinkedHashMap<>(message.more());
    String role = message.role().name();
    json.put("role", this == V1_0 ? "ROLE_" + role : role.toLowerCase(Locale.ROOT));
    json.put("parts", message.parts().stream().map(this::write).toList());
    if (this == V0_3) {
      json.put("kind", "message");
    }
    if (!message.metadata().isEmpty()) {
      json.put("metadata", message.metadata());
    }
    return json;
  }

  private Map<String, @Nullable Object> write(Part part) {
    Map<String, @Nullable Object> json = new LinkedHashMap<>(part.more());
    switch (part) {
      case Part.Text text -> {
        putKind(json, "text");
        json.put("text", text.text());
      }
      case Part.Data data -> {
        boolean isAsItCame =
            data.data() == null
                && (this == V1_0 ? !data.more().isEmpty() : data.more().containsKey(kindField));
        if (!isAsItCame) {
          putKind(json, "data");
          json.put("data", data.data());
        }
      }
      case Part.File file when this == V1_0 -> {
        putFile(json, file, "filename", "mediaType", "raw", "url");
      }
      case Part.File file -> {
        putKind(json, "file");
        Map<String, @Nullable Object> inner = new LinkedHashMap<>();
        if (part.more().get("file") instanceof Map<?, ?> more) {
          more.forEach((name, value) -> inner.put((String) name, value));
        }
        putFile(inner, file, "name", "mimeType", "bytes", "uri");
        json.put("file", inner);
      }
    }
    return json;
  }

  private void putKind(Map<String, @Nullable Object> json, String kind) {
    if (this != V1_0) {
      json.put(kindField, kind);
    }
  }

  private static void putFile(
      Map<String, @Nullable Object> json,
      Part.File file,
      String name,
      String mediaType,
      String bytes,
      String uri) {
    if (file.name() != null) {
      json.put(name, file.name());
    }
    if (file.mediaType() != null) {
      json.put(mediaType, file.mediaType());
    }
    if (file.bytes() != null) {
      json.put(bytes, Base64.getEncoder().encodeToString(file.bytes()));
    } else {
      json.put(uri, file.uri());
    }
  }

  Message message(Fields fields) throws MalformedException {
    String role = fields.string("role").replaceFirst("^ROLE_", "");
    return new Message(
        role.equalsIgnoreCase("user") ? Role.USER : Role.AGENT,
        fields.list("parts", this::part),
        fields.map("metadata"),
        fields.rest());
  }

  private Part part(Fields fields) throws MalformedException {
    if (this == V1_0 && (fields.has("raw") || fields.has("url"))) {
      return file(fields, fields, "filename", "mediaType", "raw", "url");
    }
    if (this != V1_0 && fields.has("file")) {
      dropKind(fields);
      return fields.required(
          "file", file -> file(file, fields, "name", "mimeType", "bytes", "uri"));
    }
    if (fields.has("text")) {
      dropKind(fields);
      return new Part.Text(fields.string("text"), fields.rest());
    }
    if (fields.has("data")) {
      dropKind(fields);
      return new Part.Data(fields.any("data"), fields.rest());
    }
    // Whatever else a newer version may bring is kept as it came, with its kind.
    return new Part.Data(null, fields.rest());
  }

  private void dropKind(Fields fields) {
    if (this != V1_0) {
      Object _ = fields.any(kindField);
    }
  }

  private static Part file(
      Fields fields, Fields outer, String name, String mediaType, String bytes, String uri)
      throws MalformedException {
    String base64 = fields.optional(bytes);
    String where = fields.optional(uri);
    if ((base64 == null) == (where == null)) {
      throw fields.malformed("%s or %s, one of them".formatted(bytes, uri));
    }
    String called = fields.optional(name);
    String type = fields.optional(mediaType);
    Map<String, @Nullable Object> more = new LinkedHashMap<>(outer.rest());
    if (fields != outer && !fields.rest().isEmpty()) {
      more.put("file", fields.rest());
    }
    try {
      byte[] decoded = base64 == null ? null : Base64.getDecoder().decode(base64);
      return new Part.File(called, type, decoded, where, more);
    } catch (IllegalArgumentException e) {
      throw fields.malformed("base64 in " + bytes);
    }
  }

  TaskStatus status(Fields fields) throws MalformedException {
    String name = fields.string("state").replaceFirst("^TASK_STATE_", "").replace('-', '_');
    TaskState state = TaskState.UNKNOWN;
    for (TaskState known : TaskState.values()) {
      if (known.name().equalsIgnoreCase(name)) {
        state = known;
      }
    }
    String timestamp = fields.optional("timestamp");
    try {
      return new TaskStatus(
          state,
          timestamp == null ? null : time(timestamp),
          fields.child("message", this::message),
          fields.rest());
    } catch (DateTimeException e) {
      throw fields.malformed("a time of RFC 3339 in timestamp");
    }
  }

  /** Of RFC 3339; agents in Python have left out the zone, which is UTC then. */
  private static Instant time(String text) {
    try {
      return Instant.parse(text);
    } catch (DateTimeException e) {
      return LocalDateTime.parse(text).toInstant(ZoneOffset.UTC);
    }
  }

  Artifact artifact(Fields fields) throws MalformedException {
    String id = fields.optional("artifactId");
    return new Artifact(
        id == null ? String.valueOf(fields.number("index", 0)) : id,
        fields.optional("name"),
        fields.optional("description"),
        fields.list("parts", this::part),
        fields.map("metadata"),
        fields.rest());
  }

  Task task(Fields fields) throws MalformedException {
    String session = this == RVAGENT ? fields.optional("sessionId") : fields.optional("contextId");
    return new Task(
        fields.string("id"),
        session,
        fields.required("status", this::status),
        fields.list("history", this::message),
        fields.list("artifacts", this::artifact),
        fields.map("metadata"),
        fields.rest());
  }

  TaskUpdate.Status statusUpdate(Fields fields) throws MalformedException {
    String id = fields.string(this == RVAGENT ? "id" : "taskId");
    TaskStatus status = fields.required("status", this::status);
    boolean isFinal = fields.flag("final") || (this == V1_0 && status.state().isFinal());
    return new TaskUpdate.Status(id, status, isFinal, fields.map("metadata"), fields.rest());
  }

  TaskUpdate.ArtifactUpdate artifactUpdate(Fields fields) throws MalformedException {
    String id = fields.string(this == RVAGENT ? "id" : "taskId");
    boolean[] flags = {fields.flag("append"), fields.flag("lastChunk")};
    Artifact artifact =
        fields.required(
            "artifact",
            inner -> {
              if (this == RVAGENT) {
                flags[0] = inner.flag("append");
                flags[1] = inner.flag("lastChunk");
              }
              return artifact(inner);
            });
    return new TaskUpdate.ArtifactUpdate(
        id, artifact, flags[0], flags[1], fields.map("metadata"), fields.rest());
  }
}
