package api

import (
	"maps"

	"altostack/image"
)

const uuidPattern = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"

type object = map[string]any

// schemas are the JSON schemas that clients read to know an image's fields.
func schemas() map[string]object {
	img, member := imageSchema(), memberSchema()
	return map[string]object{"image": img, "images": collection("images", img), "member": member, "members": membersSchema(member)}
}

func imageSchema() object {
	nullOr := []string{"null", "string"}
	field := func(kind any, what string, more ...object) object {
		o := object{"type": kind, "description": what}
		for _, m := range more {
			maps.Copy(o, m)
		}
		return o
	}
	ro := object{"readOnly": true}
	custom := object{"is_base": false}
	return object{
		"name": "image",
		"properties": object{
			"id":               field("string", "Identifier of the image", object{"pattern": uuidPattern}),
			"name":             field(nullOr, "Name of the image", object{"maxLength": 255}),
			"status":           field("string", "State of the image", ro, object{"enum": []string{"queued", "saving", "active", "killed", "deleted", "uploading", "importing", "pending_delete", "deactivated"}}),
			"visibility":       field("string", "Who can see the image", object{"enum": []string{image.Community, image.Public, image.Private, image.Shared}}),
			"protected":        field("boolean", "Whether deleting is refused"),
			"os_hidden":        field("boolean", "Whether default lists leave the image out"),
			"checksum":         field(nullOr, "MD5 of the data", ro, object{"maxLength": 32}),
			"os_hash_algo":     field(nullOr, "Algorithm of os_hash_value", ro, object{"maxLength": 64}),
			"os_hash_value":    field(nullOr, "Hash of the data in hexadecimal", ro, object{"maxLength": 128}),
			"owner":            field(nullOr, "Project that owns the image", object{"maxLength": 255}),
			"size":             field([]string{"null", "integer"}, "Bytes of data", ro),
			"virtual_size":     field([]string{"null", "integer"}, "Bytes of the disk in the data", ro),
			"container_format": field(nullOr, "Format around the disk", object{"enum": withNull(image.ContainerFormats)}),
			"disk_format":      field(nullOr, "Format of the disk", object{"enum": withNull(image.DiskFormats)}),
			"created_at":       field("string", "When the image was created", ro),
			"updated_at":       field("string", "When the image last changed", ro),
			"tags":             field("array", "Words to find the image by", object{"items": object{"type": "string", "maxLength": 255}}),
			"direct_url":       field("string", "Address of the data in the store", ro),
			"min_ram":          field("integer", "MiB of memory needed to boot it"),
			"min_disk":         field("integer", "GiB of disk needed to boot it"),
			"self":             field("string", "Address of the image", ro),
			"file":             field("string", "Address of the data", ro),
			"stores":           field("string", "Stores that hold the data", ro),
			"schema":           field("string", "Address of this schema", ro),
			"locations":        field("array", "Addresses of the data in stores", object{"items": object{"type": "object", "required": []string{"url", "metadata"}, "properties": object{"url": object{"type": "string", "maxLength": 255}, "metadata": object{"type": "object"}}}}),
			"kernel_id":        field(nullOr, "Image with the kernel to boot with", custom, object{"pattern": uuidPattern}),
			"ramdisk_id":       field(nullOr, "Image with the ramdisk to boot with", custom, object{"pattern": uuidPattern}),
			"instance_uuid":    field("string", "Server that the image was made from", custom),
			"architecture":     field("string", "Processor architecture", custom),
			"os_distro":        field("string", "Operating system", custom),
			"os_version":       field("string", "Version of the operating system", custom),
		},
		"additionalProperties": object{"type": "string"},
		"links":                []link{{"self", "{self}"}, {"enclosure", "{file}"}, {"describedby", "{schema}"}},
	}
}

func withNull(values []string) []any {
	out := []any{nil}
	for _, v := range values {
		out = append(out, v)
	}
	return out
}

func collection(name string, item object) object {
	return object{
		"name": name,
		"properties": object{
			name:     object{"type": "array", "items": item},
			"first":  object{"type": "string"},
			"next":   object{"type": "string"},
			"schema": object{"type": "string"},
		},
		"links": []link{{"first", "{first}"}, {"next", "{next}"}, {"describedby", "{schema}"}},
	}
}

func memberSchema() object {
	return object{
		"name": "member",
		"properties": object{
			"created_at": object{"type": "string", "description": "When the image was shared"},
			"updated_at": object{"type": "string", "description": "When the member last answered"},
			"image_id":   object{"type": "string", "description": "Identifier of the image", "pattern": uuidPattern},
			"member_id":  object{"type": "string", "description": "Project that the image is shared with"},
			"status":     object{"type": "string", "description": "The member's answer", "enum": []string{"pending", "accepted", "rejected"}},
			"schema":     object{"type": "string", "readOnly": true},
		},
	}
}

func membersSchema(member object) object {
	return object{
		"name":       "members",
		"properties": object{"members": object{"type": "array", "items": member}, "schema": object{"type": "string"}},
		"links":      []link{{"describedby", "{schema}"}},
	}
}
