package identity_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"altostack/identity"
	"altostack/identity/identitytest"
	"altostack/kernel/auth"
)

func TestEffectiveLimits(t *testing.T) {
	for model, want := range map[string]int64{identity.ModelFlat: 9, identity.ModelStrictTwoLevel: 4} {
		t.Run(model, func(t *testing.T) {
			c := identitytest.New(t)
			c.Limits(t, model)
			ctx, s, scope := t.Context(), c.Service, auth.System("test")
			if err := s.RegisterLimits(ctx, "compute", map[string]int64{"servers": 10, "class:VCPU": 20}); err != nil {
				t.Fatal(err)
			}
			services, _, err := s.CatalogServices(ctx, scope, identity.List{Match: []identity.Match{identity.Is("type", "compute")}})
			if err != nil {
				t.Fatal(err)
			}
			limits := func() map[string]int64 {
				t.Helper()
				got, err := s.EffectiveLimits(ctx, c.DB, []string{"compute"}, c.Access.DemoProjectID, []string{"servers", "class:VCPU", "unheard"})
				if err != nil {
					t.Fatal(err)
				}
				return got
			}
			if got := limits(); fmt.Sprint(got) != "map[class:VCPU:20 servers:10]" {
				t.Errorf("defaults: %v", got)
			}
			set := func(resource string, n int64, owner, id string) error {
				_, err := s.CreateLimits(ctx, scope, []identity.Attrs{{"service_id": services[0].ID, "resource_name": resource, "resource_limit": json.Number(fmt.Sprint(n)), owner: id}})
				return err
			}
			if err := set("servers", want, "project_id", c.Access.DemoProjectID); err != nil {
				t.Fatal(err)
			}
			if err := set("class:VCPU", 4, "domain_id", "default"); err != nil {
				t.Fatal(err)
			}
			cores := map[string]int64{identity.ModelFlat: 20, identity.ModelStrictTwoLevel: 4}[model]
			if got := limits(); got["servers"] != want || got["class:VCPU"] != cores {
				t.Errorf("own: %v", got)
			}
			err = set("class:VCPU", 5, "project_id", c.Access.DemoProjectID)
			if strict := model == identity.ModelStrictTwoLevel; strict != (err != nil && strings.Contains(err.Error(), "doesn't satisfy current hierarchy model")) {
				t.Errorf("a project above its domain: %v", err)
			}
			err = set("servers", 1, "domain_id", "default")
			if strict := model == identity.ModelStrictTwoLevel; strict != (err != nil) {
				t.Errorf("a domain below its project: %v", err)
			}
		})
	}
}
