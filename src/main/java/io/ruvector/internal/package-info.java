/** What binds the public classes to the native library; not exported. */
@NullMarked
package io.ruvector.internal;

import org.jspecify.annotations.NullMarked;
