package bench

import (
	"context"
	"crypto/md5" //nolint:gosec // what the API demands is what is measured
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"altostack/client"
)

const (
	imageBytes = 256 << 20
	imageRuns  = 5
)

// images measures how fast the bytes of an image go in and out, beside what cat
// does through a socket in the same minute, and what the digests cost.
func (s *Suite) images(ctx context.Context) error {
	s.Say("bytes of images")
	data := filepath.Join(s.Dir, "image.raw")
	if err := random(data, imageBytes); err != nil {
		return err
	}
	defer func() { _ = os.Remove(data) }() // the directory goes too
	c, err := s.up(ctx, "images", "--hypervisor", "fake")
	if err != nil {
		return err
	}
	return errors.Join(s.imageRates(ctx, c, data), c.wipe())
}

func (s *Suite) imageRates(ctx context.Context, c *cloud, data string) error {
	creds, err := c.access()
	if err != nil {
		return err
	}
	cloud, err := client.Login(ctx, creds)
	if err != nil {
		return err
	}
	b := &imageBench{cloud: cloud, data: data, to: filepath.Join(s.Dir, "copy.raw")}
	rates := map[string]float64{}
	// In turns: what else the machine does meanwhile is the same for all.
	measured := []struct {
		name string
		once func(context.Context) error
	}{
		{"cat through a socket, to a file", b.catToFile}, {"image upload", b.upload}, {"image staging: no digests", b.stage},
		{"MD5 and SHA-512 alone, side by side", b.digests}, {"cat through a socket, to nowhere", b.catAway}, {"image download", b.download},
	}
	took := make([][]float64, len(measured))
	for range imageRuns {
		for i, m := range measured {
			start := time.Now()
			if err := m.once(ctx); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			took[i] = append(took[i], imageBytes/1e6/time.Since(start).Seconds())
		}
	}
	for i, m := range measured {
		slices.Sort(took[i])
		rates[m.name] = took[i][imageRuns/2]
		s.add(Result{Name: m.name, Unit: "MB/s", Median: rates[m.name], Count: imageRuns}, "", "")
	}
	s.add(Result{Name: "image upload, of cat", Unit: "%", Median: 100 * rates["image upload"] / rates["cat through a socket, to a file"], Count: imageRuns}, ">= 80 %", "")
	s.add(Result{Name: "image download, of cat", Unit: "%", Median: 100 * rates["image download"] / rates["cat through a socket, to nowhere"], Count: imageRuns}, ">= 80 %", "")
	return nil
}

func random(path string, n int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.Reader, n)
	return errors.Join(err, f.Close())
}

type imageBench struct {
	cloud    *client.Cloud
	data, to string
	last     string // the image that was uploaded last
}

// cat sends the data through a socket with one cat and takes it with another.
func (b *imageBench) cat(ctx context.Context, to *os.File) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	from, err := os.Open(b.data)
	if err != nil {
		return err
	}
	defer from.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	in, err := l.Accept()
	if err != nil {
		return errors.Join(err, out.Close())
	}
	sent := make(chan error, 1)
	go func() { sent <- catBetween(ctx, from, nil, out, to) }()
	err = catBetween(ctx, nil, in, nil, to)
	return errors.Join(err, <-sent)
}

// catBetween runs one cat between a file and a connection, and closes the latter.
func catBetween(ctx context.Context, from *os.File, in, out net.Conn, to *os.File) error {
	cmd := exec.CommandContext(ctx, "cat")
	conn := in
	if out != nil {
		conn = out
	}
	tcp, is := conn.(*net.TCPConn)
	if !is {
		return errors.New("no TCP connection")
	}
	f, err := tcp.File()
	if err = errors.Join(err, conn.Close()); err != nil {
		return err
	}
	defer f.Close()
	if cmd.Stdin, cmd.Stdout = from, f; from == nil {
		cmd.Stdin, cmd.Stdout = f, to
	}
	return cmd.Run()
}

func (b *imageBench) catToFile(ctx context.Context) error {
	to, err := os.Create(b.to)
	if err != nil {
		return err
	}
	// Like a store, which does not answer before the data is on the disk.
	return errors.Join(b.cat(ctx, to), to.Sync(), to.Close(), os.Remove(b.to))
}

func (b *imageBench) catAway(ctx context.Context) error {
	to, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(b.cat(ctx, to), to.Close())
}

func (b *imageBench) upload(ctx context.Context) error { return b.put(ctx, "file") }
func (b *imageBench) stage(ctx context.Context) error  { return b.put(ctx, "stage") }

func (b *imageBench) put(ctx context.Context, how string) error {
	f, err := os.Open(b.data)
	if err != nil {
		return err
	}
	defer f.Close()
	var made struct{ ID string }
	if err := b.cloud.Do(ctx, "POST", "image", "/v2/images", map[string]any{"name": "bench", "disk_format": "raw", "container_format": "bare"}, &made); err != nil {
		return err
	}
	if err := b.cloud.Do(ctx, "PUT", "image", "/v2/images/"+made.ID+"/"+how, f, nil, "Content-Type", "application/octet-stream"); err != nil {
		return err
	}
	old := made.ID
	if how == "file" {
		old, b.last = b.last, made.ID
	}
	if old == "" {
		return nil
	}
	return b.cloud.Do(ctx, "DELETE", "image", "/v2/images/"+old, nil, nil)
}

func (b *imageBench) download(ctx context.Context) error {
	base, err := b.cloud.Endpoint("image")
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v2/images/"+b.last+"/file", nil)
	if err != nil {
		return err
	}
	r.Header.Set("X-Auth-Token", b.cloud.Token())
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != imageBytes {
		return fmt.Errorf("%d bytes: %w", n, err)
	}
	return nil
}

// digests reads the data and does nothing but what the API demands of it.
func (b *imageBench) digests(context.Context) error {
	var both sync.WaitGroup
	errs := make([]error, 2)
	for i, h := range []hash.Hash{md5.New(), sha512.New()} { //nolint:gosec // see the import
		both.Go(func() {
			f, err := os.Open(b.data)
			if err == nil {
				_, err = io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{f}, make([]byte, 1<<20))
				err = errors.Join(err, f.Close())
			}
			errs[i] = err
		})
	}
	both.Wait()
	return errors.Join(errs...)
}
