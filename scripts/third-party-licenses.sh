#!/bin/sh
# Writes THIRD-PARTY-LICENSES.txt: the crates that are compiled into the native
# library, with their licences as their authors wrote them. Of several the MIT
# licence is chosen. With --check, tells whether the file is as it should be.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/lib.sh"

file=$root/THIRD-PARTY-LICENSES.txt
targets="x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu x86_64-apple-darwin aarch64-apple-darwin"

find_rust
finish_search

# "name version (path)|licence" of each crate, ours with a path.
crates() {
    for target in $targets; do
        cargo tree --locked -p ruvector-ffi -e normal,no-proc-macro --target "$target" --prefix none -f '{p}|{l}'
    done | sed 's/ (\*)$//' | LC_ALL=C sort -u | grep -v '(/'
}

# The folders of all crates; cargo downloads what is missing.
folders() {
    cargo metadata --locked --format-version 1 | tr ',' '\n' |
        sed -n 's|.*"manifest_path":"\(.*\)/Cargo.toml".*|\1|p'
}

print_file() {
    cat <<'END'
The native library of ruvector contains these works, each under the licence that follows its name.

================================================================================
The Rust standard library (https://github.com/rust-lang/rust), MIT OR Apache-2.0
Copyright (c) The Rust Project contributors

END
    # The licence without its copyright line, which is ours.
    sed '1,/^Copyright/d' "$root/LICENSE" | sed '1{/^$/d;}'
    crates | while IFS='|' read -r crate licence; do
        name=${crate%% *}
        version=${crate##* v}
        folder=$(echo "$folders" | grep "/$name-$version\$") || {
            say "third-party-licenses: no sources of $crate"
            exit 1
        }
        text=
        for text in "$folder/LICENSE-MIT" "$folder/LICENSE" "$folder/LICENSE.txt"; do
            [ -f "$text" ] && break
        done
        case "$licence" in
        *MIT*) ;;
        *) text= ;;
        esac
        [ -f "$text" ] || {
            say "third-party-licenses: no MIT licence of $crate: $licence"
            exit 1
        }
        printf '\n%s\n%s\n\n' \
            "================================================================================" \
            "$name $version (https://crates.io/crates/$name), $licence"
        tr -d '\r' <"$text" | sed 's/[ \t]*$//' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'
    done
}

case ${1-} in
'' | --check) ;;
*)
    say "usage: scripts/third-party-licenses.sh [--check]"
    exit 2
    ;;
esac
cd "$root/rust-ffi"
folders=$(folders)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
print_file >"$work/licenses"
if [ "${1-}" = --check ]; then
    diff -u "$file" "$work/licenses" >&2 || {
        say "third-party-licenses: $file is not what the crates say: run scripts/third-party-licenses.sh"
        exit 1
    }
else
    cp "$work/licenses" "$file"
fi
