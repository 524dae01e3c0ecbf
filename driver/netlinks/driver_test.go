package netlinks

import (
	"testing"

	"altostack/hostapi"
	"altostack/kernel/fault"
)

func TestOpenSaysWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", "")
	if _, err := Open(t.Context(), Config{Cloud: "x"}); !fault.Has(err, fault.CodeNetlinksUnusable) {
		t.Errorf("without nft: %v", err)
	}
	for _, id := range []string{"", "UPPER", "way-too-long", "a/b"} {
		if _, err := Open(t.Context(), Config{Cloud: id}); err == nil {
			t.Errorf("cloud id %q is accepted", id)
		}
	}
}

func TestTapOfAnUnknownPort(t *testing.T) {
	l := newLab(t, hostapi.HostNetwork{})
	if _, err := l.driver.OpenTap(t.Context(), portA); !fault.Has(err, fault.CodeNetlinksNotWired) {
		t.Errorf("an unknown port: %v", err)
	}
	l.must(l.driver.Close())
	if _, err := l.driver.OpenTap(t.Context(), portA); err == nil {
		t.Error("a closed driver opens taps")
	}
	l.open()
}
