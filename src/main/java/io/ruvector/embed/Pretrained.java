package io.ruvector.embed;

import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A model that is known by name, as {@code models.json} tells.
 *
 * @param name the name
 * @param repository where the hub has it
 * @param revision the commit, or {@code main} where none could be looked up
 * @param files what is needed of it; the first is the ONNX file
 * @param image how pictures are prepared, in the terms of timm; null for a model of texts
 */
record Pretrained(
    String name,
    String repository,
    String revision,
    List<ModelFile> files,
    @Nullable ConfigFile image) {

  /**
   * A file of a model.
   *
   * @param path where it is in the repository
   * @param sha256 what its SHA-256 may be; empty: what the hub says when it is first downloaded
   */
  record ModelFile(String path, List<String> sha256) {}

  private static final Map<String, Pretrained> MODELS = read();

  private static Map<String, Pretrained> read() {
    ConfigFile list;
    try (InputStream in = Pretrained.class.getResourceAsStream("models.json")) {
      if (in == null) {
        throw new EmbedException("this jar lacks io/ruvector/embed/models.json");
      }
      list = ConfigFile.parse("models.json", in.readAllBytes());
    } catch (IOException e) {
      throw new EmbedException("models.json cannot be read", e);
    }
    Map<String, Pretrained> models = new LinkedHashMap<>();
    for (ConfigFile model : list.objects("models")) {
      List<ModelFile> files = new ArrayList<>();
      for (ConfigFile file : model.objects("files")) {
        List<?> pins = file.value("sha256", List.class, "a list of SHA-256");
        files.add(
            new ModelFile(
                text(file, "path"),
                pins == null ? List.of() : pins.stream().map(String.class::cast).toList()));
      }
      String name = text(model, "name");
      models.put(
          name,
          new Pretrained(
              name,
              text(model, "repository"),
              text(model, "revision"),
              List.copyOf(files),
              model.has("image") ? model.object("image") : null));
    }
    return models;
  }

  private static String text(ConfigFile file, String name) {
    return file.required(name, String.class, "a string");
  }

  static List<String> names() {
    return List.copyOf(MODELS.keySet());
  }

  /**
   * A model by its name.
   *
   * @throws EmbedException if there is none, with the names that there are
   */
  static Pretrained of(String name) {
    Pretrained model = MODELS.get(name);
    if (model == null) {
      throw new EmbedException("no model is named %s; there are %s".formatted(name, names()));
    }
    return model;
  }
}
