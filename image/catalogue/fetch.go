package catalogue

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// maxSums bounds a distributor's list of hashes, in bytes.
const maxSums = 4 << 20

// Fetcher downloads images into a folder.
type Fetcher struct {
	Client *http.Client
	Dir    string
	// Progress hears how many bytes there are, of how many; of is -1 if unknown.
	Progress func(have, of int64)
}

// Get downloads an image and answers its file once its bytes have the right hash.
// What is in the folder already is not fetched again. Bytes of a wrong hash are
// removed.
func (f *Fetcher) Get(ctx context.Context, img Image) (file string, err error) {
	want := strings.ToLower(img.Hash)
	if want == "" {
		if want, err = f.published(ctx, img); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return "", err
	}
	file = filepath.Join(f.Dir, want[:16]+"-"+baseName(img.URL))
	if _, err := os.Stat(file); err == nil {
		return file, f.verify(file, img.Algorithm, want)
	}
	part := file + ".part"
	if err := f.download(ctx, img.URL, part); err != nil {
		return "", err
	}
	if err := f.verify(part, img.Algorithm, want); err != nil {
		return "", err
	}
	return file, os.Rename(part, file)
}

func baseName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "image"
	}
	return path.Base(u.Path)
}

// verify removes a file whose bytes do not have the hash.
func (f *Fetcher) verify(file, algorithm, want string) error {
	got, err := HashOf(file, algorithm)
	if err != nil {
		return err
	}
	if got != want {
		return errors.Join(fmt.Errorf("the data is not what it should be: its %s is %s, wanted is %s", algorithm, got, want), os.Remove(file))
	}
	return nil
}

// HashOf is the hash of a file, in hexadecimal.
func HashOf(file, algorithm string) (string, error) {
	r, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer r.Close()
	var h hash.Hash = sha256.New()
	if algorithm == "sha512" {
		h = sha512.New()
	}
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (f *Fetcher) get(ctx context.Context, address string, from int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	resp, err := f.Client.Do(req)
	if err != nil {
		return nil, explained(err)
	}
	return resp, nil
}

// explained says of failures that come of having no network that they do.
func explained(err error) error {
	var dns *net.DNSError
	var op *net.OpError
	if errors.As(err, &dns) || errors.As(err, &op) {
		return fmt.Errorf("this needs a network that reaches the distributor: %w", err)
	}
	return err
}

func refused(resp *http.Response, address string) error {
	return fmt.Errorf("%s answered %s", address, resp.Status)
}

// published is the hash that the distributor's list has for an image.
func (f *Fetcher) published(ctx context.Context, img Image) (string, error) {
	resp, err := f.get(ctx, img.Sums, 0)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", refused(resp, img.Sums)
	}
	lines := bufio.NewScanner(io.LimitReader(resp.Body, maxSums))
	for lines.Scan() {
		if sum, ok := sumOf(lines.Text(), baseName(img.URL), img.Algorithm); ok {
			return sum, nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	return "", fmt.Errorf("%s has no %s of %s", img.Sums, img.Algorithm, baseName(img.URL))
}

// sumOf reads a line in the form of sha256sum ("HASH  FILE"), of BSD
// ("SHA256 (FILE) = HASH"), or the hash alone.
func sumOf(line, file, algorithm string) (string, bool) {
	sum, name := "", ""
	fields := strings.Fields(line)
	if rest, bsd := strings.CutPrefix(line, strings.ToUpper(algorithm)+" ("); bsd {
		name, sum, _ = strings.Cut(rest, ") = ")
	} else if len(fields) == 1 {
		name, sum = file, fields[0]
	} else if len(fields) == 2 {
		sum, name = fields[0], strings.TrimPrefix(strings.TrimPrefix(fields[1], "*"), "./")
	}
	sum = strings.ToLower(strings.TrimSpace(sum))
	raw, err := hex.DecodeString(sum)
	return sum, err == nil && name == file && len(raw) == map[string]int{"sha256": 32, "sha512": 64}[algorithm]
}

// tries is how often a cut download is taken up again without a byte of progress.
const tries = 3

// download goes on with what is in the file already.
func (f *Fetcher) download(ctx context.Context, address, file string) error {
	out, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	var last error
	for left := tries; left > 0; left-- {
		before, err := out.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		whole, err := f.resume(ctx, address, out, before)
		if whole {
			return errors.Join(err, out.Sync())
		}
		if last = err; ctx.Err() != nil {
			return ctx.Err()
		}
		if now, err := out.Seek(0, io.SeekEnd); err == nil && now > before {
			left = tries + 1 // it moves
		}
	}
	return fmt.Errorf("the download did not finish; the same command goes on with it: %w", last)
}

// resume fetches what is missing; whole tells that there is nothing more to try.
func (f *Fetcher) resume(ctx context.Context, address string, out *os.File, have int64) (whole bool, err error) {
	resp, err := f.get(ctx, address, have)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return true, nil // all is there; the hash tells
	case resp.StatusCode == http.StatusPartialContent:
	case resp.StatusCode == http.StatusOK:
		have = 0
		if err := out.Truncate(0); err != nil {
			return true, err
		}
	default:
		return true, refused(resp, address)
	}
	if _, err := out.Seek(have, io.SeekStart); err != nil {
		return true, err
	}
	of := int64(-1)
	if resp.ContentLength >= 0 {
		of = have + resp.ContentLength
	}
	_, err = io.Copy(out, &counted{resp.Body, have, of, f.Progress, time.Time{}})
	if err != nil {
		return false, explained(err)
	}
	return true, nil
}

// counted tells of progress now and then.
type counted struct {
	r        io.Reader
	have, of int64
	tell     func(have, of int64)
	told     time.Time
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.have += int64(n)
	if now := time.Now(); c.tell != nil && (err != nil || now.Sub(c.told) > time.Second) {
		c.tell(c.have, c.of)
		c.told = now
	}
	return n, err
}
