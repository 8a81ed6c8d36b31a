#!/usr/bin/env bash
# ci-packages.sh [SUITE...] - builds the Debian packages in a clean chroot of each suite (bookworm, trixie), judges
# them by lintian, installs them in another clean chroot, uses what they bring as root and as a user, removes
# them, and looks for what is left. What it needs, and MIRROR and BASES, are in ci-systems.sh; works below
# /var/tmp/bitnet-packages (WORK=FOLDER), and takes it away at the end. ARCH=arm64 builds for another architecture by its
# cross compiler, as building under an emulator takes hours, and does all else under the emulator.
# shellcheck disable=SC2016 # what is in single quotes is for the shell in the chroot
# shellcheck source=scripts/ci-lib.sh
. "$(dirname "$0")/ci-lib.sh"
# shellcheck source=scripts/ci-systems.sh
. "$(dirname "$0")/ci-systems.sh"
work=${WORK:-/var/tmp/bitnet-packages}
arch=${ARCH:-$(dpkg --print-architecture)}
own=$(dpkg --print-architecture)
foreign='' compiler='' for=''
if [ "$arch" != "$own" ]; then
    foreign="dpkg --add-architecture $arch && " compiler="crossbuild-essential-$arch" for="-a $arch"
fi
suites=("$@")
[ ${#suites[@]} -gt 0 ] || suites=(bookworm trixie)

passed=0 failed=0
ok() { # NAME COMMAND...
    local name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $suite: $name: $*"
        tail -n 30 "$work/log" | sed 's/^/  | /'
    fi
}
cleanup() { rm -rf --one-file-system "$work"; }
trap cleanup EXIT
cleanup
mkdir -p "$work/debs"

hub_of_our_own() { # a repository of the test hub with the demo model, for `bitnet pull`
    mkdir -p "$work/hub/org/demo"
    cp models/bitnet-demo-i2_s.gguf "$work/hub/org/demo/"
    node tests/hub/hub.mjs "$work/hub" "$work/hub.log" >"$work/hub.address" &
    hub=$!
    trap 'kill $hub 2>/dev/null; cleanup' EXIT
    while [ ! -s "$work/hub.address" ]; do sleep 0.1; done
}

one_suite() {
    local clean=$work/$suite-clean built=$work/$suite-build after
    step "$suite, $arch: base systems"
    clean_system "$suite" "$own" "$built" && clean_system "$suite" "$arch" "$clean" || return 1

    step "$suite: the packages are built"
    mkdir -p "$built/build"
    git archive --prefix=bitnet/ HEAD | tar -x -C "$built/build"
    echo "$commit" >"$built/build/bitnet/packaging/commit"
    # What it needs is what debian/control says.
    inside "$built" sh -c "$foreign"'apt-get -qq update && apt-get -qq install -y --no-install-recommends build-essential dpkg-dev lintian git '"$compiler && \
        apt-get -qq build-dep $for -y --no-install-recommends /build/bitnet" >"$work/log" 2>&1 || {
        tail "$work/log"
        return 1
    }
    ok 'dpkg-buildpackage' inside "$built" sh -c "cd /build/bitnet && dpkg-buildpackage -b -uc -us $for -j$jobs"
    ok 'lintian' inside "$built" sh -c 'cd /build && lintian --allow-root --fail-on error,warning --display-info *.changes'
    grep -E '^[EWI]:' "$work/log" || true
    cp "$built"/build/*.deb "$work/debs/" || return 1
    rm -rf --one-file-system "$built"

    step "$suite: installed, used, removed"
    files() { (cd "$clean" && find usr etc var/lib -xdev \( -type f -o -type l \) | sort); }
    files >"$work/before"
    mkdir -p "$clean/debs"
    cp "$work"/debs/*.deb "$clean/debs/"
    ok 'install' inside "$clean" sh -c 'apt-get -qq install -y --no-install-recommends /debs/*.deb'
    ok 'a plugin is used' inside "$clean" sh -c 'bitnet backends | tee /dev/stderr | grep -E "^\* *cpu-|cpu-.* ok"'
    ok 'a text, as root' inside "$clean" sh -c '[ -n "$(bitnet -p "The king said" -n 16)" ]'
    ok 'a conversation, as a user' inside "$clean" runuser -u nobody -- sh -c 'cd / && [ -n "$(echo hello | bitnet chat -n 16)" ]'
    ok 'a model from a hub, as a user' inside "$clean" runuser -u nobody -- \
        sh -c "mkdir -m 700 /tmp/home && HOME=/tmp/home HF_ENDPOINT=$(cat "$work/hub.address") sh -c 'bitnet pull org/demo && [ -n \"\$(bitnet -m org/demo --offline -p a -n 4)\" ]'"
    ok 'a receipt is verified' inside "$clean" sh -c 'cd /tmp && bitnet -p "The king said" -n 16 --receipt=r.json && bitnet verify r.json'
    ok 'compilers' inside "$clean" sh -c 'apt-get -qq install -y --no-install-recommends gcc libc6-dev pkg-config make >/dev/null'
    ok 'a program against the library' inside "$clean" sh -c 'cd /tmp && gcc -o example /usr/share/doc/libbitnet-dev/examples/generate.c $(pkg-config --cflags --libs bitnet) && ./example /usr/share/bitnet/*.gguf "The king said"'
    ok 'and statically' inside "$clean" sh -c 'cd /tmp && gcc -o static /usr/share/doc/libbitnet-dev/examples/generate.c $(pkg-config --cflags bitnet) /usr/lib/*/libbitnet.a $(pkg-config --static --libs bitnet | tr " " "\n" | grep ^-l | grep -vx -e -lbitnet) && ./static /usr/share/bitnet/*.gguf "The king said"'
    ok 'a plugin of one'\''s own' inside "$clean" sh -c 'cp -r /usr/share/doc/libbitnet-dev/example-plugin /root/mine && cd /root/mine && make && mkdir plugins && cp example.so plugins && bitnet-checkkern plugins/example.so && bitnet -p a -n 2 --plugin-dir=plugins --backend=example'
    ok 'purge' inside "$clean" sh -c 'apt-get -qq purge -y bitnet bitnet-plugins bitnet-model-demo libbitnet0 libbitnet-dev && apt-get -qq autopurge -y gcc libc6-dev pkg-config make && rm -rf /tmp/* /root/mine /debs'
    files >"$work/after"
    after=$(comm -13 "$work/before" "$work/after" | grep -i bitnet || true)
    ok "nothing of bitnet is left: $after" test -z "$after"
    rm -rf --one-file-system "$clean" "$work"/debs/*
}

command -v node >/dev/null || {
    echo 'ci-packages: node is needed' >&2
    exit 1
}
hub_of_our_own
for suite in "${suites[@]}"; do
    one_suite || ok "$suite could be tried" false
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
