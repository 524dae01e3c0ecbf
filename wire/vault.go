package wire

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// sealing hides short texts in the database, under the key that is made at first
// start and stands beside it.
type sealing struct{ cipher.AEAD }

const sealedMark = "sealed:"

func newSealing(key string) (sealing, error) {
	raw, err := hex.DecodeString(key)
	if err != nil {
		return sealing{}, fmt.Errorf("credential key: %w", err)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return sealing{}, fmt.Errorf("credential key: %w", err)
	}
	a, err := cipher.NewGCM(block)
	return sealing{a}, err
}

// Hide implements compute.Vault.
func (s sealing) Hide(text string) string {
	nonce := make([]byte, s.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return sealedMark + base64.RawStdEncoding.EncodeToString(s.Seal(nonce, nonce, []byte(text), nil))
}

// Reveal implements compute.Vault. What another key hid is gone: the guest is then
// told no password.
func (s sealing) Reveal(hidden string) string {
	text, sealed := strings.CutPrefix(hidden, sealedMark)
	if !sealed {
		return hidden
	}
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(raw) < s.NonceSize() {
		return ""
	}
	plain, err := s.Open(nil, raw[:s.NonceSize()], raw[s.NonceSize():], nil)
	if err != nil {
		return ""
	}
	return string(plain)
}
