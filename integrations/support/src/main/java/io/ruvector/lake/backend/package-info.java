/** What those who write a backend of the lake need again and again. */
@NullMarked
package io.ruvector.lake.backend;

import org.jspecify.annotations.NullMarked;
