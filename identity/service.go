package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/id"
)

// Config is what the service works with. Fields without a comment are required.
type Config struct {
	DB    *db.DB
	Store Store
	Clock clock.Clock
	IDs   id.Source
	Log   *slog.Logger

	TokenKeys      *KeyRing
	CredentialKeys *KeyRing
	// SigningKeys verify signed tokens; TokenProvider says which form new tokens
	// have: KeysFernet, or KeysJWS, which needs them.
	SigningKeys   *SigningKeys
	TokenProvider string // empty: KeysFernet

	TokenLife time.Duration // 0: one hour, as Keystone
	Hashing   Hashing
	Rules     Compliance
	Limits    Limits // of failed authentications
	// PasswordMemory is how long a verified password is recognised without
	// hashing it again; 0: five minutes, negative: never.
	PasswordMemory time.Duration
	// RelyingParty speaks with identity providers; nil: there are none.
	RelyingParty RelyingParty
	// OpenDirectory makes the directory of a domain from its options, with the most
	// entries that a search answers (0: its own bound); nil: no domain has one.
	OpenDirectory func(options map[string]any, limit int) (Directory, error)
	// TrustedDashboards are the addresses to which a browser takes a token.
	TrustedDashboards []string
	// AuthorizationTTL is how long the groups that identity providers vouch for hold
	// beyond the token, where a provider sets nothing; 0: no longer.
	AuthorizationTTL time.Duration
	CacheSize        int // tokens remembered, at some 4 KiB each; 0: 8000. One forgotten costs one look into the database
	// LateWindow is how long after its end a token still holds for services that
	// finish what its user began; 0: two days, as Keystone; negative: not at all.
	LateWindow time.Duration
	// ScopedForGood says that only unscoped tokens may be exchanged for others.
	// Source: Keystone's allow_rescope_scoped_token, turned round.
	ScopedForGood bool
	// TOTPWindows are the steps of 30 s before the present one whose passcode is
	// still taken; 0: one, as Keystone; negative: none.
	TOTPWindows int
	// LimitModel is ModelFlat or ModelStrictTwoLevel; empty: flat.
	LimitModel string
}

// Service is the identity service. It is safe for concurrent use.
type Service struct {
	cfg    Config
	db     *db.DB
	store  Store
	tables Tables
	clock  clock.Clock
	ids    id.Source
	log    *slog.Logger

	cache  *cache
	hasher *hasher
	rules  compliance
	// throttle and turns hold back who guesses.
	throttle    *throttle
	turns       turns
	methods     map[string]method // ways to authenticate
	timings     timings
	directories directories
	rereads     singleflight.Group // of users of directories, by id
	// revision is the last one whose changes the cache has dropped.
	revision atomic.Int64
	// shared says that other processes change the rows too.
	shared bool

	memoMu  sync.Mutex
	catalog *catalog   // nil: to be read
	roles   *roleTable // nil: to be read
}

// New makes the service; the tables must be migrated.
func New(cfg Config) (*Service, error) {
	if cfg.TokenLife == 0 {
		cfg.TokenLife = time.Hour
	}
	if cfg.PasswordMemory == 0 {
		cfg.PasswordMemory = 5 * time.Minute
	}
	if cfg.LateWindow == 0 {
		cfg.LateWindow = 48 * time.Hour
	}
	cfg.LateWindow = max(cfg.LateWindow, 0)
	if cfg.TOTPWindows == 0 {
		cfg.TOTPWindows = 1
	}
	cfg.TOTPWindows = max(cfg.TOTPWindows, 0)
	if cfg.CacheSize == 0 {
		cfg.CacheSize = 8000
	}
	s := &Service{
		cfg: cfg, db: cfg.DB, store: cfg.Store, tables: cfg.Store.Tables(), clock: cfg.Clock, ids: cfg.IDs, log: cfg.Log,
		cache:  newCache(cfg.CacheSize),
		shared: cfg.DB.Dialect == db.PostgreSQL,
	}
	if cfg.TokenProvider == KeysJWS && cfg.SigningKeys == nil {
		return nil, errors.New("identity: signed tokens need signing keys")
	}
	s.methods = s.methodTable()
	for name := range s.methods {
		if !slices.Contains(methodBits, name) {
			return nil, fmt.Errorf("identity: the method %s has no bit in tokens", name)
		}
	}
	var err error
	if s.hasher, err = newHasher(cfg.Hashing, runtime.GOMAXPROCS(0), cfg.PasswordMemory, cfg.Clock); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if s.rules, err = newCompliance(cfg.Rules); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	s.throttle = newThrottle(cfg.Limits, cfg.Clock)
	n, err := s.store.Revision(context.Background(), s.db)
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	s.revision.Store(n)
	return s, nil
}

// effects is what a change does to tokens.
type effects struct {
	touch  []string // re-derived at next use
	revoke []string // dead, if made before this change
}

func (e *effects) touched(keys ...string) { e.touch = append(e.touch, keys...) }
func (e *effects) revoked(keys ...string) { e.revoke = append(e.revoke, keys...) }

// write runs a change in one transaction together with what it does to tokens.
// When it returns, no token that the change took something from is answered
// from the cache.
func (s *Service) write(ctx context.Context, f func(ctx context.Context, tx *db.Tx, e *effects) error) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		e := &effects{}
		if err := f(ctx, tx, e); err != nil {
			return err
		}
		return s.settle(ctx, tx, e)
	})
}

func (s *Service) settle(ctx context.Context, tx *db.Tx, e *effects) error {
	if len(e.touch)+len(e.revoke) == 0 {
		return nil
	}
	keys := append(e.touch[:len(e.touch):len(e.touch)], e.revoke...)
	n, err := s.store.Advance(ctx, tx, keys)
	if err != nil {
		return err
	}
	now := s.clock.Now()
	for _, key := range e.revoke {
		if err := s.store.Revoke(ctx, tx, Revocation{Key: key, Revision: n, RevokedAt: now, ExpiresAt: now.Add(s.cfg.TokenLife + s.cfg.LateWindow + time.Minute)}); err != nil {
			return err
		}
	}
	if len(e.revoke) > 0 {
		if err := s.store.ForgetRevocations(ctx, tx, db.Micros(now)); err != nil {
			return err
		}
	}
	tx.AfterCommit(func() { s.committed(n, keys) })
	return nil
}

// committed drops what a change of this process touched. Where others change
// rows too, theirs may stand between, so all are read in order.
func (s *Service) committed(n int64, keys []string) {
	if !s.shared {
		s.drop(n, keys)
		return
	}
	if err := s.catchUp(context.Background()); err != nil {
		s.log.Warn("changes cannot be read; every cached token is dropped", "error", err)
		s.drop(0, append(keys, keyAll))
	}
}

// drop forgets what the changes of revision n touched. The revision moves under
// both locks: what is being derived from older rows is then refused entry, and
// nobody who saw the new revision can still find an old memo.
func (s *Service) drop(n int64, keys []string) {
	s.cache.drop(keys, func() {
		s.memoMu.Lock()
		defer s.memoMu.Unlock()
		if n > s.revision.Load() {
			s.revision.Store(n)
		}
		if slices.Contains(keys, keyCatalog) || slices.Contains(keys, keyAll) {
			s.catalog = nil
		}
		if slices.Contains(keys, keyRoles) || slices.Contains(keys, keyAll) {
			s.roles = nil
		}
	})
}

// catchUp drops what other processes changed. A process alone with its database
// is always up to date.
func (s *Service) catchUp(ctx context.Context) error {
	if !s.shared {
		return nil
	}
	n, err := s.store.Revision(ctx, s.db)
	if err != nil {
		return err
	}
	have := s.revision.Load()
	if n <= have {
		return nil
	}
	changes, complete, err := s.store.ChangesSince(ctx, s.db, have)
	if err != nil {
		return err
	}
	if !complete {
		s.drop(n, []string{keyAll})
		return nil
	}
	for _, c := range changes {
		s.drop(c.N, c.Keys)
	}
	return nil
}

// ProjectExists tells whether there is a project of this id.
func (s *Service) ProjectExists(ctx context.Context, id string) (bool, error) {
	_, found, err := s.tables.Projects.Get(ctx, s.db, id)
	return found, err
}

func notFound(noun, id string) error {
	return fault.New(fault.CodeIdentityNotFound, "Could not find %s: %s.", noun, id)
}
