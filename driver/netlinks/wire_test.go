package netlinks

import "testing"

// TestSite walks through a small site once: every kind of traffic that should
// pass does, and what should not does not.
func TestSite(t *testing.T) {
	l := newLab(t, site())
	a, b := l.boot(portA, gw4), l.boot(portB, gw4)
	if err := ping(a.space, "10.0.0.6", patience); err != nil {
		t.Fatal(err)
	}
	if err := ping(a.space, "10.0.0.1", patience); err != nil {
		t.Fatal(err)
	}
	if err := ping(a.space, "fd00:10::f816:3eff:fe00:b", patience); err != nil {
		t.Fatal(err)
	}
	serveTCP(t, b.space, ":22")
	serveTCP(t, b.space, ":23")
	l.reach(a.space, "10.0.0.6:22")
	l.refused(a.space, "10.0.0.6:23")
}
