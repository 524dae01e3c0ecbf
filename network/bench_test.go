package network_test

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"altostack/network"
	"altostack/network/networktest"
)

func BenchmarkPortCreate(b *testing.B) {
	cloud := networktest.New(b, func(c *network.Config) { c.Quotas = object64{"port": -1} })
	scope := networktest.Scope(b, "member")
	net, _ := segment(b, cloud, scope, "10.0.0.0/8")
	for b.Loop() {
		create(b, cloud, scope, network.Ports, object{"network_id": net})
	}
}

// BenchmarkPortList lists 1,000 ports through the API.
func BenchmarkPortList(b *testing.B) {
	cloud := networktest.New(b, func(c *network.Config) { c.Quotas = object64{"port": -1} })
	scope := networktest.Scope(b, "member")
	net, _ := segment(b, cloud, scope, "10.0.0.0/16")
	bodies := make([]object, 1000)
	for i := range bodies {
		bodies[i] = object{"network_id": net, "name": fmt.Sprint(i)}
	}
	if _, err := cloud.Service.Create(b.Context(), scope, network.Ports, bodies); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		r := httptest.NewRequest("GET", "/v2.0/ports", nil)
		r.Header.Set("X-Auth-Token", "member")
		w := httptest.NewRecorder()
		if cloud.Handler.ServeHTTP(w, r); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

// BenchmarkWiring is the partial wiring of one port, on the way of every boot.
func BenchmarkWiring(b *testing.B) {
	cloud := networktest.New(b)
	scope := networktest.Scope(b, "member")
	net, _ := segment(b, cloud, scope, "10.0.0.0/16")
	list, err := cloud.Service.Allocate(b.Context(), network.Allocation{ServerID: "s", ProjectID: "p1", Zone: "nova", Host: "h",
		Resolved: network.Resolved{NICs: []network.Want{{NetworkID: net}}}})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := cloud.Service.Wiring(b.Context(), "h", []string{list[0].ID}); err != nil {
			b.Fatal(err)
		}
	}
}
