package wire_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"altostack/agent"
	"altostack/driver/fakevm"
	"altostack/kernel/clock"
	"altostack/kernel/config"
	"altostack/saga"
	"altostack/wire"
)

// point is a place at which a process can be killed: the N-th time that it comes
// to what Key names.
type point struct {
	Key string
	N   int
}

func (p point) String() string { return fmt.Sprintf("%s #%d", p.Key, p.N) }

// cloud is a data directory and hardware that outlive processes.
type cloud struct {
	t     *testing.T
	root  string
	dir   string // of the present life
	lives int
	world *fakevm.World
	cfg   *config.Config

	token, project string
	image          string
	want           map[string]string // what was answered for servers: there, gone
}

// life is one process of a cloud, from its start to its kill.
type life struct {
	c        *cloud
	sys      *wire.System
	ctx      context.Context
	cancel   context.CancelFunc
	changed  chan struct{} // something was written or a driver called
	killed   chan struct{}
	frozen   sync.Once
	released chan struct{} // those who wait at a point may unwind: nothing they do lasts
	writing  sync.RWMutex  // held around commits, so that a copy of the files is one instant

	mu     sync.Mutex
	armed  bool
	target point
	dead   bool
	hit    bool
	seen   map[string]int
	passed []point
	refuse string // a driver's call that fails
}

var errKilled = errors.New("killed by the test")

// errRefused is what a driver's call answers in stories of failures.
var errRefused = errors.New("refused by the test")

func newCloud(t *testing.T, root string) *cloud {
	cfg, err := config.Load("", false, nil, map[string]string{"hypervisor": "fake", "fake_hosts": "3", "sqlite_sync": "off", "password_cost": "4",
		"external_cidr": "172.24.4.0/24", "log_level": "warn", "log_format": "text", "host_name": "control"})
	if err != nil {
		t.Fatal(err)
	}
	return &cloud{t: t, root: root, dir: filepath.Join(root, "life-0"), cfg: cfg, world: fakevm.NewWorld(clock.Real{}, fakevm.Size{}), want: map[string]string{}}
}

// open starts a process, which may be killed while it starts; then sys is nil.
func (c *cloud) open(target point) *life {
	l := &life{c: c, changed: make(chan struct{}, 1), killed: make(chan struct{}), released: make(chan struct{}), seen: map[string]int{}}
	l.ctx, l.cancel = context.WithTimeout(context.Background(), 2*time.Minute)
	if target.Key != "" {
		l.arm(target)
	}
	c.world.SetHook(l.call)
	o := wire.Options{Data: c.dir, Config: c.cfg, Version: "test", World: c.world, NoListen: true, SagaFault: l.saga, Commit: l.commit,
		Every: agent.Intervals{Check: 100 * time.Millisecond, Observe: 200 * time.Millisecond, Heartbeat: 200 * time.Millisecond, Resync: 3 * time.Second, Sweep: 500 * time.Millisecond}}
	if os.Getenv("KILL_LOG") != "" {
		o.LogTo = os.Stderr
	}
	done := make(chan error, 1)
	go func() {
		sys, err := wire.Open(l.ctx, o)
		l.sys = sys
		done <- err
	}()
	var err error
	select {
	case err = <-done:
	case <-l.killed:
		l.freeze()
		err = <-done
	}
	if err != nil {
		l.sys = nil
		if !l.isDead() {
			c.t.Fatalf("the cloud does not open again: %v", err)
		}
	}
	return l
}

// arm has the process killed when it comes to target; an empty one records.
func (l *life) arm(target point) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed, l.target, l.seen, l.passed = true, target, map[string]int{}, nil
}

// disarm ends that, and answers what was passed.
func (l *life) disarm() []point {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = false
	return l.passed
}

func (l *life) isDead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// at is called at every point. A dead process stops there, until what it left has
// been put away; whatever it does after that is lost.
func (l *life) at(key string) error {
	l.mu.Lock()
	if l.armed && !l.dead {
		p := point{key, l.seen[key]}
		l.seen[key]++
		l.passed = append(l.passed, p)
		if p == l.target {
			l.hit = true
			l.die()
		}
	}
	dead := l.dead
	l.mu.Unlock()
	if !dead {
		return nil
	}
	<-l.released
	return errKilled
}

// die is kill -9: hosts are cut off, and nobody gets past a point. l.mu is held.
func (l *life) die() {
	l.dead = true
	for _, h := range l.c.world.Hosts() {
		_ = l.c.world.Cut(l.ctx, fakevm.Call{Host: h.Name}) // its error is for the call that it cuts
	}
	close(l.killed)
}

// kill ends a process that came to no point.
func (l *life) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.dead {
		l.die()
	}
}

func (l *life) saga(p saga.Point) error {
	l.signal()
	if l.at(fmt.Sprintf("saga %s %s %s", p.Kind, p.Step, p.Phase)) != nil {
		return saga.ErrKilled
	}
	return nil
}

func (l *life) commit(commit func() error) error {
	if err := l.at("commit before"); err != nil {
		return err
	}
	l.writing.RLock()
	if l.isDead() {
		l.writing.RUnlock()
		<-l.released
		return errKilled
	}
	err := commit()
	l.writing.RUnlock()
	if err != nil {
		return err
	}
	l.signal()
	return l.at("commit after")
}

// acts are the calls that change a host; between two of them nothing is different.
var acts = []string{"Hypervisor.Ensure", "Hypervisor.Remove", "Hypervisor.Shutdown", "Hypervisor.Reset", "Hypervisor.ResizeDisk", "Hypervisor.CopyDisk",
	"Dataplane.Apply", "Dataplane.OpenTap", "Disks.Prepare", "Disks.Remove", "Disks.Store", "Records.Save", "Records.Delete"}

func (l *life) call(_ context.Context, c fakevm.Call) error {
	if c.After {
		l.signal()
	}
	if !slices.Contains(acts, c.Op) {
		if l.isDead() {
			<-l.released
			return fakevm.ErrCut
		}
		return nil
	}
	l.mu.Lock()
	refused := l.refuse == c.Op && !c.After
	l.mu.Unlock()
	if l.at(fmt.Sprintf("call %s after=%v", c.Op, c.After)) != nil {
		return fakevm.ErrCut
	}
	if refused {
		return errRefused
	}
	return nil
}

func (l *life) signal() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// freeze takes the files as they are for the next life and lets the dead unwind.
func (l *life) freeze() { l.frozen.Do(l.leave) }

func (l *life) leave() {
	next := filepath.Join(l.c.root, fmt.Sprintf("life-%d", l.c.lives+1))
	l.writing.Lock()
	err := copyTree(l.c.dir, next)
	l.writing.Unlock()
	if err != nil {
		l.c.t.Errorf("the files of a killed process: %v", err)
	}
	close(l.released)
	l.cancel()
}

// bury ends what is left of a killed process; the next one finds what it wrote.
func (l *life) bury() {
	l.freeze()
	if l.sys != nil {
		_ = l.sys.Close() // its errors are about what it can no longer do
	}
	old := l.c.dir
	l.c.lives++
	l.c.dir = filepath.Join(l.c.root, fmt.Sprintf("life-%d", l.c.lives))
	if err := os.RemoveAll(old); err != nil {
		l.c.t.Error(err)
	}
}

// copyTree copies what is small and links what is bulk: nothing writes into that
// in place.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the dead still unwind in their own folder
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch first, _, _ := strings.Cut(rel, string(filepath.Separator)); {
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case !d.Type().IsRegular() || strings.HasSuffix(rel, "-shm"):
			return nil
		case first == "volumes" || first == "images":
			err = os.Link(path, target)
		default:
			err = copyFile(path, target)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, st.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// api is a client that dies with its process: its goroutine ends, as a request
// that was not answered tells nothing.
type api struct {
	l *life
}

// send calls an API.
func (a api) send(method, path string, in, out any) *httptest.ResponseRecorder {
	var body io.Reader = http.NoBody
	contentType := "application/json"
	switch b := in.(type) {
	case nil:
	case io.Reader:
		body, contentType = b, "application/octet-stream"
	default:
		raw, err := json.Marshal(in)
		if err != nil {
			a.l.c.t.Error(err)
			runtime.Goexit()
		}
		body = bytes.NewReader(raw)
	}
	r := httptest.NewRequestWithContext(a.l.ctx, method, "http://cloud"+path, body)
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-Auth-Token", a.l.c.token)
	r.Header.Add("OpenStack-API-Version", "compute 2.90")
	r.Header.Add("OpenStack-API-Version", "volume 3.60")
	w := httptest.NewRecorder()
	a.l.sys.Handler().ServeHTTP(w, r)
	if a.l.isDead() {
		runtime.Goexit()
	}
	if out != nil && w.Code < 300 {
		if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
			a.l.c.t.Errorf("%s %s: %v in %s", method, path, err, w.Body)
		}
	}
	return w
}

// do calls an API; an answer of 400 and above is a bug of the story.
func (a api) do(method, path string, in, out any) {
	if w := a.send(method, path, in, out); w.Code >= 300 {
		a.l.c.t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		runtime.Goexit()
	}
}

// settle waits until no operation is under way.
func (a api) settle() {
	if err := a.l.idle(); err != nil && !a.l.isDead() {
		a.l.c.t.Error(err)
	}
	if a.l.isDead() {
		runtime.Goexit()
	}
}

// idle waits for the end of every saga.
func (l *life) idle() error {
	ctx, cancel := context.WithTimeout(l.ctx, patience)
	defer cancel()
	for {
		if l.isDead() {
			return errKilled
		}
		rows, err := saga.Open(ctx, l.sys.DB())
		if err != nil || len(rows) == 0 {
			return err
		}
		r := rows[0]
		if err := l.sys.Sagas().Wait(ctx, r.ID); err != nil {
			return fmt.Errorf("saga %s on %s does not end: it is %s at step %d (%+v): %w", r.Kind, r.Subject, r.Status, r.Step, r.Fault, err)
		}
		select {
		case <-l.changed: // whoever has ended it wrote that
		case <-ctx.Done():
			return fmt.Errorf("nobody works on saga %s on %s: it is %s at step %d (%+v)", r.Kind, r.Subject, r.Status, r.Step, r.Fault)
		}
	}
}

// patience is how long a cloud may take to be what it should be again. Hosts look
// by themselves every few hundred milliseconds here.
const patience = 60 * time.Second
