package identity

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/fernet/fernet-go"
)

// KeyRing is a folder of Fernet keys as Keystone keeps one: files named by
// number, the highest signs, 0 is staged to be the next that does, all of them
// verify. It is safe for concurrent use.
type KeyRing struct {
	dir  string
	mu   sync.RWMutex
	keys []*fernet.Key // the signing key first
}

// OpenKeyRing reads the folder and sets one up, readable by its owner only, where
// there is none.
func OpenKeyRing(dir string) (*KeyRing, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("key folder: %w", err)
	}
	k := &KeyRing{dir: dir}
	names, err := k.names()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, 0) {
		if err := k.make(0); err != nil {
			return nil, err
		}
	}
	if len(names) == 0 || names[len(names)-1] == 0 {
		if err := k.make(1); err != nil {
			return nil, err
		}
	}
	return k, k.Reload()
}

// names are the numbers of the keys, ascending.
func (k *KeyRing) names() ([]int, error) {
	files, err := os.ReadDir(k.dir)
	if err != nil {
		return nil, fmt.Errorf("key folder: %w", err)
	}
	var names []int
	for _, f := range files {
		if n, err := strconv.Atoi(f.Name()); err == nil && n >= 0 {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (k *KeyRing) path(n int) string { return filepath.Join(k.dir, strconv.Itoa(n)) }

// make writes a new random key; it is whole or not there, whenever we end.
func (k *KeyRing) make(n int) error {
	var key fernet.Key
	if err := key.Generate(); err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(k.dir, ".new"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	_, err = f.WriteString(key.Encode())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	if err := os.Rename(f.Name(), k.path(n)); err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	return nil
}

// Reload reads the folder again, after another process rotated it.
func (k *KeyRing) Reload() error {
	names, err := k.names()
	if err != nil {
		return err
	}
	var keys []*fernet.Key
	for _, n := range slices.Backward(names) {
		text, err := os.ReadFile(k.path(n))
		if errors.Is(err, fs.ErrNotExist) {
			continue // rotated away meanwhile
		}
		if err != nil {
			return fmt.Errorf("read key: %w", err)
		}
		key, err := fernet.DecodeKey(string(text))
		if err != nil {
			return fmt.Errorf("key %s: %w", k.path(n), err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return fmt.Errorf("key folder %s holds no key", k.dir)
	}
	k.mu.Lock()
	k.keys = keys
	k.mu.Unlock()
	return nil
}

// Rotate lets the staged key sign, stages a new one and keeps max keys at most
// (3 at least make sense: staged, signing, one before it). Tokens of a key that
// went away are invalid.
func (k *KeyRing) Rotate(max int) error {
	names, err := k.names()
	if err != nil {
		return err
	}
	next := names[len(names)-1] + 1
	if err := os.Rename(k.path(0), k.path(next)); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	if err := k.make(0); err != nil {
		return err
	}
	names = append(names[1:], next)
	for len(names)+1 > max && len(names) > 1 {
		if err := os.Remove(k.path(names[0])); err != nil {
			return fmt.Errorf("rotate: %w", err)
		}
		names = names[1:]
	}
	return k.Reload()
}

func (k *KeyRing) ring() []*fernet.Key {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.keys
}

// seal encrypts and signs; the answer is fit for a header. As Keystone does, it
// leaves out the padding.
func (k *KeyRing) seal(plain []byte) (string, error) {
	sealed, err := fernet.EncryptAndSign(plain, k.ring()[0])
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	return strings.TrimRight(string(sealed), "="), nil
}

// open answers nil for what no key of the ring sealed. There is exactly one
// spelling of a sealed text: base64's unused bits must be zero.
func (k *KeyRing) open(sealed string) []byte {
	if _, err := base64.RawURLEncoding.Strict().DecodeString(sealed); err != nil {
		return nil
	}
	padded := sealed + "==="[:(4-len(sealed)%4)%4]
	return fernet.VerifyAndDecrypt([]byte(padded), 0, k.ring())
}
