package api_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// program is a client of OAuth, which signs its requests.
type program struct {
	*client
	key, secret        string
	token, tokenSecret string
	nonce              int
}

func percent(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// header signs a POST of the path.
func (p *program) header(path string, more ...string) string {
	p.nonce++
	params := map[string]string{"oauth_consumer_key": p.key, "oauth_signature_method": "HMAC-SHA1", "oauth_timestamp": strconv.FormatInt(p.cloud.Clock.Now().Unix(), 10), "oauth_nonce": strconv.Itoa(p.nonce), "oauth_version": "1.0"}
	if p.token != "" {
		params["oauth_token"] = p.token
	}
	for i := 0; i+1 < len(more); i += 2 {
		params[more[i]] = more[i+1]
	}
	q := url.Values{}
	var parts []string
	for name, value := range params {
		q.Set(name, value)
		parts = append(parts, fmt.Sprintf(`%s="%s"`, name, percent(value)))
	}
	base := "POST&" + percent(p.server.URL+"/identity"+path) + "&" + percent(strings.ReplaceAll(q.Encode(), "+", "%20"))
	m := hmac.New(sha1.New, []byte(percent(p.secret)+"&"+percent(p.tokenSecret)))
	m.Write([]byte(base))
	return "OAuth " + strings.Join(append(parts, fmt.Sprintf(`oauth_signature="%s"`, percent(base64.StdEncoding.EncodeToString(m.Sum(nil))))), ", ")
}

// form sends a signed POST and reads the token it is answered.
func (p *program) form(t *testing.T, path string, status int, more ...string) {
	t.Helper()
	headers := []string{"Authorization", p.header(path, more...), "Requested-Project-Id", p.cloud.Access.AdminProjectID}
	a := p.attemptText("POST "+path, "", headers...)
	if a.status != status {
		t.Fatalf("POST %s: %d, want %d: %s", path, a.status, status, a.text)
	}
	if status == 201 {
		q, err := url.ParseQuery(a.text)
		if err != nil || q.Get("oauth_token") == "" || q.Get("oauth_token_secret") == "" || q.Get("oauth_expires_at") == "" {
			t.Fatalf("form %q: %v", a.text, err)
		}
		p.token, p.tokenSecret = q.Get("oauth_token"), q.Get("oauth_token_secret")
	}
}

const oauthBody = `{"auth":{"identity":{"methods":["oauth1"],"oauth1":{}}}}`

// login is a token by a signed request.
func (p *program) login(t *testing.T, status int) answer {
	t.Helper()
	return p.do("POST /v3/auth/tokens", status, oauthBody, "Authorization", p.header("/v3/auth/tokens"))
}

func TestOAuth(t *testing.T) {
	c := serve(t)
	admin := c.admin()
	made := admin.do("POST /v3/OS-OAUTH1/consumers", 201, `{"consumer":{"description":"d","colour":"red"}}`)
	p := &program{client: c, key: made.str("consumer.id"), secret: made.str("consumer.secret")}
	p.form(t, "/v3/OS-OAUTH1/request_token", 201)
	member := c.cloud.Role(t, "member")
	agreed := admin.do("PUT /v3/OS-OAUTH1/authorize/"+p.token, 200, fmt.Sprintf(`{"roles":[{"id":%q}]}`, member))
	verifier := agreed.str("token.oauth_verifier")
	if len(verifier) != 8 {
		t.Errorf("verifier %q", verifier)
	}
	p.form(t, "/v3/OS-OAUTH1/access_token", 401, "oauth_verifier", "xxxxxxxx")
	used := *p
	p.form(t, "/v3/OS-OAUTH1/access_token", 201, "oauth_verifier", verifier)
	used.form(t, "/v3/OS-OAUTH1/access_token", 404, "oauth_verifier", verifier)

	a := p.login(t, 201)
	if a.str("token.user.name") != "admin" || a.str("token.project.name") != "admin" || strings.Contains(a.text, `"name":"admin"},{"`) || a.str("token.OS-OAUTH1.consumer_id") != p.key || a.str("token.OS-OAUTH1.access_token_id") != p.token {
		t.Errorf("the token: %s", a.text)
	}
	for _, role := range a.at("token.roles").([]any) {
		if name := role.(map[string]any)["name"]; name != "member" && name != "reader" {
			t.Errorf("a role that was not agreed to: %v", name)
		}
	}
	robot := c.as(a.header.Get("X-Subject-Token"))
	robot.do("GET /v3/auth/projects", 200, "")
	me := c.cloud.Access.AdminUserID
	robot.do("POST /v3/auth/tokens", 403, fmt.Sprintf(`{"auth":{"identity":{"methods":["token"],"token":{"id":%q}}}}`, a.header.Get("X-Subject-Token")))
	robot.do("POST /v3/users/"+me+"/application_credentials", 403, `{"application_credential":{"name":"n"}}`)
	robot.do("PUT /v3/OS-OAUTH1/authorize/x", 403, `{"roles":[]}`)
	pair := robot.do("POST /v3/users/"+me+"/credentials/OS-EC2", 201, fmt.Sprintf(`{"tenant_id":%q}`, c.cloud.Access.AdminProjectID)).str("credential.access")
	if _, who, err := c.cloud.Service.S3Key(t.Context(), pair); err != nil || who.HasRole("admin") || who.AccessTokenID != p.token {
		t.Errorf("a key made by OAuth: %+v %v", who, err)
	}

	tokens := "/v3/users/" + me + "/OS-OAUTH1/access_tokens"
	shown := admin.do("GET "+tokens+"/"+p.token, 200, "")
	golden(t, map[string]answer{
		"consumer-create-response": made, "consumers-list-response": admin.do("GET /v3/OS-OAUTH1/consumers", 200, ""),
		"consumer-show-response":           admin.do("GET /v3/OS-OAUTH1/consumers/"+p.key, 200, ""),
		"consumer-update-response":         admin.do("PATCH /v3/OS-OAUTH1/consumers/"+p.key, 200, `{"consumer":{"description":"new"}}`),
		"authorize-request-token-response": agreed, "access-token-show-response": shown,
		"access-tokens-list-response":      admin.do("GET "+tokens, 200, ""),
		"access-token-roles-list-response": admin.do("GET "+tokens+"/"+p.token+"/roles", 200, ""),
		"access-token-role-show-response":  admin.do("GET "+tokens+"/"+p.token+"/roles/"+member, 200, ""),
	})
	admin.do("GET "+tokens+"/"+p.token+"/roles/nosuch", 404, "")
	admin.do("GET "+tokens+"/nosuch", 404, "")
	admin.do("PATCH /v3/OS-OAUTH1/consumers/"+p.key, 400, `{"consumer":{"secret":"x"}}`)
	for _, text := range []string{admin.do("GET /v3/OS-OAUTH1/consumers/"+p.key, 200, "").text, shown.text} {
		if strings.Contains(text, "secret") {
			t.Errorf("a secret is shown: %s", text)
		}
	}

	admin.do("DELETE "+tokens+"/"+p.token, 204, "")
	robot.do("GET /v3/auth/projects", 401, "") // at once
	p.login(t, 401)
	if _, _, err := c.cloud.Service.S3Key(t.Context(), pair); err == nil {
		t.Error("a key outlives the access token that made it")
	}
	admin.do("DELETE /v3/OS-OAUTH1/consumers/"+p.key, 204, "")
	p.token, p.tokenSecret = "", ""
	p.form(t, "/v3/OS-OAUTH1/request_token", 401)
}

func TestOAuthRequestsThatDoNotCount(t *testing.T) {
	c := serve(t)
	admin := c.admin()
	made := admin.do("POST /v3/OS-OAUTH1/consumers", 201, `{"consumer":{}}`)
	p := &program{client: c, key: made.str("consumer.id"), secret: made.str("consumer.secret")}
	const path = "/v3/OS-OAUTH1/request_token"
	project := c.cloud.Access.AdminProjectID
	once := p.header(path)
	post := func(status int, headers ...string) {
		t.Helper()
		if a := c.attemptText("POST "+path, "", headers...); a.status != status {
			t.Errorf("%v: %d, want %d: %s", headers, a.status, status, a.text)
		}
	}
	post(400)
	post(400, "Authorization", "Basic x", "Requested-Project-Id", project)
	post(400, "Authorization", once)
	post(404, "Authorization", p.header(path), "Requested-Project-Id", "nosuch")
	post(201, "Authorization", once, "Requested-Project-Id", project)
	post(401, "Authorization", once, "Requested-Project-Id", project) // again
	old := p.header(path, "oauth_timestamp", strconv.FormatInt(c.cloud.Clock.Now().Unix()-3600, 10))
	post(401, "Authorization", old, "Requested-Project-Id", project)
	p.secret += "x"
	post(401, "Authorization", p.header(path), "Requested-Project-Id", project)
	p.secret = made.str("consumer.secret")
	p.form(t, path, 201)
	c.demo().do("PUT /v3/OS-OAUTH1/authorize/"+p.token, 403, `{"roles":[{"name":"member"}]}`)
	admin.do("PUT /v3/OS-OAUTH1/authorize/"+p.token, 401, `{"roles":[{"name":"service"}]}`) // has it not
	admin.do("PUT /v3/OS-OAUTH1/authorize/"+p.token, 400, `{"roles":[{}]}`)
	admin.do("PUT /v3/OS-OAUTH1/authorize/nosuch", 404, `{"roles":[{"name":"member"}]}`)
	p.form(t, "/v3/OS-OAUTH1/access_token", 400)
	p.form(t, "/v3/OS-OAUTH1/access_token", 401, "oauth_verifier", "abcdefgh") // nobody agreed
	c.do("POST /v3/auth/tokens", 400, oauthBody)
	p.login(t, 401) // a request token is no access token
}

func TestOAuth2(t *testing.T) {
	c := serve(t)
	cred := c.demo().do("POST /v3/users/"+c.cloud.Access.DemoUserID+"/application_credentials", 201, `{"application_credential":{"name":"n","secret":"s e/c+ret"}}`).str("application_credential.id")
	post := func(status int, form, user, secret string) answer {
		t.Helper()
		headers := []string{"Content-Type", "application/x-www-form-urlencoded"}
		if user != "" {
			headers = append(headers, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+secret)))
		}
		a := c.attempt("POST /v3/OS-OAUTH2/token", form, headers...)
		if a.status != status {
			t.Errorf("%s: %d, want %d: %s", form, a.status, status, a.text)
		}
		return a
	}
	a := post(200, "grant_type=client_credentials", cred, "s e/c+ret")
	golden(t, map[string]answer{"token-create-response": a})
	c.as(a.str("access_token")).do("GET /v3/auth/projects", 200, "")
	post(200, "grant_type=client_credentials&client_id="+cred+"&client_secret=s+e%2Fc%2Bret", "", "")
	for form, title := range map[string]string{"": "invalid_request", "grant_type=password": "unsupported_grant_type", "%zz": "invalid_request"} {
		if a := post(400, form, cred, "s"); a.str("error") != title || a.str("error_description") == "" {
			t.Errorf("%q: %s", form, a.text)
		}
	}
	if a := post(401, "grant_type=client_credentials", cred, "wrong"); a.str("error") != "invalid_client" || a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("a wrong secret: %s", a.text)
	}
	post(401, "grant_type=client_credentials", "nosuch", "x")
	post(401, "grant_type=client_credentials", "", "")
}

func sign256(text, secret string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}
