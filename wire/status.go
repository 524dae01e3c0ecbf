package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Status is what an operator sees of a running cloud.
type Status struct {
	Version   string        `json:"version"`
	PID       int           `json:"pid"`
	URL       string        `json:"url"`
	Data      string        `json:"data"`
	Cloud     string        `json:"cloud"`
	Roles     []string      `json:"roles"`
	Uptime    time.Duration `json:"uptime"`
	APIs      []APIStatus   `json:"apis"`
	Hosts     []HostStatus  `json:"hosts"`
	Sagas     []SagaStatus  `json:"sagas"`
	Loops     []LoopStatus  `json:"loops"`
	Unhealthy []Trouble     `json:"unhealthy"`
}

// APIStatus is one API's answer to a look from outside.
type APIStatus struct {
	Name    string `json:"name"`
	Healthy bool   `json:"healthy"`
	Error   string `json:"error,omitempty"`
}

// HostStatus is one hypervisor host.
type HostStatus struct {
	Name        string `json:"name"`
	State       string `json:"state"`
	Hypervisor  string `json:"hypervisor"`
	Accelerator string `json:"accelerator"`
	Guests      int    `json:"guests"`
	PIDs        []int  `json:"pids,omitempty"`
}

// SagaStatus is one operation in flight.
type SagaStatus struct {
	ID      string        `json:"id"`
	Kind    string        `json:"kind"`
	Subject string        `json:"subject"`
	Status  string        `json:"status"`
	Step    int           `json:"step"`
	Age     time.Duration `json:"age"`
	Fault   string        `json:"fault,omitempty"`
}

// LoopStatus is one reconciler.
type LoopStatus struct {
	Name    string    `json:"name"`
	LastRun time.Time `json:"last_run"`
	Error   string    `json:"error,omitempty"`
}

// Trouble is something unhealthy, and why.
type Trouble struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Healthy reports whether every API answers and nothing is in trouble.
func (s *Status) Healthy() bool {
	for _, a := range s.APIs {
		if !a.Healthy {
			return false
		}
	}
	return len(s.APIs) > 0 && len(s.Unhealthy) == 0
}

// ErrNotUp says that no process answers for the data directory.
var ErrNotUp = errors.New("no cloud is up")

// admin makes a client of the operator's socket, which only its owner may open.
func admin(data string) *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialSocket(ctx, filepath.Join(data, "admin.sock"))
		}}}
}

// dialSocket reaches a socket whose path may be longer than the kernel takes (108
// bytes), through a descriptor of its directory.
func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	var d net.Dialer
	return d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

func listenSocket(path string) (net.Listener, error) {
	_ = os.Remove(path) // a dead process's; a live one holds the lock, so it is not ours to fear
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	l, err := net.Listen("unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // its path names a descriptor that is closed by then
	return l, nil
}

// AskStatus asks the process of a data directory how it is.
func AskStatus(ctx context.Context, data string) (*Status, error) {
	body, err := ask(ctx, data, http.MethodGet, "/status")
	if err != nil {
		return nil, err
	}
	st := &Status{}
	return st, json.Unmarshal(body, st)
}

// AskDown asks the process to end, and answers its id.
func AskDown(ctx context.Context, data string, stopGuests bool) (int, error) {
	st, err := AskStatus(ctx, data)
	if err != nil {
		if pid := lockedBy(data); pid > 0 { // it holds the lock but does not answer
			return pid, syscall.Kill(pid, syscall.SIGTERM)
		}
		return 0, ErrNotUp
	}
	_, err = ask(ctx, data, http.MethodPost, fmt.Sprintf("/down?guests=%v", map[bool]string{true: "stop", false: "keep"}[stopGuests]))
	return st.PID, err
}

func lockedBy(data string) int {
	if _, err := os.Stat(filepath.Join(data, "lock")); err != nil {
		return 0 // asking makes no directory
	}
	d, err := OpenDataDir(data)
	if err == nil {
		_ = d.Close()
		return 0
	}
	if errors.Is(err, ErrInUse) {
		return holder(data)
	}
	return 0
}

func ask(ctx context.Context, data, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://altostack"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := admin(data).Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotUp, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 400 {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return body, err
}
