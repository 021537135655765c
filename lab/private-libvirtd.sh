#!/bin/sh
# private-libvirtd.sh HOME CAPABILITIES: libvirtd with all its state below HOME, in a mount namespace that this is started in.
# A libvirt of the machine's own, and its domains, are neither seen nor touched.
set -e
home=$1
mount --bind "$home/run" /run/libvirt
mount --bind "$home/lib" /var/lib/libvirt
mount --bind "$home/log" /var/log/libvirt
mount --bind "$2" /var/cache/libvirt
mount --bind "$home/etc" /etc/libvirt
# A /dev/kvm that libvirtd may use and its QEMUs may not makes it ask every QEMU binary anew, again and again; the lab's domains use none.
[ -e /dev/kvm ] && mount --bind /dev/null /dev/kvm
exec /usr/sbin/libvirtd --config "$home/etc/libvirtd.conf" --pid-file "$home/libvirtd.pid"
