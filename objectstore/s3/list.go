package s3

import (
	"encoding/base64"
	"encoding/xml"
	"strconv"

	"altostack/kernel/fault"
	"altostack/objectstore"
)

const maxKeys = 1000

type prefix struct{ Prefix string }

type content struct {
	Key          string
	LastModified string
	ETag         string
	Size         int64
	Owner        *owner `xml:"Owner,omitempty"`
	StorageClass string
}

// number reads a parameter that bounds a list.
func (c *call) number(name string, otherwise int) (int, error) {
	text := c.q.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, argument(name, text, "Argument "+name+" must be an integer between 0 and 2147483647")
	}
	return min(n, otherwise), nil
}

// encoder spells names as the request asks: a key may hold what XML cannot.
func (c *call) encoder() (func(string) string, error) {
	switch e := c.q.Get("encoding-type"); e {
	case "":
		return func(s string) string { return s }, nil
	case "url":
		return func(s string) string { return escape(s, true) }, nil
	default:
		return nil, argument("encoding-type", e, "Invalid Encoding Method specified in Request")
	}
}

func quoted(etag string) string { return `"` + etag + `"` }

type listing struct {
	XMLName               xml.Name
	Name                  string
	Prefix                string
	Marker                *string   `xml:"Marker"`
	NextMarker            string    `xml:"NextMarker,omitempty"`
	StartAfter            string    `xml:"StartAfter,omitempty"`
	ContinuationToken     *string   `xml:"ContinuationToken"`
	NextContinuationToken string    `xml:"NextContinuationToken,omitempty"`
	KeyCount              *int      `xml:"KeyCount"`
	MaxKeys               int       `xml:"MaxKeys"`
	Delimiter             string    `xml:"Delimiter,omitempty"`
	EncodingType          string    `xml:"EncodingType,omitempty"`
	IsTruncated           bool      `xml:"IsTruncated"`
	Contents              []content `xml:"Contents"`
	CommonPrefixes        []prefix  `xml:"CommonPrefixes"`
}

// listObjects answers both versions of the listing.
func (c *call) listObjects() error {
	con, err := c.con(readBucket)
	if err != nil {
		return err
	}
	most, err := c.number("max-keys", maxKeys)
	if err != nil {
		return err
	}
	encode, err := c.encoder()
	if err != nil {
		return err
	}
	two := c.q.Get("list-type") == "2"
	out := listing{XMLName: xml.Name{Space: namespace, Local: "ListBucketResult"}, Name: c.bucket, Prefix: encode(c.q.Get("prefix")), MaxKeys: most,
		Delimiter: encode(c.q.Get("delimiter")), EncodingType: c.q.Get("encoding-type")}
	marker := c.q.Get("marker")
	if two {
		if marker, err = c.after(&out, encode); err != nil {
			return err
		}
	} else {
		text := encode(marker)
		out.Marker = &text
	}
	last, err := c.fill(&out, con, marker, most, encode, !two || c.q.Get("fetch-owner") == "true")
	if err != nil {
		return err
	}
	n := len(out.Contents) + len(out.CommonPrefixes)
	if two {
		out.KeyCount = &n
	}
	if out.IsTruncated && two {
		out.NextContinuationToken = base64.URLEncoding.EncodeToString([]byte(last))
	} else if out.IsTruncated {
		out.NextMarker = encode(last)
	}
	return c.answer(out)
}

// after is where a listing of version 2 goes on.
func (c *call) after(out *listing, encode func(string) string) (string, error) {
	marker := c.q.Get("start-after")
	out.StartAfter = encode(marker)
	token := c.q.Get("continuation-token")
	if c.q.Has("continuation-token") {
		out.ContinuationToken = &token
	}
	if token == "" {
		return marker, nil
	}
	raw, err := base64.URLEncoding.DecodeString(token)
	if err != nil || len(raw) == 0 {
		return "", argument("continuation-token", token, "The continuation token provided is incorrect")
	}
	return string(raw), nil
}

// fill lists into out, and answers the last name that is in it.
func (c *call) fill(out *listing, con objectstore.Container, marker string, most int, encode func(string) string, owners bool) (last string, err error) {
	if most == 0 {
		return "", nil
	}
	list, err := c.svc.Objects(c.r.Context(), con, objectstore.Listing{Prefix: c.q.Get("prefix"), Delimiter: c.q.Get("delimiter"), Marker: marker, Limit: most + 1})
	if err != nil {
		return "", err
	}
	if out.IsTruncated = len(list) > most; out.IsTruncated {
		list = list[:most]
	}
	who := c.owner()
	for _, e := range list {
		if e.Subdir != "" {
			out.CommonPrefixes = append(out.CommonPrefixes, prefix{encode(e.Subdir)})
			last = e.Subdir
			continue
		}
		o := e.Item
		one := content{Key: encode(o.Name), LastModified: isoTime(modified(o.UpdatedAt)), ETag: quoted(etag(o.Kind, o.ETag)), Size: o.Size, StorageClass: "STANDARD"}
		if owners {
			one.Owner = &who
		}
		out.Contents = append(out.Contents, one)
		last = o.Name
	}
	return last, nil
}

type version struct {
	XMLName      xml.Name
	Key          string
	VersionID    string `xml:"VersionId"`
	IsLatest     bool
	LastModified string
	ETag         string `xml:"ETag,omitempty"`
	Size         *int64 `xml:"Size"`
	Owner        owner
	StorageClass string `xml:"StorageClass,omitempty"`
}

func (c *call) listVersions() error {
	con, err := c.con(readBucket)
	if err != nil {
		return err
	}
	most, err := c.number("max-keys", maxKeys)
	if err != nil {
		return err
	}
	encode, err := c.encoder()
	if err != nil {
		return err
	}
	l := objectstore.Listing{Prefix: c.q.Get("prefix"), Delimiter: c.q.Get("delimiter"), Marker: c.q.Get("key-marker"), Limit: most + 1}
	if l.Stamp, err = c.stampOf(con, l.Marker, c.q.Get("version-id-marker")); err != nil {
		return err
	}
	out := struct {
		XMLName             xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListVersionsResult"`
		Name                string
		Prefix              string
		KeyMarker           string
		VersionIDMarker     string `xml:"VersionIdMarker"`
		NextKeyMarker       string `xml:"NextKeyMarker,omitempty"`
		NextVersionIDMarker string `xml:"NextVersionIdMarker,omitempty"`
		MaxKeys             int
		Delimiter           string `xml:"Delimiter,omitempty"`
		EncodingType        string `xml:"EncodingType,omitempty"`
		IsTruncated         bool
		Versions            []version
		CommonPrefixes      []prefix
	}{Name: c.bucket, Prefix: encode(l.Prefix), KeyMarker: encode(l.Marker), VersionIDMarker: c.q.Get("version-id-marker"), MaxKeys: most, Delimiter: encode(l.Delimiter),
		EncodingType: c.q.Get("encoding-type")}
	if most == 0 {
		return c.answer(out)
	}
	list, err := c.svc.Versions(c.r.Context(), con, l)
	if err != nil {
		return err
	}
	if out.IsTruncated = len(list) > most; out.IsTruncated {
		list = list[:most]
		end := list[most-1]
		if out.NextKeyMarker = encode(end.Subdir); end.Subdir == "" {
			out.NextKeyMarker, out.NextVersionIDMarker = encode(end.Item.Name), objectstore.VersionID(end.Item.Stamp)
		}
	}
	for _, e := range list {
		if e.Subdir != "" {
			out.CommonPrefixes = append(out.CommonPrefixes, prefix{encode(e.Subdir)})
			continue
		}
		out.Versions = append(out.Versions, c.versionLine(e.Item, encode))
	}
	return c.answer(out)
}

func (c *call) versionLine(o objectstore.Object, encode func(string) string) version {
	v := version{XMLName: xml.Name{Local: "DeleteMarker"}, Key: encode(o.Name), VersionID: o.Version(), IsLatest: o.Latest, LastModified: isoTime(modified(o.UpdatedAt)), Owner: c.owner()}
	if !o.Marker {
		v.XMLName.Local, v.ETag, v.Size, v.StorageClass = "Version", quoted(etag(o.Kind, o.ETag)), &o.Size, "STANDARD"
	}
	return v
}

// stampOf finds where a listing of versions goes on within a name.
func (c *call) stampOf(con objectstore.Container, name, id string) (int64, error) {
	if id == "" {
		return 0, nil
	}
	if name == "" {
		return 0, argument("version-id-marker", id, "A version-id marker cannot be specified without a key marker.")
	}
	if stamp, ok := objectstore.ParseVersion(id); ok {
		return stamp, nil
	}
	o, err := c.svc.Object(c.r.Context(), con, name, id)
	if fault.Has(err, fault.CodeObjectstoreObjectNotFound) {
		return 0, nil // it is gone: on with the next name
	}
	return o.Stamp, err
}
