/** Parquet files as a backend of the lake, read by hardwood. */
@NullMarked
package io.ruvector.lake.parquet;

import org.jspecify.annotations.NullMarked;
