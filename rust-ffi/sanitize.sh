#!/bin/sh
# Runs the tests of the rabitq crate under the address sanitizer: on nightly,
# or on the compiler at hand with RUSTC_BOOTSTRAP=1. Arguments go to cargo test.
set -eu
cd "$(dirname "$0")"
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTC_BOOTSTRAP=1
# Naming the target keeps build scripts and macros out of it.
export RUSTFLAGS="-Zsanitizer=address"
# Indexes live in statics and mapped files; what leaks is another tool's question.
export ASAN_OPTIONS=detect_leaks=0
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/asan"
# Nor can it tell what memory a build takes: it keeps what was freed.
case " $* " in
*" -- "*) ;;
*) set -- "$@" -- ;;
esac
cargo test --locked -p rabitq --target "$host" "$@" --skip memory_stays_under_the_limit
