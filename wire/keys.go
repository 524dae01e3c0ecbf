package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"altostack/identity"
)

// signingKeys opens the keys of signed tokens where they are wanted, or were once:
// what was signed before the choice changed still holds.
func (s *System) signingKeys() (*identity.SigningKeys, error) {
	dir := s.dir.File("keys", "jws")
	if _, err := os.Stat(dir); err != nil && s.opt.Config.String("token_provider") != identity.KeysJWS {
		return nil, nil
	}
	keys, err := identity.OpenSigningKeys(dir)
	if err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	return keys, nil
}

// orNone tells a setting of nothing from one that is not there, which stands for
// the service's own default.
func orNone[T int | time.Duration](n T) T {
	if n == 0 {
		return -1
	}
	return n
}

func (s *System) rotateKeys(w http.ResponseWriter, r *http.Request) {
	done, err := s.identity.RotateNow(r.Context(), r.FormValue("keys"), r.FormValue("forget") == "true")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, done)
}

// AskRotateKeys asks the process of a data directory to rotate one of its folders
// of keys.
func AskRotateKeys(ctx context.Context, data, keys string, forget bool) (done identity.Rotated, err error) {
	body, err := ask(ctx, data, http.MethodPost, "/identity/rotate-keys?"+url.Values{"keys": {keys}, "forget": {fmt.Sprint(forget)}}.Encode())
	if err != nil {
		return done, err
	}
	return done, json.Unmarshal(body, &done)
}
