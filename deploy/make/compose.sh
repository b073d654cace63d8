#!/bin/sh
# Starts parley and Redis with Docker. What must be secret is generated once, in
# deploy/.env, and never overwritten: losing MASTER_KEYS loses every stored key.
set -eu
cd "$(dirname "$0")/.."
umask 077

if ! [ -e .env ]; then
	cat >.env <<-'END'
		# Settings of the compose file, read when the containers start. Any variable of
		# .env.example may be added. Keep a copy of this file: without MASTER_KEYS what is
		# stored cannot be read any more.
		PLAYGROUND=on
	END
fi
given() { grep -q "^$1=." .env; }
given ADMIN_TOKEN || echo "ADMIN_TOKEN=$(od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n')" >>.env
given MASTER_KEYS || echo "MASTER_KEYS=k1:$(head -c 32 /dev/urandom | base64 | tr -d '\n')" >>.env
echo "settings: deploy/.env (ADMIN_TOKEN and MASTER_KEYS are in it)"

if ! docker compose version >/dev/null 2>&1; then
	echo "Docker with its compose plugin is needed to go on: https://docs.docker.com/compose/install/" >&2
	exit 1
fi
docker compose -f compose.yaml up --build --detach
echo "parley: http://127.0.0.1:7070 (log in with ADMIN_TOKEN; without typing it: docker compose -f deploy/compose.yaml exec parley parley open)"
