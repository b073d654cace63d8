#!/bin/sh
# Says which Go is needed where it cannot be had. Go 1.21 and newer fetch the
# version that go.mod names by themselves, unless told not to.
set -u
cd "$(dirname "$0")/../.." || exit 1
need=$(sed -n 's/^go \([0-9]*\.[0-9]*\).*/\1/p' go.mod)
say() {
	echo "parley needs Go $need or newer: $1" >&2
	echo "Get it from https://go.dev/dl/ (Debian and Ubuntu package an older one)." >&2
	exit 1
}
command -v go >/dev/null 2>&1 || say "there is no go command in the PATH nor in /usr/local/go/bin."
have=$(go env GOVERSION 2>/dev/null) || say "$(cd / && go version 2>/dev/null) is installed and could not fetch a newer one."
version=${have#go}
major=${version%%.*}
rest=${version#*.}
minor=${rest%%[!0-9]*}
[ "$major" -gt "${need%.*}" ] 2>/dev/null && exit 0
[ "$major" -eq "${need%.*}" ] 2>/dev/null && [ "$minor" -ge "${need#*.}" ] 2>/dev/null && exit 0
say "$have is installed."
