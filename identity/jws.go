package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// SigningKeys is a folder of keys (ECDSA on P-256, PEM in PKCS #8) for tokens that
// are signed and not encrypted: who has the public half can read and verify them.
// It is safe for concurrent use.
type SigningKeys struct {
	keyFolder
	mu   sync.RWMutex
	keys []*ecdsa.PrivateKey // the signing key first
	sign jose.Signer
}

// OpenSigningKeys reads the folder and sets one up, readable by its owner only,
// where there is none.
func OpenSigningKeys(dir string) (*SigningKeys, error) {
	k := &SigningKeys{keyFolder: keyFolder{dir: dir}}
	k.fresh, k.parse = freshSigningKey, k.take
	return k, k.setUp()
}

func freshSigningKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

func (k *SigningKeys) take(texts [][]byte) error {
	var keys []*ecdsa.PrivateKey
	for _, text := range texts {
		block, _ := pem.Decode(text)
		if block == nil {
			return errors.New("a key is not PEM")
		}
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return fmt.Errorf("a key cannot be read: %w", err)
		}
		key, ok := parsed.(*ecdsa.PrivateKey)
		if !ok || key.Curve != elliptic.P256() {
			return errors.New("a key is not of the curve P-256")
		}
		keys = append(keys, key)
	}
	sign, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: keys[0]}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return err
	}
	k.mu.Lock()
	k.keys, k.sign = keys, sign
	k.mu.Unlock()
	return nil
}

func (k *SigningKeys) seal(plain []byte) (string, error) {
	k.mu.RLock()
	sign := k.sign
	k.mu.RUnlock()
	signed, err := sign.Sign(plain)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return signed.CompactSerialize()
}

// open answers nil for what no key of the folder signed.
func (k *SigningKeys) open(token string) []byte {
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil
	}
	if plain := k.verify(signed); plain != nil || !k.changed() {
		return plain
	}
	return k.verify(signed)
}

func (k *SigningKeys) verify(signed *jose.JSONWebSignature) []byte {
	k.mu.RLock()
	keys := k.keys
	k.mu.RUnlock()
	for _, key := range keys {
		if plain, err := signed.Verify(&key.PublicKey); err == nil {
			return plain
		}
	}
	return nil
}

// jwt is a token's content by the names of Keystone's JWS provider; what only this
// cloud has is named after it.
type jwt struct {
	Subject     string   `json:"sub"`
	Issued      int64    `json:"iat"` // seconds
	Expires     int64    `json:"exp"` // seconds
	Methods     []string `json:"openstack_methods"`
	AuditIDs    []string `json:"openstack_audit_ids"`
	System      string   `json:"openstack_system,omitempty"`
	DomainID    string   `json:"openstack_domain_id,omitempty"`
	ProjectID   string   `json:"openstack_project_id,omitempty"`
	TrustID     string   `json:"openstack_trust_id,omitempty"`
	Groups      []string `json:"openstack_group_ids,omitempty"`
	ProviderID  string   `json:"openstack_idp_id,omitempty"`
	ProtocolID  string   `json:"openstack_protocol_id,omitempty"`
	AccessToken string   `json:"openstack_access_token_id,omitempty"`
	AppCredID   string   `json:"openstack_app_cred_id,omitempty"`
	Micros      [2]int64 `json:"altostack_times"` // issued and expires, exactly
	Revision    int64    `json:"altostack_revision"`
}

func (k *SigningKeys) sealClaims(c Claims) (string, error) {
	j := jwt{
		Subject: c.UserID, Issued: c.IssuedAt.Unix(), Expires: c.ExpiresAt.Unix(), Methods: c.Methods, AuditIDs: c.AuditIDs,
		DomainID: c.Scope.DomainID, ProjectID: c.Scope.ProjectID, TrustID: c.TrustID, AccessToken: c.AccessTokenID, AppCredID: c.AppCredID,
		Micros: [2]int64{c.IssuedAt.UnixMicro(), c.ExpiresAt.UnixMicro()}, Revision: c.Revision,
	}
	if c.Scope.System {
		j.System = "all"
	}
	if v := c.Vouched; v != nil {
		j.ProviderID, j.ProtocolID, j.Groups = v.ProviderID, v.ProtocolID, v.GroupIDs
	}
	plain, err := json.Marshal(j)
	if err != nil {
		return "", err
	}
	return k.seal(plain)
}

func (k *SigningKeys) openClaims(token string) (Claims, error) {
	var j jwt
	plain := k.open(token)
	if plain == nil || json.Unmarshal(plain, &j) != nil || len(j.AuditIDs) == 0 || slices.ContainsFunc(j.Methods, func(m string) bool { return !slices.Contains(methodBits, m) }) {
		return Claims{}, errForged
	}
	c := Claims{
		UserID: j.Subject, Methods: j.Methods, AuditIDs: j.AuditIDs, TrustID: j.TrustID, AccessTokenID: j.AccessToken, AppCredID: j.AppCredID, Revision: j.Revision,
		Scope:    Scope{ProjectID: j.ProjectID, DomainID: j.DomainID, System: j.System == "all"},
		IssuedAt: time.UnixMicro(j.Micros[0]).UTC(), ExpiresAt: time.UnixMicro(j.Micros[1]).UTC(),
	}
	if j.ProviderID != "" {
		c.Vouched = &Vouched{ProviderID: j.ProviderID, ProtocolID: j.ProtocolID, GroupIDs: j.Groups}
	}
	return c, nil
}

// signed tells whether a text has the form of a signed token; encrypted ones have
// no dots.
func signed(token string) bool { return strings.Count(token, ".") == 2 }
