#!/usr/bin/env bash
# ci-chroot.sh [SUITE] - a clean system (bookworm), and in it the README's two commands, once as root and once as a user who
# may use sudo: nothing else is installed before than git and make. What it needs, and MIRROR and BASES, are in
# ci-systems.sh; works below /var/tmp/bitnet-chroot (WORK=FOLDER) and takes it away at the end. `make check` takes
# its time, an hour on a slow machine; CHECK=no leaves it out and says so.
# shellcheck disable=SC2016 # what is in single quotes is for the shell in the chroot
# shellcheck source=scripts/ci-lib.sh
. "$(dirname "$0")/ci-lib.sh"
# shellcheck source=scripts/ci-systems.sh
. "$(dirname "$0")/ci-systems.sh"
suite=${1:-bookworm}
work=${WORK:-/var/tmp/bitnet-chroot}
cleanup() { rm -rf --one-file-system "$work"; }
trap cleanup EXIT
cleanup
mkdir -p "$work"

step "$suite: a base system with git and make"
clean_system "$suite" "$(dpkg --print-architecture)" "$work/base"
inside "$work/base" sh -c 'apt-get -qq update && apt-get -qq install -y --no-install-recommends git make ca-certificates >/dev/null'
cp -a "$work/base" "$work/user"
mv "$work/base" "$work/root"

try() { # WHO RUN...: clones, makes demo and check by RUN
    local who=$1 home=$2
    shift 2
    step "as $who: make demo"
    git clone -q . "$work/$who$home/bitnet"
    inside "$work/$who" chown -R --reference="$home" "$home/bitnet"
    inside "$work/$who" "$@" "cd $home/bitnet && make demo"
    if [ "${CHECK:-yes}" = yes ]; then
        step "as $who: make check"
        inside "$work/$who" "$@" "cd $home/bitnet && make check"
    else
        echo 'make check was left out (CHECK=no)'
    fi
    step "as $who: make install compiles nothing"
    # hash -r: the shell would tell where the program has been
    inside "$work/$who" sh -c "cd $home/bitnet && find build | sort >/before && make install && find build | sort | cmp - /before && bitnet -p 'The king said' -n 8 && make uninstall && hash -r && ! command -v bitnet"
    [ -z "$(find "$work/$who$home/bitnet" -newer "$work/$who/before" ! -path '*/.git/*' -type f -user root ! -user "$(stat -c %u "$work/$who$home")" | head -n 1)" ]
    rm -rf --one-file-system "${work:?}/$who"
}
try root /root sh -c
inside "$work/user" sh -c 'apt-get -qq update && apt-get -qq install -y --no-install-recommends sudo >/dev/null && useradd --create-home somebody && echo "somebody ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/somebody'
try user /home/somebody runuser -l somebody -c
echo '2 passed, 0 failed'
