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
	var begun, prompts, bare []time.Duration
	for i := range s.Guests + 1 {
		started, prompt, err := b.boot(ctx, body, i > 0 && i <= s.Login)
		if err != nil {
			return err
		}
		if i > 0 { // the first one brings the image to the host
			begun = append(begun, started)
		}
		if prompt > 0 {
			prompts = append(prompts, prompt)
		}
	}
	s.add(summary("real boot: request to QEMU's start", begun), "< 150 ms", "")
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

// boot makes one server and removes it. started is from the request to the end of
// the last step of its trace, in which QEMU starts; prompt, if wanted, to the
// login prompt on its console.
func (b *run) boot(ctx context.Context, body any, login bool) (started, prompt time.Duration, err error) {
	sent := time.Now()
	var made struct{ Server struct{ ID string } }
	if err := b.cloud.Do(ctx, "POST", "compute", "/v2.1/servers", body, &made, "OpenStack-API-Version", "compute 2.37"); err != nil {
		return 0, 0, err
	}
	path := "/v2.1/servers/" + made.Server.ID
	defer func() {
		err = errors.Join(err, b.cloud.Do(ctx, "DELETE", "compute", path, nil, nil), b.wait(ctx, ""))
	}()
	if err := b.wait(ctx, "status=BUILD"); err != nil {
		return 0, 0, err
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
		return 0, 0, err
	}
	for _, step := range trace.Trace.Steps {
		if step.Number == 29 {
			started = step.Start.Add(time.Duration(step.TookUS) * time.Microsecond).Sub(sent)
		}
	}
	if trace.Trace.Outcome != "done" || started == 0 {
		return 0, 0, fmt.Errorf("server %s: its boot is %s", made.Server.ID, trace.Trace.Outcome)
	}
	for login && prompt == 0 {
		var out struct{ Output string }
		if err := b.cloud.Do(ctx, "POST", "compute", path+"/action", map[string]any{"os-getConsoleOutput": map[string]any{}}, &out); err != nil {
			return 0, 0, err
		}
		if bytes.Contains([]byte(out.Output), []byte("login: ")) {
			prompt = time.Since(sent)
		} else if err := pause(ctx, sent, "the guest"); err != nil {
			return 0, 0, err
		}
	}
	return started, prompt, nil
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
