package audit

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Record is an event in its chain. Hash covers all that stands before it, Prev is
// the hash of the record before, Seal is Hash under the key.
type Record struct {
	Chain string    `json:"chain"`
	Seq   int64     `json:"seq"` // from 1, without gaps
	At    time.Time `json:"at"`  // when it was written down, whole microseconds; never goes back
	Event string    `json:"event"`
	Prev  string    `json:"prev"`
	Hash  string    `json:"hash"`
	Seal  string    `json:"seal"`
}

// Mark is a place in a chain: a record's number and hash, sealed for what the
// mark says: the chain begins after it, or ends with it.
type Mark struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`
	Seal string `json:"seal"`
}

// Chain is a chain's row.
type Chain struct {
	ID, Node   string
	Base, Head Mark
}

// sum is the hash of a record. Every part has its length before it, or a fixed
// one, so that no two records read the same.
func (r Record) sum() string {
	text := make([]byte, 0, len(r.Event)+len(r.Prev)+len(r.Chain)+96)
	text = append(text, "altostack audit 1\x00"...)
	for _, part := range []string{r.Chain, r.Prev, r.Event} {
		text = append(binary.BigEndian.AppendUint64(text, uint64(len(part))), part...)
	}
	text = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(text, uint64(r.Seq)), uint64(r.At.UnixMicro()))
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Key seals a process's chain. It lives in a file beside the database, never in it.
type Key struct{ secret []byte }

// OpenKey reads the key, or makes one at the first start.
func OpenKey(path string) (*Key, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		secret := make([]byte, 32)
		if _, err := rand.Read(secret); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		_, err = f.WriteString(hex.EncodeToString(secret) + "\n")
		return &Key{secret}, errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return nil, err
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(data)))
	if err != nil || len(secret) != 32 {
		return nil, fmt.Errorf("%s is not an audit key", path)
	}
	return &Key{secret}, nil
}

// Chain is the id of the chain that the key seals.
func (k *Key) Chain() string { return k.seal("chain", "", Mark{})[:16] }

func (k *Key) seal(what, chain string, m Mark) string {
	h := hmac.New(sha256.New, k.secret)
	_, _ = fmt.Fprintf(h, "%s\x00%s\x00%d\x00%s", what, chain, m.Seq, m.Hash)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}

// mark seals a place.
func (k *Key) mark(what, chain string, seq int64, hash string) Mark {
	m := Mark{Seq: seq, Hash: hash}
	m.Seal = k.seal(what, chain, m)
	return m
}

func (k *Key) holds(what, chain string, m Mark) bool {
	return hmac.Equal([]byte(k.seal(what, chain, m)), []byte(m.Seal))
}

// link makes the record after m.
func (k *Key) link(chain string, m Mark, at time.Time, event string) Record {
	r := Record{Chain: chain, Seq: m.Seq + 1, At: at, Event: event, Prev: m.Hash}
	r.Hash = r.sum()
	r.Seal = k.seal("record", chain, Mark{Seq: r.Seq, Hash: r.Hash})
	return r
}

// The kinds of mark.
const (
	markBase = "base"
	markHead = "head"
	markFile = "file"
)

// anchor is the head in a file: a database that was put back to an older state is
// noticed by it. Two places are written in turn, so that a torn write leaves one.
type anchor struct {
	f     *os.File
	chain string
	key   *Key
}

const anchorSize = 256

func openAnchor(path, chain string, key *Key) (*anchor, Mark, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, Mark{}, err
	}
	a := &anchor{f, chain, key}
	return a, readAnchor(f, chain, key), nil
}

// readAnchor answers the later of the two marks; the zero Mark where there is
// none that holds.
func readAnchor(f *os.File, chain string, key *Key) (newest Mark) {
	for i := range int64(2) {
		line := make([]byte, anchorSize)
		n, _ := f.ReadAt(line, i*anchorSize) // a short file has fewer marks
		var m Mark
		if c, err := fmt.Sscanf(string(line[:n]), "%d %s %s", &m.Seq, &m.Hash, &m.Seal); err != nil || c != 3 {
			continue
		}
		if key.holds(markFile, chain, m) && m.Seq > newest.Seq {
			newest = m
		}
	}
	return newest
}

func (a *anchor) set(seq int64, hash string) error {
	m := a.key.mark(markFile, a.chain, seq, hash)
	line := fmt.Sprintf("%d %s %s", m.Seq, m.Hash, m.Seal)
	line += strings.Repeat(" ", anchorSize-1-len(line)) + "\n"
	_, err := a.f.WriteAt([]byte(line), (seq%2)*anchorSize)
	return err
}
