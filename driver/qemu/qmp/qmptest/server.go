// Package qmptest is a QEMU that is not there: the server side of QMP, with the
// answers written by the test. It greets, takes the handshake, hands every
// further command with its descriptors to a handler, and emits events.
//
// One client is served at a time, as QEMU does; the next waits its turn.
package qmptest

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Greeting is what Server says first.
const Greeting = `{"QMP":{"version":{"qemu":{"major":7,"minor":2,"micro":22},"package":"fake"},"capabilities":["oob"]}}`

// Failure is an error a handler wants reported as QMP does.
type Failure struct{ Class, Desc string }

func (f *Failure) Error() string { return f.Class + ": " + f.Desc }

// Handler answers one command; a nil answer is sent as {}. It owns files.
type Handler func(command string, args json.RawMessage, files []*os.File) (any, error)

// Server serves one listener until closed.
type Server struct {
	listener *net.UnixListener
	handle   Handler
	ended    chan struct{}

	mu     sync.Mutex
	conn   *net.UnixConn
	closed bool
}

// Serve starts serving.
func Serve(listener *net.UnixListener, handle Handler) *Server {
	s := &Server{listener: listener, handle: handle, ended: make(chan struct{})}
	go s.accept()
	return s
}

// Emit sends an event to whoever is connected.
func (s *Server) Emit(name string, data any) { s.Send(map[string]any{"event": name, "data": data}) }

// Send sends any message to whoever is connected.
func (s *Server) Send(message any) {
	line, err := json.Marshal(message)
	if err != nil {
		panic(err) // the test's own mistake
	}
	s.SendRaw(append(line, '\r', '\n'))
}

// SendRaw sends bytes as they are.
func (s *Server) SendRaw(line []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		_, _ = s.conn.Write(line)
	}
}

// Hangup drops the present client only.
func (s *Server) Hangup() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

// Close ends the server, as the death of QEMU would.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	_ = s.listener.Close()
	if s.conn != nil {
		_ = s.conn.Close()
	}
	s.mu.Unlock()
	<-s.ended
}

func (s *Server) accept() {
	defer close(s.ended)
	for {
		conn, err := s.listener.AcceptUnix()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			_ = conn.Close()
		}
		s.conn = conn
		s.mu.Unlock()
		s.SendRaw([]byte(Greeting + "\r\n"))
		s.serve(conn)
		_ = conn.Close()
	}
}

func (s *Server) serve(conn *net.UnixConn) {
	in := &rightsReader{conn: conn}
	decoder := json.NewDecoder(in)
	for {
		var cmd struct {
			Execute   string          `json:"execute"`
			Arguments json.RawMessage `json:"arguments"`
			ID        json.RawMessage `json:"id"`
		}
		if err := decoder.Decode(&cmd); err != nil {
			return
		}
		files := in.take()
		if cmd.Execute == "qmp_capabilities" {
			s.Send(map[string]any{"return": struct{}{}, "id": cmd.ID})
			continue
		}
		answer, err := s.handle(cmd.Execute, cmd.Arguments, files)
		var failure *Failure
		switch {
		case errors.As(err, &failure):
			s.Send(map[string]any{"error": map[string]string{"class": failure.Class, "desc": failure.Desc}, "id": cmd.ID})
		case err != nil:
			s.Send(map[string]any{"error": map[string]string{"class": "GenericError", "desc": err.Error()}, "id": cmd.ID})
		case answer == nil:
			s.Send(map[string]any{"return": struct{}{}, "id": cmd.ID})
		default:
			s.Send(map[string]any{"return": answer, "id": cmd.ID})
		}
	}
}

// rightsReader reads bytes and keeps the descriptors that come with them.
type rightsReader struct {
	conn  *net.UnixConn
	files []*os.File
}

func (r *rightsReader) Read(p []byte) (int, error) {
	oob := make([]byte, unix.CmsgSpace(16*4))
	n, oobn, _, _, err := r.conn.ReadMsgUnix(p, oob)
	n = max(n, 0) // it is -1 with an error
	if messages, e := unix.ParseSocketControlMessage(oob[:max(oobn, 0)]); e == nil {
		for _, m := range messages {
			fds, _ := unix.ParseUnixRights(&m)
			for _, fd := range fds {
				r.files = append(r.files, os.NewFile(uintptr(fd), "received"))
			}
		}
	}
	if n == 0 && err == nil {
		return 0, net.ErrClosed
	}
	return n, err
}

func (r *rightsReader) take() []*os.File {
	files := r.files
	r.files = nil
	return files
}
