package api_test

import (
	"fmt"
	"testing"

	"github.com/pquerna/otp/totp"
)

// The shapes are those of Keystone's guide to multi-factor authentication.
func TestReceiptsOverHTTP(t *testing.T) {
	c := serve(t)
	const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	admin, user := c.admin(), c.cloud.Access.DemoUserID
	admin.do("POST /v3/credentials", 201, fmt.Sprintf(`{"credential":{"type":"totp","user_id":%q,"blob":%q}}`, user, secret))
	admin.do("PATCH /v3/users/"+user, 200, `{"user":{"options":{"multi_factor_auth_enabled":true,"multi_factor_auth_rules":[["password","totp"]]}}}`)
	first := c.do("POST /v3/auth/tokens", 401, passwordBody("demo", "demo's", onDemo))
	receipt := first.header.Get("Openstack-Auth-Receipt")
	if receipt == "" || first.header.Get("X-Subject-Token") != "" || first.str("receipt.user.domain.name") != "Default" || first.str("receipt.user.id") != user ||
		first.str("receipt.methods.0") != "password" || first.str("receipt.expires_at") == "" || first.str("receipt.issued_at") == "" || fmt.Sprint(first.at("required_auth_methods.0")) != "[password totp]" {
		t.Errorf("the receipt: %v %s", first.header, first.text)
	}
	code, err := totp.GenerateCode(secret, c.cloud.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	second := fmt.Sprintf(`{"auth":{"identity":{"methods":["totp"],"totp":{"user":{"id":%q,"passcode":%q}}}%s}}`, user, code, onDemo)
	a := c.do("POST /v3/auth/tokens", 201, second, "Openstack-Auth-Receipt", receipt)
	if a.header.Get("X-Subject-Token") == "" || fmt.Sprint(a.at("token.methods")) != "[totp password]" {
		t.Errorf("the token: %s", a.text)
	}
	c.do("POST /v3/auth/tokens", 401, second, "Openstack-Auth-Receipt", receipt) // used
	c.do("POST /v3/auth/tokens", 400, `{"auth":{"identity":{"methods":["totp"]}}}`)
	c.do("POST /v3/auth/tokens", 401, `{"auth":{"identity":{"methods":["nosuch"],"nosuch":{}}}}`)
}
