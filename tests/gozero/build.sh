#!/bin/bash
# build.sh OUT: builds main.go against go-zero's own sources, with time, CPU and randomness replaced.
# Ends with 77 and a sentence where Go or the module is missing.
set -uo pipefail
cd "$(dirname "$0")"
out=$(realpath -m "$1")
command -v go >/dev/null || { echo "Go is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp main.go go.mod "$work"
replaced=$PWD/replaced
cd "$work"
export GOFLAGS=-mod=mod GOTOOLCHAIN=local
missing() {
  echo "go-zero's sources cannot be had: $(tail -1 log)"
  exit 77
}
timeout 60 go mod download github.com/zeromicro/go-zero >log 2>&1 || missing
cp -r "$(go list -m -f '{{.Dir}}' github.com/zeromicro/go-zero)" go-zero && chmod -R u+w go-zero || exit 1
cp "$replaced/timex.txt" go-zero/core/timex/relativetime.go
cp "$replaced/usage.txt" go-zero/core/stat/usage.go
cp "$replaced/proba.txt" go-zero/core/mathx/proba.go
go mod edit -replace github.com/zeromicro/go-zero=./go-zero
# Whatever packages of others it includes come now.
timeout 60 go get github.com/zeromicro/go-zero/core/load github.com/zeromicro/go-zero/core/breaker \
  >log 2>&1 || missing
go build -o "$out" .
