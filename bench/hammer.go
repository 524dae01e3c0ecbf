package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// strike is one call that hammer makes over and over.
type strike struct {
	method string
	header http.Header
	body   []byte
	want   int // the status of its answer
}

func (k strike) bytes(u *url.URL) []byte {
	out := bytes.NewBuffer(nil)
	fmt.Fprintf(out, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: altostack-bench\r\nAccept: application/json\r\n", k.method, u.RequestURI(), u.Host)
	if len(k.body) > 0 {
		fmt.Fprintf(out, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(k.body))
	}
	_ = k.header.Write(out) // a buffer takes everything
	out.WriteString("\r\n")
	out.Write(k.body)
	return out.Bytes()
}

// hammer makes n calls by c callers, each on one connection that it keeps, going
// around in the strikes. It writes the requests and reads the answers itself,
// since on a machine that it shares with the cloud a full HTTP client would take
// more of the time than the cloud does. Every answer must have the status that is
// wanted, and is read whole.
func (b *run) hammer(ctx context.Context, name, to string, strikes []strike, n, c int) Result {
	u, err := url.Parse(to)
	if err != nil {
		return Result{Name: name, Error: err.Error()}
	}
	requests := make([][]byte, len(strikes))
	for i, k := range strikes {
		requests[i] = k.bytes(u)
	}
	callers := make(chan *caller, c)
	for range c {
		k, err := dial(ctx, u)
		if err != nil {
			return Result{Name: name, Error: err.Error()}
		}
		defer k.conn.Close()
		callers <- k
	}
	return b.many(ctx, name, n, c, func(_ context.Context, i int) error {
		k := <-callers
		defer func() { callers <- k }()
		of := i % len(strikes)
		status, err := k.call(requests[of])
		if err == nil && status != strikes[of].want {
			err = fmt.Errorf("%s %s answered %d", strikes[of].method, u.Path, status)
		}
		return err
	})
}

// caller is one kept connection.
type caller struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(ctx context.Context, u *url.URL) (*caller, error) {
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), map[string]string{"https": "443"}[u.Scheme])
		if u.Scheme != "https" {
			host = net.JoinHostPort(u.Hostname(), "80")
		}
	}
	var conn net.Conn
	var err error
	if u.Scheme == "https" {
		conn, err = (&tls.Dialer{}).DialContext(ctx, "tcp", host)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", host)
	}
	if err != nil {
		return nil, err
	}
	return &caller{conn: conn, in: bufio.NewReaderSize(conn, 16<<10)}, nil
}

// call sends a request and reads its answer whole.
func (k *caller) call(request []byte) (status int, err error) {
	if err := k.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return 0, err
	}
	if _, err := k.conn.Write(request); err != nil {
		return 0, err
	}
	length := -1
	for first := true; ; first = false {
		line, err := k.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if first {
			parts := bytes.SplitN(line, []byte(" "), 3)
			if len(parts) < 2 {
				return 0, fmt.Errorf("not an answer of HTTP: %q", line)
			}
			if status, err = strconv.Atoi(string(parts[1])); err != nil {
				return 0, err
			}
			continue
		}
		if name, value, _ := bytes.Cut(line, []byte(":")); bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, errors.New("an answer without Content-Length")
	}
	_, err = k.in.Discard(length)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return status, err
}
