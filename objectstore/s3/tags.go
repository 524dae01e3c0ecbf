package s3

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"altostack/objectstore"
)

const tagsKey = "s3.tags" // in System, as a query

type tag struct{ Key, Value string }

type tagging struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Tagging"`
	Tags    []tag    `xml:"TagSet>Tag"`
}

// checkTags holds tags to S3's bounds and spells them for keeping.
func checkTags(tags []tag, most int) (string, error) {
	if len(tags) > most {
		return "", refusal("InvalidTag", "Message", "There cannot be more than "+strconv.Itoa(most)+" tags.")
	}
	seen := map[string]bool{}
	for _, t := range tags {
		switch {
		case t.Key == "" || len([]rune(t.Key)) > 128:
			return "", refusal("InvalidTag", "Message", "The TagKey you have provided is invalid", "TagKey", t.Key)
		case len([]rune(t.Value)) > 256:
			return "", refusal("InvalidTag", "Message", "The TagValue you have provided is invalid", "TagKey", t.Key)
		case seen[t.Key]:
			return "", refusal("InvalidTag", "Message", "Cannot provide multiple Tags with the same key", "TagKey", t.Key)
		}
		seen[t.Key] = true
	}
	if len(tags) == 0 {
		return "", nil
	}
	text, err := json.Marshal(tags)
	return string(text), err
}

// headerTags reads x-amz-tagging.
func headerTags(h http.Header) (string, error) {
	text := h.Get("X-Amz-Tagging")
	if text == "" {
		return "", nil
	}
	q, err := url.ParseQuery(text)
	if err != nil {
		return "", argument("x-amz-tagging", text, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
	}
	var tags []tag
	for key, values := range q {
		for _, v := range values {
			tags = append(tags, tag{key, v})
		}
	}
	slices.SortFunc(tags, func(a, b tag) int { return strings.Compare(a.Key, b.Key) })
	return checkTags(tags, maxObjectTags)
}

const (
	maxObjectTags = 10
	maxBucketTags = 50
)

func tagsOf(text string) (tags []tag) {
	if text != "" {
		_ = json.Unmarshal([]byte(text), &tags) // checkTags made it
	}
	return tags
}

func (c *call) getTags() error {
	con, err := c.con(readObject)
	if err != nil {
		return err
	}
	text := con.System[tagsKey]
	if c.key != "" {
		o, err := c.object(con)
		if err != nil {
			return err
		}
		c.version(con, o)
		text = o.System[tagsKey]
	} else if text == "" {
		return refusal("NoSuchTagSet", "BucketName", c.bucket)
	}
	return c.answer(tagging{Tags: tagsOf(text)})
}

func (c *call) putTags() error {
	need, most := writeBucket, maxBucketTags
	if c.key != "" {
		need, most = writeObject, maxObjectTags
	}
	if _, err := c.con(need); err != nil {
		return err
	}
	var body struct {
		Tags []tag `xml:"TagSet>Tag"`
	}
	if some, err := c.text(&body); err != nil || !some {
		return orMalformed(err)
	}
	text, err := checkTags(body.Tags, most)
	if err != nil {
		return err
	}
	return c.saveTags(text, http.StatusOK)
}

func (c *call) deleteTags() error {
	need := writeBucket
	if c.key != "" {
		need = writeObject
	}
	if _, err := c.con(need); err != nil {
		return err
	}
	return c.saveTags("", http.StatusNoContent)
}

func (c *call) saveTags(text string, status int) error {
	keep := func(system map[string]string) map[string]string {
		return objectstore.Merge(system, map[string]string{tagsKey: text})
	}
	if c.key == "" {
		_, err := c.svc.UpdateContainer(c.r.Context(), c.account, c.bucket, func(con *objectstore.Container) error {
			con.System = keep(con.System)
			return nil
		})
		if err != nil {
			return err
		}
		return c.empty(status)
	}
	con, err := c.svc.Container(c.r.Context(), c.account, c.bucket)
	if err != nil {
		return err
	}
	o, err := c.svc.UpdateObject(c.r.Context(), con, c.key, c.q.Get("versionId"), func(o *objectstore.Object) error {
		o.System = keep(o.System)
		return nil
	})
	if err != nil {
		return err
	}
	c.version(con, o)
	return c.empty(status)
}
