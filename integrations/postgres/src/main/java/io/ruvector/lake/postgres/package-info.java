/**
 * Tables of PostgreSQL as a backend of the lake: pulled by one binary COPY in one snapshot, with a
 * generation that triggers count.
 */
@NullMarked
package io.ruvector.lake.postgres;

import org.jspecify.annotations.NullMarked;
