package wire_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"altostack/kernel/db"
)

// violations compares everything there is with what live servers and volumes own,
// and answers what is left over, what is missing and what is stuck.
func (l *life) violations() []string {
	v := &check{l: l}
	v.servers()
	v.tables()
	v.volumes()
	v.hosts()
	v.files()
	slices.Sort(v.bad)
	return v.bad
}

type check struct {
	l     *life
	bad   []string
	alive map[string]server
}

type server struct{ id, name, state, task, want, host, fault string }

func (v *check) say(format string, args ...any) { v.bad = append(v.bad, fmt.Sprintf(format, args...)) }

// rows runs a query of text columns.
func (v *check) rows(columns int, query string) [][]string {
	out, err := db.List(v.l.ctx, v.l.sys.DB(), func(s db.Scanner) ([]string, error) {
		row, into := make([]string, columns), make([]any, columns)
		for i := range row {
			into[i] = &row[i]
		}
		return row, s.Scan(into...)
	}, query)
	if err != nil {
		v.say("%v", err)
	}
	return out
}

// servers end as what was asked for, or in ERROR with a cause.
func (v *check) servers() {
	v.alive = map[string]server{}
	for _, r := range v.rows(7, "SELECT id, name, vm_state, task_state, want_power, host, fault FROM servers WHERE deleted = FALSE") {
		s := server{r[0], r[1], r[2], r[3], r[4], r[5], r[6]}
		v.alive[s.id] = s
		switch {
		case s.task != "":
			v.say("server %s (%s) is stuck: %s, %s", s.id, s.name, s.state, s.task)
		case s.state == "error" && !strings.Contains(s.fault, `"message":"`):
			v.say("server %s (%s) is in ERROR and does not say why", s.id, s.name)
		case s.state == "active" && s.want != "on" || s.state == "stopped" && s.want != "off" || s.state == "building":
			v.say("server %s (%s) is %s and should be %s", s.id, s.name, s.state, s.want)
		case s.state != "error" && s.host == "":
			v.say("server %s (%s) is %s on no host", s.id, s.name, s.state)
		}
	}
	for id, want := range v.l.c.want {
		if _, is := v.alive[id]; is != (want == "there") {
			v.say("server %s: the cloud promised that it is %s, and it is not", id, want)
		}
	}
	for _, r := range v.rows(2, "SELECT server_id, name FROM server_actions WHERE finished_at = 0") {
		v.say("action %s of server %s has no end", r[1], r[0])
	}
}

// tables: claims, ports, addresses, usage.
func (v *check) tables() {
	v.each("a claim of a server that is not there", "SELECT uuid FROM placement_consumers WHERE uuid NOT IN (SELECT id FROM servers WHERE deleted = FALSE AND host <> '')")
	v.each("a server without a claim", "SELECT id FROM servers WHERE deleted = FALSE AND host <> '' AND id NOT IN (SELECT consumer FROM placement_allocations)")
	v.each("used that is not the sum of claims", `SELECT i.provider || ' ' || i.class FROM placement_inventories i
		WHERE i.used <> (SELECT COALESCE(SUM(a.used), 0) FROM placement_allocations a WHERE a.provider = i.provider AND a.class = i.class)`)
	v.each("a claim on another host", `SELECT a.consumer FROM placement_allocations a JOIN placement_providers p ON p.uuid = a.provider
		JOIN servers s ON s.id = a.consumer WHERE p.name <> s.host`)
	v.each("usage that is not the sum of servers", `SELECT u.project_id || ': ' || u.instances || ' instances, ' || u.cores || ' cores, ' || u.ram || ' MiB' FROM compute_usage u
		WHERE u.instances <> (SELECT COUNT(*) FROM servers s WHERE s.project_id = u.project_id AND s.deleted = FALSE)`)
	v.each("a port of a server that is not there", "SELECT id || ' of ' || device_id FROM ports WHERE device_owner LIKE 'compute:%' AND device_id NOT IN (SELECT id FROM servers WHERE deleted = FALSE)")
	v.each("a port made for a server and given up", "SELECT id FROM ports WHERE made_by_compute AND device_id = ''")
	v.each("a port of a server on another host", "SELECT p.id || ' on ' || p.binding_host_id FROM ports p JOIN servers s ON s.id = p.device_id WHERE p.binding_host_id <> s.host AND s.deleted = FALSE")
	v.each("an address of no port", "SELECT address FROM port_addresses WHERE port_id NOT IN (SELECT id FROM ports)")
	v.each("a port without address", "SELECT id FROM ports WHERE device_owner LIKE 'compute:%' AND id NOT IN (SELECT port_id FROM port_addresses)")
	v.each("a port that is not wired", "SELECT p.id || ' ' || p.status FROM ports p JOIN servers s ON s.id = p.device_id WHERE s.vm_state = 'active' AND p.status <> 'ACTIVE'")
	v.each("a floating address of a port that is not there", "SELECT floating_ip_address FROM floatingips WHERE port_id <> '' AND port_id NOT IN (SELECT id FROM ports)")
	v.each("a gateway port of no floating address", "SELECT id FROM ports WHERE device_owner = 'network:floatingip' AND id NOT IN (SELECT floating_port_id FROM floatingips)")
}

func (v *check) each(what, query string) {
	for _, r := range v.rows(1, query) {
		v.say("%s: %s", what, r[0])
	}
}

// volumes are at rest, and attached to those that know of it.
func (v *check) volumes() {
	v.each("a volume that is stuck", "SELECT id || ' ' || status FROM volumes WHERE status NOT IN ('available', 'in-use', 'error')")
	v.each("a volume in error without a cause", "SELECT id FROM volumes WHERE status = 'error' AND reason = ''")
	v.each("a snapshot that is stuck", "SELECT id || ' ' || status FROM volume_snapshots WHERE status NOT IN ('available', 'error')")
	v.each("an attachment to a server that is not there", "SELECT volume_id || ' to ' || server_id FROM volume_attachments WHERE server_id NOT IN (SELECT id FROM servers WHERE deleted = FALSE)")
	v.each("an attachment that is not whole", "SELECT volume_id || ' ' || status FROM volume_attachments WHERE status <> 'attached'")
	v.each("a volume in use by nobody", "SELECT id FROM volumes WHERE status = 'in-use' AND id NOT IN (SELECT volume_id FROM volume_attachments)")
	v.each("a volume attached and free", "SELECT id || ' ' || status FROM volumes WHERE status = 'available' AND id IN (SELECT volume_id FROM volume_attachments)")
	for _, r := range v.rows(2, "SELECT volume_id, server_id FROM volume_attachments") {
		found := v.rows(1, "SELECT id FROM servers WHERE id = '"+r[1]+"' AND disks LIKE '%"+r[0]+"%'")
		if len(found) == 0 {
			v.say("volume %s is attached to server %s, which does not know it", r[0], r[1])
		}
	}
}

// hosts have the guests, disks, records and ports of their servers and no others.
func (v *check) hosts() {
	ports := map[string]string{} // port → host
	cards := map[string][]string{}
	for _, r := range v.rows(3, "SELECT id, binding_host_id, device_id FROM ports WHERE device_owner LIKE 'compute:%'") {
		ports[r[0]] = r[1]
		cards[r[2]] = append(cards[r[2]], r[0])
	}
	for _, h := range v.l.c.world.Hosts() {
		for _, left := range h.Left() {
			kind, rest, _ := strings.Cut(left, " ")
			id := strings.TrimPrefix(strings.FieldsFunc(rest, func(r rune) bool { return r == ' ' || r == '/' })[0], "guest-")
			if owner := v.alive[id].host; kind == "port" && ports[id] != h.Name || kind != "port" && owner != h.Name {
				v.say("host %s has %s, whose owner is on %q", h.Name, left, owner)
			}
			if kind == "port" {
				delete(ports, id)
			}
		}
	}
	for id, host := range ports {
		if host != "" {
			v.say("port %s is not wired on host %s", id, host)
		}
	}
	for _, s := range v.alive {
		if s.host != "" {
			v.guest(s, cards[s.id])
		}
	}
}

func (v *check) guest(s server, cards []string) {
	want, seen, ok := v.l.c.world.Host(s.host).Guest(s.id)
	switch {
	case !ok:
		v.say("server %s (%s, %s) has no guest on %s", s.id, s.name, s.state, s.host)
		return
	case s.state == "active" && seen.State != "running", s.state == "stopped" && seen.State != "stopped":
		v.say("server %s (%s) is %s and its guest is %s", s.id, s.name, s.state, seen.State)
	}
	var has []string
	for _, n := range want.NICs {
		has = append(has, n.PortID)
	}
	slices.Sort(has)
	slices.Sort(cards)
	if !slices.Equal(has, cards) {
		v.say("server %s (%s) has the cards %v and the ports %v", s.id, s.name, has, cards)
	}
	var plugged, attached []string
	for _, d := range want.Disks {
		if d.Volume != nil {
			plugged = append(plugged, d.Volume.VolumeID)
		}
	}
	for _, r := range v.rows(1, "SELECT volume_id FROM volume_attachments WHERE server_id = '"+s.id+"'") {
		attached = append(attached, r[0])
	}
	slices.Sort(plugged)
	slices.Sort(attached)
	if !slices.Equal(plugged, attached) {
		v.say("server %s (%s) has the volumes %v plugged and %v attached", s.id, s.name, plugged, attached)
	}
}

// files are the disks of volumes and snapshots and the bytes of images.
func (v *check) files() {
	v.folder("volumes/volumes", "SELECT id || '.raw' FROM volumes WHERE status <> 'error'")
	v.folder("volumes/snapshots", "SELECT id || '.raw' FROM volume_snapshots WHERE status <> 'error'")
	v.folder("volumes/tmp", "")
	v.folder("images/blobs", "SELECT blob FROM images WHERE blob <> ''")
	v.folder("images/incoming", "")
	v.folder("image-staging/blobs", "SELECT blob FROM images WHERE status = 'uploading'")
	v.folder("image-staging/incoming", "")
	v.objects()
	v.each("an image that is stuck", "SELECT id || ' ' || status FROM images WHERE status NOT IN ('active', 'queued') AND NOT (status = 'uploading' AND uploader = '')")
	v.each("a task that is stuck", "SELECT id || ' ' || status FROM image_tasks WHERE status IN ('pending', 'processing')")
}

// objects are whole files that a row names, and no others.
func (v *check) objects() {
	want := map[string]bool{}
	for _, r := range v.rows(1, "SELECT blob FROM objects WHERE blob <> ''") {
		want[r[0]] = true
	}
	err := filepath.WalkDir(filepath.Join(v.l.c.dir, "objects", "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // what is being removed right now is looked at again
		}
		if !want[d.Name()] {
			v.say("the bytes %s of an object belong to nothing", d.Name())
		}
		delete(want, d.Name())
		return nil
	})
	if err != nil {
		v.say("%v", err)
	}
	for blob := range want {
		v.say("the bytes %s of an object are not there", blob)
	}
	v.each("bytes still to be removed", "SELECT blob FROM object_garbage")
	v.each("sums that are wrong", `SELECT CAST(u.container_id AS TEXT) FROM object_usage u WHERE u.bytes <> (SELECT COALESCE(SUM(o.stored), 0) FROM objects o WHERE o.container_id = u.container_id)
		OR u.objects <> (SELECT COUNT(*) FROM objects o WHERE o.container_id = u.container_id AND o.state = 2)`)
}

func (v *check) folder(name, query string) {
	want := map[string]bool{}
	if query != "" {
		for _, r := range v.rows(1, query) {
			want[r[0]] = true
		}
	}
	entries, err := os.ReadDir(filepath.Join(v.l.c.dir, name))
	if err != nil {
		v.say("%v", err)
	}
	for _, e := range entries {
		if !want[e.Name()] {
			v.say("file %s/%s belongs to nothing", name, e.Name())
		}
		delete(want, e.Name())
	}
	for file := range want {
		v.say("file %s/%s is not there", name, file)
	}
}

// nothing checks that a cloud whose owner deleted everything is empty.
func (v *check) nothing() {
	for _, h := range v.l.c.world.Hosts() {
		for _, left := range h.Left() {
			v.say("host %s still has %s", h.Name, left)
		}
	}
	for _, table := range []string{"placement_allocations", "volumes", "volume_snapshots", "volume_attachments", "floatingips", "object_containers", "objects", "object_usage"} {
		if n := v.rows(1, "SELECT CAST(COUNT(*) AS TEXT) FROM "+table)[0][0]; n != "0" {
			v.say("%s of %s are left", n, table)
		}
	}
	v.each("a port that is left", "SELECT id || ' ' || device_owner FROM ports WHERE device_owner LIKE 'compute:%' OR device_owner = ''")
	v.each("an image that is left", "SELECT id || ' ' || name || ' ' || status FROM images WHERE name <> 'base'")
	v.each("usage that is left", "SELECT project_id FROM compute_usage WHERE instances <> 0 OR cores <> 0 OR ram <> 0")
}

// sound waits until the cloud is as it should be, and answers what is not.
func (l *life) sound(more func(v *check)) []string {
	if err := l.idle(); err != nil {
		return append([]string{err.Error()}, l.violations()...)
	}
	late, stop := after(patience)
	defer stop()
	for {
		v := &check{l: l, bad: l.violations()}
		if more != nil {
			more(v)
		}
		if len(v.bad) == 0 {
			return nil
		}
		select {
		case <-l.changed:
		case <-late:
			return v.bad
		}
	}
}
