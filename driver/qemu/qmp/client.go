package qmp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// eventQueue is how many events may wait for a slow reader. A guest can cause
// events, so the queue is bounded: when it is full the connection ends.
const eventQueue = 1024

// ErrClosed is what commands get after [Client.Close].
var ErrClosed = errors.New("qmp: connection closed")

// Client is one QMP connection, past its handshake.
type Client struct {
	conn    *net.UnixConn
	version Version
	events  chan Event
	done    chan struct{} // closed when the reader has ended

	writing sync.Mutex // one command's bytes and descriptors at a time

	mu      sync.Mutex
	pending map[uint64]chan message
	nextID  uint64
	err     error // why the reader ended; set before done closes
}

// New takes over conn and performs the handshake. On failure, or when ctx ends
// first, conn is closed.
func New(ctx context.Context, conn *net.UnixConn) (*Client, error) {
	c := &Client{
		conn:    conn,
		events:  make(chan Event, eventQueue),
		done:    make(chan struct{}),
		pending: map[uint64]chan message{},
	}
	greeted := make(chan Version, 1)
	go c.read(greeted)
	select {
	case c.version = <-greeted:
	case <-c.done:
		return nil, fmt.Errorf("qmp greeting: %w", c.Err())
	case <-ctx.Done():
		_ = c.Close()
		return nil, fmt.Errorf("qmp greeting: %w", ctx.Err())
	}
	if err := c.Run(ctx, "qmp_capabilities", nil, nil); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// Version is what the peer greeted with.
func (c *Client) Version() Version { return c.version }

// Events delivers what QEMU says unasked, in order. It is closed when the
// connection ends; what had come before is delivered first.
func (c *Client) Events() <-chan Event { return c.events }

// Done is closed when the connection has ended; Err then says why.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is why the connection ended, or nil while it lasts.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close hangs up and waits for the reader. QEMU and its guest go on.
func (c *Client) Close() error {
	c.fail(ErrClosed)
	<-c.done
	return nil
}

// Run sends one command and decodes what it returns into result, unless that is
// nil. Files are handed over with it; the caller still closes its own copies.
//
// When ctx ends first the command may nevertheless happen: QMP cannot take one
// back. A command that QEMU refuses gives an [*Error].
func (c *Client) Run(ctx context.Context, command string, args, result any, files ...*os.File) error {
	id, answer, err := c.expect()
	if err != nil {
		return fmt.Errorf("qmp %s: %w", command, err)
	}
	defer c.forget(id)
	if err := c.send(command, args, id, files); err != nil {
		return fmt.Errorf("qmp %s: %w", command, err)
	}
	select {
	case m := <-answer:
		return finish(command, m, result)
	case <-ctx.Done():
		return fmt.Errorf("qmp %s: %w", command, ctx.Err())
	case <-c.done:
		select {
		case m := <-answer: // the answer came just before the end
			return finish(command, m, result)
		default:
			return fmt.Errorf("qmp %s: %w", command, c.Err())
		}
	}
}

func finish(command string, m message, result any) error {
	if m.failure != nil {
		m.failure.Command = command
		return m.failure
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(m.answer, result); err != nil {
		return fmt.Errorf("qmp %s: answer: %w", command, err)
	}
	return nil
}

func (c *Client) expect() (uint64, chan message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, nil, c.err
	}
	c.nextID++
	answer := make(chan message, 1)
	c.pending[c.nextID] = answer
	return c.nextID, answer, nil
}

func (c *Client) forget(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, id)
}

type command struct {
	Execute   string `json:"execute"`
	Arguments any    `json:"arguments,omitempty"`
	ID        uint64 `json:"id"`
}

func (c *Client) send(name string, args any, id uint64, files []*os.File) error {
	line, err := json.Marshal(command{name, args, id})
	if err != nil {
		return err
	}
	var oob []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		oob = unix.UnixRights(fds...)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	// The descriptors travel with the first byte; the rest may need more writes.
	n, _, err := c.conn.WriteMsgUnix(append(line, '\n'), oob, nil)
	if err == nil && n <= len(line) {
		_, err = c.conn.Write(append(line, '\n')[n:])
	}
	if err != nil {
		c.fail(err) // half a command may be out: the connection is of no more use
	}
	return err
}

// read is the reader goroutine.
func (c *Client) read(greeted chan<- Version) {
	defer close(c.done)
	defer close(c.events)
	lines := bufio.NewScanner(c.conn)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		m, err := decode(lines.Bytes())
		if err == nil {
			err = c.deliver(m, greeted)
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
	err := lines.Err()
	if err == nil {
		err = errors.New("qmp: QEMU hung up")
	}
	c.fail(err)
}

func (c *Client) deliver(m message, greeted chan<- Version) error {
	switch {
	case m.greeting != nil:
		select {
		case greeted <- *m.greeting:
			return nil
		default:
			return fmt.Errorf("%w: a second greeting", errProtocol)
		}
	case m.event != nil:
		select {
		case c.events <- *m.event:
			return nil
		default:
			return errors.New("qmp: more events than anybody reads")
		}
	}
	c.mu.Lock()
	answer := c.pending[m.id]
	delete(c.pending, m.id)
	c.mu.Unlock()
	if answer != nil { // else its caller has given up
		answer <- m
	}
	return nil
}

// fail ends the connection with the first reason given.
func (c *Client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		_ = c.conn.Close()
	}
}
