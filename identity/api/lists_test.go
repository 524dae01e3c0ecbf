package api_test

import "testing"

func TestListsOfPages(t *testing.T) {
	c := serve(t)
	admin := c.admin()
	for _, path := range []string{"users", "projects", "groups", "roles", "services", "endpoints", "regions", "credentials"} {
		if a := admin.do("GET /v3/"+path+"?marker=nobody", 404, ""); a.str("error.message") == "" {
			t.Errorf("%s: %s", path, a.text)
		}
	}
	first := admin.do("GET /v3/users?limit=1", 200, "")
	if len(first.at("users").([]any)) != 1 || first.at("truncated") != true || first.str("links.next") == "" {
		t.Errorf("first page: %s", first.text)
	}
	seen := map[string]bool{first.str("users.0.id"): true}
	for next := first.str("links.next"); next != ""; {
		a := admin.do("GET "+next[len(first.str("links.self"))-len("/v3/users?limit=1"):], 200, "")
		if id := a.str("users.0.id"); seen[id] {
			t.Fatalf("%s twice", id)
		} else {
			seen[id] = true
		}
		next = a.str("links.next")
	}
	if all := admin.do("GET /v3/users", 200, ""); len(all.at("users").([]any)) != len(seen) || all.at("truncated") != nil {
		t.Errorf("pages show %d of %s", len(seen), all.text)
	}
}

func TestFiltersOfAssignmentsThatExcludeEachOther(t *testing.T) {
	c := serve(t)
	admin := c.admin()
	for _, q := range []string{
		"effective&group.id=g", "effective&scope.domain.id=default&scope.OS-INHERIT:inherited_to=projects", "include_subtree", "scope.domain.id=d&scope.project.id=p",
		"scope.system=all&scope.domain.id=d", "scope.system=all&scope.project.id=p", "user.id=u&group.id=g",
	} {
		admin.do("GET /v3/role_assignments?"+q, 400, "")
	}
}
