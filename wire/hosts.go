package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"altostack/agent"
	"altostack/driver/fakevm"
	"altostack/driver/filedisk"
	"altostack/driver/netlinks"
	"altostack/driver/qemu"
	"altostack/hostapi"
	"altostack/kernel/clock"
	"altostack/kernel/fault"
)

// physicalNetwork is the name of the external segment that a cloud makes itself.
const physicalNetwork = "public"

// hosts are the hypervisor hosts whose agents run in this process.
type hosts struct {
	mu     sync.RWMutex
	byName map[string]*host
}

type host struct {
	name       string
	agent      *agent.Agent
	hypervisor agent.Hypervisor
	close      []func() error
}

// Agent finds the agent of a host.
func (h *hosts) Agent(name string) (hostapi.Agent, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if found := h.byName[name]; found != nil {
		return found.agent, nil
	}
	return nil, fault.New(fault.CodeBusNobody, "Host %s does not answer.", name)
}

func (h *hosts) add(one *host) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.byName[one.name] = one
}

func (h *hosts) all() []*host {
	h.mu.RLock()
	defer h.mu.RUnlock()
	out := make([]*host, 0, len(h.byName))
	for _, one := range h.byName {
		out = append(out, one)
	}
	return out
}

// freeze pauses whoever uses a volume, on whichever host, until thaw.
func (h *hosts) freeze(ctx context.Context, volumeID string) (thaw func(), err error) {
	var undo []func()
	thaw = func() {
		for _, f := range undo {
			f()
		}
	}
	for _, one := range h.all() {
		f, err := one.agent.FreezeVolume(ctx, volumeID)
		if err != nil {
			thaw()
			return nil, err
		}
		undo = append(undo, f)
	}
	return thaw, nil
}

// Close ends the agents; guests and wiring stay.
func (h *hosts) Close() error {
	var errs []error
	for _, one := range h.all() {
		errs = append(errs, one.agent.Close())
		for _, c := range one.close {
			errs = append(errs, c())
		}
	}
	return errors.Join(errs...)
}

// hypervisorKind decides between real and pretended guests.
func hypervisorKind(setting string) string {
	if setting != "auto" {
		return setting
	}
	if os.Getuid() != 0 {
		return "fake"
	}
	for _, program := range []string{"qemu-system-x86_64", "nft"} {
		if _, err := exec.LookPath(program); err != nil {
			return "fake"
		}
	}
	return "qemu"
}

// openHosts starts the agents of this process.
func (s *System) openHosts(ctx context.Context) error {
	open := s.openRealHost
	if s.hypervisor == "fake" {
		open = s.openFakeHosts
	}
	if err := open(ctx); err != nil {
		return err
	}
	for i, one := range s.hosts.all() {
		if i == enoughHosts {
			break
		}
		s.conductor.await(ctx, one.name, hostsPatience)
	}
	s.compute.HostsChanged()
	return nil
}

// enoughHosts are waited for at a start: a cloud with a thousand can take servers
// long before the last has registered.
const enoughHosts = 8

// agentConfig is what every host's agent gets.
func (s *System) agentConfig(name string) agent.Config {
	local := &http.Client{Transport: inProcess{s.handler}}
	base := "http://" + s.localHost
	return agent.Config{Host: name, Conductor: s.conductor, HTTP: local, Clock: s.clock, Log: s.log, Zone: "nova",
		Endpoints:    agent.Endpoints{Image: base + "/image", Network: base + "/network", Volume: base + "/volume"},
		Reserved:     hostapi.Reserved{MemoryMiB: int64(s.opt.Config.Int("reserved_memory_mib"))},
		ResumeGuests: true, TrustCache: true, Every: s.opt.Every}
}

func (s *System) openFakeHosts(ctx context.Context) error {
	world := s.opt.World
	if world == nil {
		world = fakevm.NewWorld(s.clock, fakevm.Size{})
	}
	for i := range s.opt.Config.Int("fake_hosts") {
		name := fmt.Sprintf("fake-%04d", i+1)
		machine := world.Host(name)
		session := machine.Open()
		cfg := s.agentConfig(name)
		cfg.Hypervisor, cfg.Dataplane, cfg.Disks, cfg.Records, cfg.BootID = session.Hypervisor(), session.Dataplane(), session.Disks(), session.Records(), machine.BootID()
		one := &host{name: name, hypervisor: cfg.Hypervisor, close: []func() error{func() error { session.Cut(); return nil }}}
		if err := s.startAgent(ctx, one, cfg); err != nil {
			return err
		}
	}
	return nil
}

func (s *System) startAgent(ctx context.Context, one *host, cfg agent.Config) error {
	a, err := agent.New(cfg)
	if err != nil {
		return fmt.Errorf("host %s: %w", one.name, err)
	}
	one.agent = a
	s.hosts.add(one)
	s.conductor.expect(one.name)
	if err := a.Start(ctx); err != nil {
		return fmt.Errorf("host %s: %w", one.name, err)
	}
	return nil
}

func (s *System) hostName() (string, error) {
	if name := s.opt.Config.String("host_name"); name != "" {
		return name, nil
	}
	name, err := os.Hostname()
	short, _, _ := strings.Cut(name, ".")
	return short, err
}

func (s *System) openRealHost(ctx context.Context) error {
	name, err := s.hostName()
	if err != nil {
		return err
	}
	dir := s.dir.File("hosts", name)
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return err
	}
	vm, err := qemu.Open(ctx, qemu.Config{Dir: filepath.Join(dir, "qemu"), Accel: qemu.Accel(s.opt.Config.String("accel")), CgroupName: "altostack-" + s.identityFile.Cloud, Clock: s.clock, Log: s.log})
	if err != nil {
		return fmt.Errorf("QEMU: %w", err)
	}
	disks, err := filedisk.Open(filedisk.Config{Dir: filepath.Join(dir, "disks"), Clock: s.clock})
	if err != nil {
		return errors.Join(fmt.Errorf("disks: %w", err), vm.Close())
	}
	one := &host{name: name, hypervisor: vm}
	plane, err := s.openDataplane(ctx, func(networkID string) http.Handler { return one.agent.Metadata(networkID) })
	if err != nil {
		return errors.Join(fmt.Errorf("host network: %w", err), vm.Close())
	}
	one.close = []func() error{plane.Close, vm.Close}
	cfg := s.agentConfig(name)
	cfg.Dir, cfg.Hypervisor, cfg.Dataplane, cfg.Disks = filepath.Join(dir, "agent"), vm, plane, disks
	return s.startAgent(ctx, one, cfg)
}

func (s *System) openDataplane(ctx context.Context, metadata func(string) http.Handler) (*netlinks.Driver, error) {
	return netlinks.Open(ctx, netlinks.Config{Cloud: s.identityFile.Cloud, Masquerade: s.opt.Config.Bool("masquerade"), Metadata: metadata, Log: s.log,
		DNS: netlinks.HostResolvers(), Physical: map[string]netlinks.Physical{physicalNetwork: {Managed: true}}})
}

// Wipe removes all that the cloud of a data directory ever made on this machine.
// The cloud must be down.
func Wipe(ctx context.Context, data string) error {
	d, err := OpenDataDir(data)
	if err != nil {
		return err
	}
	defer d.Close()
	if in, err := ReadIdentity(d.Path); err == nil {
		if err := wipeHosts(ctx, d, in); err != nil {
			return err
		}
	}
	return os.RemoveAll(d.Path)
}

func wipeHosts(ctx context.Context, d *DataDir, in Identity) error {
	dirs, err := filepath.Glob(d.File("hosts", "*"))
	if err != nil {
		return err
	}
	if len(dirs) == 0 {
		return nil // a cloud with pretended hosts made nothing here
	}
	for _, dir := range dirs {
		vm, err := qemu.Open(ctx, qemu.Config{Dir: filepath.Join(dir, "qemu"), CgroupName: "altostack-" + in.Cloud, Clock: clock.Real{}, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return fmt.Errorf("guests cannot be ended: %w", err)
		}
		guests, err := vm.Guests(ctx)
		for _, g := range guests {
			err = errors.Join(err, vm.Remove(ctx, g.ID))
		}
		if err = errors.Join(err, vm.Close()); err != nil {
			return fmt.Errorf("guests cannot be ended: %w", err)
		}
	}
	plane, err := netlinks.Open(ctx, netlinks.Config{Cloud: in.Cloud, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("host network: %w", err)
	}
	return errors.Join(plane.Purge(ctx), plane.Close())
}

// freeExternal picks a /24 of 172.24.0.0/14 that no route of this machine covers,
// starting at a place that the cloud's id gives, so that clouds side by side
// rarely try the same.
func freeExternal(cloud string) (netip.Prefix, error) {
	taken, err := netlinks.HostPrefixes()
	if err != nil {
		return netip.Prefix{}, err
	}
	var start int
	if _, err := fmt.Sscanf(cloud, "%x", &start); err != nil {
		return netip.Prefix{}, err
	}
	for i := range 1024 {
		n := (start + i) % 1024
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(24 + n/256), byte(n % 256), 0}), 24)
		free := true
		for _, t := range taken {
			free = free && !t.Overlaps(p)
		}
		if free {
			return p, nil
		}
	}
	return netip.Prefix{}, errors.New("no free range in 172.24.0.0/14 for the external network; set external_cidr")
}
