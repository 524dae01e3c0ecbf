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
