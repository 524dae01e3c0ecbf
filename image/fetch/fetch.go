// Package fetch gets data from URLs that strangers name, without letting them
// reach what only this machine can reach: the cloud's own services, its guests'
// metadata address, a private network behind it.
//
// The one idea: what counts is the address that a connection is made to, at the
// moment it is made. Names are not believed; every redirect and every answer of
// the DNS goes through the same check, in the dialer. A [Fetcher] is safe for
// concurrent use; it logs nothing and names no more of a URL than its host.
//
// Facts: IANA's registries of special-purpose addresses.
package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"altostack/kernel/fault"
)

// Resolver looks names up; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config is what a Fetcher may do. The zero Config allows http and https at their
// ports, to public addresses.
type Config struct {
	Schemes   []string       // empty: http, https
	Ports     []int          // empty: 80, 443
	Hosts     []string       // names and addresses that alone are allowed; empty: all
	Allow     []netip.Prefix // addresses that are allowed though they are not public
	Redirects int            // followed at most; 0: 5
	MaxBytes  int64          // of one answer; 0: no limit
	Timeout   time.Duration  // for one answer, its data included; 0: one hour
	Resolver  Resolver
	Roots     *x509.CertPool // nil: the system's
}

// Fetcher gets data from URLs.
type Fetcher struct {
	cfg    Config
	client *http.Client
}

const (
	connectTimeout = 15 * time.Second
	headerTimeout  = 60 * time.Second
	maxURL         = 4096
)

var errAddress = errors.New("the address is not allowed")

// New makes a Fetcher.
func New(c Config) *Fetcher {
	if len(c.Schemes) == 0 {
		c.Schemes = []string{"http", "https"}
	}
	if len(c.Ports) == 0 {
		c.Ports = []int{80, 443}
	}
	if c.Redirects == 0 {
		c.Redirects = 5
	}
	if c.Timeout == 0 {
		c.Timeout = time.Hour
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	f := &Fetcher{cfg: c}
	f.client = &http.Client{CheckRedirect: f.redirect, Transport: &http.Transport{
		DialContext: f.dial, DisableCompression: true, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10,
		TLSHandshakeTimeout: connectTimeout, ResponseHeaderTimeout: headerTimeout,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots},
	}}
	return f
}

func refused(format string, args ...any) error {
	return fault.New(fault.CodeImageFetchRefused, format, args...)
}

// Check decides on a URL by itself: image.fetch_refused says why it is not one.
// Where its name leads is decided when it is opened.
func (f *Fetcher) Check(raw string) error {
	_, err := f.parse(raw)
	return err
}

func (f *Fetcher) parse(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > maxURL || u.Host == "" || u.Opaque != "" {
		return nil, refused("URI for web-download does not pass filtering: it is no URL")
	}
	return u, f.pass(u)
}

// pass decides on a URL, the first one and every one that a redirect names.
func (f *Fetcher) pass(u *url.URL) error {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	port := map[string]int{"http": 80, "https": 443}[u.Scheme]
	if text := u.Port(); text != "" {
		port, _ = strconv.Atoi(text) // no number is no allowed port
	}
	switch {
	case !slices.Contains(f.cfg.Schemes, u.Scheme):
		return refused("URI for web-download does not pass filtering: scheme %.20q is not allowed", u.Scheme)
	case u.User != nil:
		return refused("URI for web-download does not pass filtering: it carries a user name")
	case !slices.Contains(f.cfg.Ports, port):
		return refused("URI for web-download does not pass filtering: port %d is not allowed", port)
	case len(f.cfg.Hosts) > 0 && !slices.Contains(f.cfg.Hosts, host):
		return refused("URI for web-download does not pass filtering: host %.255s is not allowed", host)
	}
	if addr, err := netip.ParseAddr(host); err == nil && !f.reachable(addr) {
		return f.unreachable(host)
	}
	return nil
}

func (f *Fetcher) unreachable(host string) error {
	return refused("URI for web-download does not pass filtering: the address of %.255s is not allowed", host)
}

func (f *Fetcher) redirect(r *http.Request, via []*http.Request) error {
	if len(via) > f.cfg.Redirects {
		return refused("The server at %.255s redirects more than %d times.", r.URL.Hostname(), f.cfg.Redirects)
	}
	if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return refused("The server redirects from https to %.20s.", r.URL.Scheme)
	}
	r.Header.Del("Referer") // it would carry the whole URL before
	return f.pass(r.URL)
}

// dial looks a name up and connects to the first address that answers. Control
// sees the very address that the kernel is about to connect to.
func (f *Fetcher) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs := []netip.Addr{}
	if addr, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, addr)
	} else if addrs, err = f.cfg.Resolver.LookupNetIP(ctx, "ip", host); err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: connectTimeout, ControlContext: f.control}
	last := error(&net.DNSError{Err: "no address", Name: host, IsNotFound: true})
	for _, addr := range addrs {
		conn, err := d.DialContext(ctx, network, net.JoinHostPort(addr.String(), port))
		if err == nil {
			return conn, nil
		}
		if last = err; errors.Is(err, errAddress) {
			break // a name that leads inside is not asked for its other addresses
		}
	}
	return nil, last
}

func (f *Fetcher) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !f.reachable(ap.Addr()) || !slices.Contains(f.cfg.Ports, int(ap.Port())) {
		return errAddress
	}
	return nil
}

// Answer is data that is being fetched.
type Answer struct {
	io.ReadCloser
	Size int64 // bytes that the server promised; -1: it did not say
}

// Open starts to get what is at a URL, from an offset in bytes. The caller closes
// it. image.fetch_refused says that the URL is not one to be followed,
// image.fetch_failed that the server did not give the data; reading fails with
// the latter for data that is cut off or too large.
func (f *Fetcher) Open(ctx context.Context, raw string, offset int64) (*Answer, error) {
	u, err := f.parse(raw)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Timeout)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		cancel()
		return nil, refused("URI for web-download does not pass filtering: it is no URL")
	}
	r.Header.Set("User-Agent", "altostack")
	r.Header.Set("Accept-Encoding", "identity")
	want := http.StatusOK
	if offset > 0 {
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		want = http.StatusPartialContent
	}
	resp, err := f.client.Do(r)
	if err != nil {
		cancel()
		return nil, f.failed(u.Hostname(), err)
	}
	if resp.StatusCode != want {
		cancel()
		return nil, errors.Join(fault.New(fault.CodeImageFetchFailed, "The server at %.255s answered %d.", u.Hostname(), resp.StatusCode), resp.Body.Close())
	}
	if f.cfg.MaxBytes > 0 && resp.ContentLength > f.cfg.MaxBytes {
		cancel()
		return nil, errors.Join(f.tooLarge(), resp.Body.Close())
	}
	return &Answer{ReadCloser: &body{f: f, host: u.Hostname(), r: resp.Body, cancel: cancel}, Size: resp.ContentLength}, nil
}

// failed turns an error into one that a tenant may see: no address, no URL.
func (f *Fetcher) failed(host string, err error) error {
	var ours *fault.Fault
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.Is(err, errAddress):
		return f.unreachable(host)
	case errors.Is(err, context.Canceled):
		return context.Canceled
	}
	return fault.New(fault.CodeImageFetchFailed, "The server at %.255s cannot be reached.", host)
}

func (f *Fetcher) tooLarge() error {
	return fault.New(fault.CodeImageFetchFailed, "The data is larger than %d bytes.", f.cfg.MaxBytes)
}

type body struct {
	f      *Fetcher
	host   string
	r      io.ReadCloser
	got    int64
	cancel func()
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.got += int64(n)
	switch {
	case b.f.cfg.MaxBytes > 0 && b.got > b.f.cfg.MaxBytes:
		return 0, b.f.tooLarge()
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, context.Canceled):
		return n, fault.New(fault.CodeImageFetchFailed, "The data from %.255s was cut off after %d bytes.", b.host, b.got)
	}
	return n, err
}

// Close ends the request.
func (b *body) Close() error {
	b.cancel()
	return b.r.Close()
}
