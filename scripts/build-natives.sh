#!/bin/sh
# Builds the native library and puts it where the jar takes it from:
# target/natives/native/<os>-<arch>/libruvector.<ext>. Cargo knows whether there
# is something to do.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

find_rust
find_linker
finish_search

case $(uname -s) in
Linux) os=linux library=libruvector.so ;;
Darwin) os=macos library=libruvector.dylib ;;
*)
    say "build-natives: no support for $(uname -s) yet: Linux and macOS only"
    exit 1
    ;;
esac
case $(uname -m) in
x86_64 | amd64) arch=x86_64 ;;
aarch64 | arm64) arch=aarch64 ;;
*)
    say "build-natives: no support for $(uname -m): x86_64 and aarch64 only"
    exit 1
    ;;
esac

# Debug information is nine tenths of the file, and who starts a JVM waits until it
# is read and compared. Function names stay.
export CARGO_PROFILE_RELEASE_STRIP=debuginfo

# Cargo says itself where the library lies: the user's configuration may have
# moved its target folder.
cd "$root/rust-ffi"
messages=$(cargo build --locked --release -p ruvector-ffi --message-format=json-render-diagnostics)
built=$(printf '%s\n' "$messages" | sed -n "s|.*\"\\([^\"]*/$library\\)\".*|\\1|p" | tail -n 1)

folder=$root/target/natives/native/$os-$arch
mkdir -p "$folder"
# An equal file keeps its age, so that nothing after this is made anew.
cmp -s "$built" "$folder/$library" || {
    cp "$built" "$folder/$library.new"
    mv "$folder/$library.new" "$folder/$library"
}
