#!/bin/sh
# Runs every fuzz target in turn for the time given.
set -eu
cd "$(dirname "$0")/../.."
grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$file" | while read -r target; do
		echo "== $target in $(dirname "$file")"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" "$(dirname "$file")" </dev/null
	done
done
