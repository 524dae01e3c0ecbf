package identity_test

import (
	"testing"

	"altostack/identity"
	"altostack/identity/identitytest"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
)

// Each code of identity has a way to be met.
func TestCodes(t *testing.T) {
	c, sys := identitytest.New(t), auth.System("test")
	svc, ctx := c.Service, t.Context()
	tests := map[fault.Code]func() error{
		fault.CodeIdentityNotFound: func() error { _, err := svc.User(ctx, sys, "nobody"); return err },
		fault.CodeIdentityDuplicate: func() error {
			_, err := svc.CreateUser(ctx, sys, identity.Attrs{"name": "demo", "domain_id": identity.DefaultDomainID})
			return err
		},
		fault.CodeIdentityInvalid: func() error {
			_, err := svc.UpdateUser(ctx, sys, c.Access.DemoUserID, identity.Attrs{"domain_id": "elsewhere"})
			return err
		},
		fault.CodeIdentityForbidden: func() error { return svc.DeleteDomain(ctx, sys, identity.DefaultDomainID) },
		fault.CodeIdentityInUse: func() error {
			if _, err := svc.CreateProject(ctx, sys, identity.Attrs{"name": "below", "parent_id": c.Access.DemoProjectID}); err != nil {
				return err
			}
			return svc.DeleteProject(ctx, sys, c.Access.DemoProjectID)
		},
		fault.CodeAuthUnauthenticated: func() error { _, err := svc.Validate(ctx, "x"); return err },
	}
	for code, provoke := range tests {
		if err := provoke(); !fault.Has(err, code) {
			t.Errorf("%s: %v", code, err)
		}
	}
}
