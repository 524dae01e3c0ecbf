package image

import (
	"strings"
	"testing"

	"altostack/kernel/auth"
)

func TestProtections(t *testing.T) {
	p, err := ReadProtections(strings.NewReader(`
# a comment
[^x_owner.*]
create = admin, Owner
read = @
update = owner
delete = !
[^x_.*]
create:admin
read:admin
update:admin
delete:admin
`), "roles")
	if err != nil {
		t.Fatal(err)
	}
	who := func(role string) auth.Scope {
		return auth.Scope{Principal: &auth.Principal{ProjectID: "p", Roles: []string{role}}}
	}
	for _, tt := range []struct {
		role, property, what string
		want                 bool
	}{
		{"owner", "x_owner_1", CreateProperty, true},
		{"member", "x_owner_1", CreateProperty, false},
		{"member", "x_owner_1", ReadProperty, true},
		{"admin", "x_owner_1", UpdateProperty, false},
		{"admin", "x_owner_1", DeleteProperty, false},
		{"owner", "x_other", ReadProperty, false},
		{"admin", "x_other", ReadProperty, true},
		{"admin", "unmatched", ReadProperty, false},
		{"member", "os_glance_x", UpdateProperty, true},
	} {
		if got := p.Allow(who(tt.role), tt.property, tt.what); got != tt.want {
			t.Errorf("%s may %s %s: %v", tt.role, tt.what, tt.property, got)
		}
	}
	if !(*Protections)(nil).Allow(auth.Scope{}, "any", DeleteProperty) {
		t.Error("no protections must protect nothing")
	}
	for text, format := range map[string]string{
		"[(]\ncreate=@": "roles", "create=@": "roles", "[a]\ncreate=@": "roles", "[a]\ncreate=@,!": "roles", "[a]\ncreate=a,b": "policies", "[a]\nlook=@": "roles",
	} {
		if _, err := ReadProtections(strings.NewReader(text), format); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
