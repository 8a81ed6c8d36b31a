#!/bin/sh
# sysroot.sh ARCH FOLDER - a folder of libraries of another architecture (arm64, riscv64) to cross-build and emulate
# bitnet with; for tests/arm64.mk and tests/riscv64.mk.
#
# Asks apt for the packages that this program's libraries come from, with everything they depend on, and unpacks
# them below FOLDER. The one idea: apt runs with a state of its own (lists, cache, an empty table of installed
# packages), so the machine's packages and its architectures stay as they are, and no -dev package can conflict
# with the one installed. Does nothing when the folder is complete. SYSROOT_MIRROR=URL takes another mirror.
set -eu

arch=${1:?ARCH: arm64, riscv64} folder=${2:?FOLDER}
packages="libc6-dev libhwloc-dev libjansson-dev libssl-dev libutf8proc-dev libcurl4-openssl-dev libedit-dev check"
[ "$arch" != arm64 ] || packages="libc6-dev libgcc-12-dev ${packages#libc6-dev }"

stamp="$folder/.complete"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$packages" ]; then
    exit 0
fi
for tool in apt-get dpkg-deb; do
    if ! command -v "$tool" >/dev/null; then
        echo "sysroot: $tool is needed (a Debian or Ubuntu system)" >&2
        exit 1
    fi
done

# shellcheck source=/dev/null
. /etc/os-release
case ${ID:-} in
ubuntu)
    mirror=${SYSROOT_MIRROR:-http://ports.ubuntu.com/ubuntu-ports}
    sections="main universe"
    keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg
    ;;
*)
    mirror=${SYSROOT_MIRROR:-http://deb.debian.org/debian}
    sections="main"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    ;;
esac

# riscv64 is a part of Debian since its version 13.
suite=${VERSION_CODENAME:?}
if [ "$arch" = riscv64 ] && [ "$suite" = bookworm ]; then suite=trixie; fi

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work="$folder.apt"
mkdir -p "$work/none" "$work/lists/partial" "$work/cache/archives/partial"
echo "deb [arch=$arch signed-by=$keyring] $mirror $suite $sections" >"$work/sources.list"
: >"$work/status"

private_apt() {
    apt-get -qq -y --no-install-recommends \
        -oAPT::Architecture="$arch" -oAPT::Architectures="$arch" -oAPT::Sandbox::User=root \
        -oDir::State="$work" -oDir::State::Lists="$work/lists" -oDir::State::status="$work/status" \
        -oDir::Cache="$work/cache" -oDir::Etc::sourcelist="$work/sources.list" \
        -oDir::Etc::sourceparts="$work/none" -oDir::Etc::preferencesparts="$work/none" -oDebug::NoLocking=1 "$@"
}

echo "sysroot: fetching $packages" >&2
private_apt update
# shellcheck disable=SC2086 # a list of words
private_apt --download-only install $packages
for deb in "$work"/cache/archives/*.deb; do
    dpkg-deb -x "$deb" "$folder"
done
# Newer systems have their libraries in /usr alone, and expect a link.
[ -e "$folder/lib" ] || ln -s usr/lib "$folder/lib"
rm -rf "$work"
echo "$packages" >"$folder/.complete"
echo "sysroot: $folder is complete" >&2
