#!/bin/sh
# Fuzzes each target for some seconds, 600 unless told, with the address
# sanitizer: on nightly, or on the compiler at hand with RUSTC_BOOTSTRAP=1.
# Needs cargo-fuzz (cargo install cargo-fuzz). New inputs stay out of the
# committed corpora; a failing one is named and kept in artifacts/.
set -eu
seconds=${1:-600}
cd "$(dirname "$0")/.."
command -v cargo-fuzz >/dev/null || {
    echo "cargo-fuzz is missing: cargo install cargo-fuzz" >&2
    exit 1
}
export RUSTC_BOOTSTRAP=1
found=${CARGO_TARGET_DIR:-fuzz/target}/corpus
for target in open_index import_rbpx search_request; do
    mkdir -p "$found/$target"
    echo "$target, $seconds s"
    cargo fuzz run "$target" "$found/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=65536 -timeout=30 -rss_limit_mb=4096 -print_final_stats=1 -verbosity=0
done
