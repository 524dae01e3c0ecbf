package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"altostack/client"
	"altostack/wire"
)

// demoRun brings a cloud up and a first server to where it answers on SSH, all
// through the public APIs, finding what an earlier run left.
type demoRun struct {
	out       io.Writer
	data      string
	cloud     *client.Cloud
	imagePath string
	key       ssh.Signer
}

func demoCommand() *cobra.Command {
	var data, listen, image string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start a cloud and boot a first server, showing every step",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &demoRun{out: cmd.OutOrStdout(), data: data, imagePath: image}
			return d.run(cmd.Context(), listen)
		},
	}
	dataFlag(cmd, &data)
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:9080", "address and port of the APIs")
	cmd.Flags().StringVar(&image, "image", "", "qcow2 image of the first server")
	return cmd
}

func (d *demoRun) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

func (d *demoRun) run(ctx context.Context, listen string) error {
	if _, err := wire.AskStatus(ctx, d.data); err != nil {
		os.Args = []string{os.Args[0], "up", "--detach", "--data", d.data, "--listen", listen, "--hypervisor", "qemu"}
		if err := upDetached(ctx, d.out, d.data); err != nil {
			return err
		}
	} else {
		d.say("the cloud in %s is up already", d.data)
	}
	access, err := wire.AccessOf(d.data, "demo")
	if err != nil {
		return err
	}
	d.cloud, err = client.Login(ctx, client.Credentials{AuthURL: access.AuthURL, Username: access.Username, Password: access.Password, Project: access.Project, Region: access.Region})
	if err != nil {
		return err
	}
	imageID, err := d.image(ctx)
	if err != nil {
		return err
	}
	networkID, err := d.network(ctx)
	if err != nil {
		return err
	}
	if err := d.keypair(ctx); err != nil {
		return err
	}
	server, err := d.server(ctx, imageID, networkID)
	if err != nil {
		return err
	}
	address, err := d.floatingIP(ctx, server)
	if err != nil {
		return err
	}
	if err := d.answers(ctx, server, address); err != nil {
		return err
	}
	d.goOn(server, address)
	return nil
}

// find answers the id of the first object of a list that has the name.
func (d *demoRun) find(ctx context.Context, service, path, plural, name string) (string, error) {
	var out map[string]any
	if err := d.cloud.Do(ctx, "GET", service, path+"?name="+name, nil, &out); err != nil {
		return "", err
	}
	rows, _ := out[plural].([]any)
	for _, r := range rows {
		if m, ok := r.(map[string]any); ok && m["name"] == name {
			return fmt.Sprint(m["id"]), nil
		}
	}
	return "", nil
}

func (d *demoRun) create(ctx context.Context, service, path, member string, body map[string]any) (string, error) {
	var out map[string]map[string]any
	if err := d.cloud.Do(ctx, "POST", service, path, map[string]any{member: body}, &out); err != nil {
		return "", err
	}
	return fmt.Sprint(out[member]["id"]), nil
}

func (d *demoRun) image(ctx context.Context) (string, error) {
	id, err := d.find(ctx, "image", "/v2/images", "images", "tiny")
	if err != nil {
		return "", err
	}
	if id == "" {
		var out map[string]any
		if err := d.cloud.Do(ctx, "POST", "image", "/v2/images", map[string]any{"name": "tiny", "disk_format": "qcow2", "container_format": "bare"}, &out); err != nil {
			return "", err
		}
		id = fmt.Sprint(out["id"])
	}
	var show map[string]any
	if err := d.cloud.Do(ctx, "GET", "image", "/v2/images/"+id, nil, &show); err != nil {
		return "", err
	}
	if show["status"] == "queued" {
		f, err := os.Open(d.imagePath)
		if err != nil {
			return "", fmt.Errorf("the image to boot: %w; 'make image' builds it", err)
		}
		defer f.Close()
		if err := d.cloud.Do(ctx, "PUT", "image", "/v2/images/"+id+"/file", f, nil, "Content-Type", "application/octet-stream"); err != nil {
			return "", err
		}
	}
	d.say("image    tiny  %s", id)
	return id, nil
}

// network makes a network of the demo's own with a router to the outside, and a
// security group that lets SSH and ping in.
func (d *demoRun) network(ctx context.Context) (string, error) {
	netID, err := d.find(ctx, "network", "/v2.0/networks", "networks", "demo-net")
	if err != nil || netID != "" {
		d.say("network  demo-net  %s (from an earlier run)", netID)
		return netID, err
	}
	external, err := d.find(ctx, "network", "/v2.0/networks", "networks", "public")
	if err != nil {
		return "", err
	}
	routerID, err := d.find(ctx, "network", "/v2.0/routers", "routers", "demo-router")
	if err != nil {
		return "", err
	}
	if routerID == "" {
		if routerID, err = d.create(ctx, "network", "/v2.0/routers", "router", map[string]any{"name": "demo-router",
			"external_gateway_info": map[string]any{"network_id": external}}); err != nil {
			return "", err
		}
	}
	if netID, err = d.create(ctx, "network", "/v2.0/networks", "network", map[string]any{"name": "demo-net"}); err != nil {
		return "", err
	}
	subnetID, err := d.create(ctx, "network", "/v2.0/subnets", "subnet", map[string]any{"name": "demo-subnet", "network_id": netID, "ip_version": 4,
		"cidr": "10.77.0.0/24", "dns_nameservers": []string{"9.9.9.9"}})
	if err != nil {
		return "", err
	}
	if err := d.cloud.Do(ctx, "PUT", "network", "/v2.0/routers/"+routerID+"/add_router_interface", map[string]any{"subnet_id": subnetID}, nil); err != nil {
		return "", err
	}
	groupID, err := d.create(ctx, "network", "/v2.0/security-groups", "security_group", map[string]any{"name": "demo-ssh", "description": "SSH and ping from anywhere"})
	if err != nil {
		return "", err
	}
	for _, rule := range []map[string]any{{"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}, {"protocol": "icmp"}} {
		rule["security_group_id"], rule["direction"], rule["ethertype"] = groupID, "ingress", "IPv4"
		if _, err := d.create(ctx, "network", "/v2.0/security-group-rules", "security_group_rule", rule); err != nil {
			return "", err
		}
	}
	d.say("network  demo-net 10.77.0.0/24  %s, router demo-router to public", netID)
	return netID, nil
}

// keypair makes a key once; the private half stays in the data directory.
func (d *demoRun) keypair(ctx context.Context) error {
	path := filepath.Join(d.data, "demo_key")
	if data, err := os.ReadFile(path); err == nil {
		if d.key, err = ssh.ParsePrivateKey(data); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	} else {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		block, err := ssh.MarshalPrivateKey(private, "altostack demo")
		if err != nil {
			return err
		}
		if err := wire.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
		if d.key, err = ssh.NewSignerFromKey(private); err != nil {
			return err
		}
	}
	public := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(d.key.PublicKey())))
	err := d.cloud.Do(ctx, "POST", "compute", "/v2.1/os-keypairs", map[string]any{"keypair": map[string]any{"name": "demo", "public_key": public}}, nil)
	var refused *client.Error
	if errors.As(err, &refused) && refused.Status == 409 {
		err = nil
	}
	d.say("keypair  demo  %s", path)
	return err
}

func (d *demoRun) server(ctx context.Context, imageID, networkID string) (string, error) {
	id, err := d.find(ctx, "compute", "/v2.1/servers", "servers", "first")
	if err != nil {
		return "", err
	}
	if id == "" {
		flavor, err := d.find(ctx, "compute", "/v2.1/flavors", "flavors", "m1.nano")
		if err != nil {
			return "", err
		}
		id, err = d.create(ctx, "compute", "/v2.1/servers", "server", map[string]any{"name": "first", "imageRef": imageID, "flavorRef": flavor,
			"key_name": "demo", "networks": []map[string]string{{"uuid": networkID}}, "security_groups": []map[string]string{{"name": "demo-ssh"}}})
		if err != nil {
			return "", err
		}
		d.say("server   first  %s\n", id)
		if err := follow(ctx, d.cloud, id, d.out, true); err != nil {
			return "", err
		}
	}
	var out struct {
		Server struct {
			Status string
			Fault  struct{ Message string }
		}
	}
	if err := d.cloud.Do(ctx, "GET", "compute", "/v2.1/servers/"+id, nil, &out); err != nil {
		return "", err
	}
	if out.Server.Status == "SHUTOFF" {
		if err := d.cloud.Do(ctx, "POST", "compute", "/v2.1/servers/"+id+"/action", map[string]any{"os-start": nil}, nil); err != nil {
			return "", err
		}
	} else if out.Server.Status != "ACTIVE" {
		return "", fmt.Errorf("server first is %s: %s; 'altostack trace first --data %s' shows where it stopped", out.Server.Status, out.Server.Fault.Message, d.data)
	}
	d.say("\nserver   first  %s is ACTIVE", id)
	return id, nil
}

// floatingIP answers the server's outside address, making one where it has none.
func (d *demoRun) floatingIP(ctx context.Context, serverID string) (string, error) {
	var ports struct{ Ports []struct{ ID string } }
	if err := d.cloud.Do(ctx, "GET", "network", "/v2.0/ports?device_id="+serverID, nil, &ports); err != nil {
		return "", err
	}
	if len(ports.Ports) == 0 {
		return "", errors.New("the server has no port")
	}
	var have struct {
		Floatingips []struct {
			FloatingIPAddress string `json:"floating_ip_address"`
		}
	}
	if err := d.cloud.Do(ctx, "GET", "network", "/v2.0/floatingips?port_id="+ports.Ports[0].ID, nil, &have); err != nil {
		return "", err
	}
	if len(have.Floatingips) > 0 {
		return have.Floatingips[0].FloatingIPAddress, nil
	}
	external, err := d.find(ctx, "network", "/v2.0/networks", "networks", "public")
	if err != nil {
		return "", err
	}
	var made struct {
		Floatingip struct {
			FloatingIPAddress string `json:"floating_ip_address"`
		}
	}
	err = d.cloud.Do(ctx, "POST", "network", "/v2.0/floatingips", map[string]any{"floatingip": map[string]any{"floating_network_id": external, "port_id": ports.Ports[0].ID}}, &made)
	d.say("address  %s, a floating IP", made.Floatingip.FloatingIPAddress)
	return made.Floatingip.FloatingIPAddress, err
}

// answers waits for the login prompt on the console and then for SSH.
func (d *demoRun) answers(ctx context.Context, serverID, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	start := time.Now()
	for prompt := false; !prompt; {
		var out struct{ Output string }
		err := d.cloud.Do(ctx, "POST", "compute", "/v2.1/servers/"+serverID+"/action", map[string]any{"os-getConsoleOutput": map[string]any{"length": nil}}, &out)
		if err != nil {
			return fmt.Errorf("console: %w", err)
		}
		if prompt = strings.Contains(out.Output, "login:"); prompt {
			d.say("console  login prompt after %.1f s", time.Since(start).Seconds())
			break
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return fmt.Errorf("no login prompt on the console: %w\n%s", err, out.Output)
		}
	}
	for {
		banner, err := d.greet(ctx, address)
		if err == nil {
			d.say("ssh      %s says: %s (%.1f s)", address, banner, time.Since(start).Seconds())
			return nil
		}
		if perr := pause(ctx, 200*time.Millisecond); perr != nil {
			return fmt.Errorf("no SSH answer at %s: %w", address, err)
		}
	}
}

// greet logs in by the key and runs one command.
func (d *demoRun) greet(ctx context.Context, address string) (string, error) {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(address, "22"))
	if err != nil {
		return "", err
	}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	// The guest made its host key a moment ago; nobody can know it yet.
	c, chans, reqs, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{User: "cirros", Auth: []ssh.AuthMethod{ssh.PublicKeys(d.key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		_ = conn.Close()
		return "", err
	}
	session, err := ssh.NewClient(c, chans, reqs).NewSession()
	if err != nil {
		return "", err
	}
	defer c.Close()
	out, err := session.Output("echo $(hostname), up $(cut -d' ' -f1 /proc/uptime) s")
	return strings.TrimSpace(string(out)), err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (d *demoRun) goOn(serverID, address string) {
	d.say(`
Go on:
  source <(bin/altostack openrc --data %[1]s --project demo)
  openstack server list; openstack console log show first
  openstack console url show --novnc first
  ssh -i %[1]s/demo_key cirros@%[2]s          (or password gocubsgo)
  bin/altostack trace first --data %[1]s
  bin/altostack status --data %[1]s
The administrator: export OS_CLIENT_CONFIG_FILE=%[1]s/clouds.yaml OS_CLOUD=altostack
End it, guests go on:   bin/altostack down --data %[1]s
Remove all of it:       make demo-down`, d.data, address)
}
