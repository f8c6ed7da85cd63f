#!/bin/sh
# Builds the sandbox image from Debian packages, for machines that reach no image registry.
# Needs root, docker.io and debootstrap.
#
#   build-from-debian.sh [IMAGE]
#
# IMAGE is stepforge-sandbox:latest unless named. ROOTFS_CACHE names a folder that keeps the Debian
# tree between builds; DEBIAN_MIRROR and DEBIAN_SUITE say where it comes from.
set -eu

image=${1:-stepforge-sandbox:latest}
suite=${DEBIAN_SUITE:-bookworm}
mirror=${DEBIAN_MIRROR:-}
here=$(cd "$(dirname "$0")" && pwd)
guest=$here/../../services/sandbox/guest
packages=python3-minimal,libpython3.11-stdlib,python3-numpy,python3-sympy

for program in debootstrap docker tar; do
    command -v "$program" >/dev/null || {
        echo "build-from-debian.sh: $program is missing; apt-get install docker.io debootstrap" >&2
        exit 1
    }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rootfs=${ROOTFS_CACHE:-$work/rootfs}

if [ ! -x "$rootfs/usr/bin/python3" ]; then
    mkdir -p "$rootfs"
    # shellcheck disable=SC2086 # an empty mirror must vanish
    debootstrap --variant=minbase --include="$packages" "$suite" "$rootfs" $mirror
fi

mkdir -p "$work/overlay/opt/stepforge/guest"
cp "$guest"/*.py "$work/overlay/opt/stepforge/guest/"
chmod -R a+rX,go-w "$work/overlay"

# The guest comes second in the archive, so that a cached tree is never written to.
tar -C "$rootfs" --exclude=./var/cache/apt --exclude=./var/lib/apt/lists --exclude=./usr/share/doc \
    --exclude=./opt -cf "$work/image.tar" .
tar -C "$work/overlay" -rf "$work/image.tar" ./opt
docker import \
    --change 'USER 65534:65534' --change 'WORKDIR /' --change 'LABEL stepforge=sandbox' \
    --change "LABEL stepforge.guest=$(cat "$guest"/*.py | sha256sum | cut -d' ' -f1)" \
    "$work/image.tar" "$image"
