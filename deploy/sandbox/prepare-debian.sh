#!/bin/sh
# Gets a Debian machine ready for the Docker sandbox: the engine, running, and the sandbox image.
# Does only what is missing. Needs root.
#
#   prepare-debian.sh [IMAGE]
set -eu

image=${1:-stepforge-sandbox:latest}
here=$(cd "$(dirname "$0")" && pwd)
logs=$here/../../build/sandbox
mkdir -p "$logs"

if ! command -v dockerd >/dev/null || ! command -v debootstrap >/dev/null; then
    echo "Installing docker.io and debootstrap"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends docker.io debootstrap >"$logs/apt.log" 2>&1
fi

if ! docker info >/dev/null 2>&1; then
    echo "Starting Docker"
    # A daemon that was killed leaves its pid behind, which another process may have by now.
    rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid
    setsid dockerd --iptables=false --bridge=none >"$logs/dockerd.log" 2>&1 </dev/null &
    for _ in $(seq 120); do
        docker info >/dev/null 2>&1 && break
        sleep 0.5
    done
    docker info >/dev/null 2>&1 || {
        echo "prepare-debian.sh: Docker did not come up. $logs/dockerd.log ends:" >&2
        tail -n 20 "$logs/dockerd.log" >&2
        exit 1
    }
fi

# An image of an older guest would be measured and tested in place of this one.
newest=$(cat "$here"/../../services/sandbox/guest/*.py | sha256sum | cut -d' ' -f1)
built=$(docker image inspect --format '{{index .Config.Labels "stepforge.guest"}}' "$image" 2>/dev/null || true)
if [ "$built" != "$newest" ]; then
    echo "Building the image $image"
    "$here/build-from-debian.sh" "$image" >"$logs/image.log" 2>&1 || {
        echo "prepare-debian.sh: the image could not be built. $logs/image.log ends:" >&2
        tail -n 20 "$logs/image.log" >&2
        exit 1
    }
fi
