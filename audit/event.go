package audit

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"altostack/kernel/rest"
)

// Event is a CADF event.
type Event struct {
	TypeURI     string     `json:"typeURI"`
	EventType   string     `json:"eventType"`
	ID          string     `json:"id"`
	EventTime   string     `json:"eventTime"`
	Action      string     `json:"action"`
	Outcome     string     `json:"outcome"`
	Initiator   Resource   `json:"initiator"`
	Target      Resource   `json:"target"`
	Observer    Resource   `json:"observer"`
	Reason      *Reason    `json:"reason,omitempty"`
	RequestPath string     `json:"requestPath,omitempty"`
	Tags        []string   `json:"tags,omitempty"`
	Attachments []Attached `json:"attachments,omitempty"`
}

// Resource is who did, what it was done to, or who saw it.
type Resource struct {
	TypeURI    string      `json:"typeURI"`
	ID         string      `json:"id"`
	Name       string      `json:"name,omitempty"`
	Domain     string      `json:"domain,omitempty"`
	ProjectID  string      `json:"project_id,omitempty"`
	DomainID   string      `json:"domain_id,omitempty"`
	RequestID  string      `json:"request_id,omitempty"`
	GlobalID   string      `json:"global_request_id,omitempty"`
	Host       *Host       `json:"host,omitempty"`
	Credential *Credential `json:"credential,omitempty"`
}

// Host is where an initiator called from.
type Host struct {
	Address string `json:"address,omitempty"`
	Agent   string `json:"agent,omitempty"`
}

// Credential says by which token somebody acted: by its audit id, which proves
// nothing to anybody.
type Credential struct {
	Type      string `json:"type"`
	Token     string `json:"token"`
	AppCredID string `json:"application_credential_id,omitempty"`
	TrustID   string `json:"trust_id,omitempty"`
}

// Reason is what the answer said.
type Reason struct {
	ReasonType string `json:"reasonType"`
	ReasonCode string `json:"reasonCode"`
}

// Attached is data beside an event.
type Attached struct {
	TypeURI string `json:"typeURI"`
	Name    string `json:"name"`
	Content any    `json:"content"`
}

const (
	eventURI    = "http://schemas.dmtf.org/cloud/audit/1.0/event"
	unknown     = "unknown"
	accountUser = "service/security/account/user"
	trailURI    = "service/security/audit/filter"
)

func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000+00:00") }

// observers are the services by their contract names, as CADF types.
var observers = map[string]string{
	"keystone": "service/security", "nova": "service/compute", "placement": "service/compute", "glance": "service/storage/image",
	"neutron": "service/network", "cinder": "service/storage/block", "swift": "service/storage/object", "s3": "service/storage/object",
}

// accounts are identity's objects that CADF has types for.
var accounts = map[string]string{
	"users": "data/security/account/user", "projects": "data/security/project", "domains": "data/security/domain", "groups": "data/security/group",
	"roles": "data/security/role", "credentials": "data/security/credential", "application_credentials": "data/security/credential",
	"trusts": "data/security/trust", "endpoints": "data/security/endpoint", "services": "data/security/service", "regions": "data/security/region",
	"policies": "data/security/policy", "tokens": "data/security/key",
}

var verbs = map[string]string{http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "update", http.MethodDelete: "delete", http.MethodGet: "read", "COPY": "create"}

// eventOf tells a request as CADF.
func eventOf(id, node string, act rest.Act) Event {
	e := Event{
		TypeURI: eventURI, EventType: "activity", ID: id, EventTime: instant(act.Start), Action: verbs[act.Route.Method], Outcome: "success",
		Observer:    Resource{TypeURI: observers[act.Service], ID: node, Name: act.Service},
		Reason:      &Reason{"HTTP", strconv.Itoa(act.Status)},
		RequestPath: act.Path, Tags: []string{"correlation_id?value=" + act.RequestID},
	}
	if e.Observer.TypeURI == "" {
		e.Observer.TypeURI = "service"
	}
	if act.Route.Action != "" {
		e.Action = "update/" + act.Route.Action
	}
	if act.Status >= 400 || act.Status == 0 {
		e.Outcome = "failure"
	}
	e.Initiator, e.Target = initiator(act), target(act)
	if act.Attempt.Why != "" {
		e.Reason.ReasonType = act.Attempt.Why
	}
	if act.Attempt.Proving {
		e.Action, e.Target = "authenticate", Resource{TypeURI: accountUser, ID: orUnknown(act.Attempt.UserID)}
	}
	if len(act.Attempt.Methods) > 0 {
		e.Attachments = append(e.Attachments, Attached{"mime:application/json", "methods", act.Attempt.Methods})
	}
	return e
}

func orUnknown(s string) string {
	if s == "" {
		return unknown
	}
	return s
}

// initiator is the token's bearer, or whom the proof was about. Who proved nothing
// and is not known has no name: what stood in its place may be a password.
func initiator(act rest.Act) Resource {
	r := Resource{TypeURI: accountUser, ID: unknown, RequestID: act.RequestID, GlobalID: act.GlobalID}
	if at := act.Attempt; at.Address != "" || act.Agent != "" {
		r.Host = &Host{at.Address, act.Agent}
	}
	if p := act.Principal; p != nil {
		r.ID, r.Name, r.Domain, r.ProjectID, r.DomainID = p.UserID, p.UserName, p.UserDomainName, p.ProjectID, p.DomainID
		r.Credential = &Credential{Type: "token", Token: p.AuditID, AppCredID: p.AppCredID, TrustID: p.TrustID}
		return r
	}
	if at := act.Attempt; at.UserID != "" {
		r.ID, r.Name, r.Domain, r.DomainID, r.ProjectID = at.UserID, at.UserName, at.DomainName, at.DomainID, at.ProjectID
		if at.AuditID != "" {
			r.Credential = &Credential{Type: "token", Token: at.AuditID}
		}
	}
	return r
}

// target is the last thing that the path names. The route says its type, so that
// all objects of a kind have one.
func target(act rest.Act) Resource {
	var nouns []string
	id, kind := "", ""
	for i, seg := range strings.Split(strings.Trim(act.Route.Path, "/"), "/") {
		if name, param := strings.CutPrefix(seg, "{"); param {
			kind = strings.TrimSuffix(name, "}")
			id = act.Values[kind]
			continue
		}
		if version := i == 0 && len(seg) > 1 && seg[0] == 'v' && seg[1] >= '0' && seg[1] <= '9'; version || seg == "action" && act.Route.Action != "" {
			continue
		}
		if nouns = append(nouns, seg); act.Route.Method == http.MethodPost && act.Route.Action == "" {
			id = "" // what is made has no id in the path
		}
	}
	if len(nouns) == 0 && kind != "" { // Swift's paths are all names
		nouns = []string{kind}
	}
	if act.ObjectID != "" && act.Route.Action == "" {
		id = act.ObjectID
	}
	base := observers[act.Service]
	if base == "" {
		base = "service"
	}
	r := Resource{TypeURI: base, ID: orUnknown(id)}
	if len(nouns) > 0 {
		r.TypeURI = base + "/" + strings.Join(nouns, "/")
		if known := accounts[nouns[len(nouns)-1]]; known != "" && act.Service == "keystone" {
			r.TypeURI = known
		}
	}
	return r
}
