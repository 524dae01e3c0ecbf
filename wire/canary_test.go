package wire_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"altostack/kernel/id"
	"altostack/wire/wiretest"
)

// aviary is a cloud in which secrets are looked for. Its log is at its most
// talkative, and its traces are kept.
type aviary struct {
	*wiretest.World
	t     *testing.T
	spans *tracetest.InMemoryExporter

	mu  sync.Mutex
	log bytes.Buffer

	proofs map[string]string // what lets somebody in: nowhere in clear
	kept   map[string]string // what a tenant stores: in the tenant's own rows only
}

// Write takes the log.
func (a *aviary) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.Write(p)
}

// spans is where all traces of this test process go, as a process has one place
// for them.
var spans = sync.OnceValue(func() *tracetest.InMemoryExporter {
	e := tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(e)))
	return e
})

func newAviary(t *testing.T) *aviary {
	t.Helper()
	a := &aviary{t: t, spans: spans(), proofs: map[string]string{}, kept: map[string]string{}}
	a.World = wiretest.NewWorld(wiretest.OpenLogged(t, map[string]string{"log_level": "debug", "lockout_failure_attempts": "50", "auth_failures_per_address": "0", "auth_failures_per_account": "0"}, a))
	return a
}

// canary is a new secret by a name.
func (a *aviary) canary(of map[string]string, name string) string {
	v := "Canary" + id.Secret(12)
	of[name] = v
	return v
}

// spellings are how a secret may stand somewhere without being hidden.
func spellings(secret string) []string {
	return []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawStdEncoding.EncodeToString([]byte(secret)), fmt.Sprintf("%x", secret)}
}

func found(in []byte, secret string) bool {
	for _, s := range spellings(secret) {
		if bytes.Contains(in, []byte(s)) {
			return true
		}
	}
	return false
}

// look searches everything that is written, said or kept.
func (a *aviary) look() {
	a.t.Helper()
	a.Idle()
	if err := a.System.FlushAudit(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
	var spans []byte
	for _, s := range a.spans.GetSpans() {
		spans = fmt.Append(spans, s.Name, s.Attributes, s.Events, s.Status)
	}
	if len(spans) == 0 {
		a.t.Error("no trace was kept: nothing was searched")
	}
	a.mu.Lock()
	log := bytes.Clone(a.log.Bytes())
	a.mu.Unlock()
	if !bytes.Contains(log, []byte("request refused")) {
		a.t.Error("the log says nothing of refused requests: nothing was searched")
	}
	places := map[string][]byte{"the log": log, "the traces": spans}
	for name, data := range a.files() {
		places[name] = data
	}
	if !bytes.Contains(places["audit.db"], []byte("authenticate")) && !bytes.Contains(places["audit.db-wal"], []byte("authenticate")) {
		a.t.Error("no authentication is in the audit trail: nothing was searched")
	}
	for place, data := range places {
		for name, secret := range a.proofs {
			if found(data, secret) {
				a.t.Errorf("%s is in %s", name, place)
			}
		}
		for name, secret := range a.kept {
			if own := strings.HasPrefix(place, "altostack.db") || strings.HasPrefix(place, "images/") || strings.HasPrefix(place, "objects/"); !own && found(data, secret) {
				a.t.Errorf("%s is in %s", name, place)
			}
		}
	}
}

// files are what stands in the data directory. What only its owner can read and
// has to know, as the first passwords, is told apart by its name.
func (a *aviary) files() map[string][]byte {
	a.t.Helper()
	out := map[string][]byte{}
	err := filepath.WalkDir(a.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(a.Data, path)
		if err != nil || strings.HasPrefix(rel, "volumes/") {
			return err
		}
		out[rel], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return out
}

// Secrets that are used as they are meant to be.
func TestSecretsInUseStayHidden(t *testing.T) {
	a := newAviary(t)
	password, next := a.canary(a.proofs, "a password"), a.canary(a.proofs, "a changed password")
	user := a.Admin.Must(201, "POST", "/identity/v3/users", wiretest.M{"user": wiretest.M{"name": "ann", "password": password}}).Str("user.id")
	member := a.Admin.Must(200, "GET", "/identity/v3/roles?name=member", nil).Str("roles.0.id")
	a.Admin.Must(204, "PUT", "/identity/v3/projects/"+a.A.IDs["project"]+"/users/"+user+"/roles/"+member, nil)
	a.Nobody().Must(204, "POST", "/identity/v3/users/"+user+"/password", wiretest.M{"user": wiretest.M{"original_password": password, "password": next}})
	ann := a.Login("ann", next, a.A.Name)
	a.proofs["a token"], a.proofs["an administrator's token"] = ann.Token, a.Admin.Token
	a.wrong(user)
	a.delegated(ann)
	a.tenants(ann)
	a.look()
}

// wrong are secrets in requests that fail.
func (a *aviary) wrong(user string) {
	a.t.Helper()
	domain := wiretest.M{"id": "default"}
	try := func(identity wiretest.M) {
		a.t.Helper()
		if r := a.Nobody().Do("POST", "/identity/v3/auth/tokens", wiretest.M{"auth": wiretest.M{"identity": identity}}); r.Status < 400 || found([]byte(r.Text), a.proofs["a wrong secret"]) {
			a.t.Errorf("%v: %d %s", identity, r.Status, r.Text)
		}
	}
	wrong := a.canary(a.proofs, "a wrong secret")
	for _, u := range []wiretest.M{{"id": user}, {"name": "ann", "domain": domain}, {"name": "nobody", "domain": domain}, {"name": wrong, "domain": domain}, {"name": "ann", "domain": wiretest.M{"name": wrong}}, {"id": wrong}} {
		u["password"], u["passcode"] = wrong, wrong
		for _, method := range []string{"password", "totp"} {
			try(wiretest.M{"methods": []string{method}, method: wiretest.M{"user": u}})
		}
	}
	try(wiretest.M{"methods": []string{"token"}, "token": wiretest.M{"id": wrong}})
	try(wiretest.M{"methods": []string{"application_credential"}, "application_credential": wiretest.M{"id": "x", "secret": wrong}})
	try(wiretest.M{"methods": []string{"password"}, "password": wiretest.M{"user": wiretest.M{"id": user, "password": []string{wrong}}}})
	for _, body := range []wiretest.M{{"original_password": wrong, "password": wrong}, {"original_password": []string{wrong}, "password": wrong}, {"password": wrong}} {
		if r := a.Nobody().Do("POST", "/identity/v3/users/"+user+"/password", wiretest.M{"user": body}); r.Status < 400 || found([]byte(r.Text), wrong) {
			a.t.Errorf("%d %s", r.Status, r.Text)
		}
	}
}

// delegated are the secrets by which programs act for somebody.
func (a *aviary) delegated(ann *wiretest.Person) {
	a.t.Helper()
	mine := "/identity/v3/users/" + ann.UserID
	secret := a.canary(a.proofs, "an application credential's secret")
	cred := ann.Must(201, "POST", mine+"/application_credentials", wiretest.M{"application_credential": wiretest.M{"name": "robot", "secret": secret}}).Str("application_credential.id")
	robot := a.Nobody().Must(201, "POST", "/identity/v3/auth/tokens", wiretest.M{"auth": wiretest.M{"identity": wiretest.M{"methods": []string{"application_credential"},
		"application_credential": wiretest.M{"id": cred, "secret": secret}}}})
	a.proofs["an application credential's token"] = robot.Header.Get("X-Subject-Token")
	a.proofs["an EC2 secret"] = ann.Must(201, "POST", mine+"/credentials/OS-EC2", wiretest.M{"tenant_id": ann.ProjectID}).Str("credential.secret")
	seed := a.canary(a.proofs, "a TOTP seed")
	ann.Must(201, "POST", "/identity/v3/credentials", wiretest.M{"credential": wiretest.M{"user_id": ann.UserID, "type": "totp", "blob": seed}})
	domain := a.Admin.Must(201, "POST", "/identity/v3/domains", wiretest.M{"domain": wiretest.M{"name": "elsewhere"}}).Str("domain.id")
	a.Admin.Must(201, "PUT", "/identity/v3/domains/"+domain+"/config", wiretest.M{"config": wiretest.M{"ldap": wiretest.M{"url": "ldap://127.0.0.1:1", "password": a.canary(a.proofs, "a directory's password")}}})
	volume := ann.Must(202, "POST", "/volume/v3/volumes", wiretest.M{"volume": wiretest.M{"name": "v", "size": 1}}).Str("volume.id")
	a.Idle()
	a.proofs["a transfer's key"] = ann.Must(202, "POST", "/volume/v3/volume-transfers", wiretest.M{"transfer": wiretest.M{"volume_id": volume}}).Str("transfer.auth_key")
	trust := ann.Must(201, "POST", "/identity/v3/OS-TRUST/trusts", wiretest.M{"trust": wiretest.M{"trustor_user_id": ann.UserID, "trustee_user_id": a.A.Reader.UserID,
		"project_id": ann.ProjectID, "impersonation": true, "roles": []wiretest.M{{"name": "member"}}}}).Str("trust.id")
	trustee := a.Login(a.A.Name+"-reader", "correct horse", a.A.Name)
	lent := trustee.Must(201, "POST", "/identity/v3/auth/tokens", wiretest.M{"auth": wiretest.M{"identity": wiretest.M{"methods": []string{"token"}, "token": wiretest.M{"id": trustee.Token}},
		"scope": wiretest.M{"OS-TRUST:trust": wiretest.M{"id": trust}}}})
	a.proofs["a trust's token"] = lent.Header.Get("X-Subject-Token")
	ann.Must(200, "GET", "/identity/v3/auth/tokens", nil, "X-Subject-Token", ann.Token)
	a.Admin.Must(204, "DELETE", "/identity/v3/auth/tokens", nil, "X-Subject-Token", a.proofs["an application credential's token"])
}

// tenants is what a tenant gives to keep.
func (a *aviary) tenants(ann *wiretest.Person) {
	a.t.Helper()
	server := ann.Must(202, "POST", "/compute/v2.1/servers", wiretest.M{"server": wiretest.M{"name": "s", "imageRef": a.A.Image, "flavorRef": "1", "networks": []wiretest.M{{"uuid": a.A.Network}},
		"user_data": base64.StdEncoding.EncodeToString([]byte(a.canary(a.kept, "user_data"))), "metadata": wiretest.M{"k": a.canary(a.kept, "a server's metadata")},
		"adminPass": a.canary(a.proofs, "a server's adminPass")}}).Str("server.id")
	a.Idle()
	if c := ann.Do("POST", "/compute/v2.1/servers/"+server+"/remote-consoles", wiretest.M{"remote_console": wiretest.M{"protocol": "vnc", "type": "novnc"}}); c.Status == 200 {
		_, token, _ := strings.Cut(c.Str("remote_console.url"), "token%3D")
		if token == "" {
			_, token, _ = strings.Cut(c.Str("remote_console.url"), "token=")
		}
		if token != "" {
			a.proofs["a console's token"] = token
		}
	}
	ann.Must(201, "POST", "/image/v2/images", wiretest.M{"name": "i", "disk_format": "raw", "container_format": "bare", "canary": a.canary(a.kept, "an image's property")})
	ann.Must(202, "POST", "/volume/v3/volumes", wiretest.M{"volume": wiretest.M{"name": "w", "size": 1, "metadata": wiretest.M{"k": a.canary(a.kept, "a volume's metadata")}}})
	account := "/object-store/v1/AUTH_" + ann.ProjectID
	ann.Do("POST", account, nil, "X-Account-Meta-Temp-Url-Key", a.canary(a.kept, "a key of temporary URLs"))
	ann.Do("PUT", account+"/box", nil, "X-Container-Meta-Canary", a.canary(a.kept, "a container's metadata"))
	if r := ann.Raw("PUT", account+"/box/thing?temp_url_sig="+a.canary(a.proofs, "a signature of a URL"), []byte(a.canary(a.kept, "an object's bytes")), "X-Object-Meta-Canary", a.canary(a.kept, "an object's metadata"), "Content-Type", "text/plain"); r.Status >= 500 {
		a.t.Errorf("object: %d %s", r.Status, r.Text)
	}
	ann.Must(201, "POST", "/network/v2.0/networks", wiretest.M{"network": wiretest.M{"name": "n", "description": a.canary(a.kept, "a network's description")}})
}

// secretMembers are names under which secrets stand in bodies.
var secretMembers = []string{"password", "original_password", "adminPass", "admin_pass", "secret", "blob", "auth_key", "user_data", "private_key", "passcode", "token", "personality"}

// stuffed puts a secret under every such name into every object of a body, as
// text or as something that no schema takes.
func stuffed(v any, secret any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, inner := range v {
			out[name] = stuffed(inner, secret)
		}
		for _, name := range secretMembers {
			if _, inner := out[name].(map[string]any); !inner {
				out[name] = secret
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = stuffed(v[i], secret)
		}
		return out
	}
	return v
}

// Secrets where a client puts them by mistake, or as something that they are not:
// every input of every route of every service. No answer repeats them.
func TestSecretsInEveryInputStayHidden(t *testing.T) {
	a := newAviary(t)
	secret := a.canary(a.kept, "a secret in an input")
	token := a.canary(a.proofs, "a token in a header")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	routes := 0
	walk(a.A, func(r walked) {
		if ctx.Err() != nil {
			return
		}
		routes++
		var body any
		if text := r.body(a.World, a.A); len(text) > 0 && json.Unmarshal(text, &body) != nil {
			body = nil
		}
		var sent []any
		for _, s := range []any{secret, []any{secret}, map[string]any{"k": secret}, []any{map[string]any{"k": secret}}} {
			if r.changes() && r.Method != "DELETE" && body != nil {
				sent = append(sent, stuffed(body, s))
			}
		}
		sent = append(sent, nil)
		for _, s := range sent {
			headers := append(r.headers(a.A), "Authorization", "Basic "+token, "Cookie", "session="+token, "X-Service-Token", token, "X-Storage-Token", token, "OpenStack-Auth-Receipt", token)
			for _, who := range []string{a.A.Reader.Token, token} { // a reader may change nothing, and so the next route finds all in place
				p := &wiretest.Person{Cloud: a.Cloud, Token: who}
				answer := p.Do(r.Method, r.path+"?signature="+token, s, headers...)
				if found([]byte(answer.Text), secret) || found([]byte(answer.Text), token) {
					t.Errorf("%s: %d repeats a secret: %s", r, answer.Status, answer.Text)
				}
			}
		}
	})
	// What is allowed to change something, on inputs that are refused by their form.
	for _, try := range []struct{ method, path, body string }{
		{"POST", "/identity/v3/users", `{"user":{"name":"x","password":{"k":"%s"}}}`},
		{"POST", "/identity/v3/users", `{"user":{"name":["x"],"password":"%s"}}`},
		{"PATCH", "/identity/v3/users/" + a.A.IDs["user member"], `{"user":{"password":["%s"]}}`},
		{"POST", "/identity/v3/credentials", `{"credential":{"type":["x"],"blob":"%s"}}`},
		{"POST", "/identity/v3/users/" + a.Admin.UserID + "/application_credentials", `{"application_credential":{"name":"x","secret":["%s"]}}`},
		{"POST", "/compute/v2.1/servers", `{"server":{"name":"x","imageRef":"` + a.A.Image + `","flavorRef":"1","networks":"none","user_data":"not base64 %s"}}`},
		{"POST", "/compute/v2.1/servers", `{"server":{"name":"x","imageRef":"` + a.A.Image + `","flavorRef":"1","networks":"none","adminPass":["%s"]}}`},
		{"POST", "/compute/v2.1/servers/" + a.A.Server + "/action", `{"rebuild":{"imageRef":"` + a.A.Image + `","user_data":"not base64 %s"}}`},
		{"POST", "/volume/v3/volume-transfers/" + a.A.IDs["transfer"] + "/accept", `{"accept":{"auth_key":"%s"}}`},
		{"POST", "/volume/v3/volume-transfers/" + a.A.IDs["transfer"] + "/accept", `{"accept":{"auth_key":["%s"]}}`},
	} {
		answer := a.Admin.Raw(try.method, try.path, fmt.Appendf(nil, try.body, secret))
		if answer.Status < 400 || answer.Status >= 500 || found([]byte(answer.Text), secret) {
			t.Errorf("%s %s: %d %s", try.method, try.path, answer.Status, answer.Text)
		}
	}
	if routes < 500 {
		t.Errorf("%d routes only", routes)
	}
	a.proofs["a secret in an input"] = secret // nothing was allowed, so it is kept nowhere
	a.look()
}
