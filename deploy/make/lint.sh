#!/bin/sh
# go vet and golangci-lint. The linter is no dependency of the module: it is taken
# from the PATH or built aside in the version that .golangci.yml was written for.
set -eu
cd "$(dirname "$0")/../.."
version=v2.15.0
go vet ./...
if command -v golangci-lint >/dev/null 2>&1; then
	exec golangci-lint run ./...
fi
exec go run "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version" run ./...
