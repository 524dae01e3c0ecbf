// Command oidcprovider is an OpenID Connect provider for tests: the zitadel
// library's provider with users, groups and clients of its own, in memory. It is
// not linked into the cloud.
//
//	oidcprovider -listen 127.0.0.1:9998 -redirect http://127.0.0.1:9080/…
//
// Users are ann (groups devs, ops) and bob (group sales), the password is the name
// twice: annann. Clients, each with the secret "secret": cloud and other get signed
// access tokens, opaque gets ones that must be asked about, device logs in by
// device; robot has client credentials.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

var groups = map[string][]string{"ann-id": {"devs", "ops"}, "bob-id": {"sales"}, "robot": {"robots"}}

// users implements storage.UserStore.
type users struct{}

func (users) ExampleClientID() string { return storage.ServiceUserID }

func (users) GetUserByID(id string) *storage.User {
	if groups[id] == nil {
		return nil
	}
	name := strings.TrimSuffix(id, "-id")
	return &storage.User{ID: id, Username: name, Password: name + name, FirstName: name, LastName: "Tester", Email: name + "@corp.test", EmailVerified: true}
}

func (u users) GetUserByUsername(name string) *storage.User { return u.GetUserByID(name + "-id") }

// client makes signed access tokens of an example client.
type client struct{ op.Client }

func (client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

// store adds groups, and the clients' kinds of token.
type store struct{ *storage.Storage }

func signed(c op.Client, err error) (op.Client, error) {
	if err != nil || c.GetID() == "opaque" {
		return c, err
	}
	return client{c}, nil
}

func (s store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	return signed(s.Storage.GetClientByClientID(ctx, id))
}

func (s store) ClientCredentials(_ context.Context, id, secret string) (op.Client, error) {
	if id != "robot" || secret != "secret" {
		return nil, errors.New("wrong client or secret")
	}
	return robot{client{storage.WebClient("robot", "secret")}}, nil
}

// robot is a client that may ask for tokens of its own.
type robot struct{ client }

func (robot) GrantTypes() []oidc.GrantType { return []oidc.GrantType{oidc.GrantTypeClientCredentials} }

func (s store) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return &oidc.JWTTokenRequest{Subject: id, Audience: []string{id}, Scopes: scopes}, nil
}

func (s store) GetPrivateClaimsFromScopes(_ context.Context, user, _ string, _ []string) (map[string]any, error) {
	return map[string]any{"groups": groups[user], "preferred_username": strings.TrimSuffix(user, "-id")}, nil
}

func (s store) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, r op.IDTokenRequest, scopes []string) error {
	info.AppendClaims("groups", groups[r.GetSubject()])
	return s.Storage.SetUserinfoFromRequest(ctx, info, r, append(scopes, "openid", "email", "profile"))
}

func (s store) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, token, subject, origin string) error {
	info.AppendClaims("groups", groups[subject])
	return s.Storage.SetUserinfoFromToken(ctx, info, token, subject, origin)
}

func (s store) SetIntrospectionFromToken(ctx context.Context, i *oidc.IntrospectionResponse, token, subject, client string) error {
	if err := s.Storage.SetIntrospectionFromToken(ctx, i, token, subject, client); err != nil {
		return err
	}
	i.Subject, i.Audience = subject, []string{client}
	i.Claims = map[string]any{"groups": groups[subject]}
	return nil
}

// request is what a password gets a token for.
type request struct {
	user, client string
	scopes       []string
}

func (r request) GetAMR() []string       { return []string{"pwd"} }
func (r request) GetAudience() []string  { return []string{r.client} }
func (r request) GetAuthTime() time.Time { return time.Now() }
func (r request) GetClientID() string    { return r.client }
func (r request) GetScopes() []string    { return r.scopes }
func (r request) GetSubject() string     { return r.user }

// byPassword is the grant that the library leaves out.
func byPassword(s store, provider *op.Provider, issuer string, w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	ctx := op.ContextWithIssuer(r.Context(), issuer)
	c, err := s.GetClientByClientID(ctx, id)
	if err == nil {
		err = s.AuthorizeClientIDSecret(ctx, id, secret)
	}
	if err == nil {
		err = s.CheckUsernamePasswordSimple(r.FormValue("username"), r.FormValue("password"))
	}
	if err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_grant", "error_description": err.Error()})
		return
	}
	user := users{}.GetUserByUsername(r.FormValue("username"))
	answer, err := op.CreateTokenResponse(ctx, request{user.ID, id, strings.Fields(r.FormValue("scope"))}, c, provider, true, "", "")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

var form = template.Must(template.New("login").Parse(`<form method="post" action="/login/username"><input name="id" value="{{.}}"><input name="username"><input name="password"><input type="submit"></form>`))

func login(s store, provider *op.Provider, issuer string) http.HandlerFunc {
	back := op.AuthCallbackURL(provider)
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_ = form.Execute(w, r.FormValue("authRequestID"))
			return
		}
		if err := s.CheckUsernamePassword(r.FormValue("username"), r.FormValue("password"), r.FormValue("id")); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		http.Redirect(w, r, back(op.ContextWithIssuer(r.Context(), issuer), r.FormValue("id")), http.StatusFound)
	}
}

// device is where a user allows a device: user_code, username and password at once.
func device(s store) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := s.CheckUsernamePasswordSimple(r.FormValue("username"), r.FormValue("password"))
		if err == nil {
			err = s.CompleteDeviceAuthorization(r.Context(), r.FormValue("user_code"), r.FormValue("username")+"-id")
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
		}
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:9998", "address and port")
	redirect := flag.String("redirect", "", "addresses that browsers may return to, with commas")
	flag.Parse()
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	issuer := "http://" + l.Addr().String()
	var back []string
	for _, u := range strings.Split(*redirect, ",") {
		if _, err := url.Parse(u); err == nil && u != "" {
			back = append(back, u)
		}
	}
	storage.RegisterClients(storage.WebClient("cloud", "secret", back...), storage.WebClient("other", "secret", back...), storage.WebClient("opaque", "secret", back...), storage.DeviceClient("device", "secret"))
	s := store{storage.NewStorage(users{})}
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		return err
	}
	provider, err := op.NewProvider(&op.Config{CryptoKey: key, CodeMethodS256: true, AuthMethodPost: true, GrantTypeRefreshToken: true,
		DeviceAuthorization: op.DeviceAuthorizationConfig{Lifetime: time.Minute, PollInterval: time.Second, UserFormPath: "/device", UserCode: op.UserCodeBase20}},
		s, op.StaticIssuer(issuer), op.WithAllowInsecure())
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/login/username", login(s, provider, issuer))
	mux.HandleFunc("POST /device", device(s))
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		d := op.CreateDiscoveryConfig(op.ContextWithIssuer(r.Context(), issuer), provider, s)
		d.GrantTypesSupported = append(d.GrantTypesSupported, "password")
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(d)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/token" && r.FormValue("grant_type") == "password" {
			byPassword(s, provider, issuer, w, r)
			return
		}
		provider.ServeHTTP(w, r)
	})
	fmt.Println(issuer)
	return (&http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}).Serve(l)
}

func main() {
	log.SetOutput(os.Stderr)
	if err := run(); err != nil {
		log.Fatal(err)
	}
}
