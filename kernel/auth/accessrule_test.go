package auth

import "testing"

func TestAccessRulePaths(t *testing.T) {
	tests := []struct {
		pattern, path string
		want          bool
	}{
		{"/v2.1/servers", "/v2.1/servers", true},
		{"/v2.1/servers", "/v2.1/servers/1", false},
		{"/v2.1/servers/*/ips", "/v2.1/servers/1/ips", true},
		{"/v2.1/servers/*/ips", "/v2.1/servers/1/2/ips", false},
		{"/v2.1/servers/{id}", "/v2.1/servers/1", true},
		{"/v2.1/servers/{id}", "/v2.1/servers/", false},
		{"/v2.1/**", "/v2.1/servers/1/ips", true},
		{"/v2.1/**", "/v3/servers", false},
		{"/**/ips", "/v2.1/servers/1/ips", true},
		{"/v2.1/s*", "/v2.1/servers", true},
		{"/v2.1/s*", "/v2.1/s/x", false},
		{"", "/", false},
	}
	for _, tt := range tests {
		p := &Principal{AccessRules: []AccessRule{{"compute", "GET", tt.pattern}}}
		if got := p.Permits("GET", tt.path, "compute"); got != tt.want {
			t.Errorf("%s against %s: %t", tt.pattern, tt.path, got)
		}
	}
	p := &Principal{AccessRules: []AccessRule{{"compute", "GET", "/**"}}}
	if p.Permits("POST", "/x", "compute") || p.Permits("GET", "/x", "image") || !(&Principal{}).Permits("GET", "/x", "image") {
		t.Error("method, service or the lack of rules is not heeded")
	}
	if (&Principal{AccessRules: []AccessRule{}}).Permits("GET", "/x", "compute") {
		t.Error("an empty list must allow nothing")
	}
}
