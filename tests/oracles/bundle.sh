#!/bin/sh
# bundle.sh OUT - the models/ folder of a llama.cpp release, as it comes with node-llama-cpp's package:
# vocabularies with texts and the ids expected of them, and chat templates. The package is pinned by
# the hash that npm's registry signs for; it is packed, not installed, for it is one file we want.
set -eu
out=$1
version=3.22.1
sha512=6e5b488a9b9699cd76dc7eed30880318a4ac4ab866865418795502e3c5d38d55bb5c624988927209d95333343f2e25a83e4183a5c2f816f883a60c3ba9f4e20f
npm=${NPM:-npm}
mkdir -p "$out"
cd "$out"
$npm pack --silent "node-llama-cpp@$version" >/dev/null
echo "$sha512  node-llama-cpp-$version.tgz" | sha512sum --check --quiet -
tar -xzf "node-llama-cpp-$version.tgz" package/llama/gitRelease.bundle
rm -rf models bundle.git
git clone --quiet --bare package/llama/gitRelease.bundle bundle.git
git --git-dir=bundle.git archive HEAD models | tar -x
rm -rf bundle.git package "node-llama-cpp-$version.tgz"
echo "$out: models of the llama.cpp release in node-llama-cpp $version"
