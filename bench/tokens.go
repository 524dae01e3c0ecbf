package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"altostack/client"
)

// subjects is how many different tokens the validations go around in.
const subjects = 200

// tokens measures what every other call begins with. Passwords cost what their
// hash costs; the rest is hammered over kept connections.
func (b *run) tokens(ctx context.Context) []Result {
	out := []Result{b.many(ctx, "token by password", max(4, b.o.Calls/50), 2, func(ctx context.Context, _ int) error {
		_, err := client.Login(ctx, b.creds)
		return err
	})}
	base, err := b.cloud.Endpoint("identity")
	if err != nil {
		return append(out, Result{Name: "token by token", Error: err.Error()})
	}
	at := base + "/auth/tokens"
	scope := map[string]any{"project": map[string]string{"id": b.cloud.ProjectID}}
	ask := func(method string, proof any) []byte {
		identity := map[string]any{"methods": []string{method}, method: proof}
		auth := map[string]any{"identity": identity, "scope": scope}
		if method == "application_credential" { // has its own scope
			delete(auth, "scope")
		}
		data, err := json.Marshal(map[string]any{"auth": auth})
		if err != nil {
			panic(err) // strings and maps always encode
		}
		return data
	}
	again := ask("token", map[string]string{"id": b.cloud.Token()})
	out = append(out, b.hammer(ctx, "token by token", at, []strike{{http.MethodPost, nil, again, http.StatusCreated}}, b.o.Calls*5, b.o.Concurrency))
	out = append(out, b.byAppCred(ctx, at, ask))
	return append(out, b.validations(ctx, at, again))
}

// byAppCred gets tokens as programs do, with a credential made for it.
func (b *run) byAppCred(ctx context.Context, at string, ask func(string, any) []byte) Result {
	const name = "token by application credential"
	path := "/v3/users/" + b.cloud.UserID + "/application_credentials"
	var made struct {
		Cred struct{ ID, Secret string } `json:"application_credential"`
	}
	if err := b.cloud.Do(ctx, http.MethodPost, "identity", path, map[string]any{"application_credential": map[string]string{"name": b.name}}, &made); err != nil {
		return Result{Name: name, Error: err.Error()}
	}
	defer b.drop("identity", path+"/"+made.Cred.ID)
	body := ask("application_credential", map[string]string{"id": made.Cred.ID, "secret": made.Cred.Secret})
	return b.hammer(ctx, name, at, []strike{{http.MethodPost, nil, body, http.StatusCreated}}, b.o.Calls*5, b.o.Concurrency)
}

// validations asks for many different tokens in turn, as the services of a cloud do.
func (b *run) validations(ctx context.Context, at string, issue []byte) Result {
	const name = "token validation"
	strikes := make([]strike, subjects)
	made := b.many(ctx, "tokens to validate", subjects, b.o.Concurrency, func(ctx context.Context, i int) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(issue))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := b.cloud.HTTP.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusCreated {
			return fmt.Errorf("a token was answered with %s", resp.Status)
		}
		strikes[i] = strike{http.MethodGet, http.Header{"X-Auth-Token": {b.cloud.Token()}, "X-Subject-Token": {resp.Header.Get("X-Subject-Token")}}, nil, http.StatusOK}
		return nil
	})
	if made.Error != "" {
		return Result{Name: name, Error: made.Error}
	}
	return b.hammer(ctx, name, at, strikes, b.o.Calls*20, b.o.Concurrency)
}

// soak issues many tokens once every cache is full, and tells by how much the
// memory grew.
func (s *Suite) soak(ctx context.Context, c *cloud) error {
	if s.Tokens == 0 {
		return nil
	}
	creds, err := c.access()
	if err != nil {
		return err
	}
	api, err := client.Login(ctx, creds)
	if err != nil {
		return err
	}
	base, err := api.Endpoint("identity")
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"auth": map[string]any{"identity": map[string]any{"methods": []string{"token"}, "token": map[string]string{"id": api.Token()}},
		"scope": map[string]any{"project": map[string]string{"id": api.ProjectID}}}})
	if err != nil {
		return err
	}
	b := &run{cloud: api, creds: creds, o: Options{Say: s.Say}}
	issue := func(n int) error {
		r := b.hammer(ctx, fmt.Sprintf("%d tokens", n), base+"/auth/tokens", []strike{{http.MethodPost, nil, body, http.StatusCreated}}, n, 8)
		if r.Error != "" {
			return errors.New(r.Error)
		}
		return c.calm(ctx)
	}
	if err := issue(50000); err != nil { // more than are remembered
		return err
	}
	before, err := c.memory()
	if err == nil {
		err = issue(s.Tokens)
	}
	if err != nil {
		return err
	}
	after, err := c.memory()
	s.add(Result{Name: fmt.Sprintf("memory grown by %d tokens", s.Tokens), Unit: "MB", Median: after - before, Count: 1}, "none", "")
	return err
}
