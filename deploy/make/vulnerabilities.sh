#!/bin/sh
# Looks for known vulnerabilities in what parley calls, where the tool and its
# database can be reached; says in one line when they cannot. Only a finding that
# is called makes it fail. The tool is no dependency of the module.
set -eu
cd "$(dirname "$0")/../.."
version=v1.9.0
out=$(mktemp)
trap 'rm -f "$out"' EXIT
status=0
timeout 60 go run "golang.org/x/vuln/cmd/govulncheck@$version" ./... >"$out" 2>&1 || status=$?
# The tool ends with 3 when code that is called is vulnerable; "go run" ends with
# 1 and says so.
if [ "$status" = 0 ]; then
	echo "govulncheck: no known vulnerability is called"
elif grep -q '^Vulnerability #' "$out"; then
	cat "$out"
	exit 1
elif [ "$status" = 124 ]; then
	echo "govulncheck: not checked: no answer within 60 s"
else
	echo "govulncheck: not checked: $(grep -v -e '^go: downloading' -e '^exit status' "$out" | tail -n 1 | cut -c1-160)"
fi
