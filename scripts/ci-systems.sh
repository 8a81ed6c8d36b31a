# ci-systems.sh - clean Debian systems to try things in, for the scripts that include this: how one is made, and how a
# command runs in it. Needs root, debootstrap and a mirror (MIRROR=URL). BASES=FOLDER keeps a tarball of each system
# there, so that the next run need not fetch it; without it nothing is kept. Of another architecture a system
# needs qemu-user-static, whose emulator must be registered with the kernel (binfmt_misc) as one that needs no file in
# the system ("F").
# shellcheck shell=bash
mirror=${MIRROR:-http://deb.debian.org/debian}
for tool in debootstrap unshare; do
    command -v "$tool" >/dev/null || {
        echo "$(basename "$0"): $tool is needed" >&2
        exit 1
    }
done

can_run() { # ARCH: by the processor, or by an emulator that the kernel knows
    local own emulator=/proc/sys/fs/binfmt_misc/qemu-
    own=$(dpkg --print-architecture)
    case $1 in
    "$own") return ;;
    arm64) emulator=${emulator}aarch64 ;;
    *) emulator=$emulator$1 ;;
    esac
    grep -q '^flags:.*F' "$emulator" 2>/dev/null || {
        echo "$(basename "$0"): no emulator for $1 is registered: install qemu-user-static and binfmt-support, and see" \
            "that binfmt_misc is mounted on /proc/sys/fs/binfmt_misc" >&2
        return 1
    }
}

clean_system() { # SUITE ARCH FOLDER
    local kept=${BASES:+$BASES/$1-$2.tar}
    can_run "$2" || return 1
    mkdir -p "$3"
    if [ -n "$kept" ] && [ -s "$kept" ]; then
        tar -C "$3" -xf "$kept"
        return
    fi
    debootstrap --variant=minbase --arch="$2" "$1" "$3" "$mirror" >"$3.log" 2>&1 || {
        tail "$3.log"
        return 1
    }
    if [ -n "$kept" ]; then
        mkdir -p "$BASES"
        tar -C "$3" -cf "$kept.new" . && mv "$kept.new" "$kept"
    fi
}

# A command in a system, in mount and process spaces of its own: nothing stays mounted, whatever happens.
inside() { # FOLDER COMMAND...
    local root=$1
    shift
    # shellcheck disable=SC2016 # for the shell that mounts
    unshare --mount --pid --fork --mount-proc="$root/proc" \
        sh -c 'mount --rbind /dev "$1/dev" && mount -t tmpfs none "$1/tmp" && chmod 1777 "$1/tmp" && root=$1 && shift &&
            exec chroot "$root" env -i HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
                PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"' - "$root" "$@"
}
