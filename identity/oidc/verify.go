package oidc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"

	"altostack/identity"
)

func notVouched(format string, args ...any) error {
	return fmt.Errorf("%w: %s", identity.ErrNotVouched, fmt.Sprintf(format, args...))
}

// Bearer answers the claims of a bearer token of the provider's.
func (p *Parties) Bearer(ctx context.Context, provider, token string) (map[string]any, error) {
	one := p.byID[provider]
	var claims map[string]any
	var err error
	if strings.Count(token, ".") == 2 {
		if claims, err = one.signed(ctx, token); err == nil {
			err = one.meant(claims)
		}
		if err == nil && one.UserInfo {
			err = one.addUserInfo(ctx, token, claims)
		}
	} else {
		claims, err = one.opaque(ctx, token)
	}
	if err != nil {
		return nil, err
	}
	return claims, nil
}

// signed answers the claims of a token that the provider signed and that is not
// over.
func (p *party) signed(ctx context.Context, token string) (map[string]any, error) {
	algs := make([]string, len(algorithms))
	for i, a := range algorithms {
		algs[i] = string(a)
	}
	payload, err := p.keys.verify(ctx, token)
	if errors.Is(err, errCannotAsk) {
		return nil, err
	}
	if err != nil {
		return nil, notVouched("%v", err)
	}
	v := oidc.NewVerifier(p.Issuer, proven(payload), &oidc.Config{SkipClientIDCheck: true, SupportedSigningAlgs: algs, Now: p.clock.Now})
	if _, err := v.Verify(ctx, token); err != nil {
		return nil, notVouched("%v", err)
	}
	claims := map[string]any{}
	if err := decode(payload, &claims); err != nil {
		return nil, notVouched("%v", err)
	}
	if sub, _ := claims["sub"].(string); sub == "" {
		return nil, notVouched("the token is about nobody")
	}
	if claims["events"] != nil {
		return nil, notVouched("the token tells of an event; it is not for logins")
	}
	return claims, nil
}

// proven is the payload of a token whose signature was verified, as the verifier
// of the other claims wants it.
type proven []byte

func (p proven) VerifySignature(context.Context, string) ([]byte, error) { return p, nil }

// texts reads a claim that is one text or several.
func texts(v any) []string {
	switch x := v.(type) {
	case string:
		return []string{x}
	case []any:
		var out []string
		for _, e := range x {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

// meant refuses a token that was made neither for this client or one of the
// audiences, nor at their request.
func (p *party) meant(claims map[string]any) error {
	ours := append([]string{p.ClientID}, p.Audience...)
	for _, name := range []string{"aud", "azp", "client_id"} {
		for _, for_ := range texts(claims[name]) {
			if slices.Contains(ours, for_) {
				return nil
			}
		}
	}
	return notVouched("the token was made for another client, aud %v azp %v", claims["aud"], claims["azp"])
}

// opaque asks the provider about a token that says nothing by itself.
func (p *party) opaque(ctx context.Context, token string) (map[string]any, error) {
	d, err := p.described(ctx)
	if err != nil {
		return nil, err
	}
	claims := map[string]any{}
	switch {
	case p.Opaque == ByUserInfo && d.UserInfo != "":
		return claims, p.addUserInfo(ctx, token, claims)
	case p.Opaque != ByIntrospection || d.Introspection == "":
		return nil, notVouched("the token is opaque, and the provider cannot be asked for whom it was made")
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	if err := p.post(ctx, d, d.Introspection, form, &claims); err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	if active, _ := claims["active"].(bool); !active {
		return nil, notVouched("the token is not active")
	}
	if iss, has := claims["iss"]; has && iss != p.Issuer {
		return nil, notVouched("the token is of issuer %v", iss)
	}
	if sub, _ := claims["sub"].(string); sub == "" {
		return nil, notVouched("the token is about nobody")
	}
	if err := p.meant(claims); err != nil {
		return nil, err
	}
	claims["iss"] = p.Issuer
	if p.UserInfo {
		return claims, p.addUserInfo(ctx, token, claims)
	}
	return claims, nil
}

// addUserInfo adds what the provider tells of the user; the token's own claims win.
func (p *party) addUserInfo(ctx context.Context, token string, claims map[string]any) error {
	d, err := p.described(ctx)
	if err != nil {
		return err
	}
	if d.UserInfo == "" {
		return errors.New("the provider has no userinfo endpoint")
	}
	more := map[string]any{}
	if err := p.get(ctx, d.UserInfo, token, &more); err != nil {
		return fmt.Errorf("userinfo: %w", err)
	}
	sub, _ := more["sub"].(string)
	if known, has := claims["sub"].(string); sub == "" || (has && sub != known) {
		return notVouched("userinfo is about another user")
	}
	for name := range claims {
		delete(more, name)
	}
	maps.Copy(claims, more)
	claims["iss"] = p.Issuer
	return nil
}

func random() string {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		panic(err) // crypto/rand never fails
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// Begin answers where a browser logs in.
func (p *Parties) Begin(ctx context.Context, provider, redirect string) (string, identity.LoginSecret, error) {
	one := p.byID[provider]
	secret := identity.LoginSecret{State: random(), Nonce: random(), Verifier: random()}
	d, err := one.described(ctx)
	if err != nil {
		return "", secret, err
	}
	u, err := url.Parse(d.Authorize)
	if err != nil || d.Authorize == "" {
		return "", secret, errors.New("the provider has no authorization endpoint")
	}
	challenge := sha256.Sum256([]byte(secret.Verifier))
	q := u.Query()
	for name, value := range map[string]string{
		"response_type": "code", "client_id": one.ClientID, "redirect_uri": redirect, "scope": strings.Join(one.Scopes, " "), "state": secret.State, "nonce": secret.Nonce,
		"code_challenge": base64.RawURLEncoding.EncodeToString(challenge[:]), "code_challenge_method": "S256",
	} {
		q.Set(name, value)
	}
	u.RawQuery = q.Encode()
	return u.String(), secret, nil
}

// Finish trades a code for the claims of the user who logged in.
func (p *Parties) Finish(ctx context.Context, provider, redirect, code string, secret identity.LoginSecret) (map[string]any, error) {
	one := p.byID[provider]
	d, err := one.described(ctx)
	if err != nil {
		return nil, err
	}
	var answer struct {
		ID     string `json:"id_token"`
		Access string `json:"access_token"`
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {secret.Verifier}}
	if err := one.post(ctx, d, d.Token, form, &answer); err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	claims, err := one.signed(ctx, answer.ID)
	if err != nil {
		return nil, err
	}
	aud := texts(claims["aud"])
	azp, hasAzp := claims["azp"].(string)
	if !slices.Contains(aud, one.ClientID) || (hasAzp && azp != one.ClientID) || (len(aud) > 1 && !hasAzp) {
		return nil, notVouched("the id token was made for another client")
	}
	nonce, _ := claims["nonce"].(string)
	if subtle.ConstantTimeCompare([]byte(nonce), []byte(secret.Nonce)) != 1 {
		return nil, notVouched("the id token answers another login")
	}
	if one.UserInfo {
		return claims, one.addUserInfo(ctx, answer.Access, claims)
	}
	return claims, nil
}
