#!/bin/sh
# arm64-sysroot.sh - a folder of arm64 libraries to cross-build and emulate bitnet with.
#
# usage: scripts/arm64-sysroot.sh [FOLDER]      (default build/arm64/sysroot)
#
# For tests/arm64.mk. Asks apt for the arm64 packages that this program's libraries come from, with
# everything they depend on, and unpacks them below FOLDER. The one idea: apt runs with a state of
# its own (lists, cache, an empty table of installed packages), so the machine's packages and its
# architectures stay as they are, and no -dev package can conflict with the one installed. Does
# nothing when the folder is complete. ARM64_MIRROR=URL takes another mirror.
set -eu

packages="libc6-dev libgcc-12-dev libhwloc-dev libjansson-dev libssl-dev libutf8proc-dev libcurl4-openssl-dev libedit-dev check"

folder=${1:-build/arm64/sysroot}
stamp="$folder/.complete"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$packages" ]; then
    exit 0
fi
for tool in apt-get dpkg-deb; do
    if ! command -v "$tool" >/dev/null; then
        echo "arm64-sysroot: $tool is needed (a Debian or Ubuntu system)" >&2
        exit 1
    fi
done

# shellcheck source=/dev/null
. /etc/os-release
case ${ID:-} in
ubuntu)
    mirror=${ARM64_MIRROR:-http://ports.ubuntu.com/ubuntu-ports}
    sections="main universe"
    keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg
    ;;
*)
    mirror=${ARM64_MIRROR:-http://deb.debian.org/debian}
    sections="main"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    ;;
esac

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work="$folder.apt"
mkdir -p "$work/none" "$work/lists/partial" "$work/cache/archives/partial"
echo "deb [arch=arm64 signed-by=$keyring] $mirror ${VERSION_CODENAME:?} $sections" >"$work/sources.list"
: >"$work/status"

private_apt() {
    apt-get -qq -y --no-install-recommends \
        -oAPT::Architecture=arm64 -oAPT::Architectures=arm64 -oAPT::Sandbox::User=root \
        -oDir::State="$work" -oDir::State::Lists="$work/lists" -oDir::State::status="$work/status" \
        -oDir::Cache="$work/cache" -oDir::Etc::sourcelist="$work/sources.list" \
        -oDir::Etc::sourceparts="$work/none" -oDir::Etc::preferencesparts="$work/none" -oDebug::NoLocking=1 "$@"
}

echo "arm64-sysroot: fetching $packages" >&2
private_apt update
# shellcheck disable=SC2086 # a list of words
private_apt --download-only install $packages
for deb in "$work"/cache/archives/*.deb; do
    dpkg-deb -x "$deb" "$folder"
done
rm -rf "$work"
echo "$packages" >"$folder/.complete"
echo "arm64-sysroot: $folder is complete" >&2
