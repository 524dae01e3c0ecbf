package agent

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"altostack/kernel/fault"
)

// asFault lets a fault through and makes any other error one of code, whose
// cause only the host's log shows.
func asFault(err error, code fault.Code, format string, args ...any) error {
	var f *fault.Fault
	if err == nil || errors.As(err, &f) || errors.Is(err, context.Canceled) || errors.Is(err, errRemoved) ||
		errors.Is(err, errClosing) || errors.Is(err, errSuperseded) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		code = fault.CodeAgentNoSpace
	}
	return fault.Because(err, code, "%s", fmt.Sprintf(format, args...))
}

// diskFault says which of the host's file operations failed.
func diskFault(err error, doing string, args ...any) error {
	return asFault(err, fault.CodeAgentDisksFailed, "The host could not "+doing+".", args...)
}

// elsewhere reports whether another host may do better: trouble of this host
// or of a service it asked does, what is wrong with the server does not.
func elsewhere(err error) bool {
	switch fault.KindOf(err) {
	case fault.Internal, fault.Unavailable:
		return true
	}
	return false
}

// unknownGuest is the answer for a guest that is not on this host.
func unknownGuest(id string) error {
	return fault.New(fault.CodeAgentGuestUnknown, "Guest %s is not on this host.", id)
}
