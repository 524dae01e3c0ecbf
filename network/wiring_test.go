package network_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"altostack/hostapi"
	"altostack/network"
	"altostack/network/networktest"
)

// TestWiring reads what two hosts get for a small cloud, from golden files: a
// router with a floating IP and one guest on host1, another guest on host2.
func TestWiring(t *testing.T) {
	cloud := networktest.New(t)
	ctx, svc, scope := t.Context(), cloud.Service, networktest.Scope(t, "member")
	for _, h := range []network.Host{{Name: "host2"}, {Name: "host1", Physical: []string{"public"}}} {
		if err := svc.Seen(ctx, h); err != nil {
			t.Fatal(err)
		}
	}
	top, err := svc.Bootstrap(ctx, network.BootstrapOptions{AdminProject: "admin", DemoProject: "p1", PublicCIDR: "172.24.4.0/24", DNS: []string{"9.9.9.9"}})
	if err != nil {
		t.Fatal(err)
	}
	ports := map[string]network.Port{}
	for server, host := range map[string]string{"server1": "host1", "server2": "host2"} {
		if server == "server2" {
			continue // in order, as ids are drawn from a seed
		}
		ports[server] = allocate(t, svc, server, host, top.PrivateID)
	}
	ports["server2"] = allocate(t, svc, "server2", "host2", top.PrivateID)
	create(t, cloud, scope, network.FloatingIPs, object{"floating_network_id": top.PublicID, "port_id": ports["server1"].ID})
	for name, ask := range map[string]struct {
		host  string
		ports []string
	}{
		"host1":       {"host1", nil},
		"host2":       {"host2", nil},
		"one-port":    {"host2", []string{ports["server2"].ID}},
		"not-bound":   {"host2", []string{ports["server1"].ID}},
		"nobody-here": {"host3", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := svc.Wiring(ctx, ask.host, ask.ports)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, got)
		})
	}
	woken := cloud.Woken()
	if !slices.Contains(woken["host2"], ports["server2"].ID) || !slices.Contains(woken["host1"], "*") {
		t.Errorf("told: %v", woken)
	}
	if err := svc.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if woken = cloud.Woken(); len(woken["host1"]) != 1 || len(woken["host2"]) != 1 {
		t.Errorf("told of new members of the group: %v", woken)
	}
}

func allocate(t *testing.T, svc *network.Service, server, host, net string) network.Port {
	t.Helper()
	list, err := svc.Allocate(t.Context(), network.Allocation{ServerID: server, ProjectID: "p1", Zone: "nova", Host: host, Hostname: server,
		Resolved: network.Resolved{NICs: []network.Want{{NetworkID: net}}}})
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

// golden compares with a file; UPDATE=1 in the environment writes it.
func golden(t *testing.T, name string, got hostapi.HostNetwork) {
	t.Helper()
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	path := filepath.Join("testdata", "wiring", name+".json")
	if os.Getenv("UPDATE") != "" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(text) {
		t.Errorf("%s is\n%s\nwant\n%s", path, text, want)
	}
}
