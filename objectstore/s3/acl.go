package s3

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"

	"altostack/objectstore"
)

// The container ACLs that canned ACLs stand for.
const (
	anybodyReads    = ".r:*,.rlistings"
	anybodyWrites   = ".r:*"
	everyUserMember = "*:*"
)

const (
	allUsers           = "http://acs.amazonaws.com/groups/global/AllUsers"
	authenticatedUsers = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
)

// canned reads a canned ACL.
func canned(name string) (read, write string, err error) {
	switch name {
	case "", "private", "bucket-owner-read", "bucket-owner-full-control":
		return "", "", nil
	case "public-read":
		return anybodyReads, "", nil
	case "public-read-write":
		return anybodyReads, anybodyWrites, nil
	case "authenticated-read":
		return everyUserMember, "", nil
	case "aws-exec-read", "log-delivery-write":
		return "", "", refusal("NotImplemented")
	}
	return "", "", argument("x-amz-acl", name, "")
}

func setACL(con *objectstore.Container, read, write string) {
	for key, acl := range map[string]string{objectstore.SystemRead: read, objectstore.SystemWrite: write} {
		if con.System == nil {
			con.System = map[string]string{}
		}
		if con.System[key] = acl; acl == "" {
			delete(con.System, key)
		}
	}
}

type grantee struct {
	XSI         string `xml:"xmlns:xsi,attr"`
	Type        string `xml:"xsi:type,attr"`
	ID          string `xml:"ID,omitempty"`
	DisplayName string `xml:"DisplayName,omitempty"`
	URI         string `xml:"URI,omitempty"`
}

type grant struct {
	Grantee    grantee
	Permission string
}

// getACL spells the bucket's ACLs as grants; objects have those of their bucket.
func (c *call) getACL() error {
	con, err := c.con(writeBucket)
	if err != nil {
		return err
	}
	if c.key != "" {
		if _, err := c.object(con); err != nil {
			return err
		}
	}
	const xsi = "http://www.w3.org/2001/XMLSchema-instance"
	out := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ AccessControlPolicy"`
		Owner   owner
		Grants  []grant `xml:"AccessControlList>Grant"`
	}{Owner: c.owner(), Grants: []grant{{grantee{XSI: xsi, Type: "CanonicalUser", ID: c.caller.ProjectID, DisplayName: c.caller.ProjectName}, "FULL_CONTROL"}}}
	for _, one := range []struct{ acl, permission string }{{con.System[objectstore.SystemRead], "READ"}, {con.System[objectstore.SystemWrite], "WRITE"}} {
		acl := objectstore.ParseACL(one.acl)
		if slices.Contains(acl.Referrers, "*") {
			out.Grants = append(out.Grants, grant{grantee{XSI: xsi, Type: "Group", URI: allUsers}, one.permission})
		}
		if slices.Contains(acl.Groups, everyUserMember) {
			out.Grants = append(out.Grants, grant{grantee{XSI: xsi, Type: "Group", URI: authenticatedUsers}, one.permission})
		}
	}
	return c.answer(out)
}

// wantedACL reads the ACL of a request, canned or as grants.
func (c *call) wantedACL() (read, write string, err error) {
	for name := range c.r.Header {
		if strings.HasPrefix(name, "X-Amz-Grant-") {
			return "", "", refusal("NotImplemented")
		}
	}
	var body struct {
		Grants []struct {
			Grantee    struct{ ID, URI string }
			Permission string
		} `xml:"AccessControlList>Grant"`
	}
	some, err := c.text(&body)
	if err != nil || !some {
		if err == nil && c.r.Header.Get("X-Amz-Acl") == "" {
			err = refusal("MissingSecurityHeader", "MissingHeaderName", "x-amz-acl")
		}
		if err != nil {
			return "", "", err
		}
		return canned(c.r.Header.Get("X-Amz-Acl"))
	}
	for _, g := range body.Grants {
		switch {
		case g.Grantee.URI == "" && (g.Grantee.ID == c.caller.ProjectID || g.Grantee.ID == ""):
		case g.Grantee.URI == allUsers && g.Permission == "READ":
			read = anybodyReads
		case g.Grantee.URI == allUsers && g.Permission == "WRITE":
			write = anybodyWrites
		case g.Grantee.URI == authenticatedUsers && g.Permission == "READ" && read == "":
			read = everyUserMember
		default:
			return "", "", refusal("NotImplemented", "Message", "Grants are to the owner, to all users and to authenticated users only.")
		}
	}
	return read, write, nil
}

// putACL sets the bucket's ACLs. An object's are the bucket's: setting them to what
// they are is fine, to anything else is not.
func (c *call) putACL() error {
	con, err := c.con(writeBucket)
	if err != nil {
		return err
	}
	read, write, err := c.wantedACL()
	if err != nil {
		return err
	}
	if c.key != "" {
		if _, err := c.object(con); err != nil {
			return err
		}
		if err := sameACL(con, read); err != nil {
			return err
		}
		return c.empty(http.StatusOK)
	}
	_, err = c.svc.UpdateContainer(c.r.Context(), c.account, c.bucket, func(con *objectstore.Container) error {
		setACL(con, read, write)
		return nil
	})
	if err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

// sameACL refuses to make an object readable to more than its bucket is.
func sameACL(con objectstore.Container, read string) error {
	if have := con.System[objectstore.SystemRead]; read == "" || read == have || have == anybodyReads {
		return nil
	}
	return refusal("NotImplemented", "Message", "An object is readable to whom its bucket is: set the bucket's ACL.")
}
