package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"altostack/client"
)

// real measures boots of real guests beside a bare QEMU with the same disk.
func (s *Suite) real(ctx context.Context) error {
	if s.Guests == 0 {
		return nil
	}
	c, err := s.up(ctx, "real", "--hypervisor", "qemu")
	if err != nil {
		return err
	}
	return errors.Join(s.boots(ctx, c), c.wipe())
}

func (s *Suite) boots(ctx context.Context, c *cloud) error {
	creds, err := c.access()
	if err != nil {
		return err
	}
	api, err := client.Login(ctx, creds)
	if err != nil {
		return err
	}
	b := &run{cloud: api, creds: creds, name: "bench-real", o: Options{Image: "bench-tiny", Flavor: "m1.nano", Say: s.Say, Deadline: 2 * time.Minute}}
	if err := b.upload(ctx, s.Image); err != nil {
		return err
	}
	body, drop, err := b.request(ctx)
	if err != nil {
		return err
	}
	defer drop()
	s.Say("real boots")
	var begun, running, prompts, bare []time.Duration
	for i := range s.Guests + 1 {
		one, err := b.boot(ctx, body, i > 0 && i <= s.Login)
		if err != nil {
			return err
		}
		if i > 0 { // the first one brings the image to the host
			begun, running = append(begun, one.started), append(running, one.running)
		}
		if one.prompt > 0 {
			prompts = append(prompts, one.prompt)
		}
	}
	s.add(summary("real boot: request to QEMU's start", begun), "< 150 ms", "")
	s.add(summary("real boot: request to a running guest, QEMU's own start included", running), "", "")
	accel, err := c.accelerator(ctx)
	if err != nil {
		return err
	}
	for range s.Login {
		took, err := s.bareQEMU(ctx, accel)
		if err != nil {
			return err
		}
		bare = append(bare, took)
	}
	if s.Login > 0 {
		s.add(summary("real boot: request to login prompt ("+accel+")", prompts), "", "")
		s.add(summary("bare QEMU: start to login prompt ("+accel+")", bare), "", "")
	}
	return nil
}

func (b *run) upload(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w; make image builds the tiny image", err)
	}
	defer f.Close()
	var made struct{ ID string }
	if err := b.cloud.Do(ctx, "POST", "image", "/v2/images", map[string]any{"name": b.o.Image, "disk_format": "qcow2", "container_format": "bare"}, &made); err != nil {
		return err
	}
	return b.cloud.Do(ctx, "PUT", "image", "/v2/images/"+made.ID+"/file", f, nil, "Content-Type", "application/octet-stream")
}

// booted is how long a real boot took, from its request.
type booted struct {
	started time.Duration // until the QEMU process was
	running time.Duration // until the last step of the trace: QEMU has the guest running
	prompt  time.Duration // until the login prompt on the console; 0: not waited for
}

// boot makes one server and removes it.
func (b *run) boot(ctx context.Context, body any, login bool) (took booted, err error) {
	sent := time.Now()
	var made struct{ Server struct{ ID string } }
	if err := b.cloud.Do(ctx, "POST", "compute", "/v2.1/servers", body, &made, "OpenStack-API-Version", "compute 2.37"); err != nil {
		return took, err
	}
	path := "/v2.1/servers/" + made.Server.ID
	defer func() {
		err = errors.Join(err, b.cloud.Do(ctx, "DELETE", "compute", path, nil, nil), b.wait(ctx, ""))
	}()
	if err := b.wait(ctx, "status=BUILD"); err != nil {
		return took, err
	}
	var trace struct {
		Trace struct {
			Outcome string
			Steps   []struct {
				Number int
				Start  time.Time
				TookUS int64 `json:"took_us"`
			}
		}
	}
	if err := b.cloud.Do(ctx, "GET", "compute", path+"/altostack-trace", nil, &trace); err != nil {
		return took, err
	}
	for _, step := range trace.Trace.Steps {
		if step.Number == 29 {
			took.running = step.Start.Add(time.Duration(step.TookUS) * time.Microsecond).Sub(sent)
		}
	}
	if trace.Trace.Outcome != "done" || took.running == 0 {
		return took, fmt.Errorf("server %s: its boot is %s", made.Server.ID, trace.Trace.Outcome)
	}
	process, err := processStart(made.Server.ID)
	if err != nil {
		return took, err
	}
	took.started = process.Sub(sent)
	for login && took.prompt == 0 {
		var out struct{ Output string }
		if err := b.cloud.Do(ctx, "POST", "compute", path+"/action", map[string]any{"os-getConsoleOutput": map[string]any{}}, &out); err != nil {
			return took, err
		}
		if bytes.Contains([]byte(out.Output), []byte("login: ")) {
			took.prompt = time.Since(sent)
		} else if err := pause(ctx, sent, "the guest"); err != nil {
			return took, err
		}
	}
	return took, nil
}

// processStart is when the QEMU process of a server began, to 10 ms: the kernel
// counts it in ticks since the machine's start.
func processStart(serverID string) (time.Time, error) {
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return time.Time{}, err
	}
	for _, dir := range processes {
		args, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || !bytes.Contains(args, []byte("qemu-system")) || !bytes.Contains(args, []byte("\x00"+serverID+"\x00")) {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil {
			return time.Time{}, err
		}
		uptime, err := os.ReadFile("/proc/uptime")
		if err != nil {
			return time.Time{}, err
		}
		up, err := strconv.ParseFloat(strings.Fields(string(uptime))[0], 64)
		if err != nil {
			return time.Time{}, err
		}
		ticks, err := strconv.ParseFloat(strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))[19], 64)
		return time.Now().Add(-time.Duration((up - ticks/100) * float64(time.Second))), err
	}
	return time.Time{}, fmt.Errorf("no QEMU process of server %s runs", serverID)
}

// pause waits a moment for a login prompt, but not for ever.
func pause(ctx context.Context, since time.Time, who string) error {
	if time.Since(since) > 2*time.Minute {
		return fmt.Errorf("%s showed no login prompt within two minutes", who)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(50 * time.Millisecond):
		return nil
	}
}

// accelerator asks how guests are run here: kvm or tcg.
func (c *cloud) accelerator(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, c.s.Program, "status", "--data", c.data, "--json").Output()
	if err != nil {
		return "", fmt.Errorf("altostack status: %w", err)
	}
	var st struct {
		Hosts []struct{ Accelerator string }
	}
	if err := json.Unmarshal(out, &st); err != nil || len(st.Hosts) == 0 {
		return "", fmt.Errorf("altostack status names no host: %w", err)
	}
	return st.Hosts[0].Accelerator, nil
}

// bareQEMU boots the same disk without a cloud and answers the time to the login
// prompt.
func (s *Suite) bareQEMU(ctx context.Context, accel string) (time.Duration, error) {
	disk, console := filepath.Join(s.Dir, "bare.qcow2"), filepath.Join(s.Dir, "bare.log")
	image, err := filepath.Abs(s.Image)
	if err != nil {
		return 0, err
	}
	if out, err := exec.CommandContext(ctx, "qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image, disk, "1G").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("qemu-img: %w: %s", err, out)
	}
	_ = os.Remove(console)
	cpu := "host"
	if accel != "kvm" {
		cpu = "max"
	}
	start := time.Now()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-accel", accel, "-cpu", cpu, "-m", "192M", "-smp", "1",
		"-device", "VGA", "-device", "virtio-rng-pci", "-drive", "file="+disk+",if=virtio,format=qcow2", "-nic", "user,model=virtio-net-pci,restrict=on", "-serial", "file:"+console)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	for {
		text, _ := os.ReadFile(console)
		if bytes.Contains(text, []byte("login: ")) {
			return time.Since(start), nil
		}
		if err := pause(ctx, start, "bare QEMU"); err != nil {
			return 0, err
		}
	}
}
