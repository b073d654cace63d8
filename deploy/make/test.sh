#!/bin/sh
# Installs what the tests need and this machine lacks, then runs them: a C
# compiler for the race detector, a real redis-server, a real nginx, Chromium for
# the pages.
set -eu
cd "$(dirname "$0")/../.."

has() { command -v "$1" >/dev/null 2>&1; }
browser() {
	for name in chromium chromium-browser google-chrome google-chrome-stable headless-shell headless_shell chrome; do
		has "$name" && "$name" --version >/dev/null 2>&1 && return 0
	done
	return 1
}
compiler() {
	for name in "${CC:-gcc}" cc clang; do
		has "$name" && echo '#include <stdlib.h>' | "$name" -E - >/dev/null 2>&1 && return 0
	done
	return 1
}

# missing sets packages (for apt) and words (for people).
missing() {
	packages="" words=""
	need() { packages="$packages $1" words="$words\n  - $2"; }
	compiler || need "gcc libc6-dev" "a C compiler with its headers, for the race detector (Debian, Ubuntu: gcc libc6-dev)"
	has redis-server || need "redis-server" "redis-server, to test against a real Redis (Debian, Ubuntu: redis-server)"
	has nginx || [ -x /usr/sbin/nginx ] || need "nginx-light" "nginx, to test what a proxy lets through (Debian, Ubuntu: nginx-light)"
	browser || need "$chromium fonts-dejavu-core" "Chromium, for the tests of the pages (Debian: chromium; Ubuntu: chromium-browser, a snap, or Google Chrome)"
	if ! [ -s /etc/ssl/certs/ca-certificates.crt ] && has apt-get; then
		need "ca-certificates" "ca-certificates, to fetch Go modules"
	fi
}

# as_root runs a command as root, if this user may.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif has sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
		sudo "$@"
	else
		return 1
	fi
}

# apt_install installs packages without starting a service: the tests start a
# redis-server and an nginx of their own, and this machine did not ask for one.
apt_install() {
	policy=/usr/sbin/policy-rc.d
	ours=no
	if ! [ -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null || return 1
		as_root chmod 755 "$policy" && ours=yes
	fi
	status=0
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q update >&2 &&
		as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q install -y --no-install-recommends "$@" >&2 || status=$?
	[ "$ours" = no ] || as_root rm -f "$policy"
	return $status
}

# chrome fetches Google Chrome where the distribution's Chromium is a snap, which
# does not run in a container.
chrome() {
	[ "$(dpkg --print-architecture)" = amd64 ] || return 1
	deb=$(mktemp --suffix=.deb) && chmod 644 "$deb"
	url=https://dl.google.com/linux/direct/google-chrome-stable_current_amd64.deb
	if has curl; then curl -fsSL -o "$deb" "$url"; else wget -qO "$deb" "$url"; fi && apt_install "$deb"
	status=$?
	rm -f "$deb"
	return $status
}

chromium=chromium
[ -r /etc/os-release ] && grep -q '^ID=ubuntu' /etc/os-release && chromium="chromium-browser"

missing
if [ -n "$packages" ]; then
	echo "The tests need what this machine lacks:$packages" >&2
	if has apt-get; then
		# One that cannot be had must not keep the others out.
		# shellcheck disable=SC2086 # a list of packages
		apt_install $packages || for package in $packages; do apt_install "$package" || true; done
		browser || [ "$chromium" = chromium ] || chrome || true
	fi
	missing
fi
if [ -n "$packages" ]; then
	# shellcheck disable=SC2059 # words holds line breaks
	printf "make test cannot install these; install them and try again:$words\n" >&2
	has apt-get && echo "  as root: apt-get install$packages" >&2
	exit 1
fi

go vet ./...
deploy/make/vulnerabilities.sh
# The race detector needs cgo even where it is switched off otherwise.
CGO_ENABLED=1 exec go test -race -timeout 10m "$@" ./...
