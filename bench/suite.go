package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"altostack/client"
)

// Suite measures clouds of our own, which it starts and removes.
type Suite struct {
	Program string // our executable
	Dir     string // an empty directory for everything
	Image   string // qcow2 of the tiny guest, for real boots
	Repeat  int    // starts of each kind
	Servers int    // that are booted, and listed
	Rows    int    // servers in the full database
	Objects int    // of the long listing; 0: none
	Hosts   int    // of the large cloud
	Tokens  int    // issued, to see whether memory grows; 0: none
	Guests  int    // real boots of each kind; 0: none
	Login   int    // of which up to the login prompt
	Say     func(string)

	out   []Figure
	ports map[string]string // by data directory: its cloud's address, the same at each start
}

// Figure is a result beside what is wanted and what the original does.
type Figure struct {
	Result
	Wanted   string `json:"wanted,omitempty"`
	Original string `json:"original,omitempty"`
}

// Run measures everything. What it has measured so far is answered with an error
// too.
func (s *Suite) Run(ctx context.Context) ([]Figure, error) {
	if info, err := os.Stat(s.Program); err == nil {
		s.add(Result{Name: "executable", Unit: "MB", Median: float64(info.Size()) / 1e6, Count: 1}, "< 80 MB", "")
	}
	for _, part := range []func(context.Context) error{s.emptyStarts, s.oneHost, s.images, s.full, s.objects, s.manyHosts, s.real} {
		if err := part(ctx); err != nil {
			return s.out, err
		}
	}
	return s.out, nil
}

func (s *Suite) add(r Result, wanted, original string) {
	s.out = append(s.out, Figure{r, wanted, original})
}

// cloud is one running cloud.
type cloud struct {
	s    *Suite
	data string
	pid  int
	took time.Duration // to start, until every API answered
}

// up starts a cloud; the directory is kept from one start to the next.
func (s *Suite) up(ctx context.Context, name string, flags ...string) (*cloud, error) {
	c := &cloud{s: s, data: filepath.Join(s.Dir, name)}
	address, err := s.address(name)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := s.run(ctx, append([]string{"up", "--data", c.data, "--listen", address, "--detach"}, flags...)...); err != nil {
		return nil, err
	}
	c.took = time.Since(start)
	pid, err := os.ReadFile(filepath.Join(c.data, "lock"))
	if err == nil {
		c.pid, err = strconv.Atoi(strings.TrimSpace(string(pid)))
	}
	return c, err
}

// address picks a free port for a cloud, once, as its catalog names it.
func (s *Suite) address(name string) (string, error) {
	if a := s.ports[name]; a != "" {
		return a, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	if s.ports == nil {
		s.ports = map[string]string{}
	}
	s.ports[name] = l.Addr().String()
	return s.ports[name], l.Close()
}

func (c *cloud) down(ctx context.Context) error { return c.s.run(ctx, "down", "--data", c.data) }

func (c *cloud) wipe() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return errors.Join(c.down(ctx), c.s.run(ctx, "wipe", "--data", c.data))
}

func (s *Suite) run(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, s.Program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("altostack %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// access reads the cloud's openrc.
func (c *cloud) access() (client.Credentials, error) {
	text, err := os.ReadFile(filepath.Join(c.data, "openrc"))
	if err != nil {
		return client.Credentials{}, err
	}
	v := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "="); ok {
			v[name] = strings.Trim(value, `'"`)
		}
	}
	return client.Credentials{AuthURL: v["OS_AUTH_URL"], Username: v["OS_USERNAME"], Password: v["OS_PASSWORD"], Project: v["OS_PROJECT_NAME"], Region: v["OS_REGION_NAME"]}, nil
}

// memory is the process's proportional set size in MB: shared pages count by how
// many processes share them.
func (c *cloud) memory() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", c.pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "Pss:" {
			kb, err := strconv.ParseFloat(f[1], 64)
			return kb * 1024 / 1e6, err
		}
	}
	return 0, errors.New("smaps_rollup has no Pss")
}

func (s *Suite) memory(c *cloud, name, wanted, original string) error {
	mb, err := c.memory()
	if err == nil {
		s.add(Result{Name: name, Unit: "MB", Median: mb, Count: 1}, wanted, original)
	}
	return err
}

// cpu is how much processor time the process has used.
func (c *cloud) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 everywhere
}

// calm returns once the process has been idle for a second, as right after its
// start a thousand hosts have a lot to say; at most ten seconds.
func (c *cloud) calm(ctx context.Context) error {
	for range 10 {
		before := c.cpu()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		if c.cpu()-before < 150*time.Millisecond {
			return nil
		}
	}
	return nil
}

func summary(name string, took []time.Duration) Result {
	slices.Sort(took)
	n := len(took)
	return Result{Name: name, Unit: "ms", Median: ms(took[n/2]), P99: ms(took[min(n-1, n*99/100)]), Count: n}
}

func (s *Suite) emptyStarts(ctx context.Context) error {
	s.Say("starts on an empty directory")
	var took []time.Duration
	for i := range s.Repeat {
		c, err := s.up(ctx, fmt.Sprintf("empty%d", i), "--hypervisor", "fake")
		if err != nil {
			return err
		}
		took = append(took, c.took)
		if err := c.wipe(); err != nil {
			return err
		}
	}
	s.add(summary("start on an empty directory", took), "< 1,500 ms", "35 s")
	return nil
}
