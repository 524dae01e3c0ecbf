package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	"altostack/image"
	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/page"
	"altostack/kernel/rest"
)

// viewTask is a task as the API shows it; in lists without what went in and out.
func viewTask(t image.Task, whole bool) map[string]any {
	v := map[string]any{"id": t.ID, "type": t.Type, "status": t.Status, "owner": t.Owner, "created_at": at(t.CreatedAt), "updated_at": at(t.UpdatedAt),
		"self": "/v2/tasks/" + t.ID, "schema": "/v2/schemas/task"}
	if !t.ExpiresAt.IsZero() {
		v["expires_at"] = at(t.ExpiresAt)
	}
	if !whole {
		return v
	}
	v["input"], v["result"], v["message"] = t.Input, any(nil), t.Message
	if t.Result != nil {
		v["result"] = t.Result
	}
	for name, value := range map[string]string{"image_id": t.ImageID, "user_id": t.UserID, "request_id": t.RequestID} {
		if value != "" {
			v[name] = value
		}
	}
	return v
}

func (a *API) imageTasks(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	img, scope, err := a.may(r, scope, "get_image")
	if err != nil {
		return hidden(err, r)
	}
	tasks, err := a.images.TasksOf(r.Context(), scope, img.ID)
	if err != nil {
		return err
	}
	views := make([]map[string]any, len(tasks))
	for i, t := range tasks {
		views[i] = viewTask(t, true)
	}
	return rest.Write(w, http.StatusOK, map[string]any{"tasks": views})
}

var taskSorting = page.Options{
	Keys: map[string]string{"id": "id", "type": "type", "status": "status", "owner": "owner", "created_at": "created_at", "updated_at": "updated_at",
		"expires_at": "expires_at"},
	Default: []page.Key{{Column: "created_at", Desc: true}},
	Max:     1000,
	Implied: 25,
}

func (a *API) tasks(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	params := r.URL.Query()
	q := image.TaskQuery{Status: params.Get("status"), Type: params.Get("type")}
	if q.Status != "" && !slices.Contains([]string{image.TaskPending, image.TaskProcessing, image.TaskSuccess, image.TaskFailure}, q.Status) {
		return invalid("Invalid status value: %s", q.Status)
	}
	if q.Type != "" && q.Type != image.TaskImport && q.Type != image.TaskAPI && q.Type != image.TaskLocation {
		return invalid("Invalid type value: %s", q.Type)
	}
	order := url.Values{}
	for _, name := range []string{"limit", "marker", "sort_key", "sort_dir"} {
		if params.Has(name) {
			order[name] = params[name]
		}
	}
	if order.Has("sort_dir") && !order.Has("sort_key") {
		order.Set("sort_key", "created_at")
	}
	var err error
	if q.Page, err = page.Parse(order, taskSorting); err != nil {
		return err
	}
	tasks, more, err := a.images.Tasks(r.Context(), scope, q)
	if err != nil {
		return err
	}
	views := make([]map[string]any, len(tasks))
	for i, t := range tasks {
		views[i] = viewTask(t, false)
	}
	link := func(marker string) string {
		params.Del("marker")
		if marker != "" {
			params.Set("marker", marker)
		}
		if len(params) == 0 {
			return "/v2/tasks"
		}
		return "/v2/tasks?" + params.Encode()
	}
	body := map[string]any{"tasks": views, "schema": "/v2/schemas/tasks", "first": link("")}
	if more {
		body["next"] = link(tasks[len(tasks)-1].ID)
	}
	return rest.Write(w, http.StatusOK, body)
}

func (a *API) task(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	t, err := a.images.Task(r.Context(), scope, r.PathValue("task_id"))
	if err != nil {
		return err
	}
	return rest.Write(w, http.StatusOK, viewTask(t, true))
}

func (a *API) removeTask(w http.ResponseWriter, _ *http.Request, _ auth.Scope) error {
	w.Header().Set("Allow", "GET")
	return fault.New(fault.CodeImageTaskKept, "This operation is currently not permitted on Glance Tasks. They are auto deleted after reaching the time based on their expires_at property.")
}

// addTask makes an image from a URL, which is all that tasks of clients do.
func (a *API) addTask(w http.ResponseWriter, r *http.Request, scope auth.Scope) error {
	var body struct {
		Type  string          `json:"type"`
		Input json.RawMessage `json:"input"`
	}
	if err := json.Unmarshal(rest.RawBody(r), &body); err != nil {
		return invalid("The request body is no task.")
	}
	switch {
	case body.Type == "":
		return invalid("Task 'type' is required")
	case len(body.Input) == 0:
		return invalid("Task 'input' is required")
	case body.Type != image.TaskImport:
		return invalid("Provided object does not match schema 'task': '%s' is not one of ['import']", body.Type)
	}
	var input struct {
		From       string                     `json:"import_from"`
		Format     string                     `json:"import_from_format"`
		Properties map[string]json.RawMessage `json:"image_properties"`
	}
	if err := json.Unmarshal(body.Input, &input); err != nil {
		return invalid("The input of an import is an object.")
	}
	for name, value := range map[string]any{"import_from": input.From != "", "import_from_format": input.Format != "", "image_properties": input.Properties != nil} {
		if value == false {
			return invalid("Input does not contain '%s' field", name)
		}
	}
	spec, err := specOf(input.Properties)
	if err != nil {
		return err
	}
	if spec.DiskFormat == "" {
		spec.DiskFormat = input.Format
	}
	if spec.ContainerFormat == "" {
		spec.ContainerFormat = "bare"
	}
	if err := mayShow(scope, spec.Visibility, auth.Target{"project_id": scope.ProjectID, "owner": scope.ProjectID}); err != nil {
		return err
	}
	task, err := a.images.ImportNew(r.Context(), scope, spec, input.From, body.Input)
	if err != nil {
		return err
	}
	w.Header().Set("Location", rest.Base(r)+"/v2/tasks/"+task.ID)
	return rest.Write(w, http.StatusCreated, viewTask(task, true))
}

func taskSchema() object {
	text := func(what string) object { return object{"type": "string", "description": what} }
	return object{
		"name": "task",
		"properties": object{
			"id":         object{"type": "string", "description": "Identifier of the task", "pattern": uuidPattern},
			"type":       object{"type": "string", "description": "What is done", "enum": []string{image.TaskImport, image.TaskAPI, image.TaskLocation}},
			"status":     object{"type": "string", "description": "How far it is", "enum": []string{image.TaskPending, image.TaskProcessing, image.TaskSuccess, image.TaskFailure}},
			"input":      object{"type": []string{"null", "object"}, "description": "What was asked for"},
			"result":     object{"type": []string{"null", "object"}, "description": "What came of it"},
			"owner":      text("Project that asked for it"),
			"message":    text("What to know of it, above all why it failed"),
			"image_id":   text("Image that it works on"),
			"request_id": text("Request that asked for it"),
			"user_id":    text("User who asked for it"),
			"expires_at": object{"type": []string{"null", "string"}, "description": "When it will be forgotten"},
			"created_at": text("When it was asked for"),
			"updated_at": text("When it last changed"),
			"self":       object{"type": "string", "readOnly": true},
			"schema":     object{"type": "string", "readOnly": true},
		},
	}
}
