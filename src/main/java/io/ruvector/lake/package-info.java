/**
 * One search over vectors that live in many places.
 *
 * <p>A {@link io.ruvector.lake.RuLake} caches collections of {@link io.ruvector.lake.Backend}s as
 * RaBitQ indexes and keeps them as new as their {@link io.ruvector.lake.Consistency} asks, by the
 * {@link io.ruvector.lake.Generation} that a backend gives each state. Backends are {@link
 * io.ruvector.lake.LocalBackend memory}, {@link io.ruvector.lake.FsBackend files}, and whatever a
 * {@link io.ruvector.lake.BackendAdapter} reaches.
 */
@NullMarked
package io.ruvector.lake;

import org.jspecify.annotations.NullMarked;
