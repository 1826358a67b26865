/** What a lake's cache does, as Micrometer meters. */
@NullMarked
package io.ruvector.lake.micrometer;

import org.jspecify.annotations.NullMarked;
