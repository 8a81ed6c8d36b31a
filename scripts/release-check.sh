#!/bin/sh
# release-check.sh BUILD - what must hold before a release is tagged: one version everywhere, a dated changelog, a
# summary whose checklist is answered, a clean tree, documents that name no tag that is not there, and sources
# that are packed twice to the same bytes. It changes nothing.
set -u
build=$1
# shellcheck source=tests/lib.sh
. tests/lib.sh
version=$(sed -n 's/^VERSION *:= *//p' Makefile)
debian=$(echo "$version" | sed 's/-/~/')
summary=docs/releases/v$version-summary.md

# ---- one version ----
header=core/include/bitnet/bitnet.h
equal 'the header' "$(sed -nE 's/^#define BITNET_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+)$/\2/p' $header | paste -sd .)" "${version%%-*}"
equal 'debian/changelog' "$(sed -nE '1s/^bitnet \(([^)]+)\).*/\1/p' debian/changelog)" "$debian"
equal 'packaging/bitnet.spec' "$(sed -n 's/^Version: *//p' packaging/bitnet.spec)" "$debian"
equal 'the changelog begins with it' "$(grep -m 1 '^## ' CHANGELOG.md | cut -d' ' -f2)" "$version"
ok "the README names $summary" grep -qF "$summary" README.md

# ---- the summary ----
ok "there is $summary" test -s "$summary"
scripts/go-no-go.sh --list >"$tmp/lines"
while IFS=: read -r line _; do
    [ "$line" = papers ] || ok "$summary answers '$line' with PASS (make go-no-go FULL=1)" grep -qE "^PASS  $line +[0-9]+ s " "$summary"
done <"$tmp/lines"
ok "$summary has no gap" sh -c "! grep -nE 'to be filled' '$summary' >&2"

# ---- the repository ----
equal 'nothing is uncommitted' "$(git status --porcelain)" ''
ok "v$version is no tag yet" sh -c "! git rev-parse -q --verify 'refs/tags/v$version'"
tags=$(git tag)
git grep -hoE 'checkout v[0-9][0-9a-z.-]*[0-9a-z]|releases/tag/v[0-9][0-9a-z.-]*[0-9a-z]' -- '*.md' '*.1' '*.3' |
    grep -oE 'v[0-9].*' | sort -u >"$tmp/named"
while read -r tag; do
    ok "documents name $tag, which is a tag or will be" sh -c "[ '$tag' = 'v$version' ] || echo '$tags' | grep -qxF '$tag'"
done <"$tmp/named"

# ---- what is handed out ----
for i in 1 2; do
    packaging/dist.sh sources "$tmp/dist$i" "$version" >/dev/null
done
ok 'the sources are packed to the same bytes twice' cmp "$tmp/dist1.tar.gz" "$tmp/dist2.tar.gz"
ok 'papers (tests/papers.sh)' tests/papers.sh "$build"
echo "besides, by hand: make check-long; scripts/ci-packages.sh; scripts/ci-chroot.sh; make go-no-go FULL=1"
summary
