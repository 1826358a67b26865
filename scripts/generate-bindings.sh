#!/bin/sh
# Writes the C header (cbindgen) and its Java bindings (jextract) into
# generated/. With --check it writes nothing: it compares what is committed with
# the committed header and, where jextract is found, with a fresh run.
#
# jextract is $JEXTRACT or the one on the PATH.
set -eu
export LC_ALL=C

jextract_version=23
header=rust-ffi/crates/ffi/include/ruvector.h
generated=generated
package=io.ruvector.internal.ffi
header_class=RuvectorH
layouts_class=RuvectorLayouts

fail() {
    echo "generate-bindings: $*" >&2
    exit 1
}

# Prints why jextract cannot be used here, or nothing.
jextract_problem() {
    if ! command -v "$jextract" >/dev/null 2>&1; then
        echo "no jextract (put it on the PATH or set JEXTRACT)"
    elif [ "$(uname -s)" != Linux ]; then
        # It maps uint64_t to the host's own C type: long or long long.
        echo "jextract's output depends on the system, and Linux's is committed"
    else
        found=$("$jextract" --version 2>&1 | sed -n 's/^jextract \([^ ]*\).*/\1/p')
        [ "$found" = "$jextract_version" ] ||
            echo "jextract is version ${found:-unknown}, not $jextract_version"
    fi
}

# In sha256sum's format, so that `sha256sum -c` reads it from the top folder.
header_hash() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$header"
    else
        shasum -a 256 "$header"
    fi
}

# Runs jextract on our own symbols only: without the argument file it would also
# bind what <stdint.h> and its like declare. No --library: generated code opens
# no library by itself.
extract() {
    "$jextract" --dump-includes "$work/all-symbols" "$header" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        fail "jextract cannot read $header"
    }
    sed -nE 's/^(--include-[a-z]+ (ruv_|RUV_)[^ ]*).*/\1/p' "$work/all-symbols" >"$work/symbols"
    [ -s "$work/symbols" ] || fail "$header declares no ruv_ symbol"
    "$jextract" "@$work/symbols" \
        --target-package "$package" \
        --header-class-name "$header_class" \
        --symbols-class-name "$layouts_class" \
        --output "$1" "$header" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        fail "jextract failed on $header"
    }
}

# Each rewrite fails where it finds nothing to rewrite: a new jextract has then
# changed its output, and the reason below is to be looked at again.
rewrite() {
    sources=$1/$(echo "$package" | tr . /)

    # 1. Symbols come from the library that our loader opened, in the global
    #    arena. loaderLookup() sees System.load() only, which refuses one library
    #    to two class loaders of a process.
    perl -0pi -e '
        s{SymbolLookup\.loaderLookup\(\)\s*\.or\(Linker\.nativeLinker\(\)\.defaultLookup\(\)\)}
         {io.ruvector.internal.NativeLoader.lookup()} == 1
            or die "generate-bindings: no symbol lookup to rewrite in $ARGV\n"
    ' "$sources/$header_class.java"

    # 2. SymbolLookup.findOrThrow came with JDK 23, and we support 22. An Error
    #    leaves the class initialiser as it is, an exception would be wrapped.
    perl -0pi -e '
        s{SYMBOL_LOOKUP\.findOrThrow\("(\w+)"\)}
         {SYMBOL_LOOKUP.find("$1")\n            .orElseThrow(() -> new UnsatisfiedLinkError("no symbol $1"))}g
            or die "generate-bindings: no findOrThrow to rewrite in $ARGV\n"
    ' "$sources/$header_class.java"

    # 3. size_t and uint64_t become C_LONG, which has 32 bits on Windows, where
    #    the cast to OfLong fails. "long long" has 64 bits on every system. This
    #    holds while the header uses no C long.
    perl -0ne '
        s{/\*.*?\*/|//[^\n]*}{}gs;
        die "generate-bindings: the header uses C long, whose size differs between systems\n" if /\blong\b/
    ' "$header"
    perl -0pi -e '
        s{(C_LONG = [^;]*\.get\()"long"\)}{$1"long long")} == 1
            or die "generate-bindings: no C_LONG to rewrite in $ARGV\n"
    ' "$sources/$layouts_class.java"

    # 4. The handle for single elements of an array in a struct is made when the
    #    class is initialised: a fifth of the first call, and texts are read whole.
    perl -0pi -e '
        s{    private static final VarHandle \w+\$ELEM_HANDLE = [^;]*;\n(?:.*?\n    \}\n){2}}{}sg
            or die "generate-bindings: no element handle to rewrite in $ARGV\n"
    ' "$sources/ruv_error.java"
}

check=false
case ${1-} in
'') ;;
--check) check=true ;;
*) fail "usage: scripts/generate-bindings.sh [--check]" ;;
esac
cd "$(dirname "$0")/.."
jextract=${JEXTRACT:-jextract}
problem=$(jextract_problem)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

if $check; then
    header_hash | cmp -s - "$generated/HEADER.sha256" ||
        fail "$generated/ was not made from $header: run scripts/generate-bindings.sh"
    if [ -n "$problem" ]; then
        echo "generate-bindings: skipped: $problem"
        exit 0
    fi
else
    [ -z "$problem" ] || fail "$problem"
    (cd rust-ffi && cargo run --locked -q -p xtask -- header)
fi

extract "$work/generated"
rewrite "$work/generated"
header_hash >"$work/generated/HEADER.sha256"

if $check; then
    diff -ru "$generated" "$work/generated" ||
        fail "$generated/ differs from what jextract writes: run scripts/generate-bindings.sh"
    echo "generate-bindings: $generated/ matches $header"
else
    # As a whole, so that the class of a removed struct goes too.
    rm -rf "$generated"
    cp -R "$work/generated" "$generated"
fi
