package netlinks

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openTap opens a descriptor of a tap in the thread's namespace, making the tap
// if it is not there. Frames carry a virtio-net header, as hypervisors want.
func openTap(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("open tap %s: %w", name, err)
	}
	// Only now: a descriptor that is no tap yet cannot be polled.
	return os.NewFile(uintptr(fd), name), nil
}

// makeTap makes a tap that outlives its descriptors.
func makeTap(name string) error {
	f, err := openTap(name)
	if err != nil {
		return err
	}
	defer f.Close()
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var problem error
	if err := conn.Control(func(fd uintptr) { problem = unix.IoctlSetInt(int(fd), unix.TUNSETPERSIST, 1) }); err != nil {
		return err
	}
	if problem != nil {
		return fmt.Errorf("make tap %s persistent: %w", name, problem)
	}
	return nil
}
