/**
 * Texts and pictures as vectors, by models of the Hugging Face hub.
 *
 * <p>{@link io.ruvector.embed.ModelCache} keeps the files of models in the layout that Python's
 * {@code huggingface_hub} uses, and takes none whose hash is not what it should be.
 */
@NullMarked
package io.ruvector.embed;

import org.jspecify.annotations.NullMarked;
