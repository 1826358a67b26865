/**
 * Vectors of texts and pictures, by models that run in ONNX Runtime within this process.
 *
 * <p>{@link io.ruvector.embed.Embedder} opens a model and embeds with it. It needs {@code
 * com.microsoft.onnxruntime:onnxruntime} on the class path, or on the module path together with
 * {@code --add-modules com.microsoft.onnxruntime}: 54 MB that this library leaves to those who want
 * them.
 *
 * <p>{@link io.ruvector.embed.ModelCache} downloads models that are known by name, and keeps them
 * where Python's {@code huggingface_hub} does.
 */
@NullMarked
package io.ruvector.embed;

import org.jspecify.annotations.NullMarked;
