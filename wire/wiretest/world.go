package wiretest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
)

// World is a cloud with two projects that must not know of each other. In each
// stands one object of every kind, named after the project.
type World struct {
	*Cloud
	Admin    *Person
	External string // network
	Provider string // the host's resource provider
	A, B     *Project
}

// Project is one of the two.
type Project struct {
	Name                             string
	Member, Reader, Manager          *Person
	IDs                              map[string]string // by kind: server, port …
	Server, Network, Subnet, Volume  string
	Image, Port, Group, Router, Snap string
}

const passphrase = "correct horse"

// NewWorld makes both projects and what is in them.
func NewWorld(c *Cloud) *World {
	c.T.Helper()
	w := &World{Cloud: c, Admin: c.Admin()}
	w.External = w.Admin.Must(201, "POST", "/network/v2.0/networks", M{"network": M{"name": "outside", "router:external": true,
		"provider:network_type": "flat", "provider:physical_network": "public"}}).Str("network.id")
	w.Admin.Must(201, "POST", "/network/v2.0/subnets", M{"subnet": M{"network_id": w.External, "cidr": "198.51.100.0/24", "ip_version": 4, "enable_dhcp": false}})
	w.hostUp()
	w.Provider = w.Admin.Must(200, "GET", "/placement/resource_providers", nil).Str("resource_providers.0.uuid")
	w.A, w.B = w.project("aardvark"), w.project("zebra")
	c.Idle()
	return w
}

// hostUp returns once the host has said that it is there, which it does by itself
// after the APIs answer.
func (w *World) hostUp() {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(w.T.Context(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		host := w.Admin.Must(200, "GET", "/compute/v2.1/os-hypervisors/detail", nil)
		room := w.Admin.Must(200, "GET", "/placement/allocation_candidates?resources=VCPU:1", nil)
		if host.Str("hypervisors.0.state") == "up" && room.At("allocation_requests.0") != nil {
			return
		}
	}
	w.T.Fatal("no host came up")
}

func (w *World) project(name string) *Project {
	w.T.Helper()
	p := &Project{Name: name, IDs: map[string]string{}}
	project := w.Admin.Must(201, "POST", "/identity/v3/projects", M{"project": M{"name": name, "tags": []string{name + "-tag"}}}).Str("project.id")
	p.IDs["project"] = project
	for role, who := range map[string]**Person{"member": &p.Member, "reader": &p.Reader, "manager": &p.Manager} {
		user := w.Admin.Must(201, "POST", "/identity/v3/users", M{"user": M{"name": name + "-" + role, "password": passphrase}}).Str("user.id")
		id := w.Admin.Must(200, "GET", "/identity/v3/roles?name="+role, nil).Str("roles.0.id")
		w.Admin.Must(204, "PUT", "/identity/v3/projects/"+project+"/users/"+user+"/roles/"+id, nil)
		*who = w.Login(name+"-"+role, passphrase, name)
		p.IDs["user "+role] = user
	}
	p.network(w)
	p.storage(w)
	p.compute(w)
	p.people(w)
	return p
}

// keep makes an object as the project's member and remembers its id.
func (p *Project) keep(kind string, status int, path string, body M, id string) string {
	p.Member.T.Helper()
	p.IDs[kind] = p.Member.Must(status, "POST", path, body).Str(id)
	if p.IDs[kind] == "" {
		p.Member.T.Fatalf("%s: no %s in the answer", path, id)
	}
	return p.IDs[kind]
}

func (p *Project) network(w *World) {
	p.Member.T.Helper()
	const net = "/network/v2.0/"
	p.Network = p.keep("network", 201, net+"networks", M{"network": M{"name": p.Name + "-net"}}, "network.id")
	p.Subnet = p.keep("subnet", 201, net+"subnets", M{"subnet": M{"name": p.Name + "-subnet", "network_id": p.Network, "cidr": "10.7.0.0/24", "ip_version": 4}}, "subnet.id")
	p.Group = p.keep("security group", 201, net+"security-groups", M{"security_group": M{"name": p.Name + "-group"}}, "security_group.id")
	p.keep("rule", 201, net+"security-group-rules", M{"security_group_rule": M{"security_group_id": p.Group, "direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}}, "security_group_rule.id")
	p.Port = p.keep("port", 201, net+"ports", M{"port": M{"name": p.Name + "-port", "network_id": p.Network}}, "port.id")
	p.Router = p.keep("router", 201, net+"routers", M{"router": M{"name": p.Name + "-router", "external_gateway_info": M{"network_id": w.External}}}, "router.id")
	p.Member.Must(200, "PUT", net+"routers/"+p.Router+"/add_router_interface", M{"subnet_id": p.Subnet})
	p.keep("floating ip", 201, net+"floatingips", M{"floatingip": M{"floating_network_id": w.External, "description": p.Name + "-fip"}}, "floatingip.id")
}

func (p *Project) storage(w *World) {
	p.Member.T.Helper()
	p.Image = p.keep("image", 201, "/image/v2/images", M{"name": p.Name + "-image", "disk_format": "raw", "container_format": "bare", "visibility": "private"}, "id")
	a := p.Member.Raw("PUT", "/image/v2/images/"+p.Image+"/file", []byte(strings.Repeat(p.Name, 5000)), "Content-Type", "application/octet-stream")
	if a.Status != 204 {
		p.Member.T.Fatalf("upload: %d %s", a.Status, a.Text)
	}
	const vol = "/volume/v3/"
	p.Volume = p.keep("volume", 202, vol+"volumes", M{"volume": M{"name": p.Name + "-volume", "size": 1, "metadata": M{"k": p.Name}}}, "volume.id")
	w.Idle()
	p.Snap = p.keep("snapshot", 202, vol+"snapshots", M{"snapshot": M{"name": p.Name + "-snapshot", "volume_id": p.Volume}}, "snapshot.id")
	w.Idle()
	given := p.keep("volume given", 202, vol+"volumes", M{"volume": M{"name": p.Name + "-given", "size": 1}}, "volume.id")
	w.Idle()
	p.keep("transfer", 202, vol+"volume-transfers", M{"transfer": M{"name": p.Name + "-transfer", "volume_id": given}}, "transfer.id")
}

func (p *Project) compute(w *World) {
	p.Member.T.Helper()
	const nova = "/compute/v2.1/"
	p.Member.Must(201, "POST", nova+"os-keypairs", M{"keypair": M{"name": p.Name + "-key", "type": "ssh", "public_key": publicKey()}})
	p.IDs["keypair"] = p.Name + "-key"
	p.keep("server group", 200, nova+"os-server-groups", M{"server_group": M{"name": p.Name + "-servers", "policy": "anti-affinity"}}, "server_group.id")
	p.Server = p.keep("server", 202, nova+"servers", M{"server": M{"name": p.Name + "-server", "imageRef": p.Image, "flavorRef": "1", "networks": []M{{"port": p.Port}}, "metadata": M{"k": p.Name}}}, "server.id")
	w.Idle()
	if a := p.Member.Must(200, "GET", nova+"servers/"+p.Server, nil); a.Str("server.status") != "ACTIVE" {
		p.Member.T.Fatalf("server: %s", a.Text)
	}
}

func (p *Project) people(w *World) {
	p.Member.T.Helper()
	user := "/identity/v3/users/" + p.Member.UserID
	p.keep("application credential", 201, user+"/application_credentials", M{"application_credential": M{"name": p.Name + "-robot",
		"access_rules": []M{{"service": "compute", "method": "GET", "path": "/v2.1/" + p.Name}}}}, "application_credential.id")
	p.IDs["access rule"] = p.Member.Must(200, "GET", user+"/access_rules", nil).Str("access_rules.0.id")
	p.keep("credential", 201, "/identity/v3/credentials", M{"credential": M{"user_id": p.Member.UserID, "type": "totp", "blob": p.Name + "-seed"}}, "credential.id")
	p.keep("trust", 201, "/identity/v3/OS-TRUST/trusts", M{"trust": M{"trustor_user_id": p.Member.UserID, "trustee_user_id": p.Reader.UserID, "project_id": p.Member.ProjectID,
		"impersonation": true, "roles": []M{{"name": "member"}}}}, "trust.id")
	p.IDs["group"] = w.Admin.Must(201, "POST", "/identity/v3/groups", M{"group": M{"name": p.Name + "-people"}}).Str("group.id")
}

// publicKey is a new SSH key.
func publicKey() string {
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	field := func(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }
	return "ssh-ed25519 " + base64.StdEncoding.EncodeToString(append(field([]byte("ssh-ed25519")), field(pub)...))
}

// Outsider is a user of project A with a role that no rule names.
func (w *World) Outsider() *Person {
	w.T.Helper()
	role := w.Admin.Must(201, "POST", "/identity/v3/roles", M{"role": M{"name": "onlooker"}}).Str("role.id")
	user := w.Admin.Must(201, "POST", "/identity/v3/users", M{"user": M{"name": "outsider", "password": passphrase}}).Str("user.id")
	w.Admin.Must(204, "PUT", "/identity/v3/projects/"+w.A.IDs["project"]+"/users/"+user+"/roles/"+role, nil)
	return w.Login("outsider", passphrase, w.A.Name)
}

// Again logs a person of the world in anew, whose token died; one who is gone
// stays without.
func (w *World) Again(p *Person) *Person {
	w.T.Helper()
	names := map[string]string{w.A.Member.UserID: "member", w.A.Reader.UserID: "reader", w.A.Manager.UserID: "manager"}
	if p == w.Admin {
		return w.Cloud.Admin()
	}
	if role, known := names[p.UserID]; known {
		return w.Login(w.A.Name+"-"+role, passphrase, w.A.Name)
	}
	return p
}
