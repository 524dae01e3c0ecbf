package identity

import (
	"context"
	"slices"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// receiptLife is how long a client has for its other methods. Source: Keystone's
// default of [receipt] expiration.
const receiptLife = 5 * time.Minute

// Receipt says that a client proved itself by some methods where its user's rules
// ask for more. Given back with the others, it counts for the first.
type Receipt struct {
	ID                  string // sealed
	User                User
	UserDomain          Project
	Methods             []string
	Required            [][]string // the rules that the methods are part of
	IssuedAt, ExpiresAt time.Time
}

// Insufficient is the error of an authentication that needs further methods.
type Insufficient struct{ Receipt }

func (*Insufficient) Error() string { return "further methods of authentication are required" }

// receiptVersion tells a receipt from a token, which the same keys seal.
const receiptVersion = 101

type receiptPayload struct {
	//lint:ignore U1000 msgpack reads it
	_msgpack struct{} `msgpack:",as_array"`
	Version  int
	User     []byte
	Methods  int
	Expires  int64
	Issued   int64
	Revision int64
}

// factorRules are the sets of methods any of which a user must show whole; none,
// where any method will do. Methods that there are not are left out, so that they
// keep nobody out.
func (s *Service) factorRules(o Extra) [][]string {
	if on, set := o["multi_factor_auth_enabled"].(bool); set && !on {
		return nil
	}
	list, _ := o["multi_factor_auth_rules"].([]any)
	var rules [][]string
	for _, v := range list {
		names, _ := v.([]any)
		var rule []string
		for _, n := range names {
			name, text := n.(string)
			if !text {
				rule = nil
				break
			}
			if s.HasMethod(name) && !slices.Contains(rule, name) {
				rule = append(rule, name)
			}
		}
		if len(rule) > 0 {
			rules = append(rules, rule)
		}
	}
	return rules
}

// enough tells whether the methods meet one of the rules.
func enough(rules [][]string, methods []string) bool {
	return len(rules) == 0 || slices.ContainsFunc(rules, func(rule []string) bool {
		return !slices.ContainsFunc(rule, func(m string) bool { return !slices.Contains(methods, m) })
	})
}

// insufficient makes the receipt for what the client has proved.
func (s *Service) insufficient(c Claims, t *Token) error {
	r := Receipt{User: t.bearer, UserDomain: t.bearerDomain, Methods: c.Methods, IssuedAt: s.clock.Now().Truncate(time.Microsecond)}
	r.ExpiresAt = r.IssuedAt.Add(receiptLife).Truncate(time.Second)
	for _, rule := range t.factors {
		if slices.ContainsFunc(rule, func(m string) bool { return slices.Contains(c.Methods, m) }) {
			r.Required = append(r.Required, rule)
		}
	}
	plain, err := msgpack.Marshal(&receiptPayload{
		Version: receiptVersion, User: packID(c.UserID), Methods: packMethods(c.Methods),
		Expires: r.ExpiresAt.UnixMicro(), Issued: r.IssuedAt.UnixMicro(), Revision: c.Revision,
	})
	if err != nil {
		return err
	}
	if r.ID, err = s.cfg.TokenKeys.seal(plain); err != nil {
		return err
	}
	return &Insufficient{r}
}

// countReceipt adds what was proved before. What killed the user's tokens
// meanwhile kills the receipt too, as the claims are as old as it is.
func (s *Service) countReceipt(_ context.Context, receipt string, c *Claims) error {
	if receipt == "" {
		return nil
	}
	var p receiptPayload
	plain := s.cfg.TokenKeys.open(receipt)
	if plain == nil || msgpack.Unmarshal(plain, &p) != nil || p.Version != receiptVersion {
		return refuse("not a receipt of this cloud")
	}
	if !s.clock.Now().Before(time.UnixMicro(p.Expires)) {
		return refuse("the receipt expired")
	}
	if unpackID(p.User) != c.UserID {
		return refuse("the receipt is another user's")
	}
	c.Revision = min(c.Revision, p.Revision)
	for _, m := range unpackMethods(p.Methods) {
		c.tried(m)
	}
	return nil
}
