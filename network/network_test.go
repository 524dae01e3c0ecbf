package network_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/fault"
	"altostack/network"
	"altostack/network/networktest"
	"altostack/network/store"
)

type object = map[string]any

func create(t testing.TB, c *networktest.Cloud, scope auth.Scope, r *network.Resource, body object) network.Row {
	t.Helper()
	rows, err := c.Service.Create(t.Context(), scope, r, []object{body})
	if err != nil {
		t.Fatalf("create %s %v: %v", r.Singular, body, err)
	}
	return rows[0]
}

func segment(t testing.TB, c *networktest.Cloud, scope auth.Scope, cidr string) (networkID, subnetID string) {
	t.Helper()
	n := create(t, c, scope, network.Networks, object{"name": "blue"})
	version := 4
	if netip.MustParsePrefix(cidr).Addr().Is6() {
		version = 6
	}
	s := create(t, c, scope, network.Subnets, object{"network_id": n.ID(), "ip_version": int64(version), "cidr": cidr})
	return n.ID(), s.ID()
}

// addressOf is a port's first address.
func addressOf(p network.Row) string {
	if f := network.Decode[[]network.FixedIP](p, "fixed_ips"); len(f) > 0 {
		return f[0].IPAddress
	}
	return ""
}

// TestAddresses makes and deletes ports at random: no address is given twice, and
// when the network is full it has given out all there are.
func TestAddresses(t *testing.T) {
	cloud := networktest.New(t, func(c *network.Config) { c.Quotas = object64{"network": -1, "subnet": -1, "port": -1} })
	scope := networktest.Scope(t, "member")
	rapid.Check(t, func(r *rapid.T) {
		bits := rapid.IntRange(27, 29).Draw(r, "bits")
		net, _ := segment(t, cloud, scope, fmt.Sprintf("10.0.0.0/%d", bits))
		room := 1<<(32-bits) - 3 // network, broadcast, gateway
		have := map[string]string{}
		for range rapid.IntRange(0, 60).Draw(r, "moves") {
			if len(have) > 0 && rapid.Bool().Draw(r, "delete") {
				for addr, id := range have {
					if err := cloud.Service.Delete(t.Context(), scope, network.Ports, id, -1); err != nil {
						r.Fatal(err)
					}
					delete(have, addr)
					break
				}
				continue
			}
			rows, err := cloud.Service.Create(t.Context(), scope, network.Ports, []object{{"network_id": net}})
			switch {
			case len(have) == room:
				if !fault.Has(err, fault.CodeNetworkAddressExhausted) {
					r.Fatalf("a full network answers %v", err)
				}
			case err != nil:
				r.Fatalf("with %d of %d used: %v", len(have), room, err)
			default:
				a := addressOf(rows[0])
				if have[a] != "" {
					r.Fatalf("%s is given twice", a)
				}
				have[a] = rows[0].ID()
			}
		}
	})
}

type object64 = map[string]int64

// TestRace lets many callers take the last addresses at once, on both databases.
func TestRace(t *testing.T) {
	dbtest.Each(t, "network", store.Migrations(), func(t *testing.T, d *db.DB) {
		cloud, scope := networktest.On(t, d), networktest.Scope(t, "member")
		net, _ := segment(t, cloud, scope, "10.0.0.0/28") // 13 addresses
		var wg sync.WaitGroup
		var mu sync.Mutex
		seen, full := map[string]int{}, 0
		for range 20 {
			wg.Go(func() {
				rows, err := cloud.Service.Create(context.WithoutCancel(t.Context()), scope, network.Ports, []object{{"network_id": net}})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case fault.Has(err, fault.CodeNetworkAddressExhausted):
					full++
				case err != nil:
					t.Error(err)
				default:
					seen[addressOf(rows[0])]++
				}
			})
		}
		wg.Wait()
		if len(seen) != 13 || full != 7 {
			t.Errorf("%d addresses given out and %d refused, want 13 and 7: %v", len(seen), full, seen)
		}
	})
}

func TestComputePorts(t *testing.T) {
	dbtest.Each(t, "network", store.Migrations(), func(t *testing.T, d *db.DB) {
		cloud, scope := networktest.On(t, d), networktest.Scope(t, "member")
		ctx, svc := t.Context(), cloud.Service
		net, _ := segment(t, cloud, scope, "10.0.0.0/28")
		if r, err := svc.Check(ctx, scope, nil, "", nil); err != nil || len(r.NICs) != 1 || r.NICs[0].NetworkID != net {
			t.Fatalf("the only network: %v, %v", r, err)
		}
		mine := create(t, cloud, scope, network.Ports, object{"network_id": net, "name": "mine"})
		r, err := svc.Check(ctx, scope, []network.Want{{NetworkID: net}, {PortID: mine.ID()}}, "", []string{"default"})
		if err != nil {
			t.Fatal(err)
		}
		a := network.Allocation{ServerID: "server1", ProjectID: "p1", Zone: "nova", Host: "host1", Hostname: "web", Resolved: r}
		ports, err := svc.Allocate(ctx, a)
		if err != nil || len(ports) != 2 || ports[1].ID != mine.ID() || ports[0].NetworkName != "blue" || len(ports[0].Groups) != 1 || ports[0].Groups[0].Name != "default" {
			t.Fatalf("allocated: %+v, %v", ports, err)
		}
		again, err := svc.Allocate(ctx, a)
		if err != nil || len(again) != 2 || again[0].ID != ports[0].ID {
			t.Fatalf("allocated again: %+v, %v", again, err)
		}
		if _, err := svc.Check(ctx, scope, []network.Want{{PortID: mine.ID()}}, "", nil); !fault.Has(err, fault.CodeNetworkPortInUse) {
			t.Errorf("a port in use: %v", err)
		}
		if err := svc.Wired(ctx, "host2", []string{ports[0].ID}, nil); err != nil {
			t.Fatal(err)
		}
		status(t, cloud, ports[0].ID, "DOWN") // host2 does not have it
		if err := svc.Wired(ctx, "host1", []string{ports[0].ID}, nil); err != nil {
			t.Fatal(err)
		}
		status(t, cloud, ports[0].ID, "ACTIVE")
		extra, err := svc.Attach(ctx, scope, "server1", "host1", "nova", network.Want{NetworkID: net}, nil, nil)
		if err != nil || extra.Index != 2 {
			t.Fatalf("attached: %+v, %v", extra, err)
		}
		if err := svc.Detach(ctx, scope, "server1", extra.ID); err != nil {
			t.Fatal(err)
		}
		if err := svc.Bind(ctx, "server1", "host2"); err != nil {
			t.Fatal(err)
		}
		status(t, cloud, ports[0].ID, "DOWN")
		for range 2 {
			if err := svc.Deallocate(ctx, "server1"); err != nil {
				t.Fatal(err)
			}
		}
		left, _, err := svc.List(ctx, scope, network.Ports, network.Query{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range left {
			if p.ID() != mine.ID() && p.Str("device_owner") != "network:dhcp" {
				t.Errorf("port %v is left", p)
			}
		}
	})
}

func status(t *testing.T, c *networktest.Cloud, portID, want string) {
	t.Helper()
	p, err := c.Service.Show(t.Context(), networktest.Scope(t, "admin"), network.Ports, portID)
	if err != nil || p.Str("status") != want {
		t.Fatalf("port is %s (%v), want %s", p.Str("status"), err, want)
	}
}

func TestBootstrapTwice(t *testing.T) {
	cloud := networktest.New(t)
	o := network.BootstrapOptions{AdminProject: "admin", DemoProject: "p1", PublicCIDR: "172.24.4.0/24", DNS: []string{"9.9.9.9"}}
	first, err := cloud.Service.Bootstrap(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	second, err := cloud.Service.Bootstrap(t.Context(), o)
	if err != nil || first != second || first.RouterID == "" {
		t.Fatalf("%+v, then %+v (%v)", first, second, err)
	}
}
