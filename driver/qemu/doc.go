// Package qemu runs guests as QEMU processes of their own and speaks QMP to
// them; there is no libvirt and no shell in between.
//
// The one idea: plan, then apply. [makePlan] is a pure function from a guest's
// description to QEMU's arguments and the descriptors that go with them; the
// rest starts that process, or brings a running one to the same devices by hot
// plug, asking QEMU itself what is there, so that each step may be repeated
// after a crash of ours at any moment.
//
// A guest's process outlives ours. What we keep of it is a directory,
// Dir/run/<guest id>, with a small record written atomically, and what tells a
// process of ours from a stranger's is that its working directory is this one.
// [Open] adopts what runs, and says of the rest whether it was meant to end.
//
// A guest may subvert its QEMU, so the process has nothing: a uid of its own,
// seccomp, cgroup limits, and no path on the host that it could write or, save
// the system's public files, read. Disks, taps, the log and the listening
// sockets are opened here and handed over as descriptors. What lies under an
// overlay is what its maker says, never what its header says, which the guest
// could have written.
//
// Calls for different guests never wait for each other. Calls that change one
// guest take turns; Guests, Console, Dial and Diagnostics wait for none.
//
// Wire format: QEMU's QMP reference; arguments as of QEMU 7.2 and later.
package qemu
