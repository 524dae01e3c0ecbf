package qmp_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"altostack/driver/qemu/qmp"
	"altostack/driver/qemu/qmp/qmptest"
)

func limit(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func listen(t *testing.T) (*net.UnixListener, *net.UnixConn) {
	t.Helper()
	addr := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "q"), Net: "unix"}
	l, err := net.ListenUnix("unix", addr)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUnix("unix", nil, addr)
	if err != nil {
		t.Fatal(err)
	}
	return l, conn
}

func connect(t *testing.T, handle qmptest.Handler) (*qmp.Client, *qmptest.Server) {
	t.Helper()
	l, conn := listen(t)
	server := qmptest.Serve(l, handle)
	t.Cleanup(server.Close)
	client, err := qmp.New(limit(t), conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client, server
}

func TestCommandsGetTheirOwnAnswers(t *testing.T) {
	client, _ := connect(t, func(command string, args json.RawMessage, _ []*os.File) (any, error) {
		if command == "fail" {
			return nil, &qmptest.Failure{Class: "DeviceNotFound", Desc: "no such thing"}
		}
		return map[string]string{"command": command, "args": string(args)}, nil
	})
	if v := client.Version(); v.Major != 7 || v.Minor != 2 || v.Micro != 22 {
		t.Errorf("version %+v", v)
	}
	done := make(chan error)
	for _, name := range []string{"one", "two", "three", "four"} {
		go func() {
			var got struct{ Command, Args string }
			err := client.Run(limit(t), name, map[string]int{"x": 1}, &got)
			if err == nil && (got.Command != name || got.Args != `{"x":1}`) {
				err = errors.New(name + " got the answer to " + got.Command + got.Args)
			}
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if err := client.Run(limit(t), "fail", nil, nil); !qmp.NotFound(err) {
		t.Errorf("a missing device is %v", err)
	}
}

func TestEventsBeforeAndAmongAnswersAreKept(t *testing.T) {
	l, conn := listen(t)
	served := make(chan error, 1)
	go func() { // a server that talks before it is spoken to
		peer, err := l.AcceptUnix()
		if err != nil {
			served <- err
			return
		}
		defer func() { _ = peer.Close() }()
		say := func(line string) { _, _ = io.WriteString(peer, line+"\r\n") }
		say(`{"event":"EARLY","timestamp":{"seconds":5,"microseconds":7}}`)
		say(qmptest.Greeting)
		say(`{"event":"BETWEEN","data":{"a":1}}`)
		var cmd struct{ ID json.RawMessage }
		if err := json.NewDecoder(peer).Decode(&cmd); err != nil {
			served <- err
			return
		}
		say(`{"event":"LATE"}`)
		say(`{"return":{},"id":` + string(cmd.ID) + `}`)
		served <- nil
	}()
	client, err := qmp.New(limit(t), conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	var names []string
	for e := range client.Events() { // ends, as the server hung up
		names = append(names, e.Name)
	}
	if got := strings.Join(names, " "); got != "EARLY BETWEEN LATE" {
		t.Errorf("events %s", got)
	}
	if err := client.Run(limit(t), "query-status", nil, nil); err == nil {
		t.Error("a command on a dead connection succeeded")
	}
}

func TestDescriptorsTravelWithTheirCommand(t *testing.T) {
	client, _ := connect(t, func(_ string, _ json.RawMessage, files []*os.File) (any, error) {
		if len(files) != 1 {
			return nil, errors.New("wrong number of descriptors")
		}
		defer func() { _ = files[0].Close() }()
		data, err := io.ReadAll(files[0])
		return string(data), err
	})
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("through"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var got string
	if err := client.Run(limit(t), "add-fd", map[string]string{"pad": strings.Repeat("x", 1<<20)}, &got, f); err != nil {
		t.Fatal(err)
	}
	if got != "through" {
		t.Errorf("got %q", got)
	}
}

func TestAbandonedCommandLeavesTheConnectionUsable(t *testing.T) {
	release := make(chan struct{})
	client, _ := connect(t, func(command string, _ json.RawMessage, _ []*os.File) (any, error) {
		if command == "slow" {
			<-release
		}
		return command, nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := client.Run(ctx, "slow", nil, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	close(release)
	var got string
	if err := client.Run(limit(t), "next", nil, &got); err != nil || got != "next" {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestPeersThatMisbehaveAreHungUpOn(t *testing.T) {
	for name, line := range map[string]string{
		"not JSON":          "nonsense\n",
		"no QMP message":    "{}\n",
		"foreign id":        `{"return":{},"id":"abc"}` + "\n",
		"a second greeting": qmptest.Greeting + "\n" + qmptest.Greeting + "\n",
		"endless line":      strings.Repeat(" ", 9<<20),
		"flood of events":   strings.Repeat(`{"event":"RTC_CHANGE"}`+"\n", 1100),
	} {
		t.Run(name, func(t *testing.T) {
			client, server := connect(t, nil)
			go server.SendRaw([]byte(line))
			select {
			case <-client.Done():
			case <-limit(t).Done():
				t.Fatal("the connection goes on")
			}
			if client.Err() == nil {
				t.Error("no reason given")
			}
		})
	}
}
