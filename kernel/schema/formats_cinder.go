package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The formats of Cinder answer with sentences of their own where Cinder's do.
// Quota names depend on the volume types there are, so quota_set and
// quota_class_set are left to the service.
var cinderFormats = []*jsonschema.Format{
	{Name: "name", Validate: cinderName(0)},
	{Name: "name_skip_leading_trailing_spaces", Validate: cinderName(255)},
	{Name: "name_non_mandatory_remove_white_spaces", Validate: cinderText("name", 0)},
	{Name: "description_non_mandatory_remove_white_spaces", Validate: cinderText("description", 0)},
	{Name: "disabled_reason", Validate: cinderText("disabled_reason", 1)},
	{Name: "availability_zone", Validate: cinderMandatory("availability_zone", true)},
	{Name: "group_type", Validate: cinderMandatory("group_type", false)},
	{Name: "progress", Validate: cinderProgress},
	{Name: "key_size", Validate: cinderKeySize},
	{Name: "level", Validate: cinderLevel},
	{Name: "validate_volume_reset_body", Validate: cinderReset},
	cinderStatus("volume_status", "Volume status", false,
		"creating", "available", "deleting", "error", "error_deleting", "error_managing", "managing", "attaching",
		"in-use", "detaching", "maintenance", "restoring-backup", "error_restoring", "reserved", "awaiting-transfer",
		"backing-up", "error_backing-up", "error_extending", "downloading", "uploading", "retyping", "extending"),
	cinderStatus("volume_attach_status", "Volume attach status", false, "attached", "detached"),
	cinderStatus("volume_migration_status", "Volume migration status", false,
		"migrating", "error", "success", "completing", "none", "starting"),
	cinderStatus("snapshot_status", "Snapshot status", true,
		"error", "available", "creating", "deleting", "deleted", "updating", "error_deleting", "unmanaging", "backing-up", "restoring"),
	cinderStatus("backup_status", "Backup status", true, "available", "error"),
	cinderStatus("group_status", "Group status", true, "error", "available", "creating", "deleting", "deleted", "updating", "in-use", "error_deleting"),
	cinderStatus("group_snapshot_status", "Group snapshot status", true, "error", "available", "creating", "deleting", "deleted", "updating", "error_deleting"),
}

func cinderName(limit int) func(any) error {
	const prefix = "An invalid 'name' value was provided. "
	return func(v any) error {
		s, _ := v.(string)
		switch trimmed := strings.TrimSpace(s); {
		case s == "":
			return detailError(prefix + "The 'name' can not be None.")
		case trimmed == "":
			return detailError(prefix + "The 'name' can not be empty.")
		case limit > 0 && len([]rune(trimmed)) > limit:
			return detailError(prefix + "The 'name' can not be greater than 255 characters.")
		}
		return nil
	}
}

// cinderText is an optional text of 255 characters once its ends are trimmed.
func cinderText(name string, least int) func(any) error {
	return func(v any) error {
		s, isText := v.(string)
		if !isText || s == "" {
			return nil
		}
		return cinderLength(name, strings.TrimSpace(s), least)
	}
}

func cinderLength(name, s string, least int) error {
	switch n := len([]rune(s)); {
	case n < least:
		return detailError(fmt.Sprintf("%s has a minimum character requirement of %d.", name, least))
	case n > 255:
		return detailError(fmt.Sprintf("%s has %d characters, more than 255.", name, n))
	}
	return nil
}

func cinderMandatory(name string, mayBeNull bool) func(any) error {
	return func(v any) error {
		s, isText := v.(string)
		switch {
		case v == nil && mayBeNull:
			return nil
		case v == nil || s == "" && isText:
			return detailError("The '" + name + "' can not be None.")
		}
		return cinderLength(name, strings.TrimSpace(s), 1)
	}
}

func cinderProgress(v any) error {
	s, _ := v.(string)
	if s == "" {
		return nil
	}
	digits, percent := strings.CutSuffix(s, "%")
	n, err := strconv.Atoi(digits)
	switch {
	case err != nil && percent:
		return detailError("Invalid input received: progress must be an integer percentage")
	case err != nil, !percent, n < 0, n > 100:
		return detailError("Invalid input received: progress must be an integer percentage between 0 and 100")
	}
	return nil
}

func cinderKeySize(v any) error {
	if s, isText := v.(string); isText {
		if _, err := strconv.ParseInt(s, 10, 64); err != nil {
			return detailError("Invalid input received: key_size must be an integer.")
		}
	}
	return nil
}

func cinderLevel(v any) error {
	s, _ := v.(string)
	if slices.Contains([]string{"INFO", "WARNING", "ERROR", "DEBUG", "CRITICAL"}, strings.ToUpper(s)) {
		return nil
	}
	return detailError(fmt.Sprintf("Invalid parameter: Invalid log level %s", s))
}

func cinderReset(v any) error {
	body, _ := v.(map[string]any)
	for _, name := range []string{"status", "attach_status", "migration_status"} {
		if s, _ := body[name].(string); s != "" {
			return nil
		}
	}
	return detailError("Must specify 'status', 'attach_status' or 'migration_status' for update.")
}

// cinderStatus accepts one of all in any case; unless needed, nothing too.
func cinderStatus(format, what string, needed bool, all ...string) *jsonschema.Format {
	return &jsonschema.Format{Name: format, Validate: func(v any) error {
		s, _ := v.(string)
		if s == "" && !needed || slices.Contains(all, strings.ToLower(s)) {
			return nil
		}
		valid := "('" + strings.Join(all, "', '") + "')"
		return detailError(fmt.Sprintf("%s: %s is invalid, valid statuses are: %s.", what, Str(v), valid))
	}}
}
