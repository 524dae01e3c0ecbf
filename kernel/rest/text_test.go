package rest

import "testing"

func TestOnlyTextComesIn(t *testing.T) {
	for query, want := range map[string]bool{"": true, "a=b&c=%20": true, "%zz=%zz": true, "name=%F0%9D%84%9E": true, "name=%00": false, "name=%ff": false, "a=1&na%00me": false, "name=\xff": false} {
		if got := checkQuery(query) == nil; got != want {
			t.Errorf("query %q: %v", query, got)
		}
	}
	for path, want := range map[string]bool{"/a/b": true, "/a/%20": true, "/a/%00": false, "/a/%ff": false, "/a/%zz": false} {
		if _, err := segments(path); (err == nil) != want {
			t.Errorf("path %q: %v", path, err)
		}
	}
	for body, v := range map[string]any{`"x"`: "x", `"\\u0000"`: `\u0000`, `{"a":[1]}`: map[string]any{"a": []any{1}}} {
		if err := checkBody([]byte(body), v); err != nil {
			t.Errorf("body %q: %v", body, err)
		}
	}
	for body, v := range map[string]any{`"\u0000"`: "\x00", `{"\u0000":1}`: map[string]any{"\x00": 1}, `[["\u0000"]]`: []any{[]any{"\x00"}}, "\"\xff\"": "\ufffd"} {
		if checkBody([]byte(body), v) == nil {
			t.Errorf("body %q was taken", body)
		}
	}
}
