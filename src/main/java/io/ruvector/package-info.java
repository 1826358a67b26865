/**
 * The library as a whole: its version, the instruction sets that it found, its threads and the root
 * of its exceptions. Indexes are in {@link io.ruvector.index}.
 *
 * <h2>Requirements</h2>
 *
 * A JDK of version 22 or later, on a platform whose native library is in the jar ({@code
 * native/<os>-<arch>/}). Calling native code needs the JVM's consent: {@code
 * --enable-native-access=ALL-UNNAMED} on the class path, {@code --enable-native-access=io.ruvector}
 * on the module path, or the line {@code Enable-Native-Access: ALL-UNNAMED} in the manifest of an
 * executable jar.
 *
 * <h2>How the native library is found</h2>
 *
 * At the first call that needs it, in this order:
 *
 * <ol>
 *   <li>the file that the system property {@code ruvector.library.path} names; when it is set,
 *       nothing else is tried;
 *   <li>the jar's own library, extracted to a cache of the user ({@code $XDG_CACHE_HOME/ruvector},
 *       {@code ~/.cache/ruvector}, {@code ~/Library/Caches/ruvector} or {@code
 *       %LOCALAPPDATA%\ruvector}; the system property {@code ruvector.cache.dir} chooses another
 *       folder), in a folder that only this user can enter, named by the library's CRC-32 and size.
 *       Before each load its bytes are compared with the jar's; a file that differs is replaced;
 *   <li>the jar's own library, extracted to a fresh temporary folder, where no cache can be
 *       written;
 *   <li>the system's library path.
 * </ol>
 *
 * When all of them fail, {@link io.ruvector.NativeLibraryException} lists each try with its reason.
 */
@NullMarked
package io.ruvector;

import org.jspecify.annotations.NullMarked;
