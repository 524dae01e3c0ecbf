package identity

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"

	"github.com/fernet/fernet-go"
)

// KeyRing is a folder of Fernet keys. It is safe for concurrent use.
type KeyRing struct {
	keyFolder
	mu   sync.RWMutex
	keys []*fernet.Key // the signing key first
}

// OpenKeyRing reads the folder and sets one up, readable by its owner only, where
// there is none.
func OpenKeyRing(dir string) (*KeyRing, error) {
	k := &KeyRing{keyFolder: keyFolder{dir: dir}}
	k.fresh, k.parse = freshFernet, k.take
	return k, k.setUp()
}

func freshFernet() ([]byte, error) {
	var key fernet.Key
	err := key.Generate()
	return []byte(key.Encode()), err
}

func (k *KeyRing) take(texts [][]byte) error {
	var keys []*fernet.Key
	for _, text := range texts {
		key, err := fernet.DecodeKey(string(text))
		if err != nil {
			return fmt.Errorf("a key cannot be read: %w", err)
		}
		keys = append(keys, key)
	}
	k.mu.Lock()
	k.keys = keys
	k.mu.Unlock()
	return nil
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
	if _, err := base64.RawURLEncoding.Strict().DecodeString(sealed); err != nil || sealed == "" {
		return nil
	}
	padded := []byte(sealed + "==="[:(4-len(sealed)%4)%4])
	if plain := fernet.VerifyAndDecrypt(padded, 0, k.ring()); plain != nil || !k.changed() {
		return plain
	}
	return fernet.VerifyAndDecrypt(padded, 0, k.ring())
}

// current tells whether the key that signs now sealed the text.
func (k *KeyRing) current(sealed string) bool {
	padded := []byte(sealed + "==="[:(4-len(sealed)%4)%4])
	return fernet.VerifyAndDecrypt(padded, 0, k.ring()[:1]) != nil
}
