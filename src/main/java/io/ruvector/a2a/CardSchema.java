package io.ruvector.a2a;

import io.ruvector.a2a.Json.MalformedException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The fields of a card of version 1.0 of the standard, by which its canonical form is made: that of
 * a Protocol Buffers message, without fields that the schema does not have, defaults, and whatever
 * is empty. Servers add fields for older clients after the card is signed.
 */
@FunctionalInterface
interface CardSchema {
  /** The value in its canonical form; null where that leaves it out. */
  @Nullable Object normalise(@Nullable Object value) throws MalformedException;

  /** The whole card, without its signatures. */
  @SuppressWarnings("unchecked") // a message is a map
  static @Nullable Map<String, @Nullable Object> normalised(Map<String, @Nullable Object> card)
      throws MalformedException {
    return (Map<String, @Nullable Object>) CARD.normalise(card);
  }

  /** A string; the empty one is left out. */
  CardSchema STRING =
      value -> {
        if (value == null || value.equals("")) {
          return null;
        }
        if (value instanceof String) {
          return value;
        }
        throw new MalformedException("%s where a string was expected".formatted(Json.write(value)));
      };

  /** A flag whose default is false, and left out. */
  CardSchema FLAG = value -> Boolean.TRUE.equals(optionalFlag(value)) ? true : null;

  /** A flag that says false where that is written. */
  CardSchema OPTIONAL_FLAG = CardSchema::optionalFlag;

  /** Any JSON, but for what is null or empty. */
  CardSchema ANY = CardSchema::cleaned;

  /** A card. */
  CardSchema CARD = card();

  private static @Nullable Boolean optionalFlag(@Nullable Object value) throws MalformedException {
    if (value == null || value instanceof Boolean) {
      return (Boolean) value;
    }
    throw new MalformedException(
        "%s where true or false was expected".formatted(Json.write(value)));
  }

  private static @Nullable Object cleaned(@Nullable Object value) throws MalformedException {
    return switch (value) {
      case null -> null;
      case String text -> STRING.normalise(text);
      case Map<?, ?> _ -> mapOf(ANY).normalise(value);
      case List<?> _ -> listOf(ANY).normalise(value);
      default -> value;
    };
  }

  private static CardSchema listOf(CardSchema element) {
    return value -> {
      if (value != null && !(value instanceof List<?>)) {
        throw new MalformedException("%s where an array was expected".formatted(Json.write(value)));
      }
      List<Object> list = new ArrayList<>();
      for (Object member : value == null ? List.of() : (List<?>) value) {
        Object kept = element.normalise(member);
        if (kept != null) {
          list.add(kept);
        }
      }
      return list.isEmpty() ? null : list;
    };
  }

  private static CardSchema mapOf(CardSchema element) {
    return value -> members(value, Map.of(), element);
  }

  private static CardSchema message(Object... namesAndSchemas) {
    Map<String, CardSchema> fields = new LinkedHashMap<>();
    for (int i = 0; i < namesAndSchemas.length; i += 2) {
      fields.put((String) namesAndSchemas[i], (CardSchema) namesAndSchemas[i + 1]);
    }
    return value -> members(value, fields, null);
  }

  private static @Nullable Object members(
      @Nullable Object value, Map<String, CardSchema> fields, @Nullable CardSchema others)
      throws MalformedException {
    if (value != null && !(value instanceof Map<?, ?>)) {
      throw new MalformedException("%s where an object was expected".formatted(Json.write(value)));
    }
    Map<String, @Nullable Object> members = new LinkedHashMap<>();
    for (Map.Entry<?, ?> member :
        value == null ? Map.<Object, Object>of().entrySet() : ((Map<?, ?>) value).entrySet()) {
      String name = (String) member.getKey();
      CardSchema schema = others != null ? others : fields.get(name);
      Object kept = schema == null ? null : schema.normalise(member.getValue());
      if (kept != null) {
        members.put(name, kept);
      }
    }
    return members.isEmpty() ? null : members;
  }

  private static CardSchema flow(String... urls) {
    List<Object> fields = new ArrayList<>(List.of("scopes", mapOf(STRING), "pkceRequired", FLAG));
    for (String url : urls) {
      fields.add(url);
      fields.add(STRING);
    }
    return message(fields.toArray());
  }

  private static CardSchema card() {
    CardSchema strings = listOf(STRING);
    CardSchema requirements = listOf(message("schemes", mapOf(message("list", strings))));
    CardSchema flows =
        message(
            "authorizationCode",
            flow("authorizationUrl", "tokenUrl", "refreshUrl"),
            "clientCredentials",
            flow("tokenUrl", "refreshUrl"),
            "implicit",
            flow("authorizationUrl", "refreshUrl"),
            "password",
            flow("tokenUrl", "refreshUrl"),
            "deviceCode",
            flow("deviceAuthorizationUrl", "tokenUrl", "refreshUrl"));
    CardSchema scheme =
        message(
            "apiKeySecurityScheme",
            message("description", STRING, "location", STRING, "name", STRING),
            "httpAuthSecurityScheme",
            message("description", STRING, "scheme", STRING, "bearerFormat", STRING),
            "oauth2SecurityScheme",
            message("description", STRING, "flows", flows, "oauth2MetadataUrl", STRING),
            "openIdConnectSecurityScheme",
            message("description", STRING, "openIdConnectUrl", STRING),
            "mtlsSecurityScheme",
            message("description", STRING));
    CardSchema extension =
        message("uri", STRING, "description", STRING, "required", FLAG, "params", ANY);
    return message(
        "name",
        STRING,
        "description",
        STRING,
        "supportedInterfaces",
        listOf(
            message(
                "url",
                STRING,
                "protocolBinding",
                STRING,
                "tenant",
                STRING,
                "protocolVersion",
                STRING)),
        "provider",
        message("url", STRING, "organization", STRING),
        "version",
        STRING,
        "documentationUrl",
        STRING,
        "capabilities",
        message(
            "streaming",
            OPTIONAL_FLAG,
            "pushNotifications",
            OPTIONAL_FLAG,
            "extensions",
            listOf(extension),
            "extendedAgentCard",
            OPTIONAL_FLAG),
        "securitySchemes",
        mapOf(scheme),
        "securityRequirements",
        requirements,
        "defaultInputModes",
        strings,
        "defaultOutputModes",
        strings,
        "skills",
        listOf(
            message(
                "id",
                STRING,
                "name",
                STRING,
                "description",
                STRING,
                "tags",
                strings,
                "examples",
                strings,
                "inputModes",
                strings,
                "outputModes",
                strings,
                "securityRequirements",
                requirements)),
        "iconUrl",
        STRING);
  }
}
