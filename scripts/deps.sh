#!/bin/sh
# deps.sh [--list] GROUP... - installs the Debian/Ubuntu packages that are missing for what is asked, or only
# says which:
#   build   compiler and libraries
#   test    what `make check` needs besides
#   proxies nginx and HAProxy, for `make check-proxies`
#   lint    what `make lint` needs
#   fuzz    what the fuzzers need besides
#   arm64   cross compiler and emulator for `make check-arm64`
#   riscv64 the same for `make check-riscv64`
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
build libmicrohttpd libmicrohttpd-dev HTTP_of_bitnet_serve
test check check unit_tests
test !node nodejs reads_the_reference_vocabularies
test !npm npm fetches_the_reference_vocabularies
test !openssl openssl makes_and_checks_keys_and_signatures
test !chromium chromium the_page_of_bitnet_serve
proxies =/usr/sbin/nginx nginx-light a_proxy_before_servers
proxies =/usr/sbin/haproxy haproxy a_proxy_before_servers
test !git git takes_the_chat_templates_out_of_a_release
test =/usr/share/perl5/auto/share/dist/Test-JSON-Schema-Acceptance/tests/draft2020-12/allOf.json libtest-json-schema-acceptance-perl what_JSON_schemas_mean
test @jinja2 python3-jinja2 the_reference_of_chat_templates
test @numpy python3-numpy the_reference_of_conversions
test @setuptools python3-setuptools builds_the_Python_package
test @wheel python3-wheel builds_the_Python_package
test @pip python3-pip installs_the_Python_package
test @ensurepip python3-venv environments_to_install_it_into
test !mypy mypy types_of_the_Python_package
test !zsh zsh its_completions
test !fish fish its_completions
test !mandoc mandoc manual_pages
test !musl-gcc musl-tools another_C_library
test !systemd-analyze systemd the_unit_of_bitnet_serve
lint !clang-format clang-format layout_of_the_sources
lint !clang clang second_compiler_and_fuzzers
lint !shellcheck shellcheck shell_scripts
lint !cppcheck cppcheck static_analysis
fuzz !clang clang fuzzers
fuzz =/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a libclang-rt-dev runtime_of_the_fuzzers
arm64 !aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu cross_compiler
arm64 !qemu-aarch64 qemu-user runs_aarch64_programs
riscv64 !riscv64-linux-gnu-gcc gcc-riscv64-linux-gnu cross_compiler
riscv64 !qemu-riscv64 qemu-user runs_RISC-V_programs
'

present() { # $1: how to see it
    case $1 in
    !*) command -v "${1#!}" >/dev/null 2>&1 ;;
    @*) python3 -c "import ${1#@}" 2>/dev/null || /usr/bin/python3 -c "import ${1#@}" 2>/dev/null ;;
    =*)
        for file in ${1#=}; do [ -e "$file" ] && return; done
        return 1
        ;;
    *) command -v "${PKG_CONFIG:-pkg-config}" >/dev/null 2>&1 && "${PKG_CONFIG:-pkg-config}" --exists "$1" ;;
    esac
}

only_list=no
if [ "${1:-}" = --list ]; then
    only_list=yes
    shift
fi
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
if [ "$only_list" = yes ]; then
    echo "\`make demo\` installs them on Debian and Ubuntu, as \`apt-get install$missing\` does." >&2
    exit 0
fi

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
