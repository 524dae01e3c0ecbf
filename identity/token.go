package identity

import (
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"altostack/kernel/auth"
)

// Claims are what a token says by itself.
type Claims struct {
	UserID    string
	Methods   []string
	Scope     Scope
	AppCredID string
	TrustID   string // UserID is the trustee then
	// AccessTokenID is the OAuth1 access token that the roles come from.
	AccessTokenID string
	IssuedAt      time.Time // whole microseconds
	ExpiresAt     time.Time
	// AuditIDs are the token's own and, for one got with another token, that of
	// the first of the chain.
	AuditIDs []string
	// Vouched says for a federated user by whose word it is one.
	Vouched *Vouched
	// Revision is the one before which the bearer proved who it is.
	Revision int64
}

// Scope is where a token's roles hold; the zero Scope is unscoped.
type Scope struct {
	ProjectID string
	DomainID  string
	System    bool
}

// chain is the audit id that the whole chain shares.
func (c Claims) chain() string { return c.AuditIDs[len(c.AuditIDs)-1] }

// methodBits number the authentication methods in a token. New ones are appended:
// a number never changes its meaning.
var methodBits = []string{"external", "password", "token", "oauth1", "mapped", "application_credential", "totp", "openid", "saml2", "ec2credential", "oauth2_credential"}

// payload is a token's content, as a MessagePack array like Keystone's: who, by
// what, where, until when, audit ids; then what only this cloud has.
type payload struct {
	//lint:ignore U1000 msgpack reads it
	_msgpack  struct{} `msgpack:",as_array"`
	Version   int
	User      []byte
	Methods   int
	ScopeKind int
	Scope     []byte
	Expires   int64
	Audit     [][]byte
	Issued    int64
	Revision  int64
	AppCred   []byte
	Trust     []byte
	Vouched   [][]byte // provider, protocol, groups
	Access    []byte   // OAuth1 access token
}

const payloadVersion = 1

const (
	scopeNone = iota
	scopeProject
	scopeDomain
	scopeSystem
)

var errForged = errors.New("not a token of this cloud")

// packID spells hexadecimal ids in half the bytes; the first byte says how.
func packID(id string) []byte {
	if id == "" {
		return nil
	}
	if raw, err := hex.DecodeString(id); err == nil && hex.EncodeToString(raw) == id {
		return append([]byte{1}, raw...)
	}
	return append([]byte{0}, id...)
}

func unpackID(b []byte) string {
	switch {
	case len(b) == 0:
		return ""
	case b[0] == 1:
		return hex.EncodeToString(b[1:])
	}
	return string(b[1:])
}

func packMethods(names []string) (bits int) {
	for _, m := range names {
		bits |= 1 << slices.Index(methodBits, m)
	}
	return bits
}

func unpackMethods(bits int) (names []string) {
	for bit, m := range methodBits {
		if bits&(1<<bit) != 0 {
			names = append(names, m)
		}
	}
	return names
}

func (s *Service) seal(c Claims) (string, error) {
	if s.cfg.TokenProvider == KeysJWS {
		return s.cfg.SigningKeys.sealClaims(c)
	}
	p := payload{Version: payloadVersion, User: packID(c.UserID), Expires: c.ExpiresAt.UnixMicro(), Issued: c.IssuedAt.UnixMicro(), Revision: c.Revision, AppCred: packID(c.AppCredID), Trust: packID(c.TrustID)}
	p.Methods = packMethods(c.Methods)
	switch {
	case c.Scope.ProjectID != "":
		p.ScopeKind, p.Scope = scopeProject, packID(c.Scope.ProjectID)
	case c.Scope.DomainID != "":
		p.ScopeKind, p.Scope = scopeDomain, packID(c.Scope.DomainID)
	case c.Scope.System:
		p.ScopeKind = scopeSystem
	}
	for _, a := range c.AuditIDs {
		p.Audit = append(p.Audit, []byte(a))
	}
	p.Vouched, p.Access = c.Vouched.pack(), packID(c.AccessTokenID)
	plain, err := msgpack.Marshal(&p)
	if err != nil {
		return "", err
	}
	return s.cfg.TokenKeys.seal(plain)
}

// unseal takes tokens of both forms, so that the choice between them can change
// while tokens are about.
func (s *Service) unseal(token string) (Claims, error) {
	if signed(token) && s.cfg.SigningKeys != nil {
		return s.cfg.SigningKeys.openClaims(token)
	}
	plain := s.cfg.TokenKeys.open(token)
	if plain == nil {
		return Claims{}, errForged
	}
	var p payload
	if err := msgpack.Unmarshal(plain, &p); err != nil || p.Version != payloadVersion || len(p.Audit) == 0 {
		return Claims{}, errForged
	}
	c := Claims{
		UserID: unpackID(p.User), AppCredID: unpackID(p.AppCred), TrustID: unpackID(p.Trust), Revision: p.Revision,
		ExpiresAt: time.UnixMicro(p.Expires).UTC(), IssuedAt: time.UnixMicro(p.Issued).UTC(),
	}
	c.Methods = unpackMethods(p.Methods)
	switch p.ScopeKind {
	case scopeProject:
		c.Scope.ProjectID = unpackID(p.Scope)
	case scopeDomain:
		c.Scope.DomainID = unpackID(p.Scope)
	case scopeSystem:
		c.Scope.System = true
	}
	for _, a := range p.Audit {
		c.AuditIDs = append(c.AuditIDs, string(a))
	}
	c.Vouched, c.AccessTokenID = unpackVouched(p.Vouched), unpackID(p.Access)
	return c, nil
}

// Token is a token with all that was derived from it. It is shared and never
// changed.
type Token struct {
	ID string // the sealed text
	Claims
	User          User // with an impersonating trust: the trustor
	UserDomain    Project
	Project       *Project // of a project scope
	ProjectDomain Project
	Domain        *Project // of a domain scope
	Roles         []Role   // by id; empty when unscoped
	AppCred       *AppCred
	Trust         *Trust
	Access        *AccessToken
	AccessRules   []AccessRule
	Principal     *auth.Principal
	keys          []string   // what it depends on
	targets       []string   // where assignments that matter are made
	factors       [][]string // which methods the bearer must show
	bearer        User       // User, but for an impersonating trust
	bearerDomain  Project
	origin        string // whose roles a trust lends
	text          *text
	barred        int64     // newest revision that revoked something of keys
	until         time.Time // end of what the token leans on, if before its own; zero: none
}

// Unscoped tells whether the token holds no role anywhere.
func (t *Token) Unscoped() bool { return t.Scope == Scope{} }
