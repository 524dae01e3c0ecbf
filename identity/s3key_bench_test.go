package identity_test

import (
	"testing"

	"altostack/identity"
	"altostack/identity/identitytest"
	"altostack/kernel/auth"
)

// A signed request costs about what a token costs: a digest and a look.
func BenchmarkS3Key(b *testing.B) {
	c := identitytest.New(b)
	blob := `{"access":"a","secret":"s"}`
	if _, err := c.Service.CreateCredential(b.Context(), auth.System("bench"), identity.Attrs{"type": "ec2", "user_id": c.Access.DemoUserID, "project_id": c.Access.DemoProjectID, "blob": blob}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := c.Service.S3Key(b.Context(), "a"); err != nil {
			b.Fatal(err)
		}
	}
}
