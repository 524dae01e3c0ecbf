package compute

import (
	"context"
	"crypto/md5" //nolint:gosec // Nova's fingerprints are MD5; nothing is trusted by them
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"

	"golang.org/x/crypto/ssh"

	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/page"
)

// KeypairStore is what keys need of the database, beyond what booting does.
type KeypairStore interface {
	ListKeypairs(ctx context.Context, r db.Reader, userID string, req page.Request) ([]Keypair, bool, error)
	InsertKeypair(ctx context.Context, tx *db.Tx, k Keypair) (Keypair, error)
	CountKeypairs(ctx context.Context, r db.Reader, userID string) (int64, error)
	DeleteKeypair(ctx context.Context, tx *db.Tx, userID, name string) (bool, error)
}

func noKeypair(userID, name string) error {
	return fault.New(fault.CodeComputeKeypairNotFound, "Keypair %s not found for user %s", name, userID)
}

// Keypair answers a user's key.
func (s *Service) Keypair(ctx context.Context, userID, name string) (Keypair, error) {
	k, found, err := s.Store.Keypair(ctx, s.DB, userID, name)
	if err == nil && !found {
		err = noKeypair(userID, name)
	}
	return k, err
}

// Keypairs answers one page of a user's keys.
func (s *Service) Keypairs(ctx context.Context, userID string, req page.Request) ([]Keypair, bool, error) {
	return s.Store.ListKeypairs(ctx, s.DB, userID, req)
}

// CreateKeypair saves a user's public key or, where none is given, makes a pair
// and answers the private half, which is not kept.
func (s *Service) CreateKeypair(ctx context.Context, projectID string, k Keypair) (Keypair, string, error) {
	var private string
	var err error
	if k.PublicKey == "" {
		if k.Type == "x509" {
			k.PublicKey, private, err = certificate(k.UserID, s.Clock.Now())
		} else {
			k.PublicKey, private, err = generate()
		}
		if err != nil {
			return k, "", err
		}
	}
	if k.Fingerprint, err = fingerprint(k); err != nil {
		return k, "", err
	}
	k.CreatedAt = s.Clock.Now()
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		limits, err := s.quotas(ctx, tx, projectID)
		if err != nil {
			return err
		}
		n, err := s.Store.CountKeypairs(ctx, tx, k.UserID)
		if err != nil {
			return err
		}
		if limit := limits["key_pairs"]; limit >= 0 && n >= limit {
			return fault.New(fault.CodeComputeQuotaExceeded, "Quota exceeded, too many key pairs.")
		}
		k, err = s.Store.InsertKeypair(ctx, tx, k)
		return err
	})
	if db.IsUnique(err) {
		err = fault.Because(err, fault.CodeComputeKeypairExists, "Key pair '%s' already exists.", k.Name)
	}
	return k, private, err
}

// DeleteKeypair removes a key; servers that were made with it keep it inside.
func (s *Service) DeleteKeypair(ctx context.Context, userID, name string) error {
	return s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		found, err := s.Store.DeleteKeypair(ctx, tx, userID, name)
		if err == nil && !found {
			err = noKeypair(userID, name)
		}
		return err
	})
}

// generate makes a pair as the API promises one: RSA in the format that older
// clients read.
func generate() (public, private string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", "", err
	}
	pub, err := ssh.NewPublicKey(&key.PublicKey)
	if err != nil {
		return "", "", err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))) + " Generated-by-Nova", string(pem.EncodeToMemory(block)), nil
}

// fingerprint is MD5 of the key's bytes for ssh, SHA-1 of the certificate for
// x509, in colons, as Nova shows them.
func fingerprint(k Keypair) (string, error) {
	if k.Type == "x509" {
		block, _ := pem.Decode([]byte(k.PublicKey))
		if block == nil {
			return "", invalidKey()
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return "", invalidKey()
		}
		sum := sha1.Sum(block.Bytes)
		return colons(sum[:]), nil
	}
	pub, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k.PublicKey))
	if err != nil {
		return "", invalidKey()
	}
	// Nothing may stand before the key: options would be sshd's to obey.
	if kind, _, _ := strings.Cut(strings.TrimSpace(k.PublicKey), " "); kind != pub.Type() {
		return "", invalidKey()
	}
	sum := md5.Sum(pub.Marshal()) //nolint:gosec // see the import
	return colons(sum[:]), nil
}

func invalidKey() error {
	return fault.New(fault.CodeComputeKeypairInvalid, "Keypair data is invalid: failed to generate fingerprint").WithField("public_key")
}

func colons(sum []byte) string {
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = hex.EncodeToString([]byte{b})
	}
	return strings.Join(parts, ":")
}
