package feature_test

import (
	"encoding/json"
	"testing"

	"altostack/objectstore/feature"
)

func TestVersionsWire(t *testing.T) {
	s := serve(t)
	s.must(201, "PUT", acct+"/v", "")
	s.must(201, "PUT", acct+"/v/o", "null")
	s.must(204, "POST", acct+"/v", "", "X-Versions-Enabled: true")
	s.has(s.must(204, "HEAD", acct+"/v", ""), map[string]string{"X-Versions-Enabled": "True"})
	one := s.must(201, "PUT", acct+"/v/o", "one").Get("X-Object-Version-Id")
	two := s.must(201, "PUT", acct+"/v/o", "two").Get("X-Object-Version-Id")
	r := s.must(200, "GET", acct+"/v/o", "")
	s.says(r, 200, "^two$")
	s.has(r, map[string]string{"X-Object-Version-Id": two})
	for id, body := range map[string]string{one: "one", two: "two", "null": "null"} {
		r := s.must(200, "GET", acct+"/v/o?version-id="+id, "")
		s.says(r, 200, "^"+body+"$")
		s.has(r, map[string]string{"X-Object-Version-Id": id})
	}
	marker := s.must(204, "DELETE", acct+"/v/o", "").Get("X-Object-Version-Id")
	s.says(s.do("owner", "GET", acct+"/v/o", ""), 404, "")
	s.says(s.do("owner", "GET", acct+"/v/o?version-id="+marker, ""), 404, "")
	var list []struct {
		Name, Version, Hash string
		VersionID           string `json:"version_id"`
		Latest              bool   `json:"is_latest"`
		Type                string `json:"content_type"`
	}
	all := s.must(200, "GET", acct+"/v?versions", "")
	if err := json.Unmarshal([]byte(all.body), &list); err != nil || len(list) != 4 || list[0].VersionID != marker || !list[0].Latest ||
		list[0].Type != feature.MarkerType || list[1].VersionID != two || list[3].VersionID != "null" || list[1].Latest {
		t.Errorf("versions are %s, %v", all.body, err)
	}
	s.says(s.do("owner", "GET", acct+"/v?versions&marker=o&version_marker="+two+"&limit=1", ""), 200, `"version_id":"`+one+`"`)
	s.says(s.do("owner", "GET", acct+"/v?versions&version_marker="+two, ""), 400, "requires marker")
	s.says(s.do("owner", "DELETE", acct+"/v", ""), 409, "Delete all versions before deleting container.")

	// restored, then deleted by its version
	s.has(s.must(201, "PUT", acct+"/v/o?version-id="+one, ""), map[string]string{"X-Object-Version-Id": one})
	s.says(s.do("owner", "GET", acct+"/v/o", ""), 200, "^one$")
	s.says(s.do("owner", "PUT", acct+"/v/o?version-id=1700000000.00000", ""), 404, "The specified version does not exist")
	s.says(s.do("owner", "PUT", acct+"/v/o?version-id="+one, "x"), 400, "zero byte body")
	s.says(s.do("owner", "POST", acct+"/v/o?version-id="+one, ""), 400, "POST to a specific version is not allowed")
	s.says(s.do("owner", "GET", acct+"/v/o?version-id=x", ""), 400, "Invalid version parameter")
	s.has(s.must(204, "DELETE", acct+"/v/o?version-id="+one, ""), map[string]string{"X-Object-Version-Id": one, "X-Object-Current-Version-Id": "null"})
	s.says(s.do("owner", "GET", acct+"/v/o", ""), 404, "")
	r = s.do("owner", "DELETE", acct+"/v/nothing", "")
	if r.status != 404 || r.Get("X-Object-Version-Id") == "" {
		t.Errorf("deleting nothing in a versioned container: %v", r)
	}

	// a copy of an older manifest over the newest
	s.must(201, "PUT", acct+"/v/seg", "seg")
	old := s.must(201, "PUT", acct+"/v/m?multipart-manifest=put", `[{"path":"v/seg"}]`).Get("X-Object-Version-Id")
	s.must(201, "PUT", acct+"/v/m", "plain")
	s.must(201, "COPY", acct+"/v/m?multipart-manifest=get&version-id="+old, "", "Destination: v/m")
	s.says(s.do("owner", "GET", acct+"/v/m", ""), 200, "^seg$")

	// the null version is what is not a version: deleting it frees the name
	three := s.must(201, "PUT", acct+"/v/n", "three").Get("X-Object-Version-Id")
	s.must(204, "DELETE", acct+"/v/n?version-id=null", "")
	s.says(s.do("owner", "GET", acct+"/v/n", ""), 404, "")
	s.says(s.do("owner", "GET", acct+"/v/n?version-id="+three, ""), 200, "^three$")
	s.says(s.do("owner", "GET", acct+"/v?versions&format=xml", ""), 406, "")
	s.says(s.do("owner", "GET", acct+"/v?versions&marker=n&version_marker=null&limit=1", ""), 200, three)

	// suspended: what is written has no version of its own, what is deleted leaves no marker
	s.must(204, "POST", acct+"/v", "", "X-Versions-Enabled: false")
	s.must(201, "PUT", acct+"/v/o", "now")
	s.must(204, "DELETE", acct+"/v/o", "")
	s.says(s.do("owner", "GET", acct+"/v?versions&prefix=o", ""), 200, `"version_id":"`+marker)
	s.says(s.do("owner", "GET", acct+"/v/o?version-id="+two, ""), 200, "^two$")
	s.must(201, "PUT", acct+"/plain", "")
	s.says(s.do("owner", "GET", acct+"/plain/o?version-id="+two, ""), 400, "requires? that the container is versioned|require that the container is versioned")
}

func TestLegacyVersions(t *testing.T) {
	s := serve(t)
	s.must(201, "PUT", acct+"/old", "")
	s.must(201, "PUT", acct+"/c", "", "X-Versions-Location: old")
	s.has(s.must(204, "HEAD", acct+"/c", ""), map[string]string{"X-Versions-Location": "old"})
	for _, body := range []string{"1", "2", "3"} {
		s.must(201, "PUT", acct+"/c/o", body)
	}
	s.says(s.do("owner", "GET", acct+"/old", ""), 200, "^001o/18000[0-9]+.00000\n001o/[0-9.]+\n$")
	s.must(204, "DELETE", acct+"/c/o", "")
	s.says(s.do("owner", "GET", acct+"/c/o", ""), 200, "^2$")
	s.says(s.do("owner", "POST", acct+"/c", "", "X-Versions-Enabled: true"), 400, "already using the legacy versioned writes")
	s.must(204, "POST", acct+"/c", "", "X-History-Location: old")
	s.has(s.must(204, "HEAD", acct+"/c", ""), map[string]string{"X-Versions-Location": "", "X-History-Location": "old"})
	s.must(204, "DELETE", acct+"/c/o", "")
	s.says(s.do("owner", "GET", acct+"/c/o", ""), 404, "")
	s.says(s.do("owner", "GET", acct+"/old?format=json", ""), 200, `"content_type":"application/x-deleted;swift_versions_deleted=1"`)
	s.must(204, "POST", acct+"/c", "", "X-Remove-History-Location: x")
	s.has(s.must(204, "HEAD", acct+"/c", ""), map[string]string{"X-History-Location": ""})
	s.says(s.do("owner", "PUT", acct+"/d", "", "X-Versions-Location: a/b"), 412, "cannot contain slashes")
	s.must(201, "PUT", acct+"/d", "", "X-Versions-Location: nowhere")
	s.must(201, "PUT", acct+"/d/o", "1")
	s.says(s.do("owner", "PUT", acct+"/d/o", "2"), 412, "")
}
