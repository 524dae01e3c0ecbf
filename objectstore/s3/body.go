package s3

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // Content-MD5 is what it is
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"

	"altostack/objectstore"
)

// payload is a request's body as it is stored: taken out of its chunks, and
// checked against all that the request says of it. What does not hold is told in
// place of the end, so that who reads to the end has what was sent.
type payload struct {
	r      io.Reader
	length int64 // -1: unknown
	chunks *chunks

	sha256 hash.Hash // nil: not to be checked
	want   string    // of sha256, in hexadecimal
	md5    string    // hexadecimal; the domain checks it
	sum    *checksum // nil: none
	ended  error
}

// body prepares a request's body for reading.
func (c *call) body() (*payload, error) {
	p := &payload{r: c.r.Body, length: c.r.ContentLength}
	streaming := slices.Contains([]string{payloadSigned, payloadSignedTrailer, payloadUnsignedTrailers}, c.sig.payload)
	switch {
	case streaming:
		n, err := strconv.ParseInt(c.r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
		if err != nil || n < 0 {
			return nil, refusal("MissingContentLength", "Message", "The x-amz-decoded-content-length header is needed.")
		}
		p.chunks = newChunks(c.r.Body, &c.sig)
		p.r, p.length = p.chunks, n
	case strings.HasPrefix(c.sig.payload, "STREAMING-"):
		return nil, refusal("NotImplemented")
	case c.sig.payload != payloadUnsigned:
		if raw, err := hex.DecodeString(c.sig.payload); err != nil || len(raw) != sha256.Size {
			return nil, argument("x-amz-content-sha256", c.sig.payload, "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-… or a valid sha256 value.")
		}
		p.sha256, p.want = sha256.New(), strings.ToLower(c.sig.payload)
	}
	if text := c.r.Header.Get("Content-Md5"); text != "" {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(raw) != md5.Size {
			return nil, refusal("InvalidDigest")
		}
		p.md5 = hex.EncodeToString(raw)
	}
	var err error
	p.sum, err = checksumOf(c.r.Header)
	return p, err
}

// Read implements io.Reader.
func (p *payload) Read(b []byte) (int, error) {
	if p.ended != nil {
		return 0, p.ended
	}
	n, err := p.r.Read(b)
	if p.sha256 != nil {
		p.sha256.Write(b[:n])
	}
	if p.sum != nil {
		p.sum.Write(b[:n])
	}
	if err == io.EOF { //nolint:errorlint // exactly EOF is the proper end
		err = p.check()
	}
	p.ended = err
	return n, err
}

func (p *payload) check() error {
	if p.sha256 != nil && hex.EncodeToString(p.sha256.Sum(nil)) != p.want {
		return refusal("XAmzContentSHA256Mismatch")
	}
	if p.sum != nil {
		if p.chunks != nil {
			p.sum.trailer(p.chunks.trailers)
		}
		if err := p.sum.check(); err != nil {
			return err
		}
	}
	return io.EOF
}

// maxText bounds the XML that requests carry.
const maxText = 4 << 20

// text reads a body of XML into v; an empty body leaves v alone and answers false.
func (c *call) text(v any) (bool, error) {
	p, err := c.body()
	if err != nil {
		return false, err
	}
	data, err := io.ReadAll(io.LimitReader(p, maxText+1))
	var f *failure
	switch {
	case errors.As(err, &f):
		return false, f
	case err != nil:
		return false, refusal("IncompleteBody")
	case len(data) > maxText:
		return false, refusal("MalformedXML")
	}
	if sum := md5.Sum(data); p.md5 != "" && hex.EncodeToString(sum[:]) != p.md5 { //nolint:gosec // see the import
		return false, refusal("BadDigest")
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return false, nil
	}
	if err := xml.Unmarshal(data, v); err != nil {
		return false, refusal("MalformedXML")
	}
	return true, nil
}

// described completes what is to be written by what is known of its bytes.
func (p *payload) described(put *objectstore.Put) {
	put.Length, put.MD5 = p.length, p.md5
}

// expected refuses what has no length or is too long, before a byte is read.
func (c *call) expected(p *payload) error {
	if p.length <= 0 && p.chunks == nil && len(c.r.TransferEncoding) == 0 && c.r.Header.Get("Content-Length") == "" {
		return refusal("MissingContentLength")
	}
	if p.length > c.svc.Limits().ObjectBytes {
		return refusal("EntityTooLarge", "ProposedSize", strconv.FormatInt(p.length, 10), "MaxSizeAllowed", strconv.FormatInt(c.svc.Limits().ObjectBytes, 10))
	}
	return nil
}

// equalText compares signatures without telling by time where they differ.
func equalText(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }
