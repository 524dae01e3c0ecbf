// Package signed checks what was signed with an account's or a container's own
// key: temporary URLs and upload forms.
//
// The one idea: a signature is a capability. Whoever has it needs no token, and it
// gives exactly the method, path or prefix, time and network that were signed,
// within the account or the one container whose key signed it. Everything that is
// not right gives the same [ErrInvalid]; sums are compared in constant time, and
// against every key, so that an answer's timing tells nothing.
//
// Pure functions; nothing is shared and nobody races.
//
// Wire format: Swift's middlewares tempurl and formpost.
package signed

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what clients sign with is the contract's choice
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"strings"
)

// ErrInvalid is any signature that does not hold, whatever is wrong with it.
var ErrInvalid = errors.New("invalid signature")

// Digests lists the allowed algorithms, as /info shows them.
var Digests = []string{"sha1", "sha256", "sha512"}

// Deprecated lists those of them that /info warns about.
var Deprecated = []string{"sha1"}

// Keys are the secrets of an account and of a container, at most two each.
type Keys struct{ Account, Container []string }

// KeysOf takes the keys out of metadata whose names lack X-Account-Meta- or
// X-Container-Meta-.
func KeysOf(meta map[string]string) []string {
	var keys []string
	for name, value := range meta {
		if n := strings.ToLower(name); (n == "temp-url-key" || n == "temp-url-key-2") && value != "" {
			keys = append(keys, value)
		}
	}
	return keys
}

// Scope is how far a key reaches.
type Scope string

// An account's key reaches all of its containers, a container's only itself.
const (
	ScopeAccount   Scope = "account"
	ScopeContainer Scope = "container"
)

// signature is a sum with the name of its algorithm.
type signature struct {
	algorithm string
	sum       []byte
}

func parse(s string) (signature, error) {
	if algorithm, encoded, ok := strings.Cut(s, ":"); ok {
		encoded = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(encoded), "=")
		sum, err := base64.RawStdEncoding.DecodeString(encoded)
		if err != nil || maker(algorithm) == nil {
			return signature{}, ErrInvalid
		}
		return signature{algorithm, sum}, nil
	}
	sum, err := hex.DecodeString(s)
	if err != nil {
		return signature{}, ErrInvalid
	}
	switch len(sum) {
	case sha1.Size:
		return signature{"sha1", sum}, nil
	case sha256.Size:
		return signature{"sha256", sum}, nil
	case sha512.Size:
		return signature{"sha512", sum}, nil
	}
	return signature{}, ErrInvalid
}

func maker(algorithm string) func() hash.Hash {
	switch algorithm {
	case "sha1":
		return sha1.New
	case "sha256":
		return sha256.New
	case "sha512":
		return sha512.New
	}
	return nil
}

// match finds the scope of the key that signed one of the texts.
func (s signature) match(keys Keys, texts []string) (Scope, error) {
	found := Scope("")
	try := func(scope Scope, key string) {
		for _, text := range texts {
			mac := hmac.New(maker(s.algorithm), []byte(key))
			mac.Write([]byte(text))
			if hmac.Equal(mac.Sum(nil), s.sum) && found == "" {
				found = scope
			}
		}
	}
	for _, k := range keys.Account {
		try(ScopeAccount, k)
	}
	for _, k := range keys.Container {
		try(ScopeContainer, k)
	}
	if found == "" {
		return "", ErrInvalid
	}
	return found, nil
}
