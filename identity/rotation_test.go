package identity_test

import (
	"testing"
	"time"

	"altostack/identity/identitytest"
)

// TestTokensOutliveARotation makes a token right before each rotation and uses it
// until its end.
func TestTokensOutliveARotation(t *testing.T) {
	c := identitytest.New(t)
	c.Clock.Advance(time.Since(c.Clock.Now())) // keys are dated by the file system
	for day := range 4 {
		token := c.Token(t, "demo", "demo")
		c.Clock.Advance(25 * time.Hour)
		late := c.Token(t, "demo", "demo")
		if err := c.Service.RotateKeys(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Forget(t) // nothing is remembered but the keys
		c.Clock.Advance(59 * time.Minute)
		if err := c.Service.RotateKeys(t.Context()); err != nil { // not due
			t.Fatal(err)
		}
		if _, err := c.Service.Validate(t.Context(), late); err != nil {
			t.Errorf("day %d: a token died of a rotation: %v", day, err)
		}
		if _, err := c.Service.Validate(t.Context(), token); err == nil {
			t.Errorf("day %d: a token lives longer than its hour", day)
		}
	}
}
