package api_test

import (
	"testing"
	"time"
)

func TestAllowExpired(t *testing.T) {
	c := serve(t)
	subject := c.demo().token
	c.cloud.Clock.Advance(2 * time.Hour)
	nova, _, err := c.cloud.Service.IssueService(t.Context(), "nova")
	if err != nil {
		t.Fatal(err)
	}
	service := c.as(nova)
	service.do("GET /v3/auth/tokens", 404, "", "X-Subject-Token", subject)
	service.do("GET /v3/auth/tokens?allow_expired=0", 404, "", "X-Subject-Token", subject)
	if a := service.do("GET /v3/auth/tokens?allow_expired=1", 200, "", "X-Subject-Token", subject); a.str("token.user.name") != "demo" {
		t.Errorf("an ended token: %s", a.text)
	}
	service.do("HEAD /v3/auth/tokens?allow_expired=true", 200, "", "X-Subject-Token", subject)
	c.as(subject).do("GET /v3/projects", 401, "")                               // nobody acts by it alone
	c.as(subject).do("GET /v3/auth/projects", 401, "", "X-Service-Token", nova) // nor makes what would last
}

func TestRevocationEvents(t *testing.T) {
	c := serve(t)
	demo, admin := c.demo(), c.admin()
	demo.do("DELETE /v3/auth/tokens", 204, "", "X-Subject-Token", demo.token)
	first := admin.do("GET /v3/OS-REVOKE/events", 200, "")
	if first.str("events.0.audit_id") == "" || first.str("events.0.issued_before") == "" || first.str("events.0.revoked_at") == "" {
		t.Errorf("events: %s", first.text)
	}
	c.cloud.Clock.Advance(time.Minute)
	admin.do("PATCH /v3/users/"+c.cloud.Access.DemoUserID, 200, `{"user":{"enabled":false}}`)
	since := c.cloud.Clock.Now().UTC().Format("2006-01-02T15:04:05Z")
	if a := admin.do("GET /v3/OS-REVOKE/events?since="+since, 200, ""); a.str("events.0.user_id") != c.cloud.Access.DemoUserID || len(a.at("events").([]any)) != 1 {
		t.Errorf("events since %s: %s", since, a.text)
	}
	admin.do("GET /v3/OS-REVOKE/events?since=yesterday", 400, "")
}
