package api_test

import "testing"

func TestCallsOfPKITokensAreGone(t *testing.T) {
	c := serve(t)
	for _, path := range []string{"ca", "certificates"} {
		if a := c.do("GET /v3/OS-SIMPLE-CERT/"+path, 410, ""); a.str("error.title") != "Gone" {
			t.Errorf("%s: %s", path, a.text)
		}
	}
	c.do("GET /v3/auth/tokens/OS-PKI/revoked", 403, "")
}
