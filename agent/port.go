package agent

import (
	"context"
	"net/http"

	"altostack/hostapi"
	"altostack/kernel/fault"
)

// ports asks the network API for the guest's ports and has them wired: steps
// 23 to 25.
func (a *Agent) ports(ctx context.Context, t *trace, guest hostapi.Guest) error {
	if len(guest.NICs) == 0 {
		t.skip(attrs{"reason": "the server has no network"}, 23, 24, 25)
		return nil
	}
	ids := portIDs(guest)
	end := t.begin(23)
	var seen struct {
		Ports []struct {
			ID string `json:"id"`
		} `json:"ports"`
	}
	ans, err := a.getJSON(ctx, "network", a.cfg.Endpoints.Network+"/v2.0/ports?fields=id&device_id="+guest.ID, nil, &seen)
	if err == nil && ans.StatusCode != http.StatusOK {
		err = fault.New(fault.CodeAgentPortUnavailable, "The network service answered %d for the ports of server %s.", ans.StatusCode, guest.ID)
	}
	if err == nil {
		known := map[string]bool{}
		for _, p := range seen.Ports {
			known[p.ID] = true
		}
		for _, id := range ids {
			if !known[id] {
				err = fault.New(fault.CodeAgentPortUnavailable, "The network service does not know port %s of server %s.", id, guest.ID)
			}
		}
	}
	if err != nil {
		end(err, attrs{"port_ids": ids})
		return err
	}
	end25 := t.begin(25)
	err = a.net.wire(ctx, ids)
	end25(err, nil)
	a.spansOf(t, 23, ans, err, attrs{"port_ids": ids}, attrs{"port_ids": ids})
	return err
}

func portIDs(guest hostapi.Guest) []string {
	ids := make([]string, len(guest.NICs))
	for i, nic := range guest.NICs {
		ids[i] = nic.PortID
	}
	return ids
}
