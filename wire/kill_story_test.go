package wire_test

import (
	"bytes"
	"io"
	"maps"
	"strings"
)

// story is what a person does while the process is killed.
type story struct {
	name string
	run  func(a api)
}

type m = map[string]any

var stories = []story{
	{"boot and delete", func(a api) {
		id := a.boot("plain", nil)
		a.settle()
		a.remove(id)
		a.settle()
	}},
	{"several at once", func(a api) {
		ids := a.boots("many", 3, nil)
		a.settle()
		for _, id := range ids[:2] {
			a.remove(id)
		}
		a.settle()
	}},
	{"boot from a new volume", func(a api) {
		id := a.boot("from-volume", m{"imageRef": nil, "block_device_mapping_v2": []m{{"boot_index": 0, "uuid": a.l.c.image, "source_type": "image",
			"destination_type": "volume", "volume_size": 1, "delete_on_termination": true}}})
		a.settle()
		a.remove(id)
		a.settle()
	}},
	{"boot with a volume, power", func(a api) {
		v := a.volume(m{"size": 1})
		id := a.boot("with-volume", m{"block_device_mapping_v2": []m{{"boot_index": 0, "uuid": a.l.c.image, "source_type": "image", "destination_type": "local", "delete_on_termination": true},
			{"boot_index": -1, "uuid": v, "source_type": "volume", "destination_type": "volume"}}})
		a.settle()
		for _, action := range []m{{"os-stop": nil}, {"os-start": nil}, {"reboot": m{"type": "HARD"}}, {"reboot": m{"type": "SOFT"}}, {"os-stop": nil}} {
			a.do("POST", "/compute/v2.1/servers/"+id+"/action", action, nil)
			a.settle()
		}
	}},
	{"attach and detach a volume", func(a api) {
		v := a.volume(m{"size": 1})
		id := a.boot("attaching", nil)
		a.settle()
		a.do("POST", "/compute/v2.1/servers/"+id+"/os-volume_attachments", m{"volumeAttachment": m{"volumeId": v}}, nil)
		a.settle()
		a.do("POST", a.vol("/volumes/")+v+"/action", m{"os-extend": m{"new_size": 2}}, nil)
		a.settle()
		a.do("DELETE", "/compute/v2.1/servers/"+id+"/os-volume_attachments/"+v, nil, nil)
		a.settle()
		a.do("POST", "/compute/v2.1/servers/"+id+"/os-volume_attachments", m{"volumeAttachment": m{"volumeId": v}}, nil)
		a.settle()
		a.remove(id)
		a.settle()
	}},
	{"floating address", func(a api) {
		id := a.boot("floating", nil)
		a.settle()
		var ports struct{ Ports []struct{ ID string } }
		a.do("GET", "/network/v2.0/ports?device_id="+id, nil, &ports)
		var fip struct{ FloatingIP struct{ ID string } }
		a.do("POST", "/network/v2.0/floatingips", m{"floatingip": m{"floating_network_id": a.network("public"), "port_id": ports.Ports[0].ID}}, &fip)
		a.remove(id)
		a.settle()
	}},
	{"delete while booting", func(a api) {
		ids := a.boots("short", 2, nil)
		for _, id := range ids {
			a.remove(id)
		}
		a.settle()
	}},
	{"interfaces", func(a api) {
		id := a.boot("cards", nil)
		a.settle()
		var made struct{ InterfaceAttachment struct{ Port_ID string } } //nolint:revive // as the API spells it
		a.do("POST", "/compute/v2.1/servers/"+id+"/os-interface", m{"interfaceAttachment": m{"net_id": a.network("private")}}, &made)
		a.settle()
		a.do("DELETE", "/compute/v2.1/servers/"+id+"/os-interface/"+made.InterfaceAttachment.Port_ID, nil, nil)
		a.settle()
		var port struct{ Port struct{ ID string } }
		a.do("POST", "/network/v2.0/ports", m{"port": m{"network_id": a.network("private"), "name": "mine"}}, &port)
		a.do("POST", "/compute/v2.1/servers/"+id+"/os-interface", m{"interfaceAttachment": m{"port_id": port.Port.ID}}, nil)
		a.settle()
		a.remove(id)
		a.settle()
	}},
	{"volumes and snapshots", func(a api) {
		v := a.volume(m{"size": 1})
		var snap struct{ Snapshot struct{ ID string } }
		a.do("POST", a.vol("/snapshots"), m{"snapshot": m{"volume_id": v}}, &snap)
		a.settle()
		a.do("POST", a.vol("/volumes/")+v+"/action", m{"os-extend": m{"new_size": 2}}, nil)
		a.settle()
		from := a.volume(m{"size": 1, "snapshot_id": snap.Snapshot.ID})
		copied := a.volume(m{"size": 2, "source_volid": v})
		a.do("DELETE", a.vol("/snapshots/")+snap.Snapshot.ID, nil, nil)
		a.settle()
		a.do("DELETE", a.vol("/volumes/")+from, nil, nil)
		a.do("DELETE", a.vol("/volumes/")+copied, nil, nil)
		a.settle()
	}},
	{"images", func(a api) {
		id := a.upload("story", 300<<10)
		a.volume(m{"size": 1, "imageRef": id})
		a.do("DELETE", "/image/v2/images/"+id, nil, nil)
		a.settle()
	}},
	{"imports", func(a api) {
		var out struct{ ID string }
		a.do("POST", "/image/v2/images", m{"name": "staged", "disk_format": "raw", "container_format": "bare"}, &out)
		data := bytes.NewReader(bytes.Repeat([]byte("altostack"), 30<<10))
		a.do("PUT", "/image/v2/images/"+out.ID+"/stage", &halfway{r: data, l: a.l}, nil)
		a.do("POST", "/image/v2/images/"+out.ID+"/import", m{"method": m{"name": "glance-direct"}}, nil)
		a.settle()
		// This one fails: its data is not what it is said to be.
		a.do("POST", "/image/v2/images", m{"name": "lie", "disk_format": "qcow2", "container_format": "bare"}, &out)
		a.do("PUT", "/image/v2/images/"+out.ID+"/stage", &halfway{r: bytes.NewReader(make([]byte, 300<<10)), l: a.l}, nil)
		a.do("POST", "/image/v2/images/"+out.ID+"/import", m{"method": m{"name": "glance-direct"}}, nil)
		a.settle()
	}},
	{"objects", func(a api) {
		a.do("PUT", a.objects("/box"), nil, nil)
		put := func(name string, size int) {
			data := bytes.NewReader(bytes.Repeat([]byte("altostack"), size/9))
			a.do("PUT", a.objects("/box/"+name), &halfway{r: data, l: a.l}, nil)
		}
		put("large", 300<<10)
		put("small", 900)
		put("large", 200<<10)
		a.do("DELETE", a.objects("/box/small"), nil, nil)
	}},
	{"image of a volume", func(a api) {
		v := a.volume(m{"size": 1})
		var made struct {
			Image struct {
				ID string `json:"image_id"`
			} `json:"os-volume_upload_image"`
		}
		a.do("POST", a.vol("/volumes/")+v+"/action", m{"os-volume_upload_image": m{"image_name": "of-volume", "disk_format": "raw", "container_format": "bare"}}, &made)
		a.settle()
	}},
	{"snapshot and rebuild", func(a api) {
		id := a.boot("again", nil)
		a.settle()
		a.do("POST", "/compute/v2.1/servers/"+id+"/action", m{"createImage": m{"name": "copy"}}, nil)
		a.settle()
		a.do("POST", "/compute/v2.1/servers/"+id+"/action", m{"rebuild": m{"imageRef": a.l.c.image}}, nil)
		a.settle()
	}},
	{"no host can build it", func(a api) {
		a.l.fail("Hypervisor.Ensure")
		a.boot("broken", m{"imageRef": nil, "block_device_mapping_v2": []m{{"boot_index": 0, "uuid": a.l.c.image, "source_type": "image",
			"destination_type": "volume", "volume_size": 1, "delete_on_termination": true}}})
		a.settle()
		a.l.fail("")
	}},
	{"no host has room", func(a api) {
		var group struct {
			Group struct{ ID string } `json:"server_group"`
		}
		a.do("POST", "/compute/v2.1/os-server-groups", m{"server_group": m{"name": "apart", "policy": "anti-affinity"}}, &group)
		var last string
		for range 4 { // on three hosts
			last = a.boot("apart", m{"hints": m{"group": group.Group.ID}})
		}
		a.settle()
		a.remove(last)
		a.settle()
		a.do("DELETE", "/compute/v2.1/os-server-groups/"+group.Group.ID, nil, nil)
	}},
}

// fail makes a driver's call fail from now on.
func (l *life) fail(op string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = op
}

func (a api) vol(path string) string { return "/volume/v3/" + a.l.c.project + path }

func (a api) boot(name string, more m) string { return a.boots(name, 1, more)[0] }

// boots creates servers and notes that the cloud promised them.
func (a api) boots(name string, n int, more m) []string {
	body := m{"name": name, "imageRef": a.l.c.image, "flavorRef": "1", "networks": []m{{"uuid": a.network("private")}}}
	if n > 1 {
		body["min_count"], body["max_count"], body["return_reservation_id"] = n, n, true
	}
	maps.Copy(body, more)
	maps.DeleteFunc(body, func(_ string, v any) bool { return v == nil })
	request := m{"server": body}
	if hints, has := body["hints"]; has {
		delete(body, "hints")
		request["os:scheduler_hints"] = hints
	}
	var out struct {
		Server      struct{ ID string }
		Reservation string `json:"reservation_id"`
	}
	a.do("POST", "/compute/v2.1/servers", request, &out)
	ids := []string{out.Server.ID}
	if n > 1 {
		ids = nil
		var list struct{ Servers []struct{ ID string } }
		a.do("GET", "/compute/v2.1/servers?reservation_id="+out.Reservation, nil, &list)
		for _, s := range list.Servers {
			ids = append(ids, s.ID)
		}
		if len(ids) != n {
			a.l.c.t.Errorf("%d servers were asked for, the reservation has %d", n, len(ids))
		}
	}
	for _, id := range ids {
		a.l.c.want[id] = "there"
	}
	return ids
}

func (a api) remove(id string) {
	delete(a.l.c.want, id) // until it is answered either is right
	a.do("DELETE", "/compute/v2.1/servers/"+id, nil, nil)
	a.l.c.want[id] = "gone"
}

func (a api) volume(body m) string {
	var out struct{ Volume struct{ ID string } }
	a.do("POST", a.vol("/volumes"), m{"volume": body}, &out)
	a.settle()
	return out.Volume.ID
}

func (a api) network(name string) string {
	var out struct{ Networks []struct{ ID string } }
	a.do("GET", "/network/v2.0/networks?name="+name, nil, &out)
	return out.Networks[0].ID
}

// upload makes an image; the process can be killed in the middle of its data.
func (a api) upload(name string, size int) string {
	var out struct{ ID string }
	a.do("POST", "/image/v2/images", m{"name": name, "disk_format": "raw", "container_format": "bare"}, &out)
	data := bytes.NewReader(bytes.Repeat([]byte("altostack"), size/9))
	a.do("PUT", "/image/v2/images/"+out.ID+"/file", &halfway{r: data, l: a.l}, nil)
	return out.ID
}

func (a api) objects(path string) string {
	return "/object-store/v1/AUTH_" + a.l.c.project + path
}

// halfway comes to a point in the middle of what it reads.
type halfway struct {
	r *bytes.Reader
	l *life
}

func (h *halfway) Read(p []byte) (int, error) {
	if int64(h.r.Len()) < h.r.Size()/2 {
		if err := h.l.at("upload"); err != nil {
			return 0, io.ErrUnexpectedEOF
		}
	}
	return h.r.Read(p[:min(len(p), 64<<10)])
}

// clear deletes all that stories made, as its owner would.
func (a api) clear() {
	var servers struct{ Servers []struct{ ID string } }
	a.do("GET", "/compute/v2.1/servers", nil, &servers)
	for _, s := range servers.Servers {
		a.do("DELETE", "/compute/v2.1/servers/"+s.ID, nil, nil)
	}
	a.settle()
	for _, kind := range []string{"snapshots", "volumes"} {
		var list map[string][]struct{ ID string }
		a.do("GET", a.vol("/"+kind), nil, &list)
		for _, o := range list[kind] {
			a.do("DELETE", a.vol("/"+kind+"/")+o.ID, nil, nil)
		}
		a.settle()
	}
	var fips struct{ FloatingIPs []struct{ ID string } }
	a.do("GET", "/network/v2.0/floatingips", nil, &fips)
	for _, f := range fips.FloatingIPs {
		a.do("DELETE", "/network/v2.0/floatingips/"+f.ID, nil, nil)
	}
	var ports struct {
		Ports []struct {
			ID, Name    string
			DeviceOwner string `json:"device_owner"`
		}
	}
	a.do("GET", "/network/v2.0/ports", nil, &ports)
	for _, p := range ports.Ports {
		if p.DeviceOwner == "" || strings.HasPrefix(p.DeviceOwner, "compute:") {
			a.do("DELETE", "/network/v2.0/ports/"+p.ID, nil, nil)
		}
	}
	var images struct{ Images []struct{ ID string } }
	a.do("GET", "/image/v2/images", nil, &images)
	for _, i := range images.Images {
		if i.ID != a.l.c.image {
			a.do("DELETE", "/image/v2/images/"+i.ID, nil, nil)
		}
	}
	var containers []struct{ Name string }
	a.do("GET", a.objects("?format=json"), nil, &containers)
	for _, c := range containers {
		var objects []struct{ Name string }
		a.do("GET", a.objects("/"+c.Name+"?format=json"), nil, &objects)
		for _, o := range objects {
			a.do("DELETE", a.objects("/"+c.Name+"/"+o.Name), nil, nil)
		}
		a.do("DELETE", a.objects("/"+c.Name), nil, nil)
	}
	a.settle()
	a.l.c.want = map[string]string{}
}

// login gets a token as the demo user, and prepares the image that stories use.
func (a api) login(user, password string) {
	body := m{"auth": m{"identity": m{"methods": []string{"password"}, "password": m{"user": m{"name": user, "password": password, "domain": m{"name": "Default"}}}},
		"scope": m{"project": m{"name": user, "domain": m{"name": "Default"}}}}}
	var out struct {
		Token struct{ Project struct{ ID string } }
	}
	a.l.c.token = a.send("POST", "/identity/v3/auth/tokens", body, &out).Header().Get("X-Subject-Token")
	a.l.c.project = out.Token.Project.ID
	a.l.c.image = a.upload("base", 200<<10)
}
