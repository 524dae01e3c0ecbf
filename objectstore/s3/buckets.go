package s3

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"regexp"
	"strings"
	"time"

	"altostack/kernel/fault"
	"altostack/objectstore"
)

// What a request does to a bucket.
const (
	readObject  = objectstore.ReadObject
	writeObject = objectstore.WriteObject
	readBucket  = objectstore.ReadContainer
	writeBucket = objectstore.WriteContainer
)

// allow asks for a right in the caller's account; con is nil for the account's own.
func (c *call) allow(need objectstore.Need, con *objectstore.Container) error {
	ask := objectstore.Ask{Caller: c.caller, Need: need, Account: c.account, Referer: c.r.Referer()}
	if con != nil {
		switch need {
		case readObject, readBucket:
			ask.ACL = con.System[objectstore.SystemRead]
		case writeObject:
			ask.ACL = con.System[objectstore.SystemWrite]
		}
	}
	if objectstore.Decide(ask).Allowed {
		return nil
	}
	a, err := c.svc.Account(c.r.Context(), c.account)
	if err != nil {
		return err
	}
	if ask.Access = a.System[objectstore.SystemAccess]; ask.Access != "" && objectstore.Decide(ask).Allowed {
		return nil
	}
	return refusal("AccessDenied")
}

// con answers the request's bucket to who may do what is needed.
func (c *call) con(need objectstore.Need) (objectstore.Container, error) {
	return c.container(c.bucket, need)
}

func (c *call) container(bucket string, need objectstore.Need) (objectstore.Container, error) {
	con, err := c.svc.Container(c.r.Context(), c.account, bucket)
	if fault.Has(err, fault.CodeObjectstoreContainerNotFound) {
		if err := c.allow(need, nil); err != nil {
			return con, err // whether it is there is nobody's business who may not ask
		}
		return con, refusal("NoSuchBucket", "BucketName", bucket)
	}
	if err != nil {
		return con, err
	}
	return con, c.allow(need, &con)
}

// isoTime spells an instant in bodies.
func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

type owner struct {
	ID          string
	DisplayName string
}

func (c *call) owner() owner { return owner{c.caller.ProjectID, c.caller.ProjectName} }

func (c *call) listBuckets() error {
	if err := c.allow(objectstore.ReadAccount, nil); err != nil {
		return err
	}
	type bucket struct {
		Name         string
		CreationDate string
	}
	out := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
		Owner   owner
		Buckets struct{ Bucket []bucket }
		Next    string `xml:"ContinuationToken,omitempty"`
		Prefix  string `xml:"Prefix,omitempty"`
	}{Owner: c.owner(), Prefix: c.q.Get("prefix")}
	most, err := c.number("max-buckets", maxBuckets)
	if err != nil {
		return err
	}
	marker, err := base64.URLEncoding.DecodeString(c.q.Get("continuation-token"))
	if err != nil || most == 0 {
		return argument("max-buckets", c.q.Get("max-buckets"), "max-buckets is a number from 1 to 10000, continuation-token is one that was answered")
	}
	list, err := c.svc.Containers(c.r.Context(), c.account, objectstore.Listing{Marker: string(marker), Prefix: out.Prefix, Limit: most + 1})
	if err != nil {
		return err
	}
	if len(list) > most {
		list = list[:most]
		out.Next = base64.URLEncoding.EncodeToString([]byte(list[most-1].Item.Name))
	}
	for _, e := range list {
		out.Buckets.Bucket = append(out.Buckets.Bucket, bucket{e.Item.Name, isoTime(e.Item.CreatedAt)})
	}
	return c.answer(out)
}

// maxBuckets is how many buckets one answer lists.
const maxBuckets = 10000

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	address    = regexp.MustCompile(`^\d+\.\d+\.\d+\.\d+$`)
)

func validBucket(name string) bool {
	return bucketName.MatchString(name) && !address.MatchString(name) && !strings.Contains(name, "..") && !strings.Contains(name, "-.") && !strings.Contains(name, ".-")
}

func (c *call) createBucket() error {
	if err := c.allow(writeBucket, nil); err != nil {
		return err
	}
	if !validBucket(c.bucket) {
		return refusal("InvalidBucketName", "BucketName", c.bucket)
	}
	if strings.EqualFold(c.r.Header.Get("X-Amz-Bucket-Object-Lock-Enabled"), "true") {
		return refusal("NotImplemented")
	}
	var body struct {
		LocationConstraint string
	}
	if _, err := c.text(&body); err != nil {
		return err
	}
	read, write, err := canned(c.r.Header.Get("X-Amz-Acl"))
	if err != nil {
		return err
	}
	_, _, err = c.svc.EnsureContainer(c.r.Context(), c.account, c.bucket, func(con *objectstore.Container, fresh bool) error {
		if !fresh {
			return refusal("BucketAlreadyOwnedByYou", "BucketName", c.bucket)
		}
		setACL(con, read, write)
		return nil
	})
	if fault.Has(err, fault.CodeObjectstoreBadName) {
		err = refusal("InvalidBucketName", "BucketName", c.bucket)
	}
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/"+c.bucket)
	return c.empty(http.StatusOK)
}

func (c *call) headBucket() error {
	if _, err := c.con(readBucket); err != nil {
		return err
	}
	c.w.Header().Set("X-Amz-Bucket-Region", region)
	c.w.Header().Set("Content-Type", "application/xml")
	return c.empty(http.StatusOK)
}

func (c *call) deleteBucket() error {
	if _, err := c.con(writeBucket); err != nil {
		return err
	}
	if err := c.svc.DeleteContainer(c.r.Context(), c.account, c.bucket, nil); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

// region is where every bucket is: the one that clients suppose when told nothing.
const region = "us-east-1"

func (c *call) location() error {
	if _, err := c.con(readBucket); err != nil {
		return err
	}
	return c.answer(struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
	}{})
}

type versioning struct {
	XMLName   xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ VersioningConfiguration"`
	Status    string   `xml:"Status,omitempty"`
	MFADelete string   `xml:"MfaDelete,omitempty"`
}

func (c *call) getVersioning() error {
	con, err := c.con(readBucket)
	if err != nil {
		return err
	}
	return c.answer(versioning{Status: map[string]string{objectstore.VersioningEnabled: "Enabled", objectstore.VersioningSuspended: "Suspended"}[con.Versioning]})
}

func (c *call) putVersioning() error {
	if _, err := c.con(writeBucket); err != nil {
		return err
	}
	var body struct{ Status, MfaDelete string }
	if some, err := c.text(&body); err != nil || !some {
		return orMalformed(err)
	}
	to := map[string]string{"Enabled": objectstore.VersioningEnabled, "Suspended": objectstore.VersioningSuspended}[body.Status]
	if to == "" {
		return refusal("IllegalVersioningConfigurationException")
	}
	if body.MfaDelete == "Enabled" {
		return refusal("NotImplemented")
	}
	_, err := c.svc.UpdateContainer(c.r.Context(), c.account, c.bucket, func(con *objectstore.Container) error {
		con.Versioning = to
		return nil
	})
	if err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

func orMalformed(err error) error {
	if err != nil {
		return err
	}
	return refusal("MalformedXML")
}
