package wire

import (
	"strings"
	"testing"

	"altostack/kernel/id"
)

func TestSealedTexts(t *testing.T) {
	s, err := newSealing(id.Secret(32))
	if err != nil {
		t.Fatal(err)
	}
	hidden := s.Hide("secret")
	if strings.Contains(hidden, "secret") || hidden == s.Hide("secret") || s.Reveal(hidden) != "secret" || s.Reveal("never hidden") != "never hidden" {
		t.Errorf("%q, %q", hidden, s.Reveal(hidden))
	}
	other, err := newSealing(id.Secret(32))
	if err != nil {
		t.Fatal(err)
	}
	for _, broken := range []string{hidden[:len(hidden)-1] + "x", hidden[:9], "sealed:", "sealed:!"} {
		if got := s.Reveal(broken); got != "" {
			t.Errorf("%q reveals %q", broken, got)
		}
	}
	if got := other.Reveal(hidden); got != "" {
		t.Errorf("another key reveals %q", got)
	}
	if _, err := newSealing("x"); err == nil {
		t.Error("a key that is none is taken")
	}
}
