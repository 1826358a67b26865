# Sourced by the scripts beside it, which set $root to the checkout before.
# Finds what they need, or says in one go what is missing and how to get it.

jdk_floor=22
rust_floor=89 # of Rust 1.x; rust-ffi/Cargo.toml says the same
maven_floor=8 # of Maven 3.x

missing=

# For the paths below: unset in some containers.
: "${HOME:=/nonexistent}"

say() {
    echo "$*" >&2
}

# need NAME ADVICE: one line for `finish_search`.
need() {
    missing="$missing
  $1: $2"
}

finish_search() {
    [ -n "$missing" ] || return 0
    say "${0##*/}: missing:$missing"
    exit 1
}

# Sets $jdk_major to the version of the JDK in folder $1, or fails. The file
# `release` spares the tenth of a second that starting a JVM takes.
read_jdk_major() {
    [ -x "$1/bin/javac" ] && [ -x "$1/bin/java" ] && [ -r "$1/release" ] || return 1
    while IFS='=' read -r key value; do
        if [ "$key" = JAVA_VERSION ]; then
            value=${value#\"}
            jdk_major=${value%%[!0-9]*}
            [ -n "$jdk_major" ]
            return
        fi
    done <"$1/release"
    return 1
}

# Sets and exports JAVA_HOME: its own value or that of the PATH where new
# enough, else the newest JDK at the usual places.
find_jdk() {
    if read_jdk_major "${JAVA_HOME:-/nonexistent}" && [ "$jdk_major" -ge $jdk_floor ]; then
        export JAVA_HOME
        return
    fi
    if on_path=$(command -v javac) && on_path=$(readlink -f "$on_path"); then
        JAVA_HOME=${on_path%/bin/javac}
        if read_jdk_major "$JAVA_HOME" && [ "$jdk_major" -ge $jdk_floor ]; then
            export JAVA_HOME
            return
        fi
    fi
    JAVA_HOME=
    newest=$((jdk_floor - 1))
    for jdk in /usr/lib/jvm/* /usr/lib64/jvm/* /usr/java/* /usr/local/java/* /opt/java/* /opt/*jdk* \
        /Library/Java/JavaVirtualMachines/*/Contents/Home \
        "$HOME"/Library/Java/JavaVirtualMachines/*/Contents/Home \
        /opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home \
        /usr/local/opt/openjdk*/libexec/openjdk.jdk/Contents/Home \
        /home/linuxbrew/.linuxbrew/opt/openjdk*/libexec \
        "$HOME"/.sdkman/candidates/java/* "$HOME"/.jdks/* "$HOME"/.asdf/installs/java/* \
        "$HOME"/.local/share/mise/installs/java/*; do
        if read_jdk_major "$jdk" && [ "$jdk_major" -gt $newest ]; then
            newest=$jdk_major
            JAVA_HOME=$jdk
        fi
    done
    export JAVA_HOME
    [ -n "$JAVA_HOME" ] ||
        need "JDK >= $jdk_floor" "install one from https://adoptium.net or with SDKMAN (sdk install java); set JAVA_HOME if it is not found"
}

# Rust of the PATH, else rustup's, which is on the PATH of new shells only.
find_rust() {
    found=
    for path in "$PATH" "${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"; do
        version=$(PATH=$path cargo --version 2>/dev/null) || continue
        version=${version#* }
        found=" (found ${version%% *})"
        minor=${version#1.}
        if [ "${minor%%[!0-9]*}" -ge $rust_floor ]; then
            PATH=$path
            return
        fi
    done
    need "Rust >= 1.$rust_floor$found" "rustup update stable, or install it from https://rustup.rs"
}

find_linker() {
    if [ "$(uname -s)" = Darwin ]; then
        xcode-select -p >/dev/null 2>&1 || need "C linker" "xcode-select --install"
    else
        command -v cc >/dev/null ||
            need "C linker" "install gcc or clang (Debian, Ubuntu: apt-get install gcc libc6-dev; Fedora: dnf install gcc)"
    fi
}

# Sets $maven: the wrapper, or Maven from the PATH where the wrapper cannot
# download it. Runs after find_jdk, whose JDK runs Maven too.
find_maven() {
    [ -n "$JAVA_HOME" ] || return 0
    maven=$root/mvnw
    "$maven" --version >/dev/null 2>&1 && return
    if maven=$(command -v mvn) && version=$("$maven" --version 2>/dev/null); then
        version=${version#*Apache Maven }
        version=${version%% *}
        minor=${version#*.}
        case $version in
        3.*) [ "${minor%%.*}" -ge $maven_floor ] && return ;;
        [4-9].*) return ;;
        esac
    fi
    need "Maven >= 3.$maven_floor" "./mvnw could not download it (it needs curl or wget, and the network); or install it from https://maven.apache.org"
}

# Runs Maven with its talk on stderr: stdout belongs to the caller's data.
maven() {
    "$maven" -B -ntp -f "$root/pom.xml" "$@" >&2
}
