/** The command line: each command parses, calls the public API and prints. */
@NullMarked
package io.ruvector.cli;

import org.jspecify.annotations.NullMarked;
