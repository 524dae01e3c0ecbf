package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// Times within which a directory has to do something.
const (
	dialTime  = 5 * time.Second
	replyTime = 10 * time.Second
)

// idle is a connection that waits for the next search.
type idle struct {
	conn *goldap.Conn
	born time.Time
}

// downTime is for how long a directory that did not answer is not tried again: who
// waits for it would only make others wait.
const downTime = 3 * time.Second

// errDown is answered meanwhile.
var errDown = errors.New("the directory did not answer a moment ago")

// dial opens a connection to the first of the addresses that answers.
func (d *Directory) dial(ctx context.Context) (*goldap.Conn, error) {
	if time.Now().UnixNano() < d.downUntil.Load() {
		return nil, errDown
	}
	c, err := d.dialAny(ctx)
	if err != nil && ctx.Err() == nil {
		d.downUntil.Store(time.Now().Add(downTime).UnixNano())
	}
	return c, err
}

func (d *Directory) dialAny(ctx context.Context) (*goldap.Conn, error) {
	var errs []error
	for _, address := range d.urls {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		config := d.tls.Clone()
		if u, err := url.Parse(address); err == nil {
			config.ServerName = u.Hostname()
		}
		c, err := goldap.DialURL(address, goldap.DialWithDialer(&net.Dialer{Timeout: dialTime}), goldap.DialWithTLSConfig(config))
		if err == nil {
			c.SetTimeout(replyTime)
			if d.startTLS {
				err = c.StartTLS(config)
			}
			if err == nil {
				return c, nil
			}
			_ = c.Close()
		}
		errs = append(errs, fmt.Errorf("%s: %w", address, err))
	}
	return nil, errors.Join(errs...)
}

// with runs f on a connection that is bound as the configured user. One that broke
// while it was idle is replaced once.
func (d *Directory) with(ctx context.Context, f func(*goldap.Conn) error) error {
	for {
		c, kept, err := d.take(ctx)
		if err != nil {
			return err
		}
		err = f(c)
		if broken(err) {
			_ = c.Close()
			if kept { // the others are probably of no more use either
				d.Close()
				continue
			}
			return err
		}
		d.give(c)
		return err
	}
}

// broken tells whether the connection is of no more use.
func broken(err error) bool {
	return err != nil && (goldap.IsErrorWithCode(err, goldap.ErrorNetwork) || goldap.IsErrorWithCode(err, goldap.LDAPResultBusy) ||
		goldap.IsErrorWithCode(err, goldap.LDAPResultUnavailable) || errors.Is(err, context.DeadlineExceeded))
}

func (d *Directory) take(ctx context.Context) (c *goldap.Conn, kept bool, err error) {
	for {
		select {
		case i := <-d.idle:
			if i.conn.IsClosing() || time.Since(i.born) > d.lifetime {
				_ = i.conn.Close()
				continue
			}
			return i.conn, true, nil
		default:
		}
		if c, err = d.dial(ctx); err != nil {
			return nil, false, err
		}
		if d.user != "" {
			err = c.Bind(d.user, d.password)
		}
		if err != nil {
			_ = c.Close()
			return nil, false, fmt.Errorf("bind as %s: %w", d.user, err)
		}
		return c, false, nil
	}
}

func (d *Directory) give(c *goldap.Conn) {
	select {
	case d.idle <- idle{c, time.Now()}:
	default:
		_ = c.Close()
	}
}

// Close ends the connections that are idle.
func (d *Directory) Close() {
	for {
		select {
		case i := <-d.idle:
			_ = i.conn.Close()
		default:
			return
		}
	}
}
