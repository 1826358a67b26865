/**
 * Other agents, by the A2A protocol: sure who they are, given work, followed live.
 *
 * <p>{@link io.ruvector.a2a.A2aClient} speaks two dialects and chooses by what it discovers: that
 * of the crate rvagent-a2a ({@code /.well-known/agent.json}, methods such as {@code tasks/send}),
 * and the standard, versions 1.0 and 0.3 ({@code /.well-known/agent-card.json}, {@code
 * SendMessage}). {@link io.ruvector.a2a.Trust} says whose word is taken, {@link
 * io.ruvector.a2a.A2aOptions} sets the limits of time and size.
 *
 * <p>JSON that this library has no type for is a {@link java.util.Map}, a {@link java.util.List}, a
 * string, a boolean, null, or a {@link java.lang.Number} whose {@code toString} is the number as it
 * was received. Fields that it does not know are kept in {@code more}.
 */
@NullMarked
package io.ruvector.a2a;

import org.jspecify.annotations.NullMarked;
