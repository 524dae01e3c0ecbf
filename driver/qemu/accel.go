package qemu

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Accel is how guests' code is run.
type Accel string

// The accelerators. With AccelAuto the choice is made once, when the driver
// opens: a guest that fails under KVM is never tried again under TCG silently.
const (
	AccelAuto Accel = "auto"
	AccelKVM  Accel = "kvm" // hardware virtualisation
	AccelTCG  Accel = "tcg" // translation: works everywhere, slow
)

// hardware is what the choice is made on, as text, so that it can be tested.
type hardware struct {
	cpuinfo string
	exists  func(path string) bool
	openKVM func() error
}

var errRootOnly = errors.New("only root may open it")

func realHardware() hardware {
	text, _ := os.ReadFile("/proc/cpuinfo") // none: no flags, so no KVM
	return hardware{
		cpuinfo: string(text),
		exists:  func(path string) bool { _, err := os.Stat(path); return err == nil },
		openKVM: func() error {
			f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
			if err != nil {
				return err
			}
			info, err := f.Stat()
			if err == nil && info.Mode().Perm()&0o006 != 0o006 && groupsOf("/dev/kvm") == nil {
				err = errRootOnly // guests' processes have users of their own
			}
			return errors.Join(err, f.Close())
		},
	}
}

// choose decides between KVM and TCG and says why. /dev/kvm alone proves
// nothing: some clouds offer one on which real guests hang or abort, so that
// the processor's own flag and the module of its maker are asked for too.
func choose(want Accel, hw hardware) (accel Accel, reason string, err error) {
	usable, reason := hw.usable()
	switch want {
	case AccelTCG:
		return AccelTCG, "configured", nil
	case AccelKVM:
		if !usable {
			return "", "", fmt.Errorf("KVM is configured and not usable: %s", reason)
		}
		return AccelKVM, "configured", nil
	case AccelAuto, "":
		if usable {
			return AccelKVM, reason, nil
		}
		return AccelTCG, reason, nil
	}
	return "", "", fmt.Errorf("accelerator %q is none of auto, kvm and tcg", want)
}

func (hw hardware) usable() (bool, string) {
	flags := cpuFlags(hw.cpuinfo)
	switch {
	case !slices.Contains(flags, "vmx") && !slices.Contains(flags, "svm"):
		return false, "the processor shows neither vmx nor svm"
	case hw.exists("/sys/module/kvm_pvm"):
		return false, "kvm_pvm is loaded, on which guests hang"
	case !hw.exists("/sys/module/kvm_intel") && !hw.exists("/sys/module/kvm_amd"):
		return false, "neither kvm_intel nor kvm_amd is loaded"
	}
	if err := hw.openKVM(); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return false, "/dev/kvm is missing"
		}
		if errors.Is(err, errRootOnly) {
			return false, "/dev/kvm is open to root only: give it a group"
		}
		return false, "/dev/kvm cannot be opened"
	}
	return true, "the processor, its module and /dev/kvm are there"
}

func cpuFlags(cpuinfo string) []string { return strings.Fields(cpuinfoField(cpuinfo, "flags")) }

// cpuinfoField answers a field of the first processor.
func cpuinfoField(cpuinfo, name string) string {
	lines := bufio.NewScanner(strings.NewReader(cpuinfo))
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
