#!/bin/sh
# set-version.sh VERSION [DATE] - makes this tree the version VERSION (0.11.0, 0.12.0-rc.1) of DATE (today): in every
# place that has to say it. `make release-check` then says what else a release needs.
set -eu
version=${1:?VERSION, as 0.11.0 or 0.12.0-rc.1} date=${2:-$(date -u +%F)}
cd "$(dirname "$0")/.."
echo "$version" | grep -qE '^[0-9]+\.[0-9]+\.[0-9]+(-rc\.[0-9]+)?$' || {
    echo "set-version: '$version' is no version like 0.11.0 or 0.12.0-rc.1" >&2
    exit 2
}
numbers=${version%%-*}
major=${numbers%%.*} rest=${numbers#*.}
minor=${rest%%.*} patch=${rest#*.}
debian=$(echo "$version" | sed 's/-/~/')

sed -i "s/^VERSION *:= .*/VERSION  := $version/" Makefile
sed -i -e "s/^\(#define BITNET_VERSION_MAJOR\) .*/\1 $major/" -e "s/^\(#define BITNET_VERSION_MINOR\) .*/\1 $minor/" \
    -e "s/^\(#define BITNET_VERSION_PATCH\) .*/\1 $patch/" core/include/bitnet/bitnet.h
sed -i "s/^__version__ = .*/__version__ = \"$(echo "$version" | sed 's/-rc\./rc/')\"/" python/bitnet/_version.py
sed -i "s/^## Unreleased\$/## $version ($date)/" CHANGELOG.md
sed -i "s,docs/releases/v[0-9][^)]*-summary\.md,docs/releases/v$version-summary.md,g" README.md
sed -i "s/^Version: .*/Version: $debian/" packaging/bitnet.spec
sed -i "s/^\(\.TH .*\) \"[0-9-]*\" \"bitnet @VERSION@\"/\1 \"$date\" \"bitnet @VERSION@\"/" docs/*.[13]
if ! head -n 1 debian/changelog | grep -qF "($debian)"; then
    {
        printf 'bitnet (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n' "$debian"
        printf ' -- The bitnet authors <bitnet@example.org>  %s\n\n' "$(LC_ALL=C date -u -d "$date 12:00" '+%a, %d %b %Y %H:%M:%S +0000')"
        cat debian/changelog
    } >debian/changelog.new
    mv debian/changelog.new debian/changelog
fi
echo "This is $version of $date now; \`make release-check\` says what is missing."
