package bench

import (
	"context"
	"encoding/json"
	"time"
)

// limits are the quotas that a run can meet.
var limits = []struct {
	service, path, key string
	names              []string
}{
	{"compute", "/v2.1/os-quota-sets/", "quota_set", []string{"instances", "cores", "ram"}},
	{"network", "/v2.0/quotas/", "quota", []string{"port", "network", "subnet"}},
}

// raiseQuotas lifts the project's quotas, where the user may, and answers how to
// put them back. Who may not is told so by what then fails.
func (b *run) raiseQuotas(ctx context.Context) (restore func()) {
	type old struct {
		service, path string
		body          any
	}
	var changed []old
	for _, l := range limits {
		path := l.path + b.cloud.ProjectID
		var now map[string]map[string]json.RawMessage
		if err := b.cloud.Do(ctx, "GET", l.service, path, nil, &now); err != nil {
			continue
		}
		before, lifted := map[string]json.RawMessage{}, map[string]int{}
		for _, n := range l.names {
			if v := now[l.key][n]; v != nil && string(v) != "-1" {
				before[n], lifted[n] = v, -1
			}
		}
		if len(lifted) == 0 || b.cloud.Do(ctx, "PUT", l.service, path, map[string]any{l.key: lifted}, nil) != nil {
			continue
		}
		changed = append(changed, old{l.service, path, map[string]any{l.key: before}})
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		for _, c := range changed {
			if err := b.cloud.Do(ctx, "PUT", c.service, c.path, c.body, nil); err != nil {
				b.o.Say("the quotas at " + c.path + " could not be put back: " + err.Error())
			}
		}
	}
}
