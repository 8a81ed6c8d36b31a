#!/bin/sh
# deps.sh GROUP... - installs the Debian/Ubuntu packages that are missing for what is asked:
#   build   compiler and libraries
#   test    what `make check` needs besides
#   lint    what `make lint` needs
#   fuzz    what the fuzzers need besides
#   arm64   cross compiler and emulator for `make check-arm64`
# Says what is missing and why before it installs; uses sudo only when not root. On other systems it
# prints the list and stops.
set -eu

# A line a package: group, how to see that it is there, package, why. "!x" means: command x exists;
# "@x": Python module x does; "=x": a file of that pattern; else it is a name for pkg-config.
table='
build !gcc gcc compiler
build !make make runs_the_Makefile
build !pkg-config pkg-config finds_the_libraries
build hwloc libhwloc-dev cores_and_memory_of_the_machine
build jansson libjansson-dev JSON
build libcrypto libssl-dev SHA-256
build libutf8proc libutf8proc-dev Unicode_classes
build libcurl libcurl4-openssl-dev models_from_a_hub
build libedit libedit-dev line_editing_in_bitnet_chat
test check check unit_tests
test !node nodejs reads_the_reference_vocabularies
test !npm npm fetches_the_reference_vocabularies
test !git git takes_the_chat_templates_out_of_a_release
test @jinja2 python3-jinja2 the_reference_of_chat_templates
lint !clang-format clang-format layout_of_the_sources
lint !clang clang second_compiler_and_fuzzers
lint !shellcheck shellcheck shell_scripts
lint !cppcheck cppcheck static_analysis
fuzz !clang clang fuzzers
fuzz =/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a libclang-rt-dev runtime_of_the_fuzzers
arm64 !aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu cross_compiler
arm64 !qemu-aarch64 qemu-user runs_aarch64_programs
'

present() { # $1: how to see it
    case $1 in
    !*) command -v "${1#!}" >/dev/null 2>&1 ;;
    @*) python3 -c "import ${1#@}" 2>/dev/null || /usr/bin/python3 -c "import ${1#@}" 2>/dev/null ;;
    =*)
        for file in ${1#=}; do [ -e "$file" ] && return; done
        return 1
        ;;
    *) command -v pkg-config >/dev/null 2>&1 && pkg-config --exists "$1" ;;
    esac
}

missing=
for group in "$@"; do
    while read -r in how package why; do
        [ "$in" = "$group" ] || continue
        present "$how" && continue
        missing="$missing $package"
        echo "missing: $package ($(echo "$why" | tr _ ' '))" >&2
    done <<TABLE
$table
TABLE
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "This is no Debian or Ubuntu system. Please install:$missing (or what your system calls them)" >&2
    exit 1
fi
sudo=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "Please install as root: apt-get install$missing" >&2
        exit 1
    fi
    sudo=sudo
fi
echo "installing:$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install_them() {
    # shellcheck disable=SC2086 # a list of words
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 $missing >"$log" 2>&1
}
# The package lists may be missing or old: fetch them and try once more.
if ! install_them; then
    { $sudo apt-get update >"$log" 2>&1 && install_them; } || {
        cat "$log" >&2
        echo "apt-get could not install:$missing" >&2
        exit 1
    }
fi
