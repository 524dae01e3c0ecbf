package qemu

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"altostack/driver/qemu/qmp/qmptest"
	"altostack/kernel/clock"
)

// fakeHost starts processes that are only a QMP server with a QEMU's manners.
type fakeHost struct {
	mu    sync.Mutex
	next  int
	alive map[string]*fakeQEMU // by guest
	prime func(*fakeQEMU)      // sets up each new one
}

func (f *fakeHost) start(l launch) (process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	q := &fakeQEMU{
		number: 1000000 + f.next, args: l.args, status: "prelaunch", obedient: true, ended: make(chan struct{}),
		devices: map[string]string{}, drivers: map[string]string{}, nodes: map[string]string{}, netdevs: map[string]bool{}, sets: map[int]bool{}, fds: map[string]bool{},
	}
	if err := q.boot(); err != nil {
		return nil, err
	}
	listener, err := net.FileListener(l.files[0]) // the plan's first: ours
	if err != nil {
		return nil, err
	}
	if f.prime != nil {
		f.prime(q)
	}
	if q.stillborn {
		close(q.ended)
		return q, listener.Close()
	}
	q.mu.Lock()
	q.server = qmptest.Serve(listener.(*net.UnixListener), q.handle)
	q.mu.Unlock()
	f.alive[filepath.Base(l.dir)] = q
	return q, nil
}

func (f *fakeHost) find(string, uidRange) (map[string]process, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := map[string]process{}
	for id, q := range f.alive {
		select {
		case <-q.ended:
		default:
			found[id] = q
		}
	}
	return found, nil
}

func (f *fakeHost) qemu(id string) *fakeQEMU {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.alive[id]
}

// fakeQEMU is one such process.
type fakeQEMU struct {
	number int
	args   []string
	server *qmptest.Server
	ended  chan struct{}
	once   sync.Once

	mu        sync.Mutex
	status    string
	obedient  bool              // the guest hears the power button and lets devices go
	presses   int               // of the power button
	devices   map[string]string // bus by id
	drivers   map[string]string // by id
	nodes     map[string]string // file by name
	netdevs   map[string]bool
	sets      map[int]bool // descriptor sets
	fds       map[string]bool
	count     int           // commands so far
	breakAt   int           // hang up at this one
	early     bool          // before doing it, not after
	refuse    string        // a command that fails
	stillborn bool          // ends before it answers
	pressed   chan struct{} // signalled at each press, if not nil
}

func (q *fakeQEMU) pid() int              { return q.number }
func (q *fakeQEMU) gone() <-chan struct{} { return q.ended }
func (q *fakeQEMU) release()              {}
func (q *fakeQEMU) kill() error           { q.die(); return nil }

func (q *fakeQEMU) die() {
	if q.stillborn {
		return
	}
	q.once.Do(func() {
		close(q.ended)
		go q.server.Close()
	})
}

// boot takes over what the arguments say.
func (q *fakeQEMU) boot() error {
	for i := 0; i+1 < len(q.args); i++ {
		value := q.args[i+1]
		switch q.args[i] {
		case "-device":
			if err := q.deviceAdd([]byte(value)); err != nil {
				return err
			}
		case "-blockdev":
			if err := q.blockdevAdd([]byte(value)); err != nil {
				return err
			}
		case "-netdev":
			id, _, _ := strings.Cut(strings.TrimPrefix(value, "tap,id="), ",")
			q.netdevs[id] = true
		case "-add-fd":
			_, after, _ := strings.Cut(value, "set=")
			number, _, _ := strings.Cut(after, ",")
			set, err := strconv.Atoi(number)
			if err != nil {
				return err
			}
			q.sets[set] = true
		}
	}
	return nil
}

func (q *fakeQEMU) deviceAdd(args []byte) error {
	var d struct{ ID, Driver, Bus, Drive, Netdev string }
	if err := json.Unmarshal(args, &d); err != nil {
		return err
	}
	if _, taken := q.devices[d.ID]; taken {
		return errors.New("duplicate device " + d.ID)
	}
	if strings.HasPrefix(d.Bus, portPrefix) && slices.Contains(slices.Collect(maps.Values(q.devices)), d.Bus) {
		return errors.New("bus " + d.Bus + " is taken")
	}
	if _, known := q.nodes[d.Drive]; d.Drive != "" && !known {
		return errors.New("no node " + d.Drive)
	}
	if d.Netdev != "" && !q.netdevs[d.Netdev] {
		return errors.New("no netdev " + d.Netdev)
	}
	q.devices[d.ID], q.drivers[d.ID] = d.Bus, d.Driver
	return nil
}

func (q *fakeQEMU) blockdevAdd(args []byte) error {
	var d struct {
		Name string `json:"node-name"`
		File struct{ Filename string }
	}
	if err := json.Unmarshal(args, &d); err != nil {
		return err
	}
	if _, taken := q.nodes[d.Name]; taken {
		return errors.New("duplicate node " + d.Name)
	}
	q.nodes[d.Name] = d.File.Filename
	return nil
}

// handle answers a command, and hangs up where the test wants that.
func (q *fakeQEMU) handle(command string, args json.RawMessage, files []*os.File) (any, error) {
	for _, f := range files {
		_ = f.Close()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count++
	if q.count == q.breakAt && q.early {
		q.server.Hangup()
		return nil, nil
	}
	if command == q.refuse {
		return nil, errors.New("not today")
	}
	answer, err := q.do(command, args, len(files))
	if q.count == q.breakAt {
		q.server.Hangup()
	}
	return answer, err
}

func (q *fakeQEMU) do(command string, raw json.RawMessage, files int) (any, error) {
	var a struct {
		ID     string
		Name   string `json:"node-name"`
		Path   string
		FDName string `json:"fdname"`
		FD     string `json:"fd"`
		Set    int    `json:"fdset-id"`
	}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &a); err != nil && command != "device_add" && command != "blockdev-add" {
			return nil, err
		}
	}
	switch command {
	case "query-status":
		return object{"status": q.status}, nil
	case "cont", "stop", "system_reset", "system_powerdown", "quit":
		return nil, q.power(command)
	case "device_add":
		return nil, q.deviceAdd(raw)
	case "blockdev-add":
		return nil, q.blockdevAdd(raw)
	case "device_del":
		if _, known := q.devices[a.ID]; !known {
			return nil, &qmptest.Failure{Class: "DeviceNotFound", Desc: a.ID}
		}
		if q.obedient {
			delete(q.devices, a.ID)
			q.server.Emit("DEVICE_DELETED", object{"device": a.ID})
		}
	case "blockdev-del":
		delete(q.nodes, a.Name)
	case "netdev_add":
		if !q.fds[a.FD] || q.netdevs[a.ID] {
			return nil, errors.New("no descriptor, or a duplicate netdev")
		}
		delete(q.fds, a.FD)
		q.netdevs[a.ID] = true
	case "netdev_del":
		if !q.netdevs[a.ID] {
			return nil, &qmptest.Failure{Class: "DeviceNotFound", Desc: a.ID}
		}
		delete(q.netdevs, a.ID)
	case "getfd":
		if files != 1 {
			return nil, errors.New("no descriptor came")
		}
		q.fds[a.FDName] = true
	case "add-fd":
		set := 1
		for q.sets[set] {
			set++
		}
		q.sets[set] = true
		return object{"fdset-id": set}, nil
	case "remove-fd":
		delete(q.sets, a.Set)
	default:
		return q.query(command, a.Path)
	}
	return nil, nil
}

func (q *fakeQEMU) power(command string) error {
	switch command {
	case "cont":
		q.status = "running"
		q.server.Emit("RESUME", object{})
	case "stop":
		q.status = "paused"
		q.server.Emit("STOP", object{})
	case "system_reset":
		q.server.Emit("RESET", object{"guest": false})
	case "system_powerdown":
		q.presses++
		select {
		case q.pressed <- struct{}{}:
		default:
		}
		if q.obedient {
			q.status = "shutdown"
			q.server.Emit("SHUTDOWN", object{"guest": true, "reason": "guest-shutdown"})
		}
	case "quit":
		go q.die()
	}
	return nil
}

func (q *fakeQEMU) query(command, path string) (any, error) {
	switch command {
	case "qom-list":
		list := []object{{"name": "type", "type": "string"}}
		for id := range q.devices {
			list = append(list, object{"name": id, "type": "child<" + q.drivers[id] + ">"})
		}
		return list, nil
	case "qom-get":
		return path[:strings.LastIndex(path, "/")] + "/" + q.devices[filepath.Base(path)], nil
	case "query-named-block-nodes":
		list := []object{}
		for name, file := range q.nodes {
			list = append(list, object{"node-name": name, "file": file, "image": object{"virtual-size": 1 << 20}})
		}
		return list, nil
	case "query-fdsets":
		list := []object{}
		for set := range q.sets {
			opaque := ""
			if set == 1 {
				opaque = "console"
			}
			list = append(list, object{"fdset-id": set, "fds": []object{{"fd": 9, "opaque": opaque}}})
		}
		return list, nil
	}
	return nil, &qmptest.Failure{Class: "CommandNotFound", Desc: command}
}

// happen changes the run state as the guest or the host would, with an event.
func (q *fakeQEMU) happen(status, event string, data object) {
	q.mu.Lock()
	q.status = status
	q.mu.Unlock()
	q.server.Emit(event, data)
}

// has lists what a running machine is made of, to be compared.
func (q *fakeQEMU) has() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []string
	for id := range q.devices {
		if strings.HasPrefix(id, diskPrefix) || strings.HasPrefix(id, nicPrefix) {
			all = append(all, id)
		}
	}
	all = append(all, slices.Collect(maps.Keys(q.nodes))...)
	all = append(all, slices.Collect(maps.Keys(q.netdevs))...)
	slices.Sort(all)
	return strings.Join(all, " ") + " sets=" + strconv.Itoa(len(q.sets))
}

// rig is a driver over a fake host.
type rig struct {
	*testing.T
	*Driver
	fake  *fakeHost
	clock *clock.Virtual
	cfg   Config
}

func newRig(t *testing.T) *rig {
	t.Helper()
	virtual := clock.NewVirtual(time.Unix(1e9, 0))
	r := &rig{T: t, fake: &fakeHost{alive: map[string]*fakeQEMU{}}, clock: virtual}
	r.cfg = Config{Dir: t.TempDir(), Clock: virtual, Log: slog.New(slog.DiscardHandler)}
	if err := r.cfg.fill(); err != nil {
		t.Fatal(err)
	}
	r.reopen()
	t.Cleanup(func() {
		_ = r.Close()
		for _, q := range r.fake.alive {
			q.die()
		}
	})
	return r
}

func (r *rig) reopen() {
	r.Helper()
	if r.Driver != nil {
		r.must(r.Close())
	}
	d, err := open(context.Background(), r.cfg, &Driver{
		settings: settings{Accel: "tcg", Spare: 4}, procs: r.fake,
		cgroups: findCgroups("", "test", r.clock),
	})
	r.must(err)
	r.Driver = d
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}
