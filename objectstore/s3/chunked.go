package s3

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"strconv"
	"strings"
)

// maxChunkLine bounds a line between chunks, maxTrailers the lines behind the last.
const (
	maxChunkLine = 4096
	maxTrailers  = 16
)

var emptySHA256 = hex.EncodeToString(sha256.New().Sum(nil))

// chunks reads aws-chunked bodies: pieces with their sizes, each signed on top of
// the one before where the request says so, and headers behind the last. A piece
// is handed on as it comes; its signature is checked at its end, and a wrong one
// is told instead of the bytes that would follow.
type chunks struct {
	r        *bufio.Reader
	sig      *signature
	signed   bool
	trailing bool
	left     int64
	within   bool // a piece whose end was not read yet
	sum      hash.Hash
	previous string // signature
	given    string // of this piece
	key      []byte
	trailers map[string]string
	err      error
}

func newChunks(r io.Reader, s *signature) *chunks {
	c := &chunks{r: bufio.NewReaderSize(r, 64<<10), sig: s, signed: s.payload != payloadUnsignedTrailers, trailing: s.payload != payloadSigned, trailers: map[string]string{}}
	if c.signed {
		c.sum, c.previous, c.key = sha256.New(), s.given, s.key()
	}
	return c
}

// Read implements io.Reader.
func (c *chunks) Read(p []byte) (int, error) {
	for c.err == nil && c.left == 0 {
		c.err = c.next()
	}
	if c.err != nil {
		return 0, c.err
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	if c.signed {
		c.sum.Write(p[:n])
	}
	if err == io.EOF { //nolint:errorlint // exactly EOF is an end, here one that comes too early
		err = refusal("IncompleteBody")
	}
	c.err = err
	return n, err
}

func (c *chunks) line() (string, error) {
	text, err := c.r.ReadSlice('\n')
	if err != nil || len(text) > maxChunkLine {
		return "", refusal("IncompleteBody")
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// next ends a piece and begins the one behind it; io.EOF after the last.
func (c *chunks) next() error {
	if c.within {
		if text, err := c.line(); err != nil || text != "" {
			return refusal("IncompleteBody")
		}
		if err := c.holds(); err != nil {
			return err
		}
	}
	head, err := c.line()
	if err != nil {
		return err
	}
	size, attributes, _ := strings.Cut(head, ";")
	n, err := strconv.ParseInt(strings.TrimSpace(size), 16, 64)
	if err != nil || n < 0 {
		return refusal("IncompleteBody")
	}
	c.left, c.within = n, true
	if c.signed {
		c.given = strings.TrimPrefix(strings.TrimSpace(attributes), "chunk-signature=")
		c.sum.Reset()
	}
	if n > 0 {
		return nil
	}
	if err := c.holds(); err != nil {
		return err
	}
	return c.end()
}

// holds checks the signature of a piece.
func (c *chunks) holds() error {
	if !c.signed {
		return nil
	}
	want := hex.EncodeToString(mac(c.key, strings.Join([]string{"AWS4-HMAC-SHA256-PAYLOAD", c.sig.date, c.sig.scope, c.previous, emptySHA256, hex.EncodeToString(c.sum.Sum(nil))}, "\n")))
	if !equalText(want, c.given) {
		return refusal("SignatureDoesNotMatch")
	}
	c.previous = want
	return nil
}

// end reads what is behind the last piece.
func (c *chunks) end() error {
	var signed strings.Builder
	for range maxTrailers {
		text, err := c.line()
		if err != nil && !c.trailing {
			return io.EOF // the last empty line is often left out
		}
		if err == nil && text == "" && c.signed && c.trailing && signed.Len() > 0 && c.trailers["x-amz-trailer-signature"] == "" {
			continue // between the headers and their signature
		}
		if err != nil && signed.Len() > 0 || err == nil && text == "" {
			return c.trailersHold(signed.String())
		}
		if err != nil {
			return err
		}
		name, value, ok := strings.Cut(text, ":")
		if name = strings.ToLower(strings.TrimSpace(name)); !ok || !c.trailing {
			return refusal("MalformedTrailerError")
		}
		value = strings.TrimSpace(value)
		c.trailers[name] = value
		if name != "x-amz-trailer-signature" {
			signed.WriteString(name + ":" + value + "\n")
		}
	}
	return refusal("MalformedTrailerError")
}

func (c *chunks) trailersHold(text string) error {
	if !c.signed || !c.trailing {
		return io.EOF
	}
	sum := sha256.Sum256([]byte(text))
	want := hex.EncodeToString(mac(c.key, strings.Join([]string{"AWS4-HMAC-SHA256-TRAILER", c.sig.date, c.sig.scope, c.previous, hex.EncodeToString(sum[:])}, "\n")))
	if !equalText(want, c.trailers["x-amz-trailer-signature"]) {
		return refusal("SignatureDoesNotMatch")
	}
	return io.EOF
}
