package api

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"altostack/identity/signing"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/rest"
)

// signedRoutes are for the services that take signed requests of EC2 and S3 and
// have to ask whose they are. Only they may: an answer is a token.
func (a *API) signedRoutes() []rest.Route {
	return []rest.Route{
		rest.On("POST /v3/ec2tokens", "identity:ec2tokens_validate", a.ec2Token),
		rest.On("POST /v3/s3tokens", "identity:s3tokens_validate", a.s3Token),
	}
}

// signedBody is a request passed on. What it is called differs by who passes it on.
type signedBody struct {
	Credentials    *signedRequest `json:"credentials"`
	Credential     *signedRequest `json:"credential"`
	EC2Credentials *signedRequest `json:"ec2Credentials"`
}

type signedRequest struct {
	Access    string         `json:"access"`
	Signature string         `json:"signature"`
	Token     string         `json:"token"` // S3: the text that was signed, in base64
	Host      string         `json:"host"`
	Verb      string         `json:"verb"`
	Path      string         `json:"path"`
	Params    map[string]any `json:"params"`
	Headers   map[string]any `json:"headers"`
	BodyHash  string         `json:"body_hash"`
}

func readSigned(r *http.Request) (signedRequest, error) {
	var body signedBody
	if empty := bytes.TrimSpace(rest.RawBody(r)); len(empty) == 0 || string(empty) == "{}" {
		return signedRequest{}, fault.New(fault.CodeIdentityInvalid, "request must include a request body")
	}
	if err := rest.Decode(r, "", &body); err != nil {
		return signedRequest{}, err
	}
	for _, v := range []*signedRequest{body.Credentials, body.Credential, body.EC2Credentials} {
		if v != nil && v.Access != "" {
			return *v, nil
		}
	}
	return signedRequest{}, fault.New(fault.CodeAuthUnauthenticated, "The request you have made requires authentication.")
}

// texts spells every value of a map; services pass numbers on as they came.
func texts(m map[string]any) map[string]string {
	out := map[string]string{}
	for name, value := range m {
		out[name] = fmt.Sprint(value)
	}
	return out
}

func (a *API) ec2Token(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	v, err := readSigned(r)
	if err != nil {
		return err
	}
	t, err := a.svc.IssueEC2(r.Context(), signing.Request{
		Access: v.Access, Signature: v.Signature, Verb: v.Verb, Host: v.Host, Path: v.Path,
		Params: texts(v.Params), Headers: texts(v.Headers), BodyHash: v.BodyHash,
	})
	if err != nil {
		return err
	}
	w.Header().Set("X-Subject-Token", t.ID)
	return a.answerToken(w, r, http.StatusOK, t)
}

// s3Token tells what the signer may do without giving the token itself away, which
// the gateway has no use for.
func (a *API) s3Token(w http.ResponseWriter, r *http.Request, _ auth.Scope) error {
	v, err := readSigned(r)
	if err != nil {
		return err
	}
	text, err := base64.URLEncoding.DecodeString(strings.NewReplacer("+", "-", "/", "_").Replace(v.Token))
	if err != nil {
		return fault.New(fault.CodeAuthUnauthenticated, "The request you have made requires authentication.")
	}
	t, err := a.svc.IssueS3(r.Context(), v.Access, text, v.Signature)
	if err != nil {
		return err
	}
	return a.answerToken(w, r, http.StatusOK, t)
}
